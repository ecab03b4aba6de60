//! Room: segments are as short as it wants, and the oldest make way. None is lost as long as there is
//! room for a frame.

use std::time::Duration;

use super::{Follows, WANTED, Window};
use crate::budget::OverBudget;
use crate::hls::maker::BLOCK;
use crate::hls::segment::{Open, Segment};
use crate::hub::Unit;

/// A part's bytes take so much more on the average, as its last block is not full.
pub(super) const LOOSE: usize = BLOCK / 4;
/// The part of the room that is always counted on, however much players hold of segments that are gone.
const LEAST: usize = 4;

impl Window {
    /// Appends a unit's bytes.
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

    /// Ends a part that is as long as it may be.
    fn advance(&mut self, unit: &Unit) {
        let length = self.rules.part.unwrap_or(Duration::MAX);
        if let Some(open) = &mut self.open
            && open.advance(unit.at, length, &mut *self.maker, &self.account)
        {
            self.version += 1;
        }
    }

    /// Has room for a unit, and what is said of it.
    fn reserve(&mut self, unit: &Unit) -> Result<(), OverBudget> {
        self.open.as_mut().map_or(Ok(()), |open| open.reserve(&self.account))?;
        self.maker.reserve(&self.account, unit)
    }

    /// Makes room for a unit: the oldest segment goes; or the running one ends here, so that there is
    /// another to play; or there is nothing to play for a while. False if that does not help.
    fn make_way(&mut self, unit: &Unit) -> bool {
        let dropped = self.make_room();
        if self.segments.len() < WANTED {
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

    /// A unit has no room: what comes next does not continue what was before.
    fn lose(&mut self, unit: &Unit, refusal: OverBudget) {
        self.close(Some(unit.at), Follows::Break);
        self.maker.clear();
        if !std::mem::replace(&mut self.starved, true) {
            self.tell(log::Level::Warn, format_args!("frames up to a key frame are lost: {refusal}"));
        }
    }

    /// Drops the oldest segment for what comes; false if that cannot be.
    pub(super) fn make_room(&mut self) -> bool {
        let dropped = self.drop_oldest();
        self.pressed |= dropped;
        dropped
    }

    /// Has room for so many bytes from here on: what is beyond them goes at once.
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

    /// Bytes of the running segment.
    pub(super) fn running(&self, open: &Open) -> usize {
        weight(&open.about) + self.maker.pending()
    }

    /// Whether the open segment ends before `unit` for want of room.
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

    /// Looks how much room there is for segments: players may hold some that are gone.
    pub(super) fn measure(&mut self) {
        let ours: usize = self.segments.iter().map(weight).chain(self.open.iter().map(|open| self.running(open))).sum();
        let (all, others) = (self.account.limit(), self.account.used().saturating_sub(ours));
        self.cut.set_room(all.saturating_sub(others).max(all / LEAST), BLOCK);
    }

    /// Drops the oldest segment; false if that would leave nothing to play.
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

/// The memory of a segment, by the bytes that are in it; 0 if it is on the disk.
fn held(segment: &Segment) -> usize {
    if segment.stored { 0 } else { segment.parts.iter().map(|part| part.len).sum() }
}

/// The same, with an estimate of the room that is left in the last blocks of its parts.
fn weight(segment: &Segment) -> usize {
    held(segment) + segment.parts.len() * LOOSE
}

#[cfg(test)]
mod tests;
