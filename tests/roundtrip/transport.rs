//! MPEG transport streams, read by a reader that knows nothing of the muxer.

use runnel::container::{FORMS, Form};
use runnel::media::{Codec, Frame, Kind, Track, Tracks, nal};

use crate::reader::account;
use crate::records::{CODECS, frame, paid, track};
use crate::ts::{self, Pes};

/// Presentation is 700 ms behind the clock.
const DELAY: i64 = 700;
const CARRIED: [Codec; 7] = [Codec::H264, Codec::H265, Codec::Aac, Codec::Opus, Codec::Mp3, Codec::Ac3, Codec::Eac3];

fn form() -> &'static Form {
    FORMS.iter().find(|form| form.name == "ts").unwrap()
}

/// The ends of 24 and 32 bits of milliseconds, and of 33 bits of 90 kHz.
const STARTS: [i64; 4] = [0, (1 << 24) - 60, (1 << 33) / 90 - 700 - 60, (1 << 32) - 60];

fn packed(list: &[Track], frames: &[Frame]) -> ts::Ts {
    let (mut mux, mut tracks) = ((form().mux)(), Tracks::default());
    list.iter().for_each(|track| {
        tracks.set(track.clone());
    });
    let mut out = mux.announce(&tracks, &[], frames[0].dts).to_vec();
    for frame in frames {
        let track = tracks.find(frame.kind, frame.track).unwrap();
        let packed = mux.frame(track, frame, &account()).unwrap().unwrap();
        packed.slices().for_each(|slice| out.extend_from_slice(slice));
    }
    ts::read(&out).unwrap()
}

/// A PES packet is the frame: its times and, without what transport streams add, its bytes.
fn is(pes: &Pes, track: &Track, frame: &Frame) {
    let at = |ms: i64| ((ms + DELAY) * 90) as u64 & 0x1_ffff_ffff;
    let shown = frame.dts.0 + i64::from(frame.cts);
    assert_eq!((pes.dts, pes.pts), (at(frame.dts.0), at(shown)), "{:?} at {}", track.codec, frame.dts.0);
    assert!(frame.data == stripped(track.codec, frame.key, &pes.data), "{:?} {:02x?}", track.codec, pes.data);
    if frame.kind == Kind::Video {
        assert_eq!(pes.random_access, frame.key);
    }
}

fn stripped(codec: Codec, key: bool, data: &[u8]) -> Vec<u8> {
    match codec {
        Codec::H264 => units(data, |unit| unit[0] & 0x1f, key, 9, &[7, 8]),
        Codec::H265 => units(data, |unit| unit[0] >> 1 & 0x3f, key, 35, &[32, 33, 34]),
        Codec::Aac => {
            let len = usize::from(data[3] & 3) << 11 | usize::from(data[4]) << 3 | usize::from(data[5]) >> 5;
            assert_eq!((&data[..2], len), (&[0xff, 0xf1][..], data.len()));
            data[7..].to_vec()
        }
        Codec::Opus => {
            assert_eq!(data[..2], [0x7f, 0xe0]);
            let long = data[2..].iter().take_while(|byte| **byte == 255).count();
            let packet = &data[3 + long..];
            assert_eq!(packet.len(), 255 * long + usize::from(data[2 + long]));
            packet.to_vec()
        }
        _ => data.to_vec(),
    }
}

/// Annex B to length prefixes, without delimiter and parameter sets: the first is
/// there always, and the others with each key frame.
fn units(data: &[u8], unit_type: fn(&[u8]) -> u8, key: bool, delimiter: u8, sets: &[u8]) -> Vec<u8> {
    let starts = data.windows(4).enumerate().filter(|(_, window)| *window == [0, 0, 0, 1]).map(|(at, _)| at);
    let starts: Vec<_> = starts.chain([data.len()]).collect();
    let units: Vec<_> = starts.windows(2).map(|pair| &data[pair[0] + 4..pair[1]]).collect();
    let lead: Vec<_> =
        units.iter().map(|unit| unit_type(unit)).take_while(|kind| *kind == delimiter || sets.contains(kind)).collect();
    let expected = if key { [&[delimiter], sets].concat() } else { vec![delimiter] };
    assert_eq!(lead, expected);
    units[lead.len()..].iter().flat_map(|unit| [&(unit.len() as u32).to_be_bytes()[..], unit].concat()).collect()
}

#[test]
fn every_codec_that_transport_streams_carry() {
    for codec in CARRIED {
        for start in STARTS {
            let track = track(0, codec);
            let video = codec.kind() == Kind::Video;
            let cts = |at: i64| if video { [80, 160, 0, -40, 0][at as usize] } else { 0 };
            let size =
                |at: i64| if video { [30, 184, 1000, 70_000, 200_000] } else { [20, 170, 254, 255, 6000] }[at as usize];
            let frames: Vec<_> =
                (0..5).map(|at| frame(&track, start + 40 * at, cts(at), !video || at == 0, size(at))).collect();
            let ts = packed(std::slice::from_ref(&track), &frames);
            let [stream] = &ts.streams[..] else { panic!("{} streams", ts.streams.len()) };
            assert_eq!(stream.pes.len(), frames.len());
            stream.pes.iter().zip(&frames).for_each(|(pes, frame)| is(pes, &track, frame));
            assert!(ts.pcrs.iter().all(|(_, jump)| !jump), "{codec:?} at {start}");
        }
    }
}

#[test]
fn several_units_stay_apart_and_in_order() {
    let track = track(0, Codec::H264);
    // SEI, two slices
    let data = [&[0, 0, 0, 2, 6, 5][..], &[0, 0, 0, 3, 0x65, 0x88, 0x84], &[0, 0, 0, 4, 0x65, 9, 9, 9]].concat();
    assert_eq!(nal::units(&data).count(), 3);
    let frame = Frame { data: paid(&data), ..frame(&track, 0, 0, true, 10) };
    let ts = packed(std::slice::from_ref(&track), std::slice::from_ref(&frame));
    is(&ts.streams[0].pes[0], &track, &frame);
}

#[test]
fn all_tracks_of_a_stream() {
    // in the order of their PIDs: the first of each kind, then the others
    let list = [(0, Codec::H264), (0, Codec::Aac), (1, Codec::H265), (1, Codec::Opus), (2, Codec::Aac)];
    let list = list.map(|(id, codec)| track(id, codec));
    let size = |track: &Track| 500 + 10 * usize::from(track.id);
    let moment = |at: i64| list.iter().map(move |track| frame(track, 40 * at, 0, true, size(track)));
    let frames: Vec<_> = (0..20).flat_map(moment).collect();
    let ts = packed(&list, &frames);
    assert_eq!(ts.streams.iter().map(|stream| stream.pid).collect::<Vec<_>>(), [0x100, 0x101, 0x102, 0x103, 0x104]);
    for (stream, track) in ts.streams.iter().zip(&list) {
        let mine = frames.iter().filter(|frame| (frame.kind, frame.track) == (track.codec.kind(), track.id));
        assert_eq!(stream.pes.len(), 20);
        stream.pes.iter().zip(mine).for_each(|(pes, frame)| is(pes, track, frame));
    }
}

#[test]
fn what_transport_streams_do_not_carry_is_not_packed() {
    for codec in CODECS.into_iter().filter(|codec| !CARRIED.contains(codec)) {
        let (mut mux, track, mut tracks) = ((form().mux)(), track(0, codec), Tracks::default());
        tracks.set(track.clone());
        mux.announce(&tracks, &[], runnel::media::Ticks(0));
        assert!(!mux.carries(&track), "{codec:?}");
        assert!(mux.frame(&track, &frame(&track, 0, 0, true, 50), &account()).unwrap().is_none(), "{codec:?}");
    }
}
