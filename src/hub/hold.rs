//! Unsent units that viewers hold, and the steps by which a ring that needs memory gets it back.

use std::time::{Duration, Instant};

use super::ring::Seq;

/// The batch that a viewer holds while its socket accepts no more.
pub(super) struct Hold {
    /// The number of its first frame; the maximum if it holds no frame of the ring.
    pub(super) from: Seq,
    /// The bytes of the batch.
    pub(super) bytes: u32,
    /// The last time that the socket accepted something, as far as known.
    pub(super) since: Instant,
    part: Part,
    /// True if a part of a unit may be dropped.
    cuts: bool,
    pub(super) pressed: bool,
}

/// The part of a batch that is held.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The whole batch.
    Whole,
    /// The unit that is partly sent.
    Begun,
}

/// The reason why a publisher or a viewer is dismissed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dismissal {
    /// It waited for a stream without a publisher, and its place was needed for another viewer.
    GaveWay,
    /// Another publisher has replaced it.
    Replaced,
    /// The operator has ended it.
    Kicked,
}

/// The step by which a viewer with unsent units frees memory for the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressed {
    /// Nothing.
    No,
    /// Drops the units that it has not begun to send.
    GiveUp,
    /// Closes, unless it can drop a part of the unit that it has begun.
    Go,
}

impl Hold {
    pub(super) fn new(from: Seq, bytes: u32, since: Instant, cuts: bool) -> Self {
        Self { from, bytes, since, part: Part::Whole, cuts, pressed: false }
    }

    /// The step for its viewer.
    pub(super) fn pressed(&self) -> Pressed {
        match self.part {
            _ if !self.pressed => Pressed::No,
            Part::Whole => Pressed::GiveUp,
            Part::Begun => Pressed::Go,
        }
    }

    /// Only the unit that is partly sent is still held: that of the slot `from`, with that number of bytes.
    pub(super) fn gave_up(&mut self, from: Seq, bytes: u32) {
        (self.from, self.bytes, self.part, self.pressed) = (from, bytes, Part::Begun, false);
    }

    /// The measure by which memory is freed, if any. A viewer that is `behind` has more to receive.
    pub(super) fn measure(&self, now: Option<Instant>, behind: bool) -> Option<Measure> {
        if self.pressed {
            return None;
        }
        let is_stuck = now.is_some_and(|now| now.saturating_duration_since(self.since) >= STUCK_AFTER);
        match (is_stuck, self.part) {
            (true, Part::Whole) => Some(Measure::StuckGivesUp),
            (_, Part::Begun) if self.cuts => Some(Measure::Cuts),
            (true, Part::Begun) => Some(Measure::StuckGoes),
            (false, Part::Whole) => Some(Measure::BehindGivesUp).filter(|_| behind),
            (false, Part::Begun) => Some(Measure::AnyGoes),
        }
    }
}

/// The measures that free memory for a ring, the mildest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Measure {
    /// A viewer that has sent nothing for [`STUCK_AFTER`] drops the units that it has not begun.
    StuckGivesUp,
    /// A viewer that sends, but is behind, drops them.
    BehindGivesUp,
    /// A viewer that has dropped them drops all except the packet that is partly sent.
    Cuts,
    /// A viewer that has sent nothing, and has dropped them, is closed.
    StuckGoes,
    /// A viewer that sends, and has dropped them, is closed.
    AnyGoes,
}

/// The strongest measure allowed if the ring has less than one part in this number of its memory: a quarter, a half.
pub(super) const SQUEEZED: [(usize, Measure); 2] = [(4, Measure::AnyGoes), (2, Measure::StuckGivesUp)];
/// The time without output after which a viewer is stuck.
const STUCK_AFTER: Duration = Duration::from_millis(500);
