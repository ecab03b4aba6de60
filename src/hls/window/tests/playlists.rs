//! The list: files, heads and parts, and their playlists.

use super::*;

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

/// The same as `push`, with samples for fragments.
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
    give(&mut window, &head(b"one", 2500), 2500); // the same head again is no change
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
    // viewers of the form get as many as before
    assert!(sent.chunks(ts::SIZE).filter(is_table).count() < counters.len());
}

#[test]
fn parts_have_no_more_than_time_has_room_for() {
    let part = Some(Duration::from_millis(100));
    let account = Account::root("hls", 4 << 20);
    let mut window = Window::new("a", Rules { part, ..RULES }, account.clone(), FIRST);
    let mut at = 0;
    // each picture may be followed by one that is as late as the one after the last key frame
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
    // old playlists that are held can use up the memory of new ones, but never that of segments
    let (mut held, mut at) = (Vec::new(), 2100);
    while let Ok(text) = window.playlist(false) {
        assert!(held.len() < 1000);
        held.push(text);
        push(&mut window, at..at + 1000, 1000);
        at += 1000;
    }
    assert!(window.segments.len() > MIN_LISTED && window.texts.account.used() <= account.limit() / MEMORY_SHARE);
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
