use std::time::{Duration, Instant, UNIX_EPOCH};

use bytes::Bytes;

use super::super::Delete;
use super::super::tests::RULES;
use super::super::{Found, Numbers, Packing, Rules, Window};
use super::*;
use crate::budget::Account;
use crate::container::Packed;
use crate::hls::File;
use crate::hls::segment::ms;
use crate::hls::texts::told;
use crate::media::{Ticks, TrackSet};

const TINY: usize = 1 << 20;
const ROUTER: usize = 3 << 20;

/// A stream of 25 pictures a second, and players of it.
struct Bench {
    window: Window,
    account: Account,
    rules: Rules,
    zero: Instant,
    data: Bytes,
    /// EXT-X-TARGETDURATION, once it was sent.
    target: Option<String>,
    /// The first and the last number of the last playlist.
    numbers: (u64, u64),
    /// The number of discontinuities listed so far.
    discontinuities: u64,
    /// Files that are on a disk.
    stored: Vec<String>,
}

impl Bench {
    fn new(rules: Rules, room: usize) -> Self {
        let account = Account::root("hls", room);
        let window = Window::new("a", rules, account.clone(), Numbers::default());
        let data = vec![7; 2 << 20].into();
        let zero = Instant::now();
        let (target, numbers, discontinuities, stored) = (None, (0, 0), 0, Vec::new());
        let mut bench = Self { window, account, rules, zero, data, target, numbers, discontinuities, stored };
        if rules.packing == Packing::Mp4 {
            let head = Unit::new(Packed::from(b"head".to_vec()).as_head(), Ticks(0), false, false);
            bench.window.push(&head);
        }
        bench
    }

    /// A picture of `len` bytes.
    fn push(&mut self, at: i64, key: bool, len: usize) {
        let data = self.data.slice(..len);
        let packed = match self.rules.packing {
            Packing::Mp4 => {
                use crate::media::{Codec, Frame, Hz, Kind, Params, Track};
                let params = Params { record: Bytes::from_static(&[1]), ..Params::default() };
                let track = Track { id: 0, codec: Codec::H264, clock: Hz::MS, params };
                let data = data.into();
                let frame = Frame { dts: Ticks(at), cts: 0, kind: Kind::Video, track: 0, key, data };
                (crate::container::SAMPLES.mux)().frame(&track, &frame, &Account::root("", 4 << 20)).unwrap().unwrap()
            }
            _ => Packed::whole(data),
        };
        let mut unit = Unit::new(packed, Ticks(at), key, false);
        unit.track = TrackSet::PICTURES;
        self.window.look(self.zero + ms(Ticks(at)), UNIX_EPOCH + ms(Ticks(at)));
        self.window.push(&unit);
    }

    /// A second of pictures at `bits` per second, with a key frame of ten pictures' size every `group` ms.
    fn second(&mut self, second: i64, bits: usize, group: i64) {
        // the product may exceed 32 bits
        let pictures = group as u64 / 40;
        let small = (bits as u64 / 8 * group as u64 / 1000 / (pictures + 9)) as usize;
        for at in (second * 1000..second * 1000 + 1000).step_by(40) {
            let key = at % group == 0;
            self.push(at, key, if key { 10 * small } else { small });
        }
    }

    /// Reads the playlist: returns the listed files, and the time since the end of the last one.
    fn read(&mut self, now: i64) -> (Vec<File>, Duration) {
        let text = told(self.window.playlist(false), "");
        let tag = |tag: &str| text.lines().find_map(|line| line.strip_prefix(tag)).map(str::to_string);
        let target = tag("#EXT-X-TARGETDURATION:").unwrap();
        assert_eq!(*self.target.get_or_insert_with(|| target.clone()), target);
        let target: u64 = target.parse().unwrap();
        for length in text.lines().filter_map(|line| line.strip_prefix("#EXTINF:")) {
            let length: f64 = length.trim_end_matches(',').parse().unwrap();
            assert!(length.round() as u64 <= target, "{text}");
        }
        let names: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let first: u64 = tag("#EXT-X-MEDIA-SEQUENCE:").unwrap().parse().unwrap();
        let gone: u64 = tag("#EXT-X-DISCONTINUITY-SEQUENCE:").map_or(0, |gone| gone.parse().unwrap());
        let here = text.matches("#EXT-X-DISCONTINUITY\n").count() as u64;
        assert!(gone + here >= self.discontinuities);
        self.discontinuities = gone + here;
        let last = first + names.len() as u64;
        assert!(first >= self.numbers.0 && last >= self.numbers.1, "{:?}: {text}", self.numbers);
        self.numbers = (first, last);
        for (number, name) in (first..).zip(&names) {
            assert!(name.contains(&format!("-{number}.")), "{text}");
        }
        let files = names.iter().filter(|name| !self.stored.iter().any(|one| one == *name));
        let files = files.map(|name| match self.window.file(name) {
            Found::Now(file) => file,
            _ => panic!("{name} is listed, and not there: {text}"),
        });
        let files: Vec<_> = files.collect();
        assert!(files.iter().all(|(blocks, len)| *len > 0 && blocks.iter().map(Bytes::len).sum::<usize>() == *len));
        let last = self.window.segments.back().unwrap();
        let end = last.begun.duration_since(UNIX_EPOCH).unwrap() + last.duration;
        (files, ms(Ticks(now)).saturating_sub(end))
    }
}

fn packings() -> &'static [Packing] {
    &[Packing::Ts, Packing::Mp4]
}

/// All kinds of rules, with streams of several rates in kbit/s and groups of several lengths in ms.
fn kinds() -> Vec<(Rules, usize, i64)> {
    let mut kinds = Vec::new();
    for packing in packings() {
        for part in [None, Some(Duration::from_millis(200))] {
            for kbits in [500, 1000, 2000, 4000, 8000] {
                for group in [1000, 2000, 10_000] {
                    kinds.push((Rules { packing: *packing, part, ..RULES }, kbits, group));
                }
            }
        }
    }
    kinds
}

/// Some of them on a big-endian processor, whose emulator is slow: they are of sizes and times, and not of bytes.
fn some_kinds() -> impl Iterator<Item = (Rules, usize, i64)> {
    kinds().into_iter().step_by(if cfg!(target_endian = "big") { 7 } else { 1 })
}

#[test]
fn a_playlist_goes_on_whatever_the_room_is_for() {
    for (rules, kbits, group) in some_kinds() {
        for room in [TINY, ROUTER / 2, ROUTER] {
            let about =
                format!("{:?} {:?} {kbits} kbit/s, groups of {group} ms, {room} bytes", rules.packing, rules.part);
            let mut bench = Bench::new(rules, room);
            for second in 0..40 {
                bench.second(second, kbits * 1000, group);
                if second > 10 || bench.window.is_playable() {
                    let (files, behind) = bench.read(second * 1000 + 960);
                    let most = Duration::from_secs(bench.target.as_ref().unwrap().parse().unwrap());
                    assert!(behind < most + Duration::from_millis(600), "{about}: {behind:?} at {second} s");
                    assert!(second < 35 || files.len() + 1 >= MIN_LISTED, "{about}: {} at {second} s", files.len());
                }
            }
            assert!(bench.discontinuities == 0 && bench.account.peak() <= room, "{about}");
            bench.window.end();
            drop(bench.window);
            assert_eq!(bench.account.used(), 0);
        }
    }
}

#[test]
fn the_room_that_is_told_to_be_needed_does() {
    for (rules, kbits, group) in some_kinds() {
        let about = format!("{:?} {:?} {kbits} kbit/s, groups of {group} ms", rules.packing, rules.part);
        let run = |room| {
            let mut bench = Bench::new(rules, room);
            for second in 0..80 {
                bench.second(second, kbits * 1000, group);
                if bench.window.is_playable() {
                    bench.read(second * 1000 + 960);
                }
            }
            bench.window
        };
        let small = run(ROUTER / 4);
        if !small.need.is_told() {
            assert!(small.segments.len() >= MIN_LISTED, "{about}");
            continue;
        }
        let mib = small.wants();
        let bytes = kbits as u64 * 125 * group.max(2000) as u64 / 1000;
        let parts = rules.part.map_or(0, |part| group.max(2000) as u64 / part.as_millis() as u64);
        assert!(
            mib << 20 <= (1 << 20) + 6 * (bytes + (parts + 1) * UNUSED_BYTES as u64),
            "{about}: {mib} MiB are too many"
        );
        let enough = run(usize::try_from(mib).unwrap() << 20);
        assert!(enough.need.is_met(), "{about}: {mib} MiB were too few");
        let lengths: Vec<_> = enough.segments.iter().map(|segment| segment.duration.as_millis()).collect();
        assert!(lengths.len() >= MIN_LISTED, "{about}, {mib} MiB: {lengths:?}");
        assert!(lengths.iter().all(|length| *length == group.max(2000) as u128), "{about}, {mib} MiB: {lengths:?}");
    }
}

#[test]
fn room_that_halves_makes_segments_shorter_and_loses_none() {
    for (rules, kbits, group) in some_kinds().filter(|(_, kbits, _)| *kbits >= 1000) {
        let about = format!("{:?} {:?} {kbits} kbit/s, groups of {group} ms", rules.packing, rules.part);
        let mut bench = Bench::new(rules, ROUTER);
        for second in 0..60 {
            match second {
                15 => bench.window.set_room(ROUTER / 2),
                40 => bench.window.set_room(ROUTER),
                _ => {}
            }
            bench.second(second, kbits * 1000, group);
            if second > 10 {
                let (files, behind) = bench.read(second * 1000 + 960);
                let most = Duration::from_secs(bench.target.as_ref().unwrap().parse().unwrap());
                assert!(behind < most + Duration::from_millis(600), "{about}: {behind:?} at {second} s");
                assert!(!files.is_empty() && bench.discontinuities == 0, "{about}: at {second} s");
            }
        }
    }
}

#[test]
fn a_large_key_frame_and_little_behind_it_make_no_segment_shorter_that_has_room() {
    for packing in packings() {
        for (part, group) in [(None, 2000), (None, 4000), (Some(500), 2000), (Some(500), 4000)] {
            let rules = Rules { packing: *packing, part: part.map(Duration::from_millis), ..RULES };
            let mut bench = Bench::new(rules, TINY);
            // as close together as pictures with sound between them
            for at in (0..40_000).step_by(20) {
                let key = at % group == 0;
                bench.push(at, key, if key { 205_000 } else { 100 });
            }
            bench.read(40_000);
            let lasting: Vec<_> = bench.window.segments.iter().map(|one| one.duration.as_millis()).collect();
            assert!(lasting.iter().all(|ms| *ms == group as u128), "{packing:?} {part:?}: {lasting:?}");
            assert!(lasting.len() + 1 >= MIN_LISTED, "{packing:?} {part:?}: {lasting:?}");
        }
    }
}

#[test]
fn what_slow_players_hold_makes_segments_shorter() {
    for (rules, kbits, group) in kinds().into_iter().filter(|(_, kbits, _)| *kbits == 2000) {
        let mut bench = Bench::new(rules, ROUTER / 2);
        let mut held = Vec::new();
        for second in 0..60 {
            bench.second(second, kbits * 1000, group);
            if second > 5 {
                let (files, behind) = bench.read(second * 1000 + 960);
                // a player takes four seconds for the newest
                held.extend(files.into_iter().next_back().map(|file| (second, file)));
                held.retain(|(since, _)| second - since < 4);
                let most = Duration::from_secs(bench.target.as_ref().unwrap().parse().unwrap());
                let about = format!("{:?} {:?}, groups of {group} ms", rules.packing, rules.part);
                assert!(behind < most + Duration::from_millis(600), "{about}: {behind:?} at {second} s");
                assert_eq!(bench.discontinuities, 0, "{about}: at {second} s");
            }
        }
    }
}

#[test]
fn after_players_have_held_all_there_is_it_goes_on_with_a_key_frame() {
    for packing in packings() {
        let mut bench = Bench::new(Rules { packing: *packing, ..RULES }, TINY);
        let mut held = Vec::new();
        for second in 0..60 {
            bench.second(second, 2_000_000, 2000);
            if (10..30).contains(&second) && bench.window.is_playable() {
                held.extend(bench.read(second * 1000 + 960).0);
            } else if second == 30 {
                held.clear();
            } else if second > 40 {
                let (_, behind) = bench.read(second * 1000 + 960);
                assert!(behind < Duration::from_secs(3), "{packing:?}: {behind:?} at {second} s");
            }
        }
        assert!(bench.account.peak() <= TINY);
        let broken: Vec<_> = bench.window.segments.iter().filter(|one| one.discontinuity).collect();
        assert!(broken.iter().all(|one| one.independent == Some(true)));
    }
}

#[test]
fn a_frame_that_has_no_room_at_all_is_lost_and_what_was_before_it_is_not() {
    for (rules, kbits, _) in kinds().into_iter().filter(|(_, kbits, group)| *kbits == 1000 && *group == 1000) {
        let mut bench = Bench::new(Rules { record: true, ..rules }, TINY);
        for second in 0..4 {
            bench.second(second, kbits * 1000, 1000);
        }
        bench.push(4000, true, 30_000);
        bench.push(4040, false, 3000);
        bench.push(4080, false, TINY + 1);
        bench.push(4120, false, 3000);
        for second in 5..7 {
            bench.second(second, kbits * 1000, 1000);
        }
        bench.window.end();
        let told: Vec<_> = bench.window.segments.iter().map(|one| (one.duration, one.discontinuity)).collect();
        let broken = told.iter().position(|one| one.1).expect("it is told");
        assert_eq!(told.iter().filter(|one| one.1).count(), 1);
        let before: Duration = told[..broken].iter().map(|one| one.0).sum();
        assert_eq!(before, Duration::from_millis(4080) - told_from(&bench), "{told:?}");
        assert_eq!(bench.window.segments[broken].begun, UNIX_EPOCH + Duration::from_secs(5));
        bench.read(6960);
    }
}

/// The date at which the oldest segment begins, since 1970.
fn told_from(bench: &Bench) -> Duration {
    bench.window.segments[0].begun.duration_since(UNIX_EPOCH).unwrap()
}

#[test]
fn a_disk_gets_all_there_is_whatever_the_room_is_for() {
    for (rules, kbits, group) in kinds().into_iter().filter(|(_, kbits, _)| *kbits <= 4000) {
        let about = format!("{:?} {:?} {kbits} kbit/s, groups of {group} ms", rules.packing, rules.part);
        let mut bench = Bench::new(Rules { store: Some(Delete::Soon), ..rules }, TINY);
        let mut numbers = Vec::new();
        for second in 0..30 {
            bench.second(second, kbits * 1000, group);
            while let Some(next) = bench.window.unstored() {
                bench.window.stored(&next.name);
                numbers.extend(next.about.map(|about| about.id));
                bench.stored.push(next.name);
            }
            if second > 10 {
                let (_, behind) = bench.read(second * 1000 + 960);
                let most = Duration::from_secs(bench.target.as_ref().unwrap().parse().unwrap());
                assert!(behind < most + Duration::from_millis(600), "{about}: {behind:?} at {second} s");
            }
        }
        assert!(numbers.iter().copied().eq(0..numbers.len() as u64), "{about}: {numbers:?}");
        assert_eq!(bench.discontinuities, 0, "{about}");
    }
}
