//! The memory of segments: the oldest are dropped, and those on a disk use none.

use super::*;

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
    // one of each ten has room, and the loss of the next is reported
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

/// Pictures of `len` bytes for that number of seconds, ten a second, each with other content; returns their bytes.
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
    // a second is longer than a segment's eager length, and each takes seven blocks
    let rules = Rules { target: Duration::from_secs(1), listed: 6, ..RULES };
    for room in [5 * 7, 5 * 7 + 3, 6 * 7 - 1] {
        let account = Account::root("hls", room * (32 << 10));
        let mut window = Window::new("a", rules, account.clone(), FIRST);
        let sent = push_large(&mut window, 30, 20_000);
        assert!(!window.starved && account.peak() <= account.limit(), "{room}");
        let text = told(window.playlist(false), "");
        let first: u64 = lines(&text, "#EXT-X-MEDIA-SEQUENCE:")[0].parse().unwrap();
        let listed: Vec<_> = text.lines().filter(|line| line.ends_with(".ts")).collect();
        assert!(listed.len() >= MIN_LISTED && first + listed.len() as u64 == 29, "{room}: {text}");
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

/// Writes all files to a disk; returns their names.
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
    assert!(lasting.len() >= MIN_LISTED && lasting.iter().all(|ms| (1500..=2499).contains(ms)), "{lasting:?}");
    assert_eq!(lines(&told(window.playlist(false), ""), "#EXT-X-TARGETDURATION:"), ["3"]);
}
