//! Files, tags, decoder records, frames and script data; and every form that what
//! they hold is packed in.

use bytes::Bytes;
use runnel::budget::Account;
use runnel::codec::{self, Hints, Keys, Role, Sets, aac, ac3, av1, flac, h264, h265, is_key, mp3, opus, vpx};
use runnel::container::amf::{self, Value};
use runnel::container::flv::{self, Demux};
use runnel::container::{Event, Form, Mux, SAMPLES, forms};
use runnel::media::{Change, Codec, Frame, Kind, MAX_TRACKS, Ticks, Track, Tracks, Wall, nal};
use runnel::proto::rtmp::{self, Caps, Command};
use runnel::proto::rtp;

use crate::pieces::{join, pieces};
use crate::storage::{MAX_FRAME, Memory, Movie, read, written};
use crate::{records as known, storage, tags as known_tags};

/// The room of a reader: a frame that is put together, once more when it is done, and
/// that of each other track.
const ROOM: usize = 8 * MAX_FRAME;

/// A tag is of sound, and not a picture.
pub const SOUND: u8 = 1;

/// A demuxer finds no more in tags than there is, and every form takes it.
pub fn tags(data: &[u8]) {
    let account = Account::root("stream", ROOM);
    let (mut demux, mut line, mut at) = (Demux::default(), Line::default(), 0);
    for piece in pieces(data) {
        at += piece.step;
        let kind = if piece.flags & SOUND == 0 { Kind::Video } else { Kind::Audio };
        let mut events = 0;
        let body = Bytes::copy_from_slice(piece.data);
        let _ = demux.tag(kind, Ticks(at), &body, &account, |event| {
            events += 1;
            line.take(event);
        });
        assert!(events <= 1 + piece.data.len(), "{events} events");
    }
    line.pack(&account);
    drop((demux, line));
    assert_eq!(account.used(), 0);
}

pub fn tag_seeds() -> Vec<Vec<u8>> {
    let sound = |kind| if kind == Kind::Audio { SOUND } else { 0 };
    let all = known_tags::all();
    let twice = all.iter().map(|(kind, [start, frame])| {
        let kind = sound(*kind);
        join([(kind, 0, &start[..]), (kind, 40, frame), (kind, 40, frame)])
    });
    twice.collect()
}

/// A file is read in bounded time and memory, and every form takes its frames.
pub fn file(data: &[u8]) {
    let account = Account::root("stream", ROOM);
    let found = read(&mut Memory(data.to_vec()), &account);
    // each track may have all of it
    assert!(found.steps <= 2 * MAX_TRACKS * data.len() + 10, "{} steps", found.steps);
    let mut line = Line::default();
    found.tracks.into_iter().for_each(|track| line.take(Event::Track(track)));
    for frame in found.frames {
        assert!(frame.data.len() <= MAX_FRAME);
        line.take(Event::Frame(frame));
    }
    line.pack(&account);
    ["flv", "mp4"].into_iter().for_each(|form| line.write_and_read(form));
    drop((line, found.lost));
    assert_eq!(account.used(), 0);
}

pub fn flv_seeds() -> Vec<Vec<u8>> {
    file_seeds("flv")
}

pub fn ts_seeds() -> Vec<Vec<u8>> {
    file_seeds("ts")
}

pub fn mp4_seeds() -> Vec<Vec<u8>> {
    let samples: Vec<_> = (0..4).map(|at| known::data(Codec::H264, at == 0, 20).to_vec()).collect();
    let movie = |odd, first| Movie::file(known::record(Codec::H264), &samples, odd, first);
    let mut seeds = file_seeds("mp4");
    seeds.extend([movie(false, true), movie(true, true), movie(true, false)]);
    seeds
}

/// A file of each codec, and one of pictures and sound.
fn file_seeds(form: &str) -> Vec<Vec<u8>> {
    let of = |tracks: &[Track], len: usize| {
        let frames: Vec<_> = (0..3).flat_map(|at| tracks.iter().map(move |track| (at, track))).collect();
        let frames: Vec<_> =
            frames.into_iter().map(|(at, track)| known::frame(track, 40 * at, 0, at == 0, len)).collect();
        written(form, tracks, &frames)
    };
    let codecs = storage::codecs(form).into_iter();
    let mut seeds: Vec<_> =
        codecs.map(|(codec, len)| of(&[known::track(0, codec)], if len > 400 { len } else { 60 })).collect();
    seeds.push(of(&[known::track(0, Codec::H264), known::track(0, Codec::Aac)], 60));
    seeds
}

/// The tracks and frames of a publisher.
#[derive(Default)]
pub struct Line {
    tracks: Tracks,
    frames: Vec<(Frame, Tracks)>,
    /// There were more tracks than a stream has.
    refused: bool,
}

impl Line {
    pub fn take(&mut self, event: Event) {
        match event {
            Event::Track(track) => self.refused |= self.tracks.set(track) == Change::Refused,
            Event::Frame(frame) if self.tracks.find(frame.kind, frame.track).is_some() => {
                self.frames.push((frame, self.tracks.clone()));
            }
            Event::Frame(_) => assert!(self.refused, "a frame comes after its track"),
            Event::SequenceEnd(_) | Event::Unsupported(..) => {}
        }
    }

    /// Packs all of it in every form.
    pub fn pack(&self, account: &Account) {
        for form in forms().chain(rtmp::RTMP.all()).chain([&SAMPLES, &rtp::RTP]) {
            self.pack_as(form, account);
        }
    }

    /// We can read what we write; up to the first change of a track.
    fn write_and_read(&self, name: &str) {
        let Some((first, tracks)) = self.frames.first() else { return };
        let form = forms().find(|known| known.name == name).unwrap();
        let mut mux = (form.mux)();
        let account = Account::root("again", 2 * ROOM);
        mux.announce(tracks, &tracks.iter().collect::<Vec<_>>(), first.dts);
        let mut file = mux.head(tracks, first.dts).to_vec();
        for (frame, _) in self.frames.iter().take_while(|(_, later)| same(tracks, later)) {
            let track = tracks.find(frame.kind, frame.track).unwrap();
            if let Ok(Some(packed)) = mux.frame(track, frame, &account) {
                packed.slices().for_each(|slice| file.extend_from_slice(slice));
            }
        }
        if file.is_empty() {
            return; // it has no place for any of these
        }
        let again = read(&mut Memory(file), &account);
        assert!(again.fault.is_none(), "{name}: {:?}", again.fault);
    }

    fn pack_as(&self, form: &Form, account: &Account) {
        let mut mux = (form.mux)();
        let mut told: Option<&Tracks> = None;
        for (frame, tracks) in &self.frames {
            if told.is_none_or(|told| !same(told, tracks)) {
                announce(&mut *mux, told, tracks, frame.dts);
                told = Some(tracks);
            }
            let track = tracks.find(frame.kind, frame.track).unwrap();
            if let Ok(Some(packed)) = mux.frame(track, frame, account) {
                let len: usize = packed.slices().map(<[u8]>::len).sum();
                assert_eq!(len, packed.len(), "{}", form.name);
                assert!(len <= 16 * frame.data.len() + 8192, "{}: {len} bytes of {}", form.name, frame.data.len());
            }
        }
    }
}

fn same(one: &Tracks, other: &Tracks) -> bool {
    one.iter().eq(other.iter())
}

fn announce(mux: &mut dyn Mux, old: Option<&Tracks>, tracks: &Tracks, at: Ticks) {
    let _ = old.is_some_and(|old| mux.can_announce(old, tracks));
    mux.announce(tracks, &tracks.iter().collect::<Vec<_>>(), at);
    mux.time_of_day(at, Wall(std::time::Duration::from_secs(1_700_000_000)));
    mux.head(tracks, at);
    mux.remind(tracks, at);
    mux.discontinuity();
}

/// Script data and commands.
pub fn amf(data: &[u8]) {
    assert!(amf::read_all(data).len() <= data.len());
    let _ = flv::clean(data);
    if let Some(command) = Command::parse(data) {
        assert!(Caps::of(command.object()).fourccs.len() <= data.len());
    }
}

pub fn amf_seeds() -> Vec<Vec<u8>> {
    let map = Value::object([("*", Value::Number(4.0)), ("av01", Value::Number(1.0))]);
    let object = Value::object([
        ("app", Value::text("live")),
        ("fourCcList", Value::List(vec![Value::text("hvc1"), Value::text("*")])),
        ("videoFourCcInfoMap", map),
        ("fpad", Value::Boolean(false)),
        ("list", Value::Ecma(vec![("a".into(), Value::Null)])),
    ]);
    let mut amf0 = Vec::new();
    [Value::text("connect"), Value::Number(1.0), object].iter().for_each(|value| amf::write(&mut amf0, value));
    amf0.extend([0x0b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0c, 0, 0, 0, 2, b'h', b'i', 0x07, 0, 1, 0x06, 0x0d]);
    amf0.extend([0x10, 0, 1, b'C', 0, 1, b'x', 1, 1, 0, 0, 9]);
    let amf3 = known::hex(
        "02 0007 636f6e6e656374 05 11 0a0b01 07617070 0609 6c697665 0378 0905010600 048301 0364 0801 4000000000000000
         0362 0c050102 0374 0a13 0343 0379 0303 75 0a050201",
    );
    let mut metadata = Vec::new();
    [
        Value::text("@setDataFrame"),
        Value::text("onMetaData"),
        Value::Ecma(vec![("width".into(), Value::Number(640.0))]),
    ]
    .iter()
    .for_each(|value| amf::write(&mut metadata, value));
    vec![amf0, amf3, metadata]
}

/// Those that tests know, and two of which there are no records.
fn codecs() -> impl Iterator<Item = Codec> {
    known::CODECS.into_iter().chain([Codec::L16, Codec::Mjpeg])
}

fn chosen(data: &[u8]) -> Option<(Codec, &[u8])> {
    let (first, rest) = data.split_first()?;
    Some((codecs().nth(usize::from(*first))?, rest))
}

/// Decoder records, and tracks that have them in every form.
pub fn records(data: &[u8]) {
    let Some((codec, record)) = chosen(data) else { return };
    if let Ok(config) = aac::Config::parse(record) {
        let _ = (config.write(), config.samples(), config.adts(0), config.adts(8184), config.adts(usize::MAX));
    }
    let _ = flac::Info::parse(record).map(|info| info.write());
    if let Ok(head) = opus::Head::parse(record) {
        assert!(opus::Head::parse(&head.write()).is_ok() || head.channels > 2);
    }
    let _ = (av1::record_size(record), av1::write(record), vpx::check(record));
    let _ = h264::Record::parse(record).map(|record| record.size());
    let _ = h265::Record::parse(record).map(|record| record.size());
    let Ok(params) = codec::params(codec, Bytes::copy_from_slice(record)) else { return };
    assert!(params.width <= 16_384 && params.height <= 16_384, "{params:?}");
    let account = Account::root("stream", ROOM);
    let track = Track { params, ..known_track(codec) };
    let mut line = Line::default();
    line.take(Event::Track(track.clone()));
    if codec != Codec::L16 && codec != Codec::Mjpeg {
        line.take(Event::Frame(known::frame(&track, 0, 0, true, 60)));
    }
    line.pack(&account);
}

fn known_track(codec: Codec) -> Track {
    match codec {
        Codec::L16 | Codec::Mjpeg => Track { codec, ..known::track(0, Codec::Pcma) },
        _ => known::track(0, codec),
    }
}

pub fn record_seeds() -> Vec<Vec<u8>> {
    (0u8..).zip(codecs()).map(|(at, codec)| [&[at][..], &known::record(codec)].concat()).collect()
}

/// Frames that describe themselves, and units with parameter sets among them.
pub fn frames(data: &[u8]) {
    let Some((codec, frame)) = chosen(data) else { return };
    let _ = (mp3::Header::parse(frame), ac3::Header::parse(frame), aac::Adts::parse(frame), opus::duration(frame));
    let hints = Hints { at: 0, flagged: false, sets: false };
    let _ = (Keys::default().is_key(codec, frame, hints), is_key(codec, frame), vpx::check(frame), vpx::size(frame));
    let _ = (h264::size(frame), h265::size(frame), h264::reorder_depth(frame), h265::reorder_depth(frame));
    let _ = (av1::size(frame), av1::is_key(frame), h264::set_id(frame), h265::set_id(frame));
    let _ = (h264::pps_sps(frame), h265::pps_sps(frame), h264::slice_pps(frame), h265::slice_pps(frame));
    let _ = (h264::is_intra(frame), rtp::rtcp::is_rtcp(frame));
    assert!(nal::units(frame).map(|unit| unit.len() + 4).sum::<usize>() <= frame.len());
    assert!(nal::byte_stream(frame).map(<[u8]>::len).sum::<usize>() <= frame.len());
    assert!(nal::unescape(frame).len() <= frame.len());
    assert!(av1::obus(frame).count() <= frame.len());
    if codec.is_nal() {
        sets(codec, frame);
    }
}

/// Parameter sets, as they come in band.
fn sets(codec: Codec, frame: &[u8]) {
    let account = Account::root("stream", ROOM);
    let mut sets = Sets::new(codec);
    let header = if codec == Codec::H264 { 1 } else { 2 };
    for unit in nal::units(frame).chain(nal::byte_stream(frame)) {
        let _ = Role::of(codec, unit);
        let (head, body) = unit.split_at_checked(header).unwrap_or_default();
        let _ = sets.take(head, body, Some(&account));
    }
    if let Ok(Some(params)) = sets.news::<runnel::container::Error>(frame, Some(&account)) {
        assert!(codec::params(codec, params.record).is_ok(), "a record of its own that it does not read");
    }
    drop(sets);
    assert_eq!(account.used(), 0);
}

pub fn frame_seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<_> =
        (0u8..).zip(known::CODECS).map(|(at, codec)| [&[at][..], &known::data(codec, true, 40)].concat()).collect();
    let units = |of: &[&[u8]]| of.iter().flat_map(|unit| [&[0, 0, 0, 1], *unit].concat()).collect::<Vec<u8>>();
    let slice = known::hex("6588840af2");
    let (sps, pps) = (known::hex(known::H264_SPS), known::hex(known::H264_PPS));
    seeds.push([vec![0], units(&[&sps, &pps, &slice])].concat());
    let prefixed = [&sps, &pps, &slice].map(|unit| [&(unit.len() as u32).to_be_bytes()[..], unit].concat()).concat();
    seeds.push([vec![0], prefixed].concat());
    let record = known::record(Codec::H265);
    seeds.push([vec![1], units(&[&record[28..52]])].concat());
    seeds.push([vec![2, 0x12, 0], record_obus(), vec![0x32, 3, 0x10, 1, 2]].concat());
    seeds
}

fn record_obus() -> Vec<u8> {
    known::record(Codec::Av1)[4..].to_vec()
}
