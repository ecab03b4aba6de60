//! What viewers hold that they have taken and not sent, and how others get room back from them.

use std::time::{Duration, Instant};

use super::ring::Seq;

/// The batch that a viewer holds while its socket takes nothing more.
pub(super) struct Hold {
    /// The number of the first frame of it.
    pub(super) from: Seq,
    /// All its bytes.
    pub(super) bytes: u32,
    /// The last time that the socket took something, as far as is known.
    pub(super) since: Instant,
    part: Part,
    pub(super) pressed: bool,
}

/// A part of a batch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// All of it.
    Whole,
    /// The unit that was begun.
    Begun,
}

/// What a viewer is to do for others that has not sent what it has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressed {
    /// Nothing.
    No,
    /// It gives up what it has not begun to send.
    GiveUp,
    /// It goes.
    Go,
}

impl Hold {
    pub(super) fn new(from: Seq, bytes: u32, since: Instant) -> Self {
        Self { from, bytes, since, part: Part::Whole, pressed: false }
    }

    /// What its viewer is to do.
    pub(super) fn pressed(&self) -> Pressed {
        match self.part {
            _ if !self.pressed => Pressed::No,
            Part::Whole => Pressed::GiveUp,
            Part::Begun => Pressed::Go,
        }
    }

    /// Only the unit that was begun is held, of so many bytes.
    pub(super) fn gave_up(&mut self, bytes: u32) {
        (self.bytes, self.part, self.pressed) = (bytes, Part::Begun, false);
    }

    /// The measure by which it is pressed, if there is one: a viewer that is `behind` has more to take.
    pub(super) fn measure(&self, now: Option<Instant>, behind: bool) -> Option<Measure> {
        if self.pressed {
            return None;
        }
        let is_stuck = now.is_some_and(|now| now.saturating_duration_since(self.since) >= STUCK);
        match (is_stuck, self.part) {
            (true, Part::Whole) => Some(Measure::StuckGivesUp),
            (true, Part::Begun) => Some(Measure::StuckGoes),
            (false, Part::Whole) => Some(Measure::BehindGivesUp).filter(|_| behind),
            (false, Part::Begun) => Some(Measure::AnyGoes),
        }
    }
}

/// What is done for a ring that is cut short by what viewers hold, the mildest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Measure {
    /// Who has stood still for `STUCK` gives up what is not begun.
    StuckGivesUp,
    /// Who takes something, but not the newest frames, does.
    BehindGivesUp,
    /// Who has stood still and has given that up goes.
    StuckGoes,
    /// Who takes something, and has given that up, goes.
    AnyGoes,
}

/// The last measure that is taken when the ring has less than this part of its memory: a quarter, a half.
pub(super) const SQUEEZED: [(usize, Measure); 2] = [(4, Measure::AnyGoes), (2, Measure::StuckGivesUp)];
/// Who has taken nothing for so long stands still.
const STUCK: Duration = Duration::from_millis(500);
