use super::reader::{Pes, Stream, Ts, read};
use super::*;
use crate::budget::Account;
use crate::codec::{hex, params};
use crate::media::{Codec, Frame, Hz, Kind, Ticks, Track, Tracks};

const SIZE: usize = 188;
/// 700 ms.
const DELAY: u64 = 63_000;
const AVCC: &str = "0164001effe1001a6764001eacd940a02ff97011000003000100000300320f162d9601000468ef8fcb";
const OPUS_HEAD: &str = "4f70757348656164 0102 3801 80bb0000 0000 00";

/// A mux and its output.
struct Bench {
    mux: Box<dyn Mux>,
    tracks: Tracks,
    account: Account,
    out: Vec<u8>,
}

fn track(id: u8, codec: Codec) -> Track {
    let record = match codec {
        Codec::H264 => AVCC,
        Codec::Aac => "1210",
        Codec::Opus => OPUS_HEAD,
        _ => "",
    };
    Track { id, codec, clock: Hz::MS, params: params(codec, hex(record).into()).unwrap() }
}

fn frame(track: &Track, dts: i64, cts: i32, key: bool, data: &[u8]) -> Frame {
    let data = data.to_vec().into();
    Frame { dts: Ticks(dts), cts, kind: track.codec.kind(), track: track.id, key, data }
}

impl Bench {
    fn new(codecs: &[Codec]) -> Self {
        let account = Account::root("test", 1 << 20);
        let mut bench = Self { mux: mux(), tracks: Tracks::default(), account, out: Vec::new() };
        for codec in codecs {
            bench.tracks.set(track(0, *codec));
        }
        bench.announce();
        bench
    }

    fn announce(&mut self) {
        self.out.extend(self.mux.announce(&self.tracks, &[], Ticks(0)).slices().flatten());
    }

    /// Packs a frame and gives its packets.
    fn pack(&mut self, kind: Kind, id: u8, dts: i64, cts: i32, key: bool, data: &[u8]) -> Vec<u8> {
        let track = self.tracks.find(kind, id).unwrap();
        let packed = self.mux.frame(track, &frame(track, dts, cts, key, data), &self.account).unwrap();
        let bytes: Vec<u8> = packed.iter().flat_map(|packed| packed.slices()).flatten().copied().collect();
        self.out.extend(&bytes);
        bytes
    }

    fn video(&mut self, dts: i64, cts: i32, key: bool) -> Vec<u8> {
        let unit = [&[0, 0, 2, 0x58, if key { 0x65 } else { 0x41 }][..], &[7; 599]].concat();
        self.pack(Kind::Video, 0, dts, cts, key, &unit)
    }

    fn audio(&mut self, dts: i64) -> Vec<u8> {
        self.pack(Kind::Audio, 0, dts, 0, true, &[9; 300])
    }

    fn read(&self) -> Ts {
        read(&self.out).unwrap()
    }
}

fn times(stream: &Stream) -> Vec<(u64, u64)> {
    stream.pes.iter().map(|pes| (pes.pts, pes.dts)).collect()
}

#[test]
fn frames_come_out_as_they_went_in() {
    let mut bench = Bench::new(&[Codec::H264, Codec::Aac]);
    for (nth, cts) in [(0, 80), (1, 160), (2, 40), (3, 0)] {
        bench.video(nth * 40, cts, nth == 0);
        bench.audio(nth * 40 + 7);
    }
    let ts = bench.read();
    let [video, audio] = &ts.streams[..] else { panic!("{} streams", ts.streams.len()) };
    assert_eq!((video.pid, video.stream_type, audio.pid, audio.stream_type), (0x100, 0x1b, 0x101, 0x0f));
    let at = |ms: u64| DELAY + ms * 90;
    assert_eq!(times(video), [(at(80), at(0)), (at(200), at(40)), (at(120), at(80)), (at(120), at(120))]);
    assert_eq!(times(audio), [7, 47, 87, 127].map(|ms| (at(ms), at(ms))));

    let sets = "00000001 6764001eacd940a02ff97011000003000100000300320f162d96 00000001 68ef8fcb";
    let delimiter = hex("00000001 09f0");
    let slice = |start: &str| [hex(start), vec![7; 599]].concat();
    assert_eq!(video.pes[0].data, [delimiter.clone(), hex(sets), slice("00000001 65")].concat());
    assert_eq!(video.pes[1].data, [delimiter, slice("00000001 41")].concat());
    assert_eq!(audio.pes[3].data, [hex("fff1508026 7ffc"), vec![9; 300]].concat());
    assert_eq!(video.pes.iter().map(|pes| pes.random_access).collect::<Vec<_>>(), [true, false, false, false]);
    assert!(audio.pes.iter().all(|pes| !pes.random_access));
    assert_eq!((video.pes[0].stream_id, audio.pes[0].stream_id), (0xe0, 0xc0));
}

#[test]
fn a_key_frame_is_enough_to_begin_with() {
    let mut bench = Bench::new(&[Codec::H264, Codec::Aac]);
    for nth in 0..12 {
        bench.video(nth * 40, 0, false);
    }
    let key = read(&bench.video(480, 0, true)).unwrap();
    assert_eq!(key.pcrs, [(480 * 90, false)]);
    assert!(key.streams[0].pes[0].random_access);
    assert!(bench.mux.head(&bench.tracks, Ticks(480)).is_empty());
    bench.read();
}

#[test]
fn sound_alone_has_the_clock_and_the_tables() {
    let mut bench = Bench::new(&[Codec::Opus]);
    bench.out.clear();
    bench.mux.discontinuity(); // a viewer joins
    for nth in 0..100 {
        bench.audio(nth * 20);
    }
    let ts = bench.read();
    assert_eq!((ts.pcr_pid, ts.streams[0].pid, ts.streams[0].stream_type), (0x101, 0x101, 6));
    assert_eq!(ts.streams[0].pes.len(), 100);
    assert_eq!(ts.streams[0].pes[0].data[..5], [0x7f, 0xe0, 255, 45, 9]);
    assert_eq!(ts.pcrs.len(), 25);
    // at first, and three times in two seconds
    assert_eq!(ts.versions, [0; 4]);
}

#[test]
fn clock_references_fill_the_gaps_of_slow_pictures() {
    let mut bench = Bench::new(&[Codec::H264]);
    for nth in 0..5 {
        bench.video(nth * 1000, 0, true);
    }
    let ts = bench.read();
    assert_eq!(ts.pcrs.len(), 1 + 4 * 10);
    assert!(ts.pcrs.iter().all(|(_, jump)| !jump));

    let mut bench = Bench::new(&[Codec::H264, Codec::Aac]);
    bench.video(0, 0, true);
    for nth in 0..100 {
        bench.audio(nth * 23);
    }
    let ts = bench.read();
    assert_eq!((ts.pcr_pid, ts.streams[1].pes.len()), (0x100, 100));
    assert_eq!(ts.pcrs.len(), 1 + 99 / 4);
}

#[test]
fn a_codec_change_keeps_the_pid_and_raises_the_version() {
    let mut bench = Bench::new(&[Codec::H264, Codec::Aac]);
    bench.video(0, 0, true);
    bench.audio(0);
    bench.tracks.set(track(0, Codec::Mp3));
    bench.announce();
    bench.audio(20);
    bench.announce();
    let ts = bench.read();
    assert_eq!(ts.versions, [0, 0, 1]);
    assert_eq!((ts.streams[1].pid, ts.streams[1].stream_type, ts.streams[1].pes.len()), (0x101, 3, 2));

    bench.tracks.set(track(0, Codec::Pcma));
    bench.announce();
    assert!(bench.audio(40).is_empty());
    bench.tracks.set(track(0, Codec::Aac));
    bench.announce();
    bench.audio(60);
    let ts = bench.read();
    assert_eq!(ts.versions, [0, 0, 1, 2, 3]);
    assert_eq!((ts.streams[1].pid, ts.streams[1].pes.len()), (0x101, 3));
}

#[test]
fn all_tracks_have_pids_of_their_own() {
    let mut bench = Bench::new(&[Codec::Aac, Codec::H264]);
    for (id, codec) in [(1, Codec::Opus), (1, Codec::H264), (2, Codec::Ac3), (3, Codec::Eac3)] {
        bench.tracks.set(track(id, codec));
    }
    bench.announce();
    bench.video(0, 0, true);
    for id in 0..4 {
        bench.pack(Kind::Audio, id, 0, 0, true, &[id; 300]);
    }
    bench.pack(Kind::Video, 1, 0, 0, true, &[0, 0, 0, 2, 0x65, 1]);
    let ts = bench.read();
    let streams: Vec<_> = ts.streams.iter().map(|s| (s.pid, s.stream_type, s.pes.len())).collect();
    let expected =
        [(0x100, 0x1b, 1), (0x101, 0x0f, 1), (0x102, 0x06, 1), (0x103, 0x1b, 1), (0x104, 0x81, 1), (0x105, 0x87, 1)];
    assert_eq!(streams, expected);
    assert_eq!((ts.streams[4].descriptors.as_slice(), ts.pcr_pid), (&b"\x05\x04AC-3"[..], 0x100));
    assert_eq!((ts.streams[4].pes[0].stream_id, ts.pcrs.len()), (0xbd, 1));
}

#[test]
fn a_discontinuity_is_said_on_each_pid_and_lets_the_clock_jump() {
    let mut bench = Bench::new(&[Codec::H264, Codec::Aac]);
    bench.video(500_000, 0, true);
    bench.audio(500_000);
    bench.mux.discontinuity();
    bench.audio(10);
    bench.video(0, 0, true);
    bench.video(40, 0, false);
    bench.audio(50);
    let ts = bench.read();
    assert_eq!(ts.pcrs, [(45_000_000, false), (900, true), (901, true), (3600, false)]);
    let said = |stream: &Stream| stream.pes.iter().map(|pes| pes.discontinuity).collect::<Vec<_>>();
    assert_eq!(said(&ts.streams[0]), [false, true, false]);
    assert_eq!(said(&ts.streams[1]), [false, true, false]);
}

#[test]
fn times_wrap_at_33_bits() {
    let mut bench = Bench::new(&[Codec::H264]);
    let wrap = (1 << 33) / 90;
    for nth in -3..3 {
        bench.video(wrap + nth * 40, 0, nth == -3);
    }
    bench.mux.discontinuity();
    bench.video(-1000, 0, true);
    let ts = bench.read();
    let (before, after) = (ts.pcrs[3].0, ts.pcrs[4].0);
    assert!(before > (1 << 33) - 100 && after < 3600, "{before} {after}");
    let last = ts.streams[0].pes.last().unwrap();
    assert_eq!((last.pts, ts.pcrs[6].0), ((1 << 33) - 90_000 + DELAY, (1 << 33) - 90_000));
}

#[test]
fn blocks_are_exact_and_paid_for() {
    let mut bench = Bench::new(&[Codec::H264, Codec::Aac]);
    let overhead = crate::budget::BLOCK_OVERHEAD;
    for len in 0..400 {
        let track = bench.tracks.find(Kind::Audio, 0).unwrap().clone();
        let frame = frame(&track, len * 10, 0, true, &vec![5; len as usize]);
        let packed = bench.mux.frame(&track, &frame, &bench.account).unwrap();
        let bytes = packed.as_ref().map_or(0, |packed| packed.len() + overhead);
        assert_eq!((bench.account.used(), packed.is_some()), (bytes, len > 0));
        bench.out.extend(packed.iter().flat_map(|packed| packed.slices()).flatten());
    }
    assert_eq!(bench.account.used(), 0);
    let ts = bench.read();
    let lens: Vec<_> = ts.streams[1].pes.iter().map(|pes| pes.data.len()).collect();
    assert_eq!(lens, (1..400).map(|len| len + 7).collect::<Vec<_>>());
}

#[test]
fn a_refused_frame_leaves_no_trace() {
    let mut bench = Bench::new(&[Codec::H264]);
    bench.video(0, 0, true);
    let poor = Account::root("poor", 4 * SIZE);
    let video = bench.tracks.find(Kind::Video, 0).unwrap().clone();
    let large = frame(&video, 40, 0, true, &[&[0, 0, 7, 0xd0][..], &[0x65; 2000]].concat());
    assert!(bench.mux.frame(&video, &large, &poor).is_err());
    bench.video(80, 0, false);
    let ts = bench.read();
    assert_eq!((ts.versions.len(), ts.streams[0].pes.len(), ts.pcrs.len()), (2, 2, 2));
}

#[test]
fn hostile_frames_do_no_harm() {
    let mut bench = Bench::new(&[Codec::H264, Codec::Opus]);
    bench.video(0, 0, true);
    for data in [&b""[..], &[0], &[0xff; 9], &[0, 0, 0, 0], &[0, 0, 0, 2, 9, 0xf0]] {
        assert!(bench.pack(Kind::Video, 0, 0, 0, true, data).is_empty());
    }
    for (dts, cts) in [(i64::MAX, i32::MAX), (i64::MIN, i32::MIN), (0, -1), (i64::MAX, -1)] {
        bench.pack(Kind::Video, 0, dts, cts, true, &[0, 0, 0, 1, 0x65, 0xff, 0xff, 0xff, 0xff]);
        bench.pack(Kind::Audio, 0, dts, cts, true, &[0]);
    }
    assert!(bench.pack(Kind::Audio, 0, 0, 0, true, &[1; 70_000]).is_empty());
    let ts = bench.read();
    assert_eq!(ts.streams[0].pes.len(), 5);
    assert_eq!(ts.streams[0].pes[1].data[ts.streams[0].pes[1].data.len() - 5..], [0, 0, 0, 1, 0x65]);
}

#[test]
fn large_pictures_go_without_a_length() {
    let mut bench = Bench::new(&[Codec::H264]);
    let picture = [&[0, 1, 0x11, 0x70, 0x41][..], &[3; 69_999]].concat();
    bench.pack(Kind::Video, 0, 0, 0, false, &picture);
    let ts = bench.read();
    let Pes { data, dts, .. } = &ts.streams[0].pes[0];
    assert_eq!((data.len(), *dts), (6 + 4 + 70_000, DELAY));
}

#[test]
fn tracks_that_go_make_room() {
    let mut bench = Bench::new(&[Codec::H264, Codec::Aac]);
    bench.video(0, 0, true);
    bench.audio(0);
    bench.tracks = Tracks::default();
    bench.tracks.set(track(3, Codec::Mp3));
    bench.announce();
    bench.mux.discontinuity();
    bench.pack(Kind::Audio, 3, 0, 0, true, &[1; 99]);
    let ts = bench.read();
    assert_eq!((ts.pcr_pid, ts.streams[0].pid, ts.streams[0].stream_type), (0x101, 0x101, 3));
    assert_eq!((ts.streams[0].pes.len(), ts.versions.last()), (2, Some(&1)));
}
