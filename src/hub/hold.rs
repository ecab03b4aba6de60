//! Viewers hold units that they have not sent; a ring that needs the room gets it back from them.

use std::time::{Duration, Instant};

use super::ring::Seq;

/// The batch that a viewer holds while its socket takes nothing more.
pub(super) struct Hold {
    /// The number of the first frame of it; the greatest of all where no frame of the ring is held.
    pub(super) from: Seq,
    /// All its bytes.
    pub(super) bytes: u32,
    /// The last time that the socket took something, as far as is known.
    pub(super) since: Instant,
    part: Part,
    /// A part of a unit may be given up.
    cuts: bool,
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

/// The reason why a publisher or a viewer is sent away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dismissal {
    /// It waited for what nobody publishes, and somebody else plays in its place.
    GaveWay,
    /// Somebody else publishes in its place.
    Replaced,
    /// The operator ends it.
    Kicked,
}

/// The step that a viewer with unsent units takes for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressed {
    /// Nothing.
    No,
    /// It gives up what it has not begun to send.
    GiveUp,
    /// It goes, unless it can give up a part of what it has begun.
    Go,
}

impl Hold {
    pub(super) fn new(from: Seq, bytes: u32, since: Instant, cuts: bool) -> Self {
        Self { from, bytes, since, part: Part::Whole, cuts, pressed: false }
    }

    /// The step that its viewer takes.
    pub(super) fn pressed(&self) -> Pressed {
        match self.part {
            _ if !self.pressed => Pressed::No,
            Part::Whole => Pressed::GiveUp,
            Part::Begun => Pressed::Go,
        }
    }

    /// Only the unit that was begun is held, that of the slot `from`, of so many bytes.
    pub(super) fn gave_up(&mut self, from: Seq, bytes: u32) {
        (self.from, self.bytes, self.part, self.pressed) = (from, bytes, Part::Begun, false);
    }

    /// The measure by which it is pressed, if there is one: a viewer that is `behind` has more to take.
    pub(super) fn measure(&self, now: Option<Instant>, behind: bool) -> Option<Measure> {
        if self.pressed {
            return None;
        }
        let is_stuck = now.is_some_and(|now| now.saturating_duration_since(self.since) >= STUCK);
        match (is_stuck, self.part) {
            (true, Part::Whole) => Some(Measure::StuckGivesUp),
            (_, Part::Begun) if self.cuts => Some(Measure::Cuts),
            (true, Part::Begun) => Some(Measure::StuckGoes),
            (false, Part::Whole) => Some(Measure::BehindGivesUp).filter(|_| behind),
            (false, Part::Begun) => Some(Measure::AnyGoes),
        }
    }
}

/// The steps that give room back to a ring, the mildest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Measure {
    /// A viewer that has sent nothing for `STUCK` gives up the units that it has not begun.
    StuckGivesUp,
    /// A viewer that sends, but is behind, gives them up.
    BehindGivesUp,
    /// A viewer that has given them up ends but the packet that it is in the middle of.
    Cuts,
    /// A viewer that has sent nothing, and has given them up, is closed.
    StuckGoes,
    /// A viewer that sends, and has given them up, is closed.
    AnyGoes,
}

/// The last measure that is taken when the ring has less than this part of its memory: a quarter, a half.
pub(super) const SQUEEZED: [(usize, Measure); 2] = [(4, Measure::AnyGoes), (2, Measure::StuckGivesUp)];
/// A viewer that has sent nothing for so long stands still.
const STUCK: Duration = Duration::from_millis(500);
