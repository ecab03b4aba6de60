//! The memory of segments: they are as short as it requires, and the oldest are dropped. No frame is lost while there
//! is memory for one.

use std::time::Duration;

use super::{Follows, MIN_LISTED, Window};
use crate::budget::OverBudget;
use crate::hls::maker::BLOCK;
use crate::hls::segment::{Open, Segment};
use crate::hub::Unit;

/// The average number of unused bytes in the last block of a part.
pub(super) const UNUSED_BYTES: usize = BLOCK / 4;
/// The divisor of the part of the memory that is always used for segments, however much players hold of dropped ones.
const MIN_SHARE: usize = 4;

impl Window {
    /// Appends the bytes of a unit.
    pub(super) fn append(&mut self, unit: &Unit) {
        loop {
            self.advance(unit);
            match self.reserve(unit) {
                Ok(()) => break,
                Err(_) if self.make_way(unit) => {}
                Err(refusal) => return self.lose(unit, refusal),
            }
        }
        if let Some(open) = &mut self.open {
            open.note(unit);
        }
        self.starved = false;
        self.maker.take(unit);
    }

    /// Ends a part that has reached its length.
    fn advance(&mut self, unit: &Unit) {
        let length = self.rules.part.unwrap_or(Duration::MAX);
        if let Some(open) = &mut self.open
            && open.advance(unit.at, length, &mut *self.maker, &self.account)
        {
            self.version += 1;
        }
    }

    /// Makes room for a unit, and for its segment and part.
    fn reserve(&mut self, unit: &Unit) -> Result<(), OverBudget> {
        self.open.as_mut().map_or(Ok(()), |open| open.reserve(&self.account))?;
        self.maker.reserve(&self.account, unit)
    }

    /// Makes room for a unit: drops the oldest segment; or ends the running one here, so that there is another to play;
    /// or drops all there is to play. False if that does not help.
    fn make_way(&mut self, unit: &Unit) -> bool {
        let dropped = self.make_room();
        if self.segments.len() < MIN_LISTED {
            self.need.want();
        }
        if dropped {
            return true;
        }
        if self.close(Some(unit.at), Follows::More) {
            self.cut.cramp();
            return self.begin(unit);
        }
        self.account.limit() > unit.packed.len() + 2 * BLOCK && self.begin(unit) && self.drop_first()
    }

    /// Loses a unit for want of memory: the next one does not continue the last.
    fn lose(&mut self, unit: &Unit, refusal: OverBudget) {
        self.close(Some(unit.at), Follows::Break);
        self.maker.clear();
        if !std::mem::replace(&mut self.starved, true) {
            self.tell(log::Level::Warn, format_args!("frames up to a key frame are lost: {refusal}"));
        }
    }

    /// Drops the oldest segment to make room; false if that is not possible.
    pub(super) fn make_room(&mut self) -> bool {
        let dropped = self.drop_oldest();
        self.pressed |= dropped;
        dropped
    }

    /// Sets the memory from here on; segments beyond it are dropped at once.
    pub fn set_room(&mut self, bytes: usize) {
        self.account.set_limit(bytes);
        self.texts.set_room(bytes);
        self.measure();
        let mut sum: usize = self.segments.iter().map(held).sum();
        while sum > bytes
            && let Some(oldest) = self.segments.front().map(held)
            && self.make_room()
        {
            sum -= oldest;
        }
    }

    /// The bytes of the running segment.
    pub(super) fn running(&self, open: &Open) -> usize {
        weight(&open.about) + self.maker.pending()
    }

    /// True if the open segment ends before `unit` for want of memory.
    pub(super) fn is_full(&mut self, unit: &Unit) -> bool {
        let full = self.open.as_ref().is_some_and(|open| {
            let (before, pending, len) = (weight(&open.about), self.maker.pending(), unit.packed.len());
            let blocks = (pending + len).next_multiple_of(BLOCK);
            self.cut.is_full(open, unit.at, before + pending, (before + pending + len, before + blocks))
        });
        if full {
            self.need.want();
            self.cut.cramp();
        }
        full
    }

    /// Measures the memory for segments: players may hold dropped ones.
    pub(super) fn measure(&mut self) {
        let ours: usize = self.segments.iter().map(weight).chain(self.open.iter().map(|open| self.running(open))).sum();
        let (all, others) = (self.account.limit(), self.account.used().saturating_sub(ours));
        self.cut.set_room(all.saturating_sub(others).max(all / MIN_SHARE), BLOCK);
    }

    /// Drops the oldest segment; false if nothing would be left to play.
    pub(super) fn drop_oldest(&mut self) -> bool {
        self.segments.len() > 1 && self.drop_first()
    }

    pub(super) fn drop_first(&mut self) -> bool {
        let Some(gone) = self.segments.pop_front() else { return false };
        self.version += 1;
        self.discontinuities_gone += u64::from(gone.discontinuity);
        self.leave(&gone);
        true
    }
}

/// The bytes of a segment in memory; 0 if it is on the disk.
fn held(segment: &Segment) -> usize {
    if segment.stored { 0 } else { segment.parts.iter().map(|part| part.len).sum() }
}

/// The same, with an estimate of the unused bytes in the last blocks of its parts.
fn weight(segment: &Segment) -> usize {
    held(segment) + segment.parts.len() * UNUSED_BYTES
}

#[cfg(test)]
mod tests;
