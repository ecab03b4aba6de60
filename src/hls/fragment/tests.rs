use std::ops::Range;
use std::time::Duration;

use super::super::Numbers;
use super::super::texts::told;
use super::super::window::{Found, Rules, Window};
use super::*;
use crate::codec::{hex, params};
use crate::container::{Mux, Packed, SAMPLES};
use crate::hls::Packing;
use crate::media::{Codec, Frame, Hz, Ticks, Track, Tracks};

const AVCC: &str = "0164001effe1001a6764001eacd940a02ff97011000003000100000300320f162d9601000468ef8fcb";
const RULES: Rules = Rules {
    target: Duration::from_secs(2),
    listed: 8,
    start: 3,
    record: true,
    part: None,
    packing: Packing::Mp4,
    store: None,
};

/// A sample's row in a run, and its bytes.
#[derive(Clone, Debug, PartialEq)]
struct Read {
    kind: Kind,
    at: u64,
    duration: u32,
    key: bool,
    shift: i32,
    body: Vec<u8>,
}

fn number(data: &[u8]) -> u64 {
    data.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// The boxes in `data`: name, and content.
fn boxes(mut data: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut found = Vec::new();
    while !data.is_empty() {
        let size = number(&data[..4]) as usize;
        found.push((&data[4..8], &data[8..size]));
        data = &data[size..];
    }
    found
}

/// The samples of the one fragment in `data`, and its sequence number.
fn fragment(data: &[u8]) -> (u64, Vec<Read>) {
    let [(b"moof", moof), (b"mdat", mdat)] = boxes(data)[..] else { panic!("no fragment: {data:?}") };
    let trafs = boxes(moof);
    assert_eq!(trafs[0].0, b"mfhd");
    let mut end = data.len() - mdat.len();
    let mut found = Vec::new();
    for (name, traf) in &trafs[1..] {
        let [(b"tfhd", tfhd), (b"tfdt", tfdt), (b"trun", trun)] = boxes(traf)[..] else { panic!("{name:?}") };
        let kind = if number(&tfhd[4..]) == 1 { Kind::Video } else { Kind::Audio };
        assert_eq!(number(&trun[..4]), if kind == Kind::Video { 0x100_0f01 } else { 0x100_0301 });
        assert_eq!(number(&trun[8..12]), end as u64, "bytes follow each other");
        let (mut at, rows) = (number(&tfdt[4..]), &trun[12..]);
        let rows: Vec<_> = rows.chunks(if kind == Kind::Video { 16 } else { 8 }).collect();
        assert_eq!(number(&trun[4..8]), rows.len() as u64);
        for row in rows {
            let field = |at: usize| row.get(at..at + 4).map_or(0, number) as u32;
            let body = data[end..end + field(4) as usize].to_vec();
            end += body.len();
            let key = field(8) != 0x0101_0000;
            found.push(Read { kind, at, duration: field(0), key, shift: field(12) as i32, body });
            at += u64::from(field(0));
        }
    }
    assert_eq!(end, data.len());
    (number(&trafs[0].1[4..]), found)
}

fn of(kind: Kind, samples: &[Read]) -> Vec<&Read> {
    samples.iter().filter(|sample| sample.kind == kind).collect()
}

/// A stream that is cut into segments.
struct Bench {
    mux: Box<dyn Mux>,
    tracks: Tracks,
    window: Window,
    account: Account,
    sent: Vec<Frame>,
    has_parts: bool,
}

fn track(codec: Codec) -> Track {
    let record = match codec {
        Codec::H264 => AVCC,
        Codec::Aac => "1210",
        _ => "120012000000000000000bb800700000000000000000000000000000000000000000",
    };
    Track { id: 0, codec, clock: Hz::MS, params: params(codec, hex(record).into()).unwrap() }
}

impl Bench {
    fn new(codecs: &[Codec], rules: Rules, room: usize) -> Self {
        let account = Account::root("hls", room);
        let window = Window::new("a", rules, account.clone(), Numbers::default());
        let tracks = Tracks::default();
        let mut bench =
            Self { mux: (SAMPLES.mux)(), tracks, window, account, sent: Vec::new(), has_parts: rules.part.is_some() };
        for codec in codecs {
            bench.tracks.set(track(*codec));
        }
        bench.head();
        bench
    }

    fn head(&mut self) {
        let head = self.mux.head(&self.tracks, Ticks(0));
        self.window.push(&Unit::new(head, Ticks(0), false, false));
    }

    fn push(&mut self, kind: Kind, dts: i64, cts: i32, key: bool, len: usize) {
        let data: Vec<u8> = (0..len).map(|n| (self.sent.len() * 31 + n / 7) as u8).collect();
        let frame = Frame { dts: Ticks(dts), cts, kind, track: 0, key, data: data.into() };
        let track = self.tracks.first(kind).unwrap();
        let packed = self.mux.frame(track, &frame, &self.account).unwrap().unwrap();
        let start = key && (kind == Kind::Video || self.tracks.first(Kind::Video).is_none());
        let mut unit = Unit::new(packed, Ticks(dts), start, false);
        unit.track = self.tracks.only(kind, 0);
        self.window.push(&unit);
        self.sent.push(frame);
    }

    /// Sound and pictures in order of time, for the tracks that exist: 30 pictures a second with a key frame at each
    /// second, and AAC of 44.1 kHz.
    fn run(&mut self, times: Range<i64>, len: usize) {
        let mut due: Vec<_> =
            (0..).map(|n| (n * 100 / 3, Kind::Video, n)).take_while(|one| one.0 < times.end).collect();
        due.extend((0..).map(|n| (n * 10_240 / 441, Kind::Audio, n)).take_while(|one| one.0 < times.end));
        due.retain(|one| one.0 >= times.start && self.tracks.first(one.1).is_some());
        due.sort_by_key(|one| (one.0, one.2));
        for (at, kind, n) in due {
            match kind {
                // the order of a picture that others refer to: it is shown before or after them
                Kind::Video => self.push(kind, at, [34, 100, 0][n as usize % 3], n % 30 == 0, len),
                Kind::Audio => self.push(kind, at, 0, true, 1 + n as usize % 300),
            }
        }
    }

    /// The files of all segments or, if there are parts, of all parts.
    fn files(&mut self) -> Vec<Vec<u8>> {
        let text = told(self.window.playlist(false), "");
        let names = text.lines().filter_map(|line| match line.split_once("EXT-X-PART:") {
            Some((_, part)) => part.split('"').nth(1),
            None => Some(line).filter(|line| line.ends_with(".m4s") && !self.has_parts),
        });
        names.map(|name| self.file(name)).collect()
    }

    fn file(&self, name: &str) -> Vec<u8> {
        let Found::Now((blocks, len)) = self.window.file(name) else { panic!("no {name}") };
        let bytes = blocks.concat();
        assert_eq!(bytes.len(), len);
        bytes
    }

    /// All samples. Checks that fragments are numbered, continue where the last one of the track ended, and contain
    /// what was sent, in order and with its times.
    fn check(&mut self) -> Vec<Vec<Read>> {
        let read: Vec<_> = self.files().iter().map(|file| fragment(file)).collect();
        assert!(read.len() > 2, "{} files", read.len());
        for pair in read.windows(2) {
            assert_eq!(pair[0].0 + 1, pair[1].0);
        }
        let files: Vec<_> = read.into_iter().map(|one| one.1).collect();
        let all = files.concat();
        for track in self.tracks.iter() {
            let (kind, mut end) = (track.codec.kind(), None);
            let found = of(kind, &all);
            let mut sent = self.sent.iter().filter(|frame| frame.kind == kind && !frame.data.is_empty());
            let first = sent.by_ref().position(|frame| frame.data == found[0].body).unwrap();
            let mut sent = self.sent.iter().filter(|frame| frame.kind == kind).skip(first);
            for one in found {
                let frame = sent.next().unwrap();
                assert!(frame.data == one.body && frame.key == one.key);
                assert_eq!(*end.get_or_insert(one.at), one.at, "{kind:?} goes on");
                end = Some(one.at + u64::from(one.duration));
                match kind {
                    Kind::Video => assert_eq!(one.at as i64 + i64::from(one.shift), frame.dts.0 + i64::from(frame.cts)),
                    Kind::Audio => assert!((one.at as i64 * 1000 / 44_100).abs_diff(frame.dts.0) <= 21),
                }
            }
        }
        files
    }
}

#[test]
fn a_segment_is_one_fragment_whose_durations_are_true() {
    let mut bench = Bench::new(&[Codec::H264, Codec::Aac], RULES, 8 << 20);
    bench.run(0..20_000, 3000);
    let files = bench.check();
    for file in &files {
        let pictures = of(Kind::Video, file);
        assert!(pictures[0].key && [30, 60].contains(&pictures.len()), "{}", pictures.len());
        assert_eq!(pictures.iter().map(|one| one.duration).sum::<u32>() % 1000, 0);
        assert!(pictures.iter().all(|one| [33, 34].contains(&one.duration)));
        assert!(of(Kind::Audio, file).iter().all(|one| one.duration == 1024));
    }
    // sound is held back no longer than the wait for its successor
    let [file, next] = &files[1..3] else { panic!() };
    let (last, picture) = (of(Kind::Audio, file).last().unwrap().at + 1024, of(Kind::Video, next)[0].at);
    assert!((last * 1000 / 44_100).abs_diff(picture) < 50, "{last} {picture}");
}

#[test]
fn a_part_is_one_fragment_and_a_segment_is_its_parts() {
    let part = Some(Duration::from_millis(200));
    let mut bench = Bench::new(&[Codec::H264, Codec::Aac], Rules { part, ..RULES }, 8 << 20);
    bench.run(0..9500, 3000);
    let files = bench.check();
    let text = told(bench.window.playlist(false), "");
    let parts: Vec<_> = text.lines().filter(|line| line.starts_with("#EXT-X-PART:")).collect();
    assert_eq!(parts.len(), files.len());
    for (line, file) in parts.iter().zip(&files) {
        assert_eq!(line.contains("INDEPENDENT=YES"), of(Kind::Video, file)[0].key, "{line}");
        assert!((3..=7).contains(&of(Kind::Video, file).len()), "{line}");
    }
    let whole = text.lines().rfind(|line| line.ends_with(".m4s")).unwrap();
    let of_it = parts
        .iter()
        .filter_map(|line| line.split('"').nth(1))
        .filter(|name| name.starts_with(&whole[..whole.len() - 3]));
    assert_eq!(bench.file(whole), of_it.flat_map(|name| bench.file(name)).collect::<Vec<_>>());
}

#[test]
fn one_kind_is_enough() {
    for codec in [Codec::H264, Codec::Aac] {
        for part in [None, Some(Duration::from_millis(200))] {
            let mut bench = Bench::new(&[codec], Rules { part, ..RULES }, 8 << 20);
            bench.run(0..12_000, 3000);
            bench.check();
        }
    }
}

#[test]
fn a_part_of_sound_alone_is_not_independent_where_there_are_pictures() {
    let part = Some(Duration::from_millis(200));
    let mut bench = Bench::new(&[Codec::H264, Codec::Aac], Rules { part, ..RULES }, 8 << 20);
    // a picture every 1.004 s, so that its guessed duration is not reliable
    for n in 0..12_000 {
        if n % 1004 == 0 {
            bench.push(Kind::Video, n, 0, n % 2008 == 0, 3000);
        }
        if n * 441 % 10_240 < 441 {
            bench.push(Kind::Audio, n, 0, true, 300);
        }
    }
    let files = bench.check();
    let text = told(bench.window.playlist(false), "");
    let parts = text.lines().filter(|line| line.starts_with("#EXT-X-PART:"));
    let mut without = 0;
    for (line, file) in parts.zip(&files) {
        let first = of(Kind::Video, file).first().is_some_and(|one| one.key);
        assert_eq!(line.contains("INDEPENDENT=YES"), first, "{line}");
        without += usize::from(of(Kind::Video, file).is_empty());
    }
    assert!(without > files.len() / 2, "pictures wait for no part longer than one");
}

#[test]
fn a_hole_in_sound_becomes_the_length_of_what_came_before() {
    let mut bench = Bench::new(&[Codec::Aac], RULES, 8 << 20);
    bench.run(0..3000, 0);
    bench.run(3500..12_000, 0);
    let all = bench.check().concat();
    let long: Vec<_> = all.iter().filter(|one| one.duration != 1024).collect();
    assert_eq!(long.len(), 1);
    assert!(long[0].duration.abs_diff(22_050) < 2048, "{}", long[0].duration);
}

#[test]
fn what_breaks_begins_anew_and_nothing_is_lost() {
    let mut bench = Bench::new(&[Codec::H264, Codec::Aac], RULES, 8 << 20);
    bench.run(5000..7500, 3000);
    bench.mux.discontinuity();
    bench.window.push(&Unit::new(Packed::from(Vec::new()), Ticks(7500), false, true));
    bench.run(1000..3500, 3000);
    bench.window.end();
    let all = bench.files().iter().flat_map(|file| fragment(file).1).collect::<Vec<_>>();
    assert_eq!(all.len(), bench.sent.len());
    for kind in [Kind::Video, Kind::Audio] {
        let back: Vec<_> = of(kind, &all)
            .windows(2)
            .filter(|pair| pair[1].at != pair[0].at + u64::from(pair[0].duration))
            .map(|pair| pair[1].at)
            .collect();
        assert_eq!(back.len(), 1, "{kind:?}: {back:?}");
    }
    drop(bench.window);
    assert_eq!(bench.account.used(), 0);
}

#[test]
fn segments_are_whole_wherever_room_runs_out() {
    for room in (400_000..900_000).step_by(83_000) {
        for part in [None, Some(Duration::from_millis(300))] {
            let mut bench =
                Bench::new(&[Codec::H264, Codec::Aac], Rules { part, listed: 3, record: false, ..RULES }, room);
            bench.run(0..9000, 5000);
            assert!(bench.account.peak() <= room);
            let text = told(bench.window.playlist(false), "");
            let mut all = Vec::new();
            for name in text.lines().filter(|line| line.ends_with(".m4s")) {
                let mut rest = &bench.file(name)[..];
                while !rest.is_empty() {
                    let moof = number(&rest[..4]) as usize;
                    let len = moof + number(&rest[moof..moof + 4]) as usize;
                    all.extend(fragment(&rest[..len]).1);
                    rest = &rest[len..];
                }
            }
            assert!(text.matches(".m4s\n").count() >= 2, "{room}: {text}");
            for kind in [Kind::Video, Kind::Audio] {
                let gone_on = |pair: &[&Read]| pair[0].at + u64::from(pair[0].duration) == pair[1].at;
                assert!(of(kind, &all).windows(2).all(gone_on), "{room}: {kind:?}");
            }
            drop(bench.window);
            assert_eq!(bench.account.used(), 0);
        }
    }
}

#[test]
fn a_picture_of_any_size_has_its_place() {
    let mut bench = Bench::new(&[Codec::H264, Codec::Aac], RULES, 16 << 20);
    for n in 0..12 {
        bench.push(
            Kind::Video,
            n * 1000,
            0,
            true,
            [1, BLOCK - 1, BLOCK, BLOCK + 1, 700_000, 2 * BLOCK][n as usize % 6],
        );
        bench.push(Kind::Audio, n * 1000 + 10, 0, true, 100_000);
    }
    bench.check();
}

#[test]
fn what_is_cut_by_another_track_goes_on() {
    let account = Account::root("hls", 1 << 20);
    let mut bench = Bench::new(&[Codec::H264, Codec::Flac], RULES, 1 << 20);
    let mut fragments = Fragments::default();
    let mut made = Vec::new();
    for n in 0..20 {
        let (kind, at) = if n % 2 == 0 { (Kind::Video, n * 20) } else { (Kind::Audio, n * 20 + 3) };
        let frame = Frame { dts: Ticks(at), cts: 0, kind, track: 0, key: true, data: vec![n as u8; 9].into() };
        let track = bench.tracks.first(kind).unwrap();
        let packed = bench.mux.frame(track, &frame, &account).unwrap().unwrap();
        let unit = Unit::new(packed, Ticks(at), false, false);
        fragments.precede(&unit);
        if n % 5 == 4 {
            made.extend(fragments.end(&account, Follows::More));
        }
        fragments.reserve(&account, &unit).unwrap();
        fragments.take(&unit);
    }
    made.extend(fragments.end(&account, Follows::Break));
    assert_eq!(made.len(), 5);
    let all: Vec<_> = made.iter().flat_map(|made| fragment(&made.blocks.concat()).1).collect();
    assert_eq!(all.len(), 20);
    for kind in [Kind::Video, Kind::Audio] {
        for pair in of(kind, &all).windows(2) {
            assert_eq!((pair[0].at + u64::from(pair[0].duration), pair[0].body[0] + 2), (pair[1].at, pair[1].body[0]));
        }
    }
}
