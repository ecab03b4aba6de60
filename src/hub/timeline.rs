//! One time line for a stream, whoever publishes it: it never runs backwards, and
//! a publisher that comes back continues where the last one left off.

use std::time::{Duration, Instant};

use crate::media::{Hz, MAX_TRACKS, Ticks};

/// A step back by more than this is a clock that started anew, not disorder.
const MAX_DISORDER: i64 = 1000;
/// A step forward by so much more than the time that passed is a clock that was
/// set, not a pause.
const MAX_AHEAD: i64 = 10_000;
/// What lies between the last frame before a jump and the first after it, at least.
const MIN_GAP: i64 = 20;

/// Maps a publisher's times to the stream's. Jumps are told by milliseconds, but a
/// track keeps the ticks of its own clock: the distances between them do not change.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// In milliseconds.
    offset: i64,
    /// The last time of each track and kind, for this publisher, and its clock.
    last: [Option<(Ticks, Hz)>; 2 * MAX_TRACKS],
    /// The newest time of all, and when it was mapped.
    newest: Option<(i64, Instant)>,
    resuming: bool,
}

/// Where a frame stands, and whether the stream's time jumped to get there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mapped {
    pub(super) dts: Ticks,
    pub(super) jumped: bool,
}

impl Timeline {
    /// The next time belongs to another publisher.
    pub(super) fn resume(&mut self) {
        self.last = Default::default();
        self.resuming = self.newest.is_some();
    }

    /// The newest time, in milliseconds.
    pub(super) fn newest(&self) -> Ticks {
        Ticks(self.newest.map_or(0, |(time, _)| time))
    }

    /// Maps `dts` of the track in `slot`, on the clock `clock`.
    pub(super) fn map(&mut self, slot: usize, dts: Ticks, clock: Hz, now: Instant) -> Mapped {
        let time = dts.rescale(clock, Hz::MS).0;
        let last = self.last.get(slot).copied().flatten().map(|(last, clock)| last.rescale(clock, Hz::MS).0);
        let back = last.is_some_and(|last| time.saturating_add(self.offset) < last.saturating_sub(MAX_DISORDER));
        let ahead = match (last, self.newest) {
            (Some(_), Some((newest, then))) => {
                let waited = i64::try_from(now.saturating_duration_since(then).as_millis()).unwrap_or(i64::MAX);
                time.saturating_add(self.offset) > newest.saturating_add(waited).saturating_add(MAX_AHEAD)
            }
            _ => false,
        };
        let jumped = back || ahead || self.resuming;
        if let (true, Some((newest, then))) = (jumped, self.newest) {
            // the viewers' clocks went on while nothing came
            let waited = if self.resuming { now.saturating_duration_since(then) } else { Duration::ZERO };
            let gap = i64::try_from(waited.as_millis()).unwrap_or(i64::MAX).max(MIN_GAP);
            self.offset = newest.saturating_add(gap).saturating_sub(time);
            self.last = Default::default();
        }
        self.resuming = false;
        let floor = self.last.get(slot).copied().flatten().map(|(last, then)| last.rescale(then, clock));
        let mapped = dts + Ticks(self.offset).rescale(Hz::MS, clock);
        let mapped = floor.map_or(mapped, |floor| mapped.max(floor));
        if let Some(last) = self.last.get_mut(slot) {
            *last = Some((mapped, clock));
        }
        let time = mapped.rescale(clock, Hz::MS).0;
        self.newest = Some((self.newest.map_or(time, |(newest, _)| newest.max(time)), now));
        Mapped { dts: mapped, jumped }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(line: &mut Timeline, slot: usize, dts: i64, now: Instant) -> (i64, bool) {
        let mapped = line.map(slot, Ticks(dts), Hz::MS, now);
        (mapped.dts.0, mapped.jumped)
    }

    #[test]
    fn the_first_publisher_keeps_its_times() {
        let (mut line, now) = (Timeline::default(), Instant::now());
        assert_eq!(map(&mut line, 0, 7_000_000, now), (7_000_000, false));
        assert_eq!(map(&mut line, 1, 6_999_990, now), (6_999_990, false));
    }

    #[test]
    fn a_publisher_that_returns_continues_after_the_time_that_passed() {
        let (mut line, now) = (Timeline::default(), Instant::now());
        map(&mut line, 0, 5000, now);
        line.resume();
        let later = now + Duration::from_millis(700);
        assert_eq!(map(&mut line, 0, 0, later), (5700, true));
        assert_eq!(map(&mut line, 1, 10, later), (5710, false));
    }

    #[test]
    fn a_track_keeps_the_ticks_of_its_own_clock() {
        let (mut line, now) = (Timeline::default(), Instant::now());
        let clock = Hz::new(44_100);
        let times = [7, 1031, 2055].map(|dts| line.map(0, Ticks(dts), clock, now).dts.0);
        assert_eq!(times, [7, 1031, 2055]);
        line.resume();
        let times = [5, 1029, 2053].map(|dts| line.map(0, Ticks(dts), clock, now).dts.0);
        assert_eq!([times[1] - times[0], times[2] - times[1]], [1024, 1024]);
    }

    #[test]
    fn disorder_is_levelled_and_a_clock_that_restarts_is_not_followed() {
        let (mut line, now) = (Timeline::default(), Instant::now());
        map(&mut line, 0, 5000, now);
        assert_eq!(map(&mut line, 0, 4990, now), (5000, false));
        assert_eq!(map(&mut line, 0, 40, now), (5020, true));
        assert_eq!(map(&mut line, 0, 80, now), (5060, false));
        assert_eq!(map(&mut line, 0, 1 << 31, now), (5080, true));
        let later = now + Duration::from_secs(60);
        assert_eq!(map(&mut line, 0, (1 << 31) + 60_000, later), (65_080, false));
    }
}
