//! Missing frames: they make no time in a playlist wrong.

use super::*;

/// A key frame after lost pictures.
fn behind_a_gap(at: i64) -> Unit {
    let mut key = unit(at, true, false);
    key.gap = true;
    key
}

/// True if each segment follows the last one, by its date and that one's length; all others have to be marked.
fn follow(window: &Window) -> Vec<bool> {
    let pairs = window.segments.iter().zip(window.segments.iter().skip(1));
    let follows = pairs.map(|(before, next)| {
        let lasts = next.begun.duration_since(before.begun).unwrap();
        let follows = lasts.abs_diff(before.duration) < Duration::from_millis(50);
        assert!(follows || next.discontinuity, "{lasts:?} and {:?}", before.duration);
        follows
    });
    follows.collect()
}

#[test]
fn pictures_that_were_lost_before_a_segment_are_told() {
    for told_before in [false, true] {
        let mut window = window(1 << 20);
        push(&mut window, 0..2500, 1000);
        if told_before {
            told(window.playlist(false), "");
        }
        give(&mut window, &behind_a_gap(6000), 6000);
        push(&mut window, 6100..9100, 1000);
        assert_eq!(discontinuities(&window), [false, false, false, true]);
        assert_eq!(durations(&window), [1000, 1000, 400, 2000]);
        assert_eq!(follow(&window), [true, true, false]);
    }
}

#[test]
fn what_is_lost_while_sound_goes_on_moves_no_time() {
    let mut window = window(1 << 20);
    push(&mut window, 0..3500, 1000);
    (3500..5000).step_by(100).for_each(|at| give(&mut window, &sound(at), at));
    give(&mut window, &behind_a_gap(5000), 5000);
    push(&mut window, 5100..9100, 1000);
    assert_eq!(discontinuities(&window), [false, false, false, true, false]);
    assert_eq!(durations(&window), [1000, 1000, 1900, 2000, 2000]);
    follow(&window);
}

#[test]
fn pictures_that_were_lost_within_a_segment_make_no_other() {
    let mut window = window(1 << 20);
    push(&mut window, 0..3500, 1000);
    give(&mut window, &behind_a_gap(4000), 4000);
    push(&mut window, 4100..9100, 1000);
    assert_eq!(durations(&window), [1000, 1000, 2000, 2000, 2000]);
    assert!(discontinuities(&window).iter().all(|one| !one) && follow(&window).iter().all(|one| *one));
}

#[test]
fn a_hole_that_no_segment_may_last_for_is_told() {
    let mut window = window(1 << 20);
    push(&mut window, 0..5500, 1000);
    told(window.playlist(false), "");
    push(&mut window, 16_000..19_100, 1000);
    assert_eq!(discontinuities(&window), [false, false, false, false, true]);
    assert_eq!(durations(&window), [1000, 1000, 2000, 400, 2000]);
    follow(&window);
}
