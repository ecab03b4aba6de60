//! RTP: frames of every codec that it carries, at every size and time.

use std::time::{Duration, Instant};

use bytes::Bytes;
use runnel::media::{Codec, Frame, Kind, Ticks, Track, Tracks};
use runnel::proto::rtp::{self, Demux, Event, Format, RTP, payload::MAX_PAYLOAD};

use crate::reader::account;
use crate::records::{frame, paid, track};

/// Ticks at which timestamps wrap, turn their sign, and begin.
const STARTS: [i64; 4] = [0, (1 << 31) - 5000, (1 << 32) - 5000, (1 << 40) - 5000];
const SIZES: [usize; 9] = [
    30,
    MAX_PAYLOAD - 4,
    MAX_PAYLOAD,
    MAX_PAYLOAD + 3,
    MAX_PAYLOAD + 4,
    MAX_PAYLOAD + 5,
    2 * MAX_PAYLOAD,
    20_000,
    150_000,
];

/// A track on the clock of its packets, and how it is described.
fn described(codec: Codec) -> (Track, Format) {
    let mut tracks = Tracks::default();
    tracks.set(track(0, codec));
    let format = rtp::offers(&tracks).remove(0).1;
    (Track { clock: format.clock, ..track(0, codec) }, format)
}

/// The packets of frames, in one row.
fn packed(track: &Track, frames: &[Frame]) -> Vec<Bytes> {
    let (mut mux, mut tracks) = ((RTP.mux)(), Tracks::default());
    tracks.set(track.clone());
    mux.announce(&tracks, &[], frames[0].dts);
    let mut out = Vec::new();
    for frame in frames {
        let packed = mux.frame(track, frame, &account()).unwrap().unwrap();
        let packets = packed.pieces().map(|piece| Bytes::from([piece.head.bytes(), &piece.body].concat()));
        out.extend(packets.inspect(|packet| assert!(packet.len() <= rtp::MAX_PACKET, "{}", packet.len())));
    }
    out
}

fn read(format: &Format, packets: &[Bytes]) -> (Vec<Track>, Vec<Frame>) {
    let mut demux = Demux::new(1 << 20, Duration::ZERO);
    demux.add(std::slice::from_ref(format)).unwrap();
    let (mut tracks, mut frames, now) = (demux.tracks().cloned().collect::<Vec<_>>(), Vec::new(), Instant::now());
    for packet in packets {
        demux.rtp(0, now, packet, &account(), &mut |event| match event {
            Event::Track(track) => tracks.push(track),
            Event::Frame(frame) => frames.push(frame),
            Event::Lost(_, why) => panic!("lost: {why:?}"),
        });
    }
    (tracks, frames)
}

/// Frames that are packed are read again: bytes, key frames, and the distances of times.
fn same(track: &Track, format: &Format, sent: &[Frame], what: &str) {
    let (tracks, got) = read(format, &packed(track, sent));
    let shown = |frame: &Frame| frame.dts.0 + i64::from(frame.cts);
    assert_eq!(got.len(), sent.len(), "{what}");
    for (at, (sent_frame, got_frame)) in sent.iter().zip(&got).enumerate() {
        assert!(sent_frame.data == got_frame.data, "{what}: frame {at} of {} bytes", sent_frame.data.len());
        assert_eq!(sent_frame.key, got_frame.key, "{what}: frame {at}");
        assert_eq!(shown(got_frame) - shown(&got[0]), shown(sent_frame) - shown(&sent[0]), "{what}: frame {at}");
    }
    let record = |track: &Track| match track.codec {
        Codec::Opus => track.params.record.slice(..10), // RFC 7587 has no word for the pre-skip behind it
        _ => track.params.record.clone(),
    };
    assert_eq!(tracks.last().map(record), Some(record(track)), "{what}");
}

#[test]
fn pictures_of_every_size_across_every_wrap() {
    for codec in [Codec::H264, Codec::H265] {
        let (track, format) = described(codec);
        for start in STARTS {
            let frames = SIZES.iter().enumerate();
            let frames: Vec<_> =
                frames.map(|(at, size)| frame(&track, start + 3600 * at as i64, 0, at % 3 == 0, *size)).collect();
            same(&track, &format, &frames, &format!("{codec:?} from {start}"));
        }
    }
}

#[test]
fn temporal_units_of_every_size_across_every_wrap() {
    let (track, format) = described(Codec::Av1);
    let sequence = &track.params.record[4..];
    for start in STARTS {
        let unit = |(at, size): (usize, &usize)| {
            let key = at == 0;
            let body: Vec<u8> = (0..*size).map(|at| (at % 251) as u8).collect();
            let mut data = if key { sequence.to_vec() } else { Vec::new() };
            data.push(0x32); // a frame, with its size
            let mut left = 1 + body.len();
            while left >= 0x80 {
                data.push(left as u8 | 0x80);
                left >>= 7;
            }
            data.extend([left as u8, if key { 0x10 } else { 0x30 }]);
            data.extend(body);
            let (dts, kind) = (Ticks(start + 3600 * at as i64), Kind::Video);
            Frame { dts, cts: 0, kind, track: 0, key, data: paid(&data) }
        };
        let frames: Vec<_> = SIZES.iter().enumerate().map(unit).collect();
        same(&track, &format, &frames, &format!("from {start}"));
    }
}

#[test]
fn sound_of_every_codec_across_every_wrap() {
    for (codec, step, sizes) in [
        (Codec::Aac, 1024, &[1, 7, 300, MAX_PAYLOAD - 4, MAX_PAYLOAD - 3, 2 * MAX_PAYLOAD, 8191][..]),
        (Codec::Opus, 960, &[1, 2, 160, MAX_PAYLOAD]),
        (Codec::Mp3, 2351, &[417; 3]),
        (Codec::Pcma, 160, &[160; 3]),
        (Codec::Pcmu, 160, &[160; 3]),
    ] {
        let (track, format) = described(codec);
        for start in STARTS {
            let frames: Vec<_> =
                (0..).zip(sizes).map(|(at, size)| frame(&track, start + step * at, 0, true, *size)).collect();
            same(&track, &format, &frames, &format!("{codec:?} from {start}"));
        }
    }
}

#[test]
fn parameter_sets_come_with_every_key_frame() {
    for codec in [Codec::H264, Codec::H265] {
        let (track, format) = described(codec);
        let untold = Format { fmtp: Vec::new(), ..format };
        let frames: Vec<_> = (0..4).map(|at| frame(&track, 3600 * at, 0, at == 0, 500)).collect();
        same(&track, &untold, &frames, &format!("{codec:?}"));
    }
}
