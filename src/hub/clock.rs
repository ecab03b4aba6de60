//! One track's clock: whether a time continues it, stands alone, or begins another.

use std::time::Instant;

use crate::media::{Hz, Ticks};

/// The largest step back that is disorder, and the largest step forward that is accepted without a reason. In
/// milliseconds, as all times here.
pub(super) const DISORDER: i64 = 1000;
/// Times further apart than this do not belong together.
pub(super) const MAX_DISTANCE: i64 = 10_000;
/// The longest delay of a frame on a slow network.
pub(super) const MAX_DELAY: i64 = 2000;
/// The distance between two frames while no other is known.
pub(super) const MIN_GAP: i64 = 20;
/// A step of up to this number of usual steps is accepted too.
const USUAL_STEPS: i64 = 3;
/// Pauses are measured by arrival times, which may be wrong by one part in this number.
const JITTER: i64 = 8;
/// The largest time that is accepted: 8900 years.
pub(super) const MAX_TIME: i64 = 1 << 48;

/// The times of one track of one publisher.
#[derive(Debug)]
pub(super) struct Clock {
    rate: Hz,
    /// The offset added to the track's times.
    pub(super) offset: i64,
    /// The newest time that continued the clock, and its arrival.
    newest: i64,
    came: Instant,
    /// The usual distance between its frames; 0 while unknown.
    usual: i64,
    /// The stream time of its last frame, in ticks of `rate`.
    last: Ticks,
    suspect: Option<Suspect>,
}

/// A frame whose time does not continue the clock, and the stream time that it was given.
#[derive(Debug)]
struct Suspect {
    time: i64,
    came: Instant,
    place: i64,
}

/// The meaning of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The time continues the clock.
    On,
    /// The time does not fit, and no second one confirms it yet.
    Alone,
    /// The clock was set: a second time continues one that stood alone. The frame is placed behind that one, at the
    /// distance between their times.
    Set(i64),
}

impl Clock {
    /// A clock that begins with `time`. No frame is placed before 0, or before the end of the millisecond before
    /// `floor`.
    pub(super) fn new(rate: Hz, offset: i64, time: i64, floor: i64, now: Instant) -> Self {
        let last = (Ticks(floor).rescale(Hz::MS, rate) - Ticks(1)).max(Ticks(0));
        Self { rate, offset, newest: time, came: now, usual: 0, last, suspect: None }
    }

    /// Judges `time`, when the newest time of the stream is `head`.
    pub(super) fn judge(&self, time: i64, head: i64, now: Instant) -> Step {
        let step = time.saturating_sub(self.newest);
        let waited = since(self.came, now);
        let pause = waited.saturating_add(waited / JITTER);
        let many = if self.usual == 0 { MAX_DISTANCE } else { self.usual.saturating_mul(USUAL_STEPS) };
        let most = many.max(pause.saturating_add(DISORDER)).max(DISORDER);
        // other tracks of the stream are as far
        let reached = time.saturating_add(self.offset) <= head.saturating_add(DISORDER);
        // a time that steps back may continue one that stood alone
        let earliest = if self.suspect.is_some() { 0 } else { -DISORDER };
        if step >= earliest && (step <= most || reached) {
            return Step::On;
        }
        let Some(suspect) = self.suspect.as_ref().filter(|_| (-MAX_TIME..=MAX_TIME).contains(&time)) else {
            return Step::Alone;
        };
        let further = time.saturating_sub(suspect.time);
        if !(1..=MAX_DISTANCE.max(since(suspect.came, now).saturating_add(DISORDER))).contains(&further) {
            return Step::Alone;
        }
        // Frames lost on the way leave a gap, although the clock is right. If frames arrive in real time, the gap has
        // passed in real time too.
        let paced = waited.saturating_mul(2) >= self.usual.saturating_add(further);
        let hole = pause.saturating_add(if paced { MAX_DELAY } else { MAX_DISTANCE });
        if (0..=hole).contains(&step) { Step::On } else { Step::Set(suspect.place.saturating_add(further)) }
    }

    /// True if `time` is further ahead than [`DISORDER`].
    pub(super) fn leaps(&self, time: i64) -> bool {
        time.saturating_sub(self.newest) > DISORDER
    }

    /// The stream time in milliseconds for a frame whose own time is of no use. It follows the last frame by the usual
    /// distance, or by the time that other tracks have advanced without this one.
    pub(super) fn expected(&self, head: i64, now: Instant) -> i64 {
        let waited = since(self.came, now);
        let usual = self.usual.max(MIN_GAP).min(waited.max(DISORDER));
        let last = self.last();
        let behind = head.saturating_sub(last).min(waited);
        last.saturating_add(if behind > usual.saturating_add(DISORDER) { behind } else { usual })
    }

    /// Places a frame that stands alone at `place`.
    pub(super) fn put(&mut self, time: i64, place: i64, rate: Hz, now: Instant) -> Ticks {
        let place = self.advance(Ticks(place).rescale(Hz::MS, rate), rate);
        self.suspect = Some(Suspect { time, came: now, place: self.last() });
        place
    }

    /// Maps a frame that continues the clock.
    pub(super) fn go_on(&mut self, dts: Ticks, rate: Hz, now: Instant) -> Ticks {
        let time = dts.rescale(rate, Hz::MS).0;
        let step = time.saturating_sub(self.newest).min(MAX_DISTANCE);
        if step > 0 {
            // one pause alone does not change the usual distance
            self.usual = if self.usual == 0 { step } else { step.min(self.usual.saturating_mul(4)) };
        }
        (self.newest, self.came, self.suspect) = (self.newest.max(time), now, None);
        self.advance(dts + Ticks(self.offset).rescale(Hz::MS, rate), rate)
    }

    /// The clock was set: from here on `time` is moved by `offset`.
    pub(super) fn set(&mut self, offset: i64, time: i64) {
        self.offset = offset;
        self.newest = self.suspect.as_ref().map_or(time, |suspect| suspect.time);
    }

    /// The publisher moves the track's times: the next time is `by` further.
    pub(super) fn shift(&mut self, by: i64) {
        self.newest = self.newest.saturating_add(by);
        self.suspect = None;
    }

    /// The stream time of the last frame, in milliseconds.
    pub(super) fn last(&self) -> i64 {
        self.last.rescale(self.rate, Hz::MS).0
    }

    /// The stream time in milliseconds of a frame that arrives now without delay.
    pub(super) fn arrived(&self, now: Instant) -> i64 {
        self.last().saturating_add(since(self.came, now))
    }

    /// No frame is placed before the last one.
    fn advance(&mut self, place: Ticks, rate: Hz) -> Ticks {
        self.last = place.max(self.last.rescale(self.rate, rate));
        self.rate = rate;
        self.last
    }
}

/// Milliseconds between two moments.
pub(super) fn since(then: Instant, now: Instant) -> i64 {
    i64::try_from(now.saturating_duration_since(then).as_millis()).unwrap_or(i64::MAX)
}
