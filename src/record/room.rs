//! The memory of a disk: a part of its own, and what is lent for a frame that finds no room in that.

use crate::budget::{Account, BlockMut, OverBudget};
use crate::conf::RECORD_BLOCK as BLOCK;

/// What the sessions of a disk charge.
#[derive(Clone)]
pub(super) struct Room {
    pub(super) own: Account,
    /// All disks have this together.
    pub(super) lent: Account,
}

/// What must be free before one that had no room goes on.
const ENOUGH: usize = 3 * BLOCK;
/// The least that a disk is sure of where something is lent.
const LEAST: usize = 2 * ENOUGH;

/// The part of each of so many disks, and what is lent: one frame of the largest size, if that is more
/// than a part.
pub(super) fn parts(memory: usize, disks: usize, max_frame: usize) -> (usize, usize) {
    // a block that is filled already, and what a file begins with, are beside the frame
    let frame = max_frame.saturating_add(ENOUGH);
    let equal = memory / disks.max(1);
    let rest = memory.saturating_sub(frame) / disks.max(1);
    if equal < frame && rest >= LEAST { (rest, frame) } else { (equal, 0) }
}

impl Room {
    /// So many blocks, or none. A frame that its own part has no room for when all before it is
    /// written is lent the memory, unless the disk is behind: one that stands still keeps none of that.
    pub(super) fn blocks(&self, count: usize) -> Result<Vec<BlockMut>, OverBudget> {
        let all = |account: &Account| (0..count).map(|_| BlockMut::new(account, BLOCK)).collect::<Result<Vec<_>, _>>();
        let limit = self.own.limit();
        let is_large = count.saturating_mul(BLOCK) > limit.saturating_sub(ENOUGH);
        let is_behind = self.own.used() > limit / 2 || self.lent.used() > 0;
        all(&self.own).or_else(|refused| if is_large && !is_behind { all(&self.lent) } else { Err(refused) })
    }

    /// Whether one that had no room may go on.
    pub(super) fn has_enough(&self) -> bool {
        self.own.available() >= ENOUGH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_the_largest_size_finds_room_beside_disks_that_stand_still() {
        const MAX_FRAME: usize = 768 << 10;
        for memory in [2 << 20, 8 << 20] {
            let total = Account::root("record", memory);
            let (part, lent) = parts(memory, 4, MAX_FRAME);
            let lent = total.child("lent", lent);
            let rooms: Vec<_> = (0..4).map(|_| Room { own: total.child("disk", part), lent: lent.clone() }).collect();
            let mut held = Vec::new();
            for room in &rooms[1..] {
                while let Ok(blocks) = room.blocks(1) {
                    held.extend(blocks);
                }
                assert!(room.blocks(MAX_FRAME / BLOCK).is_err(), "it is behind");
            }
            held.extend(rooms[0].blocks(1).unwrap());
            let frame = rooms[0].blocks(MAX_FRAME / BLOCK + 1).unwrap();
            assert!(rooms[0].has_enough());
            drop(frame);
            assert_eq!(lent.used(), 0);
        }
    }

    #[test]
    fn nothing_is_lent_where_parts_are_large_enough_or_too_small() {
        assert_eq!(parts(1 << 20, 1, 512 << 10), (1 << 20, 0));
        assert_eq!(parts(384 << 10, 2, 768 << 10), (192 << 10, 0));
        assert_eq!(parts(512 << 10, 0, 256 << 10), (512 << 10, 0));
    }
}
