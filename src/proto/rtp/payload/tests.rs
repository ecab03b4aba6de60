//! Properties of all formats: read frames equal the sent ones, and no packet does harm.

use bytes::Bytes;

use super::*;
use crate::budget::Account;
use crate::codec::{self, hex};
use crate::media::{Kind, Ticks};

/// Time, key and data of a frame.
pub(super) type Got = (u32, bool, Bytes);

/// The packer of a track, and a reader of its packets.
pub(super) struct Bench {
    pub(super) account: Account,
    pub(super) format: Format,
    pub(super) pack: Option<Box<dyn Pack>>,
    pub(super) unpack: Box<dyn Unpack>,
    /// The parameters known at the start and announced since.
    pub(super) params: Vec<Params>,
    pub(super) sequence: u16,
}

pub(super) const MAX_FRAME: usize = 256 << 10;

impl Bench {
    /// A bench with packer and reader.
    pub(super) fn new(track: &Track) -> Self {
        let (format, pack) = outgoing(track).unwrap();
        Self { pack: Some(pack), ..Self::reader(format) }
    }

    /// A bench with a reader only.
    pub(super) fn reader(format: Format) -> Self {
        let Incoming { params, unpack, .. } = incoming(&format, MAX_FRAME).unwrap();
        let account = Account::root("a", 4 << 20);
        Self { account, format, pack: None, unpack, params: params.into_iter().collect(), sequence: 0 }
    }

    /// The packets of a frame that is shown at `time`.
    pub(super) fn packets(&self, frame: &Frame, time: u32) -> Vec<Packet> {
        let mut out = Vec::new();
        self.pack.as_ref().unwrap().frame(frame, &mut |payload| {
            assert!(payload.head.len() <= 20 && payload.head.len() + payload.body.len() <= MAX_PAYLOAD);
            out.push(Packet {
                marker: payload.marker,
                payload_type: self.format.payload_type,
                sequence: out.len() as u16,
                timestamp: time.wrapping_add(payload.later),
                ssrc: 7,
                payload: [payload.head, &payload.body].concat().into(),
            });
        });
        out
    }

    /// The frames that a packet completes.
    pub(super) fn take(&mut self, packet: &Packet) -> Result<Vec<Got>, Error> {
        let (mut frames, params) = (Vec::new(), &mut self.params);
        let done = self.unpack.packet(packet, &self.account, &mut |what| match what {
            Unpacked::Params(new) => params.push(new),
            Unpacked::Frame { time, key, data } => frames.push((time, key, data)),
        });
        done.map(|()| frames)
    }

    /// The frames that a payload completes.
    pub(super) fn raw(&mut self, marker: bool, timestamp: u32, payload: &[u8]) -> Result<Vec<Got>, Error> {
        self.sequence += 1;
        let (sequence, payload) = (self.sequence, Bytes::copy_from_slice(payload));
        self.take(&Packet { marker, payload_type: 96, sequence, timestamp, ssrc: 7, payload })
    }

    /// The number of frames in a payload, and whether a part of it is lost.
    pub(super) fn count(&mut self, payload: &[u8]) -> (usize, bool) {
        let payload = Bytes::copy_from_slice(payload);
        let packet = Packet { marker: true, payload_type: 96, sequence: 0, timestamp: 0, ssrc: 7, payload };
        let mut frames = 0;
        let mut count = |what| frames += usize::from(matches!(what, Unpacked::Frame { .. }));
        let done = self.unpack.packet(&packet, &self.account, &mut count);
        (frames, done.is_err())
    }

    /// Packs a frame and reads it again.
    pub(super) fn send(&mut self, frame: &Frame, time: u32) -> Vec<Got> {
        let packets = self.packets(frame, time);
        packets.iter().flat_map(|packet| self.take(packet).unwrap()).collect()
    }
}

pub(super) fn track(codec: Codec, params: Params) -> Track {
    Track { id: 0, codec, clock: Hz::MPEG, params }
}

pub(super) fn frame(track: &Track, key: bool, data: &[u8]) -> Frame {
    let kind: Kind = track.codec.kind();
    Frame { dts: Ticks(0), cts: 0, kind, track: 0, key, data: Bytes::copy_from_slice(data).into() }
}

fn recorded(codec: Codec, record: &str) -> Track {
    track(codec, codec::params(codec, hex(record).into()).unwrap())
}

pub(super) const AVCC: &str = "0164001effe1001a6764001eacd940a02ff97011000003000100000300320f162d96\
                               01000468ef8fcbfdf8f800";
pub(super) const HVCC: &str = "0101600000009000000000003ff000fcfdf8f800000f03a00001001840010c01ffff01600000030090000003\
                               000003003f959409a10001002b42010101600000030090000003000003003fa005220171c449965654a4c2f016\
                               8080000003008000000c84a20001000744 01c073c18927";

pub(super) fn h264() -> Track {
    recorded(Codec::H264, AVCC)
}

pub(super) fn h265() -> Track {
    recorded(Codec::H265, HVCC)
}

pub(super) fn aac() -> Track {
    recorded(Codec::Aac, "1210")
}

pub(super) fn mp3() -> Track {
    recorded(Codec::Mp3, "")
}

pub(super) fn av1() -> Track {
    recorded(Codec::Av1, "81010c00 0a0b 0000000cc5036936be4010")
}

/// The sequence header of [`av1`].
pub(super) fn av1_sequence() -> Vec<u8> {
    hex("0a0b 0000000cc5036936be4010")
}

/// An OBU of that header.
fn obu(header: u8, body: &[u8]) -> Vec<u8> {
    let size = match body.len() {
        len @ ..128 => vec![len as u8],
        len @ ..16384 => vec![len as u8 | 0x80, (len >> 7) as u8],
        len => vec![len as u8 | 0x80, (len >> 7) as u8 | 0x80, (len >> 14) as u8],
    };
    [&[header], &size[..], body].concat()
}

pub(super) fn jpeg() -> Track {
    recorded(Codec::Mjpeg, "")
}

/// Units after their lengths.
pub(super) fn prefixed(units: &[&[u8]]) -> Vec<u8> {
    units.iter().flat_map(|unit| [&(unit.len() as u32).to_be_bytes(), *unit].concat()).collect()
}

/// A unit of `len` bytes that begins with `start` and contains no start code.
pub(super) fn unit(start: &[u8], len: usize) -> Vec<u8> {
    let mut unit: Vec<u8> = (0..len).map(|at| (at % 251) as u8 | 1).collect();
    unit[..start.len()].copy_from_slice(start);
    unit
}

/// Sizes around the limits of a packet.
const SIZES: [usize; 12] = [6, 100, 1384, 1385, 1386, 1387, 1388, 1389, 2769, 2770, 2774, 70_000];

/// Key, data.
type Sent = (bool, Vec<u8>);

/// Every format that is both sent and read, with frames of it.
fn samples() -> Vec<(Track, Vec<Sent>)> {
    let with = |sizes: &[usize], make: &dyn Fn(usize) -> Sent| sizes.iter().map(|size| make(*size)).collect::<Vec<_>>();
    let plain = |params| track(Codec::Pcma, params);
    let sound = Params { sample_rate: 8000, channels: 1, ..Params::default() };
    vec![
        (
            h264(),
            with(&SIZES, &|size| {
                (true, prefixed(&[&unit(&[6, 5], 30), &unit(&[0x65, 0x88], size), &unit(&[0x65, 0x08], 1388)]))
            }),
        ),
        (h264(), with(&SIZES, &|size| (false, prefixed(&[&unit(&[0x41, 0x9a], size)])))),
        (h265(), with(&SIZES, &|size| (true, prefixed(&[&unit(&[0x26, 1, 0xaf], size), &unit(&[0x50, 1], 20)])))),
        (h265(), with(&SIZES, &|size| (false, prefixed(&[&unit(&[0x02, 1, 0xd0], size)])))),
        (aac(), with(&[1, 100, 1383, 1384, 1385, 2768, 2769, 8191], &|size| (true, unit(&[0x21], size)))),
        (av1(), with(&SIZES, &|size| (true, [av1_sequence(), obu(0x32, &unit(&[0x10], size))].concat()))),
        (
            av1(),
            [(true, [av1_sequence(), obu(0x32, &[0x10, 0])].concat())]
                .into_iter()
                .chain(with(&SIZES, &|size| (false, [obu(0x1a, &[0x30]), obu(0x22, &unit(&[8], size))].concat())))
                .collect(),
        ),
        (jpeg(), with(&SIZES, &|size| (true, jpeg::tests::picture(size, true, 0)))),
        (jpeg(), with(&[1, 1240, 1244, 1245, 2619, 2620, 2621], &|size| (true, jpeg::tests::picture(size, false, 9)))),
        (mp3(), vec![(true, unit(&[0xff, 0xfb, 0x90, 0], 417)), (true, unit(&[0xff, 0xfb, 0xe8, 0], 1440))]),
        (plain(sound), with(&[1, 160, 1387, 1388], &|size| (true, unit(&[0xd5], size)))),
        (
            recorded(Codec::Opus, "4f7075734865616401020000 80bb0000000000"),
            with(&[1, 3, 1388], &|size| (true, unit(&[0xfc], size))),
        ),
    ]
}

#[test]
fn frames_come_back_as_they_were_sent() {
    for (track, frames) in samples() {
        let mut bench = Bench::new(&track);
        for (at, (key, data)) in frames.iter().enumerate() {
            let time = (at as u32).wrapping_sub(2); // across the wrap
            let got = bench.send(&frame(&track, *key, data), time);
            let what = format!("{:?} of {}", track.codec, data.len());
            assert_eq!(got.len(), 1, "{what}");
            assert_eq!((got[0].0, got[0].1), (time, *key || track.codec.kind() == Kind::Audio), "{what}");
            assert!(got[0].2 == *data, "{what}");
            let held = if bench.account.used() > 0 { data.len() + crate::budget::BLOCK_OVERHEAD } else { 0 };
            assert_eq!(bench.account.used(), held, "an exact block: {what}");
        }
        assert!(bench.params.iter().all(|params| params.record == track.params.record));
        assert!(bench.params.len() == 1 || track.codec == Codec::Mp3, "{:?}: params are news only once", track.codec);
        assert_eq!(bench.account.used(), 0);
    }
}

/// The memory of a frame that is being collected: chunks, lengths, the frame, and their overhead.
const BOUND: usize = 2 * MAX_FRAME + crate::budget::MAX_CHUNK + (64 << 10);
/// The memory of all parameter sets of a track, each in its own block, and of the record.
const SETS: usize = 2 * (4 << 10) + 300 * crate::budget::BLOCK_OVERHEAD;

#[test]
fn no_damage_does_harm() {
    for (track, frames) in samples() {
        let formats = Bench::new(&track);
        let packets: Vec<_> = frames
            .iter()
            .filter(|(_, data)| data.len() < 3000)
            .flat_map(|(key, data)| formats.packets(&frame(&track, *key, data), data.len() as u32))
            .collect();
        let mut bench = Bench::new(&track);
        let mut news = 0;
        let most = if track.codec.is_nal() { SETS } else { 0 };
        for at in 0..packets.len() {
            for packet in damaged(&packets[at]) {
                // between its neighbours, which may have begun the unit that it continues
                for packet in [at.checked_sub(1).map(|at| &packets[at]), Some(&packet), packets.get(at + 1)] {
                    packet.map(|packet| bench.take(packet));
                }
                news += bench.params.drain(..).count();
            }
            bench.unpack.gap();
            assert!(bench.account.used() <= most, "{:?}", track.codec);
        }
        assert!(bench.account.peak() < BOUND, "{:?}", track.codec);
        assert!(news < 20_000);
    }
}

/// The packet cut at each byte of its header, and with each of the first bytes changed.
pub(super) fn damaged(packet: &Packet) -> Vec<Packet> {
    let mut out = Vec::new();
    let len = packet.payload.len();
    for at in (0..len.min(60)).chain(len.saturating_sub(3)..len) {
        out.push(Packet { payload: packet.payload.slice(..at), ..packet.clone() });
        for value in [0, 1, 0x7f, 0x80, 0xff, packet.payload[at] ^ 1, packet.payload[at] ^ 0x40] {
            let mut payload = packet.payload.to_vec();
            payload[at] = value;
            out.push(Packet { payload: payload.into(), ..packet.clone() });
        }
    }
    out
}

#[test]
fn a_frame_beyond_the_limit_is_refused_once_and_the_next_comes() {
    for (codec, first, more) in
        [(h264(), &[0x7c, 0x85, 0x88][..], &[0x7c, 0x05][..]), (h265(), &[0x62, 1, 0x93, 0xaf], &[0x62, 1, 0x13])]
    {
        let mut bench = Bench::new(&codec);
        let begin = unit(first, 1388);
        bench.raw(false, 1, &begin).unwrap();
        let part = unit(more, 1388);
        let errors: Vec<_> = (0..2000).filter_map(|_| bench.raw(false, 1, &part).err()).collect();
        assert_eq!(errors, [Error::TooLong]);
        assert_eq!(bench.account.used(), 0);
        assert!(bench.account.peak() < BOUND);
        let whole = if codec.codec == Codec::H264 { &[0x65, 0x88, 1][..] } else { &[0x26, 1, 0xaf, 1] };
        assert_eq!(bench.raw(true, 2, whole).unwrap().len(), 1);
    }
}
