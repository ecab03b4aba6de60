//! One track's clock: whether a time continues it, stands alone, or begins another.

use std::time::Instant;

use crate::media::{Hz, Ticks};

/// A step back by no more than this is disorder; a step forward by no more than this
/// needs no reason. Milliseconds, as all here.
pub(super) const DISORDER: i64 = 1000;
/// Times that are apart by more do not belong together.
pub(super) const APART: i64 = 10_000;
/// Frames may come so late on a slow network.
pub(super) const LATE: i64 = 2000;
/// The distance between two frames if nobody knows better.
pub(super) const MIN_GAP: i64 = 20;
/// A step of so many usual ones needs no reason either.
const MANY: i64 = 3;
/// Pauses are measured by arrival, which may be off by this part of them.
const JITTER: i64 = 8;
/// Nobody counts that far: 8900 years.
pub(super) const LATEST: i64 = 1 << 48;

/// The times of one track of one publisher.
#[derive(Debug)]
pub(super) struct Clock {
    rate: Hz,
    /// The offset that is added to its times.
    pub(super) offset: i64,
    /// The newest time by which it went on, and when that came.
    newest: i64,
    came: Instant,
    /// The usual distance between its frames; 0 as long as nobody knows.
    usual: i64,
    /// The time on the stream's line that its last frame was given, in ticks of `rate`.
    last: Ticks,
    suspect: Option<Suspect>,
}

/// A frame whose time does not continue the clock, and the time that it was given all the same.
#[derive(Debug)]
struct Suspect {
    time: i64,
    came: Instant,
    place: i64,
}

/// The meaning of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The clock goes on.
    On,
    /// The time does not fit, and no other supports it yet.
    Alone,
    /// The clock was set: a second time continues one that stood alone. The frame's
    /// place is as far behind that one's as their times say.
    Set(i64),
}

impl Clock {
    /// A clock that begins with `time`. Its frames stand before neither 0 nor any tick
    /// of the milliseconds before `floor`.
    pub(super) fn new(rate: Hz, offset: i64, time: i64, floor: i64, now: Instant) -> Self {
        let last = (Ticks(floor).rescale(Hz::MS, rate) - Ticks(1)).max(Ticks(0));
        Self { rate, offset, newest: time, came: now, usual: 0, last, suspect: None }
    }

    /// Judges `time` if the stream has come to `head`.
    pub(super) fn judge(&self, time: i64, head: i64, now: Instant) -> Step {
        let step = time.saturating_sub(self.newest);
        let waited = since(self.came, now);
        let pause = waited.saturating_add(waited / JITTER);
        let many = if self.usual == 0 { APART } else { self.usual.saturating_mul(MANY) };
        let most = many.max(pause.saturating_add(DISORDER)).max(DISORDER);
        // others of the stream have come as far
        let reached = time.saturating_add(self.offset) <= head.saturating_add(DISORDER);
        // a time that steps back may well continue one that stood alone
        let earliest = if self.suspect.is_some() { 0 } else { -DISORDER };
        if step >= earliest && (step <= most || reached) {
            return Step::On;
        }
        let Some(suspect) = self.suspect.as_ref().filter(|_| (-LATEST..=LATEST).contains(&time)) else {
            return Step::Alone;
        };
        let further = time.saturating_sub(suspect.time);
        if !(1..=APART.max(since(suspect.came, now).saturating_add(DISORDER))).contains(&further) {
            return Step::Alone;
        }
        // Frames lost on the way leave a hole, and the clock is right all the same. If frames come as they
        // are made, the hole has been waited for.
        let paced = waited.saturating_mul(2) >= self.usual.saturating_add(further);
        let hole = pause.saturating_add(if paced { LATE } else { APART });
        if (0..=hole).contains(&step) { Step::On } else { Step::Set(suspect.place.saturating_add(further)) }
    }

    /// Whether `time` is further on than a step that needs no reason.
    pub(super) fn leaps(&self, time: i64) -> bool {
        time.saturating_sub(self.newest) > DISORDER
    }

    /// The time in milliseconds that a frame is given whose own says nothing: as far behind the last one as
    /// frames usually are, or as long after it as others have gone on without this track.
    pub(super) fn expected(&self, head: i64, now: Instant) -> i64 {
        let waited = since(self.came, now);
        let usual = self.usual.max(MIN_GAP).min(waited.max(DISORDER));
        let last = self.last();
        let behind = head.saturating_sub(last).min(waited);
        last.saturating_add(if behind > usual.saturating_add(DISORDER) { behind } else { usual })
    }

    /// Puts a frame that stands alone at `place`.
    pub(super) fn put(&mut self, time: i64, place: i64, rate: Hz, now: Instant) -> Ticks {
        let place = self.advance(Ticks(place).rescale(Hz::MS, rate), rate);
        self.suspect = Some(Suspect { time, came: now, place: self.last() });
        place
    }

    /// Maps a frame by which the clock goes on.
    pub(super) fn go_on(&mut self, dts: Ticks, rate: Hz, now: Instant) -> Ticks {
        let time = dts.rescale(rate, Hz::MS).0;
        let step = time.saturating_sub(self.newest).min(APART);
        if step > 0 {
            // one pause alone makes no habit
            self.usual = if self.usual == 0 { step } else { step.min(self.usual.saturating_mul(4)) };
        }
        (self.newest, self.came, self.suspect) = (self.newest.max(time), now, None);
        self.advance(dts + Ticks(self.offset).rescale(Hz::MS, rate), rate)
    }

    /// The clock was set, and `time` is now moved by `offset`.
    pub(super) fn set(&mut self, offset: i64, time: i64) {
        self.offset = offset;
        self.newest = self.suspect.as_ref().map_or(time, |suspect| suspect.time);
    }

    /// The publisher moves the track's times: the next one is as much further.
    pub(super) fn shift(&mut self, by: i64) {
        self.newest = self.newest.saturating_add(by);
        self.suspect = None;
    }

    /// The time that the last frame was given, in milliseconds.
    pub(super) fn last(&self) -> i64 {
        self.last.rescale(self.rate, Hz::MS).0
    }

    /// The time in milliseconds that a frame would be given that came now, if none came late.
    pub(super) fn arrived(&self, now: Instant) -> i64 {
        self.last().saturating_add(since(self.came, now))
    }

    /// No frame stands before the last one.
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
