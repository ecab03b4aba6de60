//! Damaged tags, records, frames and script data.

use bytes::Bytes;
use runnel::budget::Account;
use runnel::codec::{self, Hints, Keys, aac, ac3, av1, h264, h265, is_key, mp3, opus, vpx};
use runnel::container::Event;
use runnel::container::amf::{self, Value};
use runnel::container::flv::{self, Demux};
use runnel::container::{Form, forms};
use runnel::media::{Codec, Kind, Ticks, Tracks, nal};
use runnel::proto::rtmp::{self, Caps, Command};
use runnel::wire::Reader;

use crate::records::{CODECS, data, record};
use crate::{damaged, tags};

const ROOM: usize = 64 << 10;

#[test]
fn tags_of_every_form() {
    for (kind, [start, frame]) in tags::all() {
        damaged(&start, |start| read_and_pack(kind, &[start, &frame]));
        damaged(&frame, |frame| read_and_pack(kind, &[&start, frame, &start, frame]));
    }
}

/// All that a demuxer finds in the tags goes through every form.
fn read_and_pack(kind: Kind, tags: &[&[u8]]) {
    let account = Account::root("stream", ROOM);
    let (mut demux, mut tracks, mut frames) = (Demux::default(), Tracks::default(), Vec::new());
    for tag in tags {
        let mut events = 0;
        let _ = demux.tag(kind, Ticks(0), &Bytes::copy_from_slice(tag), &account, |event| {
            events += 1;
            match event {
                Event::Track(track) => drop(tracks.set(track)),
                Event::Frame(frame) => frames.push(frame),
                Event::SequenceEnd(_) | Event::Unsupported(..) => {}
            }
        });
        assert!(events <= tag.len(), "{events} events");
    }
    for form in forms().chain(rtmp::RTMP.all()) {
        pack(form, &tracks, &frames, &account);
    }
    drop((demux, tracks, frames));
    assert_eq!(account.used(), 0);
}

fn pack(form: &Form, tracks: &Tracks, frames: &[runnel::media::Frame], account: &Account) {
    let mut mux = (form.mux)();
    mux.announce(tracks, &tracks.iter().collect::<Vec<_>>(), Ticks(0));
    mux.head(tracks, Ticks(0));
    for frame in frames {
        let track = tracks.find(frame.kind, frame.track).expect("a frame comes after its track");
        if let Ok(Some(packed)) = mux.frame(track, frame, account) {
            let len: usize = packed.slices().map(<[u8]>::len).sum();
            assert_eq!(len, packed.len(), "{}", form.name);
        }
    }
}

#[test]
fn decoder_records() {
    for codec in CODECS {
        damaged(&record(codec), |record| {
            let Ok(params) = codec::params(codec, Bytes::copy_from_slice(record)) else { return };
            assert!(params.width <= 16_384 && params.height <= 16_384, "{codec:?}");
            let prefix = match codec {
                Codec::H264 => h264::Record::parse(record).unwrap().nal_prefix,
                Codec::H265 => h265::Record::parse(record).unwrap().nal_prefix,
                _ => 4,
            };
            assert!((1..=4).contains(&prefix), "{codec:?}");
            if let Ok(config) = aac::Config::parse(record) {
                let _ = (config.write(), config.adts(0), config.adts(8184), config.adts(usize::MAX));
            }
        });
    }
}

#[test]
fn frames_that_describe_themselves() {
    for codec in CODECS {
        damaged(&data(codec, true, 40), |frame| {
            let _ = (mp3::Header::parse(frame), ac3::Header::parse(frame), opus::duration(frame));
            let hints = Hints { at: 0, flagged: false, sets: false };
            let _ = (Keys::default().is_key(codec, frame, hints), is_key(codec, frame), vpx::check(frame));
            let _ = (h264::size(frame), h265::size(frame), av1::size(frame), opus::Head::parse(frame));
            assert!(nal::units(frame).map(|unit| unit.len() + 4).sum::<usize>() <= frame.len());
            assert!(nal::unescape(frame).len() <= frame.len());
            assert!(av1::obus(frame).count() <= frame.len());
        });
    }
    let obus = [&[0x12, 0][..], &record(Codec::Av1)[4..], &[0x32, 3, 0x10, 1, 2]].concat();
    assert!(av1::is_key(&obus) && av1::size(&obus) == Ok((642, 362)));
    damaged(&obus, |obus| {
        let _ = (av1::is_key(obus), av1::size(obus));
    });
}

#[test]
fn script_data_and_commands() {
    for values in [amf0(), amf3()] {
        damaged(&values, |values| {
            assert!(amf::read_all(values).len() <= values.len());
            let _ = flv::clean(values);
            if let Some(command) = Command::parse(values) {
                let caps = Caps::of(command.object());
                assert!(caps.fourccs.len() <= values.len());
            }
        });
    }
}

/// `connect`, with a value of every kind.
fn amf0() -> Vec<u8> {
    let map = Value::object([("*", Value::Number(4.0)), ("av01", Value::Number(1.0))]);
    let object = Value::object([
        ("app", Value::text("live")),
        ("fourCcList", Value::List(vec![Value::text("hvc1"), Value::text("*")])),
        ("videoFourCcInfoMap", map),
        ("capsEx", Value::Number(2.0)),
        ("fpad", Value::Boolean(false)),
        ("list", Value::Ecma(vec![("a".into(), Value::Null)])),
    ]);
    let mut out = Vec::new();
    [Value::text("connect"), Value::Number(1.0), object].iter().for_each(|value| amf::write(&mut out, value));
    out.extend([0x0b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // a date
    out.extend([0x0c, 0, 0, 0, 2, b'h', b'i', 0x07, 0, 1, 0x06, 0x0d]);
    out.extend([0x10, 0, 1, b'C', 0, 1, b'x', 1, 1, 0, 0, 9]); // a typed object
    assert_eq!(amf::read_all(&out).len(), 3 + 1 + 1 + 3 + 1);
    out
}

/// The same in AMF3: strings and traits by reference, arrays, dates, bytes.
fn amf3() -> Vec<u8> {
    let mut out = vec![0x02, 0, 7];
    out.extend(b"connect");
    out.extend([0x05, 0x11, 0x0a, 0x0b, 0x01]); // null, then a dynamic object
    out.extend([0x07, b'a', b'p', b'p', 0x06, 0x09, b'l', b'i', b'v', b'e']);
    out.extend([0x03, b'x', 0x09, 0x05, 0x01, 0x06, 0x00, 0x04, 0x83, 0x01]); // "app" again, and 385
    out.extend([0x03, b'd', 0x08, 0x01, 0x40, 0, 0, 0, 0, 0, 0, 0, 0x03, b'b', 0x0c, 0x05, 1, 2]);
    out.extend([0x03, b't', 0x0a, 0x13, 0x03, b'C', 0x03, b'y', 0x03, 0x03, b'u', 0x0a, 0x05, 0x02, 0x01]);
    let values = amf::read_all(&out);
    assert_eq!((values.len(), values[2].members().len()), (3, 6), "{values:?}");
    out
}

#[test]
fn files() {
    let mut file = Vec::new();
    for (kind, [start, frame]) in tags::all().into_iter().take(8) {
        let kind = if kind == Kind::Video { flv::TagKind::Video } else { flv::TagKind::Audio };
        for body in [start, frame] {
            file.extend(flv::tag_header(kind, body.len(), 0x0102_0304));
            file.extend(&body);
            file.extend((body.len() as u32 + 11).to_be_bytes());
        }
    }
    damaged(&file, |file| {
        let mut reader = Reader::new(file);
        let tags = std::iter::from_fn(|| flv::read_tag(&mut reader).ok());
        assert!(tags.count() <= 16);
    });
}
