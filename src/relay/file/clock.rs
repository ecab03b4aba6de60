//! The clock of a file: the intervals between frames follow their times in the file.

use std::time::{Duration, Instant};

/// A clock in microseconds.
#[derive(Debug)]
pub(super) struct Clock {
    /// The speed of playback; above 1 it is faster than normal.
    speed: f64,
    /// The file has a table of frame durations.
    timed: bool,
    /// A point in time, and the file time that corresponds to it.
    anchor: Option<(Instant, i64)>,
    /// The time at which the last frame was due.
    due: Option<Instant>,
    /// The latest file time since the last jump.
    newest: i64,
    /// The longest recent step, and the number of frames since.
    longest: Option<(i64, usize)>,
    /// A file time, and the number of frames received for it since.
    same_time: (i64, u32),
}

/// A step up to this length always counts as continuous.
const MAX_STEP: i64 = 60_000_000;
/// A longer step is always a jump, because no viewer waits that long.
const MAX_PAUSE: i64 = 3_600_000_000;
/// A longer step backwards is a jump; a smaller one is disorder.
const MAX_DISORDER: i64 = 1_000_000;
/// A file that is later than this continues from the current time, without catching up.
const MAX_LATE: Duration = Duration::from_secs(1);
/// The duration of a frame whose time is not usable. Each jump takes this long, so that a file that consists of
/// jumps is not played all at once.
const DEFAULT_DURATION: Duration = Duration::from_millis(40);
/// The number of frames of all tracks that may have the same time; each further one takes `DEFAULT_DURATION`.
const MAX_SAME_TIME: u32 = 32;
/// Times that differ by less than this count as the same, in microseconds.
const SAME_TIME: i64 = 1000;
/// The number of frames before and after a step that decide whether it belongs to a slide show.
const NEAR_FRAMES: usize = 16;
/// Slides have similar durations: a step longer than this multiple of all near it is a jump.
const MAX_RATIO: i64 = 30;

impl Clock {
    pub(super) fn new(speed: f64, timed: bool) -> Self {
        Self { speed, timed, anchor: None, due: None, newest: 0, longest: None, same_time: (0, 0) }
    }

    /// The time at which the frame with the file time `at` is due; `following` are the file times of the next
    /// frames.
    pub(super) fn due(&mut self, at: i64, following: impl Iterator<Item = i64>, now: Instant) -> Instant {
        let Some((moment, begun)) = self.anchor else {
            (self.newest, self.same_time) = (at, (at, 0));
            return self.anchor_at(now, at);
        };
        let step = at.saturating_sub(self.newest);
        let goes_on = (-MAX_DISORDER..=MAX_STEP).contains(&step) || self.is_pause(step, at, following);
        self.newest = if goes_on { self.newest.max(at) } else { at };
        self.note(step);
        if self.is_overfull(at) || !goes_on {
            let before = self.due.map_or(now, |due| due.max(now));
            return self.anchor_at(before + DEFAULT_DURATION.div_f64(self.speed), at);
        }
        let passed = u64::try_from(at.saturating_sub(begun)).unwrap_or(0);
        let due = moment + Duration::from_micros(passed).div_f64(self.speed);
        if now.saturating_duration_since(due) > MAX_LATE {
            return self.anchor_at(now, at);
        }
        self.due = Some(due);
        due
    }

    /// Restarts the clock after it was stopped.
    pub(super) fn resume(&mut self) {
        self.anchor = None;
    }

    fn anchor_at(&mut self, moment: Instant, at: i64) -> Instant {
        (self.anchor, self.due) = (Some((moment, at)), Some(moment));
        moment
    }

    /// True if a long step is a pause, as in slide shows and time lapses, and not a jump.
    fn is_pause(&self, step: i64, at: i64, following: impl Iterator<Item = i64>) -> bool {
        if !(0..=MAX_PAUSE).contains(&step) {
            return false;
        }
        let (mut last, mut longest) = (at, self.longest.map(|(step, _)| step));
        for next in following.take(NEAR_FRAMES) {
            let further = next.saturating_sub(std::mem::replace(&mut last, next));
            longest = longest.max(Some(further.max(0)));
            if further < -MAX_DISORDER {
                break; // the frames after a jump do not count
            }
        }
        self.timed || longest.is_none_or(|longest| longest.saturating_mul(MAX_RATIO) >= step)
    }

    /// Stores a step to judge later ones. A file with jumps backwards is not a slide show.
    fn note(&mut self, step: i64) {
        self.longest = match self.longest {
            _ if step < -MAX_DISORDER => Some((0, 0)),
            Some((longest, ago)) if longest > step && ago < NEAR_FRAMES => Some((longest, ago + 1)),
            None if step <= 0 => None,
            _ => Some((step.max(0), 0)),
        };
    }

    /// True if more frames have the time `at` than the tracks of a file need.
    fn is_overfull(&mut self, at: i64) -> bool {
        let (time, count) = &mut self.same_time;
        if !(0..SAME_TIME).contains(&self.newest.saturating_sub(*time)) {
            self.same_time = (at, 0);
            return false;
        }
        *count = count.saturating_add(1);
        *count >= MAX_SAME_TIME
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    /// Milliseconds after `start` at which frames with these times (in ms) are due, if they are read in batches of
    /// `batch`.
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
        // several tracks share each time, and the times continue
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
