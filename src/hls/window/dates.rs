//! The time of day at which segments begin: EXT-X-PROGRAM-DATE-TIME.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::hls::segment::ms;
use crate::media::Ticks;

/// The dates of segments: the arrival times of their first frames. They never decrease: after a clock was set back they
/// continue, and approach it gradually.
#[derive(Debug, Default)]
pub(super) struct Dates {
    /// The present, by both clocks.
    now: Option<(Instant, SystemTime)>,
    /// The media time and date of the newest segment.
    last: Option<(Ticks, SystemTime)>,
    /// True if the clock was set since, so that dates have to follow it at once.
    is_set: bool,
}

/// The lead of the clock over the monotonic one, between two calls, above which it was set, as on a device that starts
/// in 1970.
const CLOCK_SET: Duration = Duration::from_secs(60);
/// The divisor and the limit of the correction for each segment. Frames arrive early and late, so dates follow media
/// time, corrected by this part of the difference, or by this much.
const CORRECTION_PART: u32 = 8;
const MAX_CORRECTION: Duration = Duration::from_millis(40);

impl Dates {
    /// Sets the present time.
    pub(super) fn look(&mut self, now: Instant, wall: SystemTime) {
        if let Some((then, was)) = self.now {
            let due = was + now.saturating_duration_since(then);
            self.is_set |= wall.duration_since(due).is_ok_and(|ahead| ahead >= CLOCK_SET);
        }
        self.now = Some((now, wall));
    }

    /// True if the next segment has to be marked as a discontinuity because of its date.
    pub(super) fn take_set(&mut self) -> bool {
        std::mem::take(&mut self.is_set) && self.last.is_some()
    }

    /// The time of day at `came`, or now.
    pub(super) fn of(&self, came: Option<Instant>) -> SystemTime {
        let Some((now, wall)) = self.now else { return UNIX_EPOCH };
        let ago = came.map_or(Duration::ZERO, |came| now.saturating_duration_since(came));
        wall.checked_sub(ago).unwrap_or(wall)
    }

    /// The date of the next segment, whose first frame has the time `at` and arrived at `came`; `continues` is whether
    /// it continues the last one.
    pub(super) fn next(&mut self, at: Ticks, came: Option<Instant>, continues: bool) -> SystemTime {
        let taken = self.of(came);
        let date = match self.last {
            Some((from, date)) if continues => towards(date + ms(at - from), taken).max(date),
            Some((_, date)) => taken.max(date),
            None => taken,
        };
        self.last = Some((at, date));
        date
    }
}

fn towards(due: SystemTime, taken: SystemTime) -> SystemTime {
    match taken.duration_since(due) {
        Ok(late) => due + (late / CORRECTION_PART).min(MAX_CORRECTION),
        Err(early) => due - (early.duration() / CORRECTION_PART).min(MAX_CORRECTION),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn told(date: SystemTime) -> u128 {
        date.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
    }

    #[test]
    fn what_was_taken_before_is_dated_when_it_came() {
        let (mut dates, zero) = (Dates::default(), Instant::now());
        dates.look(zero + at(3000), UNIX_EPOCH + at(9000));
        let mut next = |from: u64, came: u64| told(dates.next(Ticks(from as i64), Some(zero + at(came)), true));
        assert_eq!([next(0, 0), next(1000, 1000), next(2000, 2000)], [6000, 7000, 8000]);
        // a second of media that arrives at once
        assert_eq!([next(3000, 2000), next(13_000, 2001)], [8960, 18_920]);
        // and more that would have an earlier date
        assert_eq!([next(13_010, 2002)], [18_920]);
        assert_eq!(told(dates.next(Ticks(0), Some(zero + at(2500)), false)), 18_920);
    }
}
