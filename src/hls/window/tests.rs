use std::sync::LazyLock;
use std::time::UNIX_EPOCH;

use bytes::Bytes;

use super::*;
use crate::codec;
use crate::container::{Packed, TS, ts};
use crate::hls::segment::{Part, ms};
use crate::hls::texts::{SHARE, told};
use crate::media::{Codec, Frame, Hz, Kind, Params, Track, TrackSet, Tracks};

mod gaps;

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

/// Gives a unit that comes now, so many milliseconds after 1970 by the wall's clock and by the other.
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
    // as long as a key frame might come yet, and then as long as the target
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
        // one of the groups that were known so far would be over long ago
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
    // the wall clock's lead in milliseconds before and after it is set at 5.5 s, and the segment that says so
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

/// The announcement of tracks that are news.
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

#[test]
fn files_are_there_as_long_as_they_are_listed_and_a_little_longer() {
    let mut window = window(1 << 20);
    push(&mut window, 0..30_000, 1000);
    let first = lines(&told(window.playlist(false), ""), "a-")[0].replacen("", "a-", 1);
    let Found::Now((blocks, len)) = window.file(&first) else { panic!() };
    assert_eq!((blocks.iter().map(Bytes::len).sum::<usize>(), len), (20_000, 20_000));
    assert_eq!(window.file("a-0-0.ts"), Found::Never);
    assert_eq!(window.segments.len(), RULES.listed + SPARE);
}

fn head(bytes: &[u8], at: i64) -> Unit {
    Unit::new(Packed::from(bytes.to_vec()).as_head(), Ticks(at), false, false)
}

/// The same as `push`, of what fragments are made of.
fn push_samples(window: &mut Window, times: std::ops::Range<i64>, gop: i64) {
    let (mut mux, account) = ((crate::container::SAMPLES.mux)(), Account::root("test", 1 << 20));
    let params = Params { record: Bytes::from_static(&[1]), ..Params::default() };
    let track = Track { id: 0, codec: Codec::H264, clock: Hz::MS, params };
    for at in times.step_by(100) {
        let data = vec![at as u8; 1000].into();
        let frame = Frame { dts: Ticks(at), cts: 0, kind: Kind::Video, track: 0, key: at % gop == 0, data };
        let packed = mux.frame(&track, &frame, &account).unwrap().unwrap();
        let mut unit = Unit::new(packed, frame.dts, frame.key, false);
        unit.track = VIDEO;
        give(window, &unit, frame.dts.0);
    }
}

#[test]
fn heads_are_files_that_apply_from_there_on() {
    let mut window = Window::new("a", Rules { packing: Packing::Mp4, ..RULES }, Account::root("hls", 1 << 20), FIRST);
    push_samples(&mut window, 0..1000, 1000);
    assert!(!window.is_playable() && window.open.is_none(), "there is no head yet");
    give(&mut window, &head(b"one", 1000), 1000);
    push_samples(&mut window, 1000..2500, 1000);
    give(&mut window, &head(b"one", 2500), 2500); // once more, and so no news
    push_samples(&mut window, 2500..3100, 1000);
    give(&mut window, &head(b"two", 3100), 3100);
    push_samples(&mut window, 4000..6100, 1000);
    let text = told(window.playlist(false), "?q");
    assert_eq!(lines(&text, "#EXT-X-MAP:"), ["URI=\"a-1000-0.mp4?q\"", "URI=\"a-3100-1.mp4?q\""]);
    assert_eq!(text.matches("#EXT-X-DISCONTINUITY\n").count(), 1);
    assert!(text.contains("a-4000-3.m4s?q\n"), "{text}");
    for (file, content) in [("a-1000-0.mp4", "one"), ("a-3100-1.mp4", "two")] {
        let Found::Now((blocks, 3)) = window.file(file) else { panic!("{file}") };
        assert_eq!(blocks.concat(), content.as_bytes());
    }
}

/// A window with parts of 300 ms, and 2.05 s of a stream in it.
fn with_parts() -> Window {
    let part = Some(Duration::from_millis(300));
    let mut window = Window::new("a", Rules { part, ..RULES }, Account::root("hls", 1 << 20), FIRST);
    push(&mut window, 0..2050, 1000);
    window
}

#[test]
fn parts_are_as_long_as_they_may_be_and_make_up_their_segment() {
    let mut window = with_parts();
    let text = told(window.playlist(false), "");
    let parts = lines(&text, "#EXT-X-PART:");
    let durations: Vec<_> = parts.iter().map(|part| part.split(',').next().unwrap()).collect();
    let segment = ["DURATION=0.300", "DURATION=0.300", "DURATION=0.300", "DURATION=0.100"];
    assert_eq!(durations, [segment, segment].concat());
    assert_eq!(parts[0], "DURATION=0.300,URI=\"a-0-0.0.ts\",INDEPENDENT=YES");
    assert_eq!(text.matches("INDEPENDENT=YES").count(), 2);
    assert_eq!(lines(&text, "#EXT-X-PART-INF:"), ["PART-TARGET=0.300"]);
    assert!(text.ends_with("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"a-2000-2.0.ts\"\n"), "{text}");
    let Found::Now((whole, 10_000)) = window.file("a-1000-1.ts") else { panic!() };
    let parts = (0..4).map(|at| window.file(&format!("a-1000-1.{at}.ts")));
    let parts = parts.flat_map(|part| if let Found::Now((blocks, _)) = part { blocks.concat() } else { panic!() });
    assert_eq!(whole.concat(), parts.collect::<Vec<_>>());
}

#[test]
fn each_part_of_a_transport_stream_begins_with_the_tables() {
    let part = Some(Duration::from_millis(300));
    let account = Account::root("hls", 1 << 20);
    let mut window = Window::new("a", Rules { part, ..RULES }, account.clone(), Numbers::default());
    let (mut mux, mut tracks) = ((TS.mux)(), Tracks::default());
    let record = codec::hex("0164001effe1001a6764001eacd940a02ff97011000003000100000300320f162d9601000468ef8fcb");
    let params = codec::params(Codec::H264, record.into()).unwrap();
    let video = Track { id: 0, codec: Codec::H264, clock: Hz::MS, params };
    tracks.set(video.clone());
    mux.announce(&tracks, &[], Ticks(0));
    let mut sent = Vec::new();
    for at in (0..6000).step_by(100) {
        let data = Bytes::from_static(&[0, 0, 0, 2, 0x41, 1]).into();
        let frame = Frame { dts: Ticks(at), cts: 0, kind: Kind::Video, track: 0, key: at % 1000 == 0, data };
        let packed = mux.frame(&video, &frame, &account).unwrap().unwrap();
        sent.extend(packed.to_vec());
        let mut unit = Unit::new(packed, frame.dts, frame.key, false);
        unit.track = VIDEO;
        give(&mut window, &unit, frame.dts.0);
    }
    window.end();
    let parts = window.segments.iter().flat_map(|segment| &segment.parts).map(|part| part.blocks.concat());
    let parts: Vec<_> = parts.collect();
    assert!(parts.len() > 12);
    let is_table = |packet: &&[u8]| packet[1..3] == [0x40, 0] || packet[1..3] == [0x50, 1];
    let mut counters = Vec::new();
    for part in &parts {
        let packets: Vec<_> = part.chunks(ts::SIZE).collect();
        assert!(is_table(&packets[0]) && is_table(&packets[1]) && packets[0][1] != packets[1][1]);
        counters.extend(packets.into_iter().filter(is_table).map(|packet| packet[3] & 0xf));
    }
    let first = counters[0];
    let counted = (0..counters.len()).map(|at| (first + (at / 2) as u8) & 0xf);
    assert_eq!(counters, counted.collect::<Vec<_>>());
    // viewers of the form get no more of them than before
    assert!(sent.chunks(ts::SIZE).filter(is_table).count() < counters.len());
}

#[test]
fn parts_have_no_more_than_time_has_room_for() {
    let part = Some(Duration::from_millis(100));
    let account = Account::root("hls", 4 << 20);
    let mut window = Window::new("a", Rules { part, ..RULES }, account.clone(), FIRST);
    let mut at = 0;
    // each picture may be followed by one that is as late as the one after the last key frame was
    for number in 0..3000 {
        give(&mut window, &unit(at, number % 35 == 0, false), at);
        at += if number % 35 == 0 { 900 } else { 1 };
    }
    let text = told(window.playlist(false), "");
    let parts = lines(&text, "#EXT-X-PART:DURATION=");
    let lasts = |part: &String| (part.get(..5).unwrap().parse::<f64>().unwrap() * 1000.0) as usize;
    let most = parts.iter().map(lasts).sum::<usize>() / 50 + RULES.listed + 1;
    assert!(parts.len() <= most, "{} parts of 100 ms and {most} halves of that", parts.len());
    let held: usize = window.segments.iter().map(|segment| segment.parts.len()).sum();
    assert!(account.used() > held * size_of::<Part>(), "they are paid for");
}

#[test]
fn a_playlist_is_written_once_and_paid_for() {
    let mut window = with_parts();
    let (account, before) = (window.account.clone(), window.account.used());
    let texts = [window.playlist(false), window.playlist(true), window.record()].map(Result::unwrap);
    let length: usize = texts.iter().map(Bytes::len).sum();
    assert!(account.used() >= before + length);
    let again = [window.playlist(false), window.playlist(true), window.record()].map(Result::unwrap);
    for (text, again) in texts.iter().zip(&again) {
        assert_eq!(text.as_ptr(), again.as_ptr());
    }
    // old playlists that are held keep others from new ones, but never from segments
    let (mut held, mut at) = (Vec::new(), 2100);
    while let Ok(text) = window.playlist(false) {
        assert!(held.len() < 1000);
        held.push(text);
        push(&mut window, at..at + 1000, 1000);
        at += 1000;
    }
    assert!(window.segments.len() > WANTED && window.texts.account.used() <= account.limit() / SHARE);
    held.clear();
    assert!(window.playlist(false).is_ok());
    drop((texts, again, window));
    assert_eq!(account.used(), 0);
}

#[test]
fn what_comes_next_is_waited_for_and_what_never_comes_is_not() {
    let mut window = with_parts();
    let asks = |window: &Window, segment, part| window.answers(&Ask { segment, part, skip: false });
    assert_eq!(asks(&window, None, None), Found::Now(()));
    assert_eq!(asks(&window, Some(1), Some(3)), Found::Now(()));
    for beyond in [4, 9] {
        assert_eq!(asks(&window, Some(1), Some(beyond)), Found::Later, "part 0 of the next");
    }
    assert_eq!(asks(&window, Some(0), Some(9)), Found::Now(()));
    assert_eq!(asks(&window, Some(2), Some(0)), Found::Later);
    assert_eq!(asks(&window, Some(3), None), Found::Later);
    assert_eq!(asks(&window, Some(4), None), Found::Never);
    assert_eq!(window.file("a-2000-2.0.ts"), Found::Later);
    for never in ["a-2000-2.1.ts", "a-2000-2.ts", "a-1000-1.4.ts", "a-1000-1.x.ts", "b-2000-2.0.ts"] {
        assert_eq!(window.file(never), Found::Never, "{never}");
    }
    let before = window.version();
    push(&mut window, 2100..2400, 1000);
    assert!(window.version() > before);
    assert_eq!(asks(&window, Some(2), Some(0)), Found::Now(()));
    assert_eq!(asks(&window, Some(1), Some(4)), Found::Now(()));
    assert!(matches!(window.file("a-2000-2.0.ts"), Found::Now((_, 3000))));
}

#[test]
fn numbers_count_from_the_first() {
    let part = Some(Duration::from_millis(300));
    let mut window = Window::new(
        "a",
        Rules { part, ..RULES },
        Account::root("hls", 1 << 20),
        Numbers { segment: 7000, discontinuity: 50 },
    );
    push(&mut window, 0..2050, 1000);
    let text = told(window.playlist(false), "");
    let tags = ["#EXT-X-MEDIA-SEQUENCE:", "#EXT-X-DISCONTINUITY-SEQUENCE:"].map(|tag| lines(&text, tag));
    assert_eq!(tags, [["7000"], ["50"]]);
    let asks = |segment| window.answers(&Ask { segment: Some(segment), part: None, skip: false });
    assert_eq!([0, 7001, 7002, 7004].map(asks), [Found::Now(()), Found::Now(()), Found::Later, Found::Never]);
    assert_eq!(window.next_numbers(), Numbers { segment: 7003, discontinuity: 52 });
    assert_eq!(lines(&told(window.record(), ""), "#EXT-X-MEDIA-SEQUENCE:"), ["0"]);
}

#[test]
fn names_are_percent_encoded_where_they_are_uris() {
    let rules = Rules { packing: Packing::Mp4, part: Some(Duration::from_millis(300)), ..RULES };
    let mut window = Window::new("门", rules, Account::root("hls", 1 << 20), FIRST);
    give(&mut window, &head(b"one", 0), 0);
    push_samples(&mut window, 0..1500, 1000);
    for text in [told(window.playlist(false), "?q"), told(window.stored_playlist(), ""), told(window.record(), "")] {
        assert!(text.is_ascii() && text.contains("\n%E9%97%A8-0-0.m4s"), "{text}");
        assert!(text.contains("URI=\"%E9%97%A8-0-0.mp4"), "{text}");
    }
    let text = told(window.playlist(false), "");
    assert!(text.contains("URI=\"%E9%97%A8-0-0.0.m4s\"") && text.contains("URI=\"%E9%97%A8-1000-1."), "{text}");
    assert!(matches!(window.file("门-0-0.0.m4s"), Found::Now(_)));
}

#[test]
fn segments_far_from_the_end_may_be_left_out() {
    let part = Some(Duration::from_millis(300));
    let rules = Rules { part, listed: 12, ..RULES };
    let mut window = Window::new("a", rules, Account::root("hls", 1 << 20), FIRST);
    push(&mut window, 0..40_100, 1000);
    let (whole, delta) = (told(window.playlist(false), ""), told(window.playlist(true), ""));
    assert_eq!((whole.matches("#EXTINF").count(), delta.matches("#EXTINF").count()), (12, 6));
    assert_eq!(lines(&delta, "#EXT-X-SKIP:"), ["SKIPPED-SEGMENTS=6"]);
    let numbers = [&whole, &delta].map(|text| lines(text, "#EXT-X-MEDIA-SEQUENCE:"));
    assert_eq!(numbers[0], numbers[1]);
    let told = whole.lines().filter(|line| line.starts_with("#EXT-X-PART:") && line.contains(".0.ts")).count();
    assert_eq!(told, 4, "the parts of three target durations, and of what is open");
}

#[test]
fn a_record_has_all_that_there_is_room_for() {
    let mut window = Window::new("a", Rules { record: true, ..RULES }, Account::root("hls", 1 << 20), FIRST);
    push(&mut window, 0..60_100, 1000);
    let text = told(window.record(), "?q");
    assert_eq!((text.matches("#EXTINF").count(), lines(&text, "#EXT-X-MEDIA-SEQUENCE:")), (31, vec!["0".into()]));
    assert!(text.ends_with("-30.ts?q\n#EXT-X-ENDLIST\n") && !text.contains("# what"), "{text}");
    push(&mut window, 60_100..600_100, 1000);
    let text = told(window.record(), "");
    assert!(text.contains("# what came before found no room in hls.memory\n") && text.contains("-300.ts"), "{text}");
    assert_eq!(told(window.playlist(false), "").matches("#EXTINF").count(), 3);
}

#[test]
fn memory_is_bounded_by_dropping_the_oldest() {
    let account = Account::root("hls", 150_000);
    let mut window = Window::new("a", RULES, account.clone(), FIRST);
    push(&mut window, 0..30_000, 1000);
    assert!(account.peak() <= 150_000 && window.is_playable());
    let before = window.segments.len();
    push(&mut window, 30_000..300_000, 1_000_000);
    assert!(before > 1 && window.segments.len() > 1 && !window.starved && account.peak() <= 150_000);
    assert!(discontinuities(&window).iter().all(|one| !one), "a group that never ends is cut, and nothing is lost");
    window.end();
    assert!(told(window.playlist(false), "").ends_with("#EXT-X-ENDLIST\n"));
    drop(window);
    assert_eq!(account.used(), 0);
}

#[test]
fn who_publishes_fills_no_log() {
    let mut window = Window::new("a", RULES, Account::root("hls", 150_000), FIRST);
    // of each ten one has room, and there is news of the next
    for at in (0..600_000).step_by(100) {
        let bytes = vec![0; if at % 1000 == 0 { 1000 } else { 200_000 }];
        let unit = Unit::new(bytes.into(), Ticks(at), true, false);
        give(&mut window, &unit, at);
    }
    let said = std::mem::take(&mut window.said);
    assert!(said > 500, "{said}");
    assert!((0..said).filter(|_| window.is_told()).count() < 20);
    window.hush();
    assert!(!window.is_told());
}

/// So many seconds of pictures of `len` bytes, ten a second, each with another content;
/// gives them.
fn push_large(window: &mut Window, seconds: i64, len: usize) -> Vec<u8> {
    let mut all = Vec::new();
    for at in (0..1000 * seconds).step_by(100) {
        let bytes: Vec<u8> = (0..len).map(|n| (at as usize / 100 * 31 + n / 7) as u8).collect();
        let unit = Unit::new(bytes.clone().into(), Ticks(at), at % 1000 == 0, false);
        give(window, &unit, at);
        all.extend(bytes);
    }
    all
}

#[test]
fn segments_of_many_blocks_make_room_for_the_next_and_none_is_lost() {
    // a second is more than a segment's eager length, and each takes seven blocks
    let rules = Rules { target: Duration::from_secs(1), listed: 6, ..RULES };
    for room in [5 * 7, 5 * 7 + 3, 6 * 7 - 1] {
        let account = Account::root("hls", room * (32 << 10));
        let mut window = Window::new("a", rules, account.clone(), FIRST);
        let sent = push_large(&mut window, 30, 20_000);
        assert!(!window.starved && account.peak() <= account.limit(), "{room}");
        let text = told(window.playlist(false), "");
        let first: u64 = lines(&text, "#EXT-X-MEDIA-SEQUENCE:")[0].parse().unwrap();
        let listed: Vec<_> = text.lines().filter(|line| line.ends_with(".ts")).collect();
        assert!(listed.len() >= WANTED && first + listed.len() as u64 == 29, "{room}: {text}");
        let spare = first - window.segments.front().unwrap().id;
        assert!(spare == 2 || room == 35 && spare == 1, "{room}: {spare} more than are listed");
        for (at, name) in listed.iter().enumerate() {
            let Found::Now((blocks, _)) = window.file(name) else { panic!("{room}: {name}") };
            let from = (first as usize + at) * 200_000;
            assert!(blocks.concat() == sent[from..from + 200_000], "{room}: {name} is another");
        }
    }
}

#[test]
fn room_that_shrinks_lets_the_oldest_go_at_once() {
    let account = Account::root("hls", 4 << 20);
    let mut window = Window::new("a", Rules { record: true, ..RULES }, account.clone(), FIRST);
    push_large(&mut window, 20, 20_000);
    assert!(account.used() > 3 << 20);
    window.set_room(1 << 20);
    assert!(account.used() <= (1 << 20) + (400 << 10), "{}", account.used());
    assert!(window.is_playable() && window.need.is_met());
}

/// Has all that there is written to a disk; gives the names.
fn store(window: &mut Window) -> Vec<String> {
    let next = |window: &mut Window| {
        let next = window.unstored()?;
        window.stored(&next.name);
        Some(next.name)
    };
    std::iter::from_fn(|| next(window)).collect()
}

#[test]
fn what_a_disk_has_lost_is_told_no_more_and_what_memory_has_is_written_again() {
    for part in [None, Some(Duration::from_millis(200))] {
        let rules = Rules { store: Some(Delete::Never), listed: 20, part, ..RULES };
        let mut window = Window::new("a", rules, Account::root("hls", 1 << 20), FIRST);
        push(&mut window, 0..20_000, 2000);
        let before = store(&mut window);
        push(&mut window, 20_000..24_100, 2000);
        let lost = window.forget_stored();
        let text = told(window.playlist(false), "");
        assert!(before.iter().take(lost).all(|name| !text.contains(name)), "{text}");
        let again = store(&mut window);
        assert!(again.iter().all(|name| text.contains(name)) && again.len() >= 2, "{again:?}: {text}");
        assert_eq!(again.iter().filter(|name| before.contains(name)).count(), before.len() - lost);
        assert_eq!(part.is_some(), lost < before.len(), "parts that are told of are in memory");
    }
}

#[test]
fn what_is_on_a_disk_takes_no_memory_and_is_still_listed() {
    for delete in [Delete::Never, Delete::End, Delete::Soon] {
        let account = Account::root("hls", 1 << 20);
        let mut window = Window::new("a", Rules { store: Some(delete), ..RULES }, account.clone(), FIRST);
        let (mut written, mut gone) = (Vec::new(), Vec::new());
        for second in 0..40 {
            push(&mut window, 1000 * second..1000 * (second + 1), 1000);
            written.extend(store(&mut window));
            gone.extend(window.take_gone());
        }
        assert_eq!(written.len(), 21, "{delete:?}");
        assert_eq!(lines(&told(window.stored_playlist(), ""), "#EXTINF:").len(), 3, "{delete:?}");
        assert_eq!(window.file(written.last().unwrap()), Found::Never, "it is on the disk");
        let kept = if delete == Delete::Soon { 5 } else { 21 };
        assert_eq!(lines(&told(window.record(), ""), "#EXTINF:").len(), kept, "{delete:?}");
        assert_eq!(gone[..], written[..if delete == Delete::Soon { 16 } else { 0 }], "{delete:?}");
        assert!(account.used() < (64 << 10), "{} bytes", account.used());
    }
}

#[test]
fn what_a_disk_does_not_take_stays_as_long_as_there_is_room() {
    let mut window = Window::new(
        "a",
        Rules { store: Some(Delete::Never), ..RULES },
        Account::root("hls", 300 << 10),
        Numbers::default(),
    );
    push(&mut window, 0..60_000, 1000);
    let first = window.unstored().unwrap();
    assert!(first.about.as_ref().is_some_and(|about| about.discontinuity || about.map.is_none()));
    let held = lines(&told(window.record(), ""), "#EXTINF:").len();
    assert!((2..12).contains(&held), "{held} segments");
    assert!(matches!(window.file(&first.name), Found::Now(_)));
    assert_eq!(store(&mut window).len(), held);
}

#[test]
fn groups_that_have_no_room_are_cut_so_that_there_is_something_to_play() {
    // a group has 400 kB
    let mut window = window(260_000);
    push(&mut window, 0..70_000, 40_000);
    let lasting = durations(&window);
    assert!(lasting.len() >= WANTED && lasting.iter().all(|ms| (1500..=2499).contains(ms)), "{lasting:?}");
    assert_eq!(lines(&told(window.playlist(false), ""), "#EXT-X-TARGETDURATION:"), ["3"]);
}
