//! One time line for a stream across publishers: it never runs backwards or far ahead, and a publisher that returns
//! continues where the last one left off.
//!
//! Each track is judged by its own clock. A single time that does not fit changes nothing: its frame is placed where it
//! is expected. If the next one continues it, the track's clock was set, and only that track follows. Tracks that are
//! set one after another stay together, because the second takes over the offset of the first.

use std::time::Instant;

use super::clock::{Clock, DISORDER, MAX_DELAY, MAX_DISTANCE, MAX_TIME, Step, since};
use crate::media::{Hz, MAX_TRACKS, Ticks};

/// The most that the stream's time is ahead of the time since its start. A publisher that sends faster than real time
/// keeps its distances up to this limit: a file, or the groups of pictures that a server has kept. One that always
/// sends faster is held there: an hour of segments takes an hour.
const MAX_AHEAD: i64 = 60_000;
/// The distance in milliseconds of a returning publisher's first frame from the last frame before it, however long the
/// publisher was away. Players have paused meanwhile, and some stop for ever at a gap. The last frame fills it.
const RETURN_GAP: i64 = 1;

/// Maps a publisher's times to the stream's. Clocks are judged in milliseconds, but a track keeps its own ticks: the
/// distances between them do not change.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// One clock for each track of this publisher, and one for each kind for frames without a track.
    clocks: [Option<Clock>; MAX_TRACKS + 2],
    /// The time in milliseconds and the arrival of the stream's first frame, and then of this publisher's first frame.
    begun: Option<(i64, Instant)>,
    entered: Option<(i64, Instant)>,
    /// The newest time of all tracks, and the arrival of the last mapped frame.
    newest: Option<(i64, Instant)>,
    /// No track begins before this: it is the end of the last publisher or of silence.
    floor: i64,
    /// True if it was logged that tracks begin apart.
    said: bool,
}

/// The time of a frame on the stream's line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mapped {
    pub(super) dts: Ticks,
    /// The distance in milliseconds by which the track began away from the others of its publisher, and was moved
    /// beside them: reported once.
    pub(super) apart: Option<i64>,
}

impl Timeline {
    /// The next time belongs to another publisher.
    pub(super) fn resume(&mut self) {
        self.clocks = Default::default();
        (self.entered, self.said) = (None, false);
        if let Some((newest, _)) = self.newest {
            self.begin_behind(Ticks(newest));
        }
    }

    /// Tracks that begin from here on are placed after the millisecond `at`.
    pub(super) fn begin_behind(&mut self, at: Ticks) {
        self.floor = (at + Ticks(1)).0;
    }

    /// The newest time, in milliseconds.
    pub(super) fn newest(&self) -> Ticks {
        Ticks(self.newest.map_or(0, |(time, _)| time))
    }

    /// Maps `dts` of the track in `slot`, whose clock rate is `rate`.
    pub(super) fn map(&mut self, slot: usize, dts: Ticks, rate: Hz, now: Instant) -> Mapped {
        let time = dts.rescale(rate, Hz::MS).0;
        let head = self.newest().0;
        let mut apart = None;
        let step = match self.clock(slot) {
            Some(clock) => clock.judge(time, head, now),
            None => {
                apart = self.begin(slot, time, rate, now);
                Step::On
            }
        };
        match step {
            Step::Set(place) => self.set(slot, time, place),
            Step::On => self.follow(slot, time, head, now),
            Step::Alone => {}
        }
        let most = self.most(now);
        let mapped = match self.clock(slot) {
            Some(clock) if step == Step::Alone => {
                let place = clock.expected(head, now).min(most);
                clock.put(time, place, rate, now)
            }
            _ => {
                self.hold(slot, time, most);
                self.clock(slot).map_or(dts, |clock| clock.go_on(dts, rate, now))
            }
        };
        let place = mapped.rescale(rate, Hz::MS).0;
        self.begun.get_or_insert((place, now));
        self.entered.get_or_insert((place, now));
        self.newest = Some((place.max(head), now));
        Mapped { dts: mapped, apart }
    }

    fn clock(&mut self, slot: usize) -> Option<&mut Clock> {
        self.clocks.get_mut(slot)?.as_mut()
    }

    fn clocks(&self) -> impl Iterator<Item = &Clock> {
        self.clocks.iter().flatten()
    }

    /// Begins the clock of a track. Returns its distance from the others, if it is the first whose times do not belong
    /// to theirs.
    fn begin(&mut self, slot: usize, time: i64, rate: Hz, now: Instant) -> Option<i64> {
        let arrived = self.clocks().map(|clock| clock.arrived(now)).max();
        let (offset, apart) = match (arrived, self.newest) {
            (None, None) if (0..=MAX_TIME).contains(&time) => (0, None),
            (None, None) => (time.saturating_neg(), None),
            (None, Some((newest, _))) => {
                self.lose_time(newest, now);
                (newest.saturating_add(RETURN_GAP).saturating_sub(time), None)
            }
            (Some(arrived), _) => self.beside(time, arrived, now),
        };
        if let Some(clock) = self.clocks.get_mut(slot) {
            *clock = Some(Clock::new(rate, offset, time, self.floor, now));
        }
        apart.filter(|_| !std::mem::replace(&mut self.said, true))
    }

    /// The offset that places a track beside the others, which have reached `arrived`; the track begins with `time`. It
    /// is one of their offsets if the track belongs to them, else the one by its arrival, with its distance from them.
    fn beside(&self, time: i64, arrived: i64, now: Instant) -> (i64, Option<i64>) {
        // a publisher that sends faster than real time may be far into one track before the next begins
        let (begun, then) = self.entered.unwrap_or((arrived, now));
        let earliest = arrived.min(begun.saturating_add(since(then, now))).saturating_sub(MAX_DISTANCE);
        let (offset, place) = self.nearest(time, arrived).unwrap_or((0, time));
        if (earliest..=arrived.saturating_add(MAX_DISTANCE)).contains(&place) {
            return (offset, None);
        }
        (arrived.saturating_sub(time), Some(place.saturating_sub(arrived)))
    }

    /// The offset of the track that places `time` nearest to `place`, and the resulting time.
    fn nearest(&self, time: i64, place: i64) -> Option<(i64, i64)> {
        let places = self.clocks().map(|clock| (clock.offset, time.saturating_add(clock.offset)));
        places.min_by_key(|(_, at)| at.abs_diff(place))
    }

    /// A track's clock was set. It takes over the offset of another track if that places it near `place`. If it would
    /// have to wait then, the other track leaps instead.
    fn set(&mut self, slot: usize, time: i64, place: i64) {
        let own = place.saturating_sub(time);
        let Some(clock) = self.clock(slot) else { return };
        let (last, before) = (clock.last(), clock.offset);
        clock.set(own, time);
        let others = self.clocks.iter().enumerate().filter(|(at, _)| *at != slot);
        let others = others.filter_map(|(_, clock)| clock.as_ref().map(|clock| clock.offset));
        let near = |offset: &i64| {
            *offset != before && time.saturating_add(*offset).abs_diff(place) <= MAX_DELAY.unsigned_abs()
        };
        let Some(offset) = others.filter(near).min_by_key(|offset| offset.abs_diff(own)) else { return };
        if time.saturating_add(offset) >= last {
            self.clock(slot).into_iter().for_each(|clock| clock.offset = offset);
        } else {
            let same = self.clocks.iter_mut().flatten().filter(|clock| clock.offset == offset);
            same.for_each(|clock| clock.offset = own);
        }
    }

    /// A clock continues after a gap. If another track got there without a gap, because its clock was set, there is
    /// none: this clock was set too.
    fn follow(&mut self, slot: usize, time: i64, head: i64, now: Instant) {
        let Some(clock) = self.clock(slot).filter(|clock| clock.leaps(time)) else { return };
        let (last, place) = (clock.last(), clock.expected(head, now));
        let own = time.saturating_add(clock.offset).abs_diff(place);
        let nearest = self.nearest(time, place).filter(|(_, at)| *at >= last);
        let Some((offset, at)) = nearest else { return };
        if at.abs_diff(place).saturating_add(DISORDER.unsigned_abs()) < own {
            self.clock(slot).into_iter().for_each(|clock| clock.offset = offset);
        }
    }

    /// The publisher moves the times of a track against the others on purpose. If it moves them back, the others leap.
    pub(super) fn shift(&mut self, slot: usize, by: i64) {
        if let Some(clock) = self.clock(slot) {
            clock.shift(by);
            let leap = by.min(0).saturating_neg();
            self.clocks.iter_mut().flatten().for_each(|clock| clock.offset = clock.offset.saturating_add(leap));
        }
    }

    /// The stream's time stopped while there was no publisher, so a returning one may not be ahead by that time too.
    fn lose_time(&mut self, newest: i64, now: Instant) {
        if let Some((time, then)) = &mut self.begun {
            *time = time.saturating_add(since(*then, now)).min(newest);
            *then = now;
        }
    }

    /// The latest time that is allowed for a frame now.
    fn most(&self, now: Instant) -> i64 {
        let begun = self.begun.map(|(time, then)| time.saturating_add(since(then, now)));
        begun.map_or(i64::MAX, |time| time.saturating_add(MAX_AHEAD))
    }

    /// Moves a track back if `time` is too far ahead, and with it the tracks that are as far, so that they stay
    /// together.
    fn hold(&mut self, slot: usize, time: i64, most: i64) {
        let Some(clock) = self.clock(slot) else { return };
        let excess = time.saturating_add(clock.offset).saturating_sub(most);
        if excess <= 0 {
            return;
        }
        let least = most.saturating_sub(MAX_DISTANCE);
        for (at, clock) in self.clocks.iter_mut().enumerate() {
            if let Some(clock) = clock.as_mut().filter(|clock| at == slot || clock.last() >= least) {
                clock.offset = clock.offset.saturating_sub(excess);
            }
        }
    }
}

#[cfg(test)]
mod tests;
