//! The clock of a file: its frames are due as far apart as their times are.

use std::time::{Duration, Instant};

/// Files count in microseconds.
#[derive(Debug)]
pub(super) struct Clock {
    /// The factor by which they are played faster than they were made.
    speed: f64,
    /// The file has a table of how long each frame lasts.
    timed: bool,
    /// A moment, and the time in the file that belongs to it.
    anchor: Option<(Instant, i64)>,
    /// The time at which the last frame was due.
    due: Option<Instant>,
    /// The latest time, where times go on.
    newest: i64,
    /// The longest step of late, and how many frames ago that was.
    longest: Option<(i64, usize)>,
    /// A time, and how many frames have come since that are not later.
    crowd: (i64, u32),
}

/// A step that is no longer needs no reason.
const MAX_STEP: i64 = 60_000_000;
/// A step that is longer is a jump whatever the file says: nobody waits for that.
const LONGEST_STEP: i64 = 3_600_000_000;
/// A step back by more than this is a jump as well; a smaller one is disorder.
const MAX_DISORDER: i64 = 1_000_000;
/// A file that is late by more goes on from where it is, and does not hurry.
const MAX_LATE: Duration = Duration::from_secs(1);
/// The length of a frame whose time says nothing: a jump takes that long, so that a file
/// that has nothing but jumps is not played at once.
const FRAME: Duration = Duration::from_millis(40);
/// So many frames at one time, of all tracks, are as they should be; each further one lasts.
const MOST_AT_ONCE: u32 = 32;
/// Times that are no further apart are one.
const AT_ONCE: i64 = 1000;
/// So many frames before a step and behind it tell whether it is one of a slide show's.
const NEAR: usize = 16;
/// Slides last about as long as each other: none is so many times longer than all near it.
const MANY: i64 = 30;

impl Clock {
    pub(super) fn new(speed: f64, timed: bool) -> Self {
        Self { speed, timed, anchor: None, due: None, newest: 0, longest: None, crowd: (0, 0) }
    }

    /// The time at which the frame of the time `at` is due; the times of some `following` it are known.
    pub(super) fn due(&mut self, at: i64, following: impl Iterator<Item = i64>, now: Instant) -> Instant {
        let Some((moment, begun)) = self.anchor else {
            (self.newest, self.crowd) = (at, (at, 0));
            return self.anchor_at(now, at);
        };
        let step = at.saturating_sub(self.newest);
        let goes_on = (-MAX_DISORDER..=MAX_STEP).contains(&step) || self.is_pause(step, at, following);
        self.newest = if goes_on { self.newest.max(at) } else { at };
        self.note(step);
        if self.is_crowded(at) || !goes_on {
            let before = self.due.map_or(now, |due| due.max(now));
            return self.anchor_at(before + FRAME.div_f64(self.speed), at);
        }
        let passed = u64::try_from(at.saturating_sub(begun)).unwrap_or(0);
        let due = moment + Duration::from_micros(passed).div_f64(self.speed);
        if now.saturating_duration_since(due) > MAX_LATE {
            return self.anchor_at(now, at);
        }
        self.due = Some(due);
        due
    }

    /// Time stood still until now.
    pub(super) fn resume(&mut self) {
        self.anchor = None;
    }

    fn anchor_at(&mut self, moment: Instant, at: i64) -> Instant {
        (self.anchor, self.due) = (Some((moment, at)), Some(moment));
        moment
    }

    /// Whether a long step is a pause, as slides and time lapses have them, and no jump.
    fn is_pause(&self, step: i64, at: i64, following: impl Iterator<Item = i64>) -> bool {
        if !(0..=LONGEST_STEP).contains(&step) {
            return false;
        }
        let (mut last, mut longest) = (at, self.longest.map(|(step, _)| step));
        for next in following.take(NEAR) {
            let further = next.saturating_sub(std::mem::replace(&mut last, next));
            longest = longest.max(Some(further.max(0)));
            if further < -MAX_DISORDER {
                break; // frames behind that belong elsewhere
            }
        }
        self.timed || longest.is_none_or(|longest| longest.saturating_mul(MANY) >= step)
    }

    /// Remembers a step for the judgement of others. A file that jumps back is no slide show.
    fn note(&mut self, step: i64) {
        self.longest = match self.longest {
            _ if step < -MAX_DISORDER => Some((0, 0)),
            Some((longest, ago)) if longest > step && ago < NEAR => Some((longest, ago + 1)),
            None if step <= 0 => None,
            _ => Some((step.max(0), 0)),
        };
    }

    /// Whether there are more frames at the time `at` than tracks have.
    fn is_crowded(&mut self, at: i64) -> bool {
        let (time, count) = &mut self.crowd;
        if !(0..AT_ONCE).contains(&self.newest.saturating_sub(*time)) {
            self.crowd = (at, 0);
            return false;
        }
        *count = count.saturating_add(1);
        *count >= MOST_AT_ONCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    /// Milliseconds after `start` at which frames of these times (in ms) are due, if they are read
    /// in batches of so many.
    fn dues_of(clock: &mut Clock, start: Instant, times: &[i64], batch: usize) -> Vec<u128> {
        let mut dues = Vec::new();
        for batch in times.chunks(batch) {
            for (number, at) in (1..).zip(batch) {
                let following = batch.iter().skip(number).map(|at| at * 1000);
                dues.push((clock.due(at * 1000, following, start) - start).as_millis());
            }
        }
        dues
    }

    fn dues(times: &[i64]) -> Vec<u128> {
        dues_of(&mut Clock::new(1.0, false), Instant::now(), times, times.len())
    }

    #[test]
    fn frames_are_as_far_apart_as_their_times() {
        assert_eq!(dues(&[5000, 5040, 5020, 6000]), [0, 40, 20, 1000]);
        let mut twice = Clock::new(2.0, false);
        assert_eq!(dues_of(&mut twice, Instant::now(), &[5000, 5040, 6000], 3), [0, 20, 500]);
    }

    #[test]
    fn jumps_last_as_long_as_a_frame_and_pauses_as_long_as_they_are() {
        assert_eq!(dues(&[0, 40, 9040, 9080]), [0, 40, 9040, 9080]);
        assert_eq!(dues(&[0, 40, 90_000, 90_040, 100, 140]), [0, 40, 80, 120, 160, 200]);
        assert_eq!(dues(&[0, 40, 90_000, 90_040, 90_080]), [0, 40, 80, 120, 160]);
    }

    #[test]
    fn slides_are_shown_as_long_as_they_last() {
        for slides in [[0, 90_000, 180_000, 270_000], [0, 20_000, 620_000, 650_000], [0, 600_000, 600_040, 1_200_040]] {
            let wanted: Vec<_> = slides.iter().map(|at| u128::try_from(*at).unwrap()).collect();
            for batch in [1, 2, 4] {
                let dues = dues_of(&mut Clock::new(1.0, false), Instant::now(), &slides, batch);
                assert_eq!(dues, wanted, "{batch} at once");
            }
        }
    }

    #[test]
    fn a_file_that_says_how_long_frames_last_is_believed() {
        let times = [0, 40, 80, 600_080, 600_120, 600_120 + 2 * HOUR];
        let dues = dues_of(&mut Clock::new(1.0, true), Instant::now(), &times, 6);
        assert_eq!(dues, [0, 40, 80, 600_080, 600_120, 600_160]);
    }

    #[test]
    fn a_row_of_jumps_is_not_played_at_once() {
        let back: Vec<_> = (0..100).map(|number| (200 - number) * HOUR).collect();
        let ahead: Vec<_> = (0..100).map(|number| number * 2 * HOUR).collect();
        let to_and_fro: Vec<_> = [0, 40].into_iter().chain((0..98).map(|number| (number + 1) % 2 * HOUR)).collect();
        let little_back: Vec<_> = (0..200).map(|number| HOUR - number * 900).collect();
        for times in [back, ahead, to_and_fro, little_back] {
            for batch in [1, 3, 100] {
                let dues = dues_of(&mut Clock::new(1.0, false), Instant::now(), &times, batch);
                assert!(dues.is_sorted(), "{dues:?}");
                let last = dues.last().copied().unwrap_or(0);
                assert!((3900..5000).contains(&last), "{last} ms: {:?}", &times[..5]);
            }
        }
    }

    #[test]
    fn many_frames_of_one_time_are_not_played_at_once() {
        let dues = dues(&[7; 132]);
        assert_eq!((dues[20], dues[131]), (0, 4000));
        // tracks have some of the same time, and there is no end of times
        let tracks: Vec<_> = (0..1000).map(|number| number / 10).collect();
        let mut clock = Clock::new(1.0, false);
        assert_eq!(dues_of(&mut clock, Instant::now(), &tracks, 100).last(), Some(&99));
    }

    #[test]
    fn who_was_held_up_does_not_hurry() {
        let start = Instant::now();
        let mut clock = Clock::new(1.0, false);
        let mut due = |at, now| clock.due(at, std::iter::empty(), now);
        due(0, start);
        let later = start + Duration::from_secs(5);
        assert_eq!(due(40_000, later), later);
        assert_eq!(due(80_000, later), later + Duration::from_millis(40));
        clock.resume();
        let last = later + Duration::from_millis(1);
        assert_eq!(clock.due(120_000, std::iter::empty(), last), last);
    }
}
