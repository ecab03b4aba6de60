//! When a file's frames are due: as far apart as their times are.

use std::time::{Duration, Instant};

/// Files count in microseconds.
#[derive(Debug)]
pub(super) struct Clock {
    /// How many times faster than they were made.
    speed: f64,
    /// A moment, and the time in the file that belongs to it.
    anchor: Option<(Instant, i64)>,
    /// The time of the last frame.
    last: i64,
}

/// A longer step is no pause but a jump, which nobody waits for.
const MAX_STEP: i64 = 60_000_000;
/// A step back by more than this is a jump as well; a smaller one is disorder.
const MAX_DISORDER: i64 = 1_000_000;
/// One who is late by more goes on from where it is, and does not hurry.
const MAX_LATE: Duration = Duration::from_secs(1);

impl Clock {
    pub(super) fn new(speed: f64) -> Self {
        Self { speed, anchor: None, last: 0 }
    }

    /// When the frame of the time `at` is due.
    pub(super) fn due(&mut self, at: i64, now: Instant) -> Instant {
        let jumps = !(-MAX_DISORDER..=MAX_STEP).contains(&at.saturating_sub(self.last));
        self.last = at;
        let due = self.anchor.filter(|_| !jumps).map(|(moment, begun)| {
            let passed = u64::try_from(at.saturating_sub(begun)).unwrap_or(0);
            moment + Duration::from_micros(passed).div_f64(self.speed)
        });
        match due {
            Some(due) if now.saturating_duration_since(due) <= MAX_LATE => due,
            _ => {
                self.anchor = Some((now, at));
                now
            }
        }
    }

    /// Time stood still until now.
    pub(super) fn resume(&mut self) {
        self.anchor = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Milliseconds after `start` at which frames of these times (in ms) are due.
    fn dues(clock: &mut Clock, start: Instant, times: &[i64]) -> Vec<u128> {
        times.iter().map(|at| (clock.due(at * 1000, start) - start).as_millis()).collect()
    }

    #[test]
    fn frames_are_as_far_apart_as_their_times() {
        let start = Instant::now();
        assert_eq!(dues(&mut Clock::new(1.0), start, &[5000, 5040, 5020, 6000]), [0, 40, 20, 1000]);
        assert_eq!(dues(&mut Clock::new(2.0), start, &[5000, 5040, 6000]), [0, 20, 500]);
    }

    #[test]
    fn jumps_are_not_waited_for_and_pauses_are() {
        let start = Instant::now();
        assert_eq!(dues(&mut Clock::new(1.0), start, &[0, 9000, 90_000, 90_040, 100, 140]), [0, 9000, 0, 40, 0, 40]);
    }

    #[test]
    fn who_was_held_up_does_not_hurry() {
        let start = Instant::now();
        let mut clock = Clock::new(1.0);
        clock.due(0, start);
        let later = start + Duration::from_secs(5);
        assert_eq!(clock.due(40_000, later), later);
        assert_eq!(clock.due(80_000, later), later + Duration::from_millis(40));
        clock.resume();
        let last = later + Duration::from_millis(1);
        assert_eq!(clock.due(120_000, last), last);
    }
}
