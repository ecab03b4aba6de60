use std::sync::LazyLock;
use std::time::UNIX_EPOCH;

use bytes::Bytes;

use super::*;
use crate::codec;
use crate::container::{Packed, TS, ts};
use crate::hls::segment::{Part, ms};
use crate::hls::texts::{MEMORY_SHARE, told};
use crate::media::{Codec, Frame, Hz, Kind, Params, Track, TrackSet, Tracks};

mod gaps;
mod memory;
mod playlists;

const FIRST: Numbers = Numbers { segment: 0, discontinuity: 0 };
const VIDEO: TrackSet = TrackSet::PICTURES;
const AUDIO: TrackSet = TrackSet::place(1);

pub(super) const RULES: Rules = Rules {
    target: Duration::from_secs(2),
    listed: 3,
    start: 3,
    record: false,
    part: None,
    packing: Packing::Ts,
    store: None,
};

fn window(limit: usize) -> Window {
    Window::new("a", RULES, Account::root("hls", limit), FIRST)
}

fn unit(at: i64, start: bool, discontinuity: bool) -> Unit {
    let mut unit = Unit::new(vec![at as u8; 1000].into(), Ticks(at), start, discontinuity);
    unit.track = VIDEO;
    unit
}

/// Adds a unit that arrives now, `now` milliseconds after 1970 by the wall clock, and as many after the start of the
/// monotonic one.
fn give(window: &mut Window, unit: &Unit, now: i64) {
    static ZERO: LazyLock<Instant> = LazyLock::new(Instant::now);
    window.look(*ZERO + ms(Ticks(now)), UNIX_EPOCH + ms(Ticks(now)));
    window.push(unit);
}

/// A picture every 100 ms and a key frame every `gop` ms.
fn push(window: &mut Window, times: std::ops::Range<i64>, gop: i64) {
    for at in times.step_by(100) {
        give(window, &unit(at, at % gop == 0, false), at);
    }
}

fn lines(text: &str, tag: &str) -> Vec<String> {
    text.lines().filter_map(|line| line.strip_prefix(tag)).map(str::to_string).collect()
}

/// The durations of all segments so far, in milliseconds.
fn durations(window: &Window) -> Vec<u128> {
    window.segments.iter().map(|segment| segment.duration.as_millis()).collect()
}

#[test]
fn the_first_segments_are_short_and_the_target_never_changes() {
    let mut window = Window::new("a", Rules { record: true, ..RULES }, Account::root("hls", 4 << 20), FIRST);
    push(&mut window, 0..900, 1000);
    assert!(!window.is_playable());
    push(&mut window, 900..10_000, 1000);
    assert_eq!(durations(&window), [1000, 1000, 1000, 2000, 2000, 2000]);
    let mut says = |times, gop| {
        push(&mut window, times, gop);
        let text = told(window.playlist(false), "");
        (lines(&text, "#EXT-X-TARGETDURATION:").concat(), text.contains("#EXT-X-INDEPENDENT-SEGMENTS\n"))
    };
    assert_eq!(says(10_000..11_000, 1000), ("2".into(), true));
    // groups become longer than a segment may be
    assert_eq!(says(11_000..41_000, 10_000), ("2".into(), false));
    assert_eq!(says(41_000..60_000, 1000), ("2".into(), true));
    // as long as a key frame may still come, and then as long as the target
    assert_eq!(durations(&window)[6..12], [2400, 2000, 2000, 2000, 2000, 600]);
    assert!(durations(&window).iter().all(|ms| (100..2500).contains(ms)), "{:?}", durations(&window));
    let first = window.segments.iter().filter(|segment| segment.independent == Some(true)).count();
    assert!(first > 15, "key frames begin segments wherever they come");
}

#[test]
fn the_first_groups_of_pictures_say_what_the_target_is() {
    for (gop, part, target, length) in [
        (10_000, None, "10", 10_000),
        (10_000, Some(Duration::from_millis(300)), "10", 10_000),
        (2000, None, "2", 2000),
        (500, None, "2", 2000),
        (1500, None, "2", 1500),
        (800, None, "2", 2400),
        (2400, None, "2", 2400),
        (2500, None, "3", 2500),
        (100_000, None, "30", 30_400),
    ] {
        let mut window = Window::new("a", Rules { part, ..RULES }, Account::root("hls", 8 << 20), FIRST);
        let asks = |window: &Window| window.answers(&Ask { segment: Some(0), part: Some(0), skip: false });
        let first = (0..).step_by(100).find(|at| {
            push(&mut window, *at..at + 100, gop);
            assert_eq!(window.is_playable(), asks(&window) == Found::Now(()));
            window.is_playable()
        });
        let text = told(window.playlist(false), "");
        assert_eq!(lines(&text, "#EXT-X-TARGETDURATION:"), [target], "{gop}");
        push(&mut window, first.unwrap() + 100..first.unwrap() + 60_000, gop);
        let text = told(window.playlist(false), "");
        assert_eq!(lines(&text, "#EXT-X-TARGETDURATION:"), [target], "{gop}");
        let common = durations(&window).into_iter().filter(|one| *one == length).count();
        assert!(common > 0, "{gop}: {:?}", durations(&window));
        let longest = window.segments.iter().map(|segment| segment.duration).max().unwrap();
        assert!((longest + Duration::from_millis(500)).as_secs() <= target.parse().unwrap(), "{gop}: {longest:?}");
    }
}

#[test]
fn a_segment_that_is_open_when_the_target_is_told_is_no_longer_than_that() {
    for part in [None, Some(Duration::from_millis(300))] {
        let mut window = Window::new("a", Rules { part, ..RULES }, Account::root("hls", 4 << 20), FIRST);
        push(&mut window, 0..3100, 1000);
        // with the length of the groups so far, one would have ended long ago
        push(&mut window, 3100..9500, 100_000);
        let text = told(window.playlist(false), "");
        assert_eq!(lines(&text, "#EXT-X-TARGETDURATION:"), ["7"], "{part:?}");
        push(&mut window, 9500..30_100, 1000);
        assert_eq!(lines(&told(window.playlist(false), ""), "#EXT-X-TARGETDURATION:"), ["7"]);
        let (begun, ends) = (window.segments[0].begun, window.segments[0].duration);
        assert_eq!(ends, Duration::from_secs(2), "{:?}", durations(&window));
        let end = begun.duration_since(UNIX_EPOCH).unwrap()
            + window.segments.iter().map(|one| one.duration).sum::<Duration>();
        assert_eq!(end, Duration::from_secs(30), "{:?}", durations(&window));
    }
}

#[test]
fn a_pause_makes_no_segment_longer_than_the_target() {
    let mut window = window(1 << 20);
    push(&mut window, 0..5500, 1000);
    told(window.playlist(false), "");
    push(&mut window, 15_500..21_000, 1000);
    let text = told(window.playlist(false), "");
    assert!(durations(&window).iter().all(|ms| *ms < 2500), "{:?}", durations(&window));
    assert!(
        lines(&text, "#EXT-X-PROGRAM-DATE-TIME:").iter().all(|date| date.as_str() > "1970-01-01T00:00:05"),
        "{text}"
    );
}

#[test]
fn a_publisher_that_returns_with_longer_groups_changes_no_target() {
    let mut window = window(1 << 20);
    push(&mut window, 0..6100, 2000);
    assert_eq!(lines(&told(window.playlist(false), ""), "#EXT-X-TARGETDURATION:"), ["2"]);
    give(&mut window, &unit(6500, true, true), 6500);
    for at in (6600..30_000).step_by(100) {
        give(&mut window, &unit(at, (at - 6500) % 5000 == 0, false), at);
        assert_eq!(lines(&told(window.playlist(false), ""), "#EXT-X-TARGETDURATION:"), ["2"]);
        assert!(durations(&window).iter().all(|ms| *ms < 2500), "{:?}", durations(&window));
    }
}

#[test]
fn sound_alone_is_cut_at_any_frame() {
    let mut window = window(1 << 20);
    push(&mut window, 0..10_000, 100);
    assert_eq!(lines(&told(window.playlist(false), ""), "#EXTINF:"), ["1.900,"; 3]);
}

#[test]
fn a_discontinuity_is_told_and_counted_when_it_leaves() {
    let mut window = window(1 << 20);
    push(&mut window, 0..2500, 1000);
    give(&mut window, &unit(2600, false, true), 2600);
    push(&mut window, 2700..8100, 1000);
    let text = told(window.playlist(false), "?q");
    assert_eq!(text.matches("#EXT-X-DISCONTINUITY\n").count(), 1);
    assert!(text.contains("a-2600-3.ts?q\n"), "{text}");
    push(&mut window, 8100..30_000, 1000);
    let text = told(window.playlist(false), "");
    assert_eq!(lines(&text, "#EXT-X-DISCONTINUITY-SEQUENCE:"), ["1"]);
    assert_eq!(text.matches("#EXT-X-DISCONTINUITY\n").count(), 0);
}

#[test]
fn dates_follow_the_durations_unless_the_clock_is_set() {
    let (mut window, zero) = (window(1 << 20), Instant::now());
    for (second, late, set) in [
        (0, 0, 0),
        (1, 0, 0),
        (2, 90, 0),
        (3, 0, 0),
        (4, 0, 0),
        (5, 0, 3_600_000),
        (6, 0, 3_600_000),
        (7, 0, 3_600_000),
    ] {
        for at in (second * 1000..second * 1000 + 1000).step_by(100) {
            window.look(zero + ms(Ticks(at + late)), UNIX_EPOCH + ms(Ticks(at + late + set)));
            window.push(&unit(at, at % 1000 == 0, false));
        }
    }
    let dates = window.segments.iter().map(|segment| segment.begun.duration_since(UNIX_EPOCH).unwrap().as_millis());
    assert_eq!(dates.collect::<Vec<_>>(), [0, 1000, 2011, 3009, 3_605_000]);
}

#[test]
fn no_date_goes_back_and_none_jumps_without_a_discontinuity() {
    const HOUR: i64 = 3_600_000;
    const YEARS: i64 = 56 * 365 * 24 * HOUR;
    // the wall clock's lead in milliseconds before and after it is set at 5.5 s, and the segment that is marked for it
    for (before, after, says) in [(0, YEARS, Some(6)), (2 * HOUR, HOUR, None), (0, 20_000, None)] {
        let rules = Rules { listed: 30, target: Duration::from_secs(1), ..RULES };
        let (mut window, zero) = (Window::new("a", rules, Account::root("hls", 1 << 20), FIRST), Instant::now());
        for at in (0..20_000).step_by(100) {
            let wall = at + if at < 5500 { before } else { after };
            window.look(zero + ms(Ticks(at)), UNIX_EPOCH + ms(Ticks(wall)));
            window.push(&unit(at, at % 1000 == 0, at == 15_000));
        }
        let told: Vec<_> = window.segments.iter().map(|segment| (segment.begun, segment.discontinuity)).collect();
        for (number, pair) in told.windows(2).enumerate() {
            let [(before, _), (begun, discontinuity)] = pair else { panic!() };
            let lasts = begun.duration_since(*before).expect("no date goes back");
            let is_near = lasts.abs_diff(Duration::from_secs(1)) < Duration::from_millis(50);
            assert_eq!(*discontinuity, Some(number + 1) == says || number + 1 == 15, "{number}");
            assert!(is_near || *discontinuity, "{number}: {lasts:?}");
        }
        let date = |number: usize| told[number].0.duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
        let true_date = if says.is_some() { 14_000 + after } else { 14_000 + before };
        assert!((date(14) - true_date).abs() < 500, "{} and not {true_date}", date(14));
    }
}

/// An announcement of new tracks.
fn news(bytes: &[u8], at: i64, tracks: TrackSet) -> Unit {
    let mut unit = Unit::new(bytes.to_vec().into(), Ticks(at), false, false);
    unit.news = tracks;
    unit
}

fn sound(at: i64) -> Unit {
    let mut unit = Unit::new(b"sound".to_vec().into(), Ticks(at), false, false);
    unit.track = AUDIO;
    unit
}

/// The bytes of each segment.
fn contents(window: &Window) -> Vec<Vec<u8>> {
    window.segments.iter().map(|segment| segment.file().0.concat()).collect()
}

fn discontinuities(window: &Window) -> Vec<bool> {
    window.segments.iter().map(|segment| segment.discontinuity).collect()
}

#[test]
fn a_track_that_joins_begins_with_a_key_frame_and_a_segment_of_its_own() {
    let mut window = window(1 << 20);
    push(&mut window, 0..3400, 1000);
    give(&mut window, &news(b"tables", 3400, AUDIO), 3400);
    for at in (3400..6100).step_by(100) {
        give(&mut window, &sound(at), at);
        push(&mut window, at..at + 100, 1000);
    }
    assert_eq!(discontinuities(&window), [false, false, false, false, true]);
    assert_eq!(durations(&window), [1000, 1000, 1000, 1000, 2000]);
    let has_sound = contents(&window).into_iter().map(|bytes| bytes.windows(5).any(|five| five == b"sound"));
    assert_eq!(has_sound.collect::<Vec<_>>(), [false, false, false, false, true]);
    assert!(told(window.playlist(false), "").contains("#EXT-X-INDEPENDENT-SEGMENTS"));
}

#[test]
fn what_belongs_to_the_beginning_makes_no_segment_of_its_own() {
    let mut window = window(1 << 20);
    push(&mut window, 0..1100, 1000);
    give(&mut window, &unit(1500, true, true), 1500);
    give(&mut window, &news(b"tables", 1600, AUDIO), 1600);
    give(&mut window, &sound(1600), 1600);
    push(&mut window, 1700..5100, 1000);
    assert_eq!(discontinuities(&window), [false, false, true, false]);
    assert!(contents(&window)[2][1000..].starts_with(b"tablessound"));
}

#[test]
fn where_there_are_no_pictures_nothing_is_waited_for() {
    let mut window = window(1 << 20);
    let mut begin = sound(0);
    begin.start = true;
    give(&mut window, &begin, 0);
    (100..1500).step_by(100).for_each(|at| give(&mut window, &sound(at), at));
    give(&mut window, &news(b"tables", 1500, VIDEO), 1500);
    give(&mut window, &sound(1500), 1500);
    push(&mut window, 2000..5000, 1000);
    assert_eq!(discontinuities(&window)[..2], [false, true]);
    assert!(contents(&window)[1].starts_with(b"tablessound"));
    assert_eq!(durations(&window)[0], 1500);
}
