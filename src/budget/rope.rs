//! Bytes that arrive in parts.
//!
//! Parts are kept in chunks, and the finished bytes are copied into one block of exactly their size. While it grows, a
//! frame of `n` bytes costs at most `n`, half of it again (at most [`MAX_CHUNK`]) and a small constant; while it is
//! finished, `n` more.

use bytes::Bytes;

use super::{BlockMut, OverBudget, Room};

/// The reason why a part does not fit a rope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// The rope would exceed its limit.
    TooLong,
    /// Memory was refused.
    OverBudget(OverBudget),
}

impl From<OverBudget> for Overflow {
    fn from(refusal: OverBudget) -> Self {
        Self::OverBudget(refusal)
    }
}

/// The first chunk of a frame, in bytes: a few packets.
const MIN_CHUNK: usize = 4 << 10;
/// The longest chunk, in bytes, unless a single packet is longer.
pub const MAX_CHUNK: usize = 64 << 10;

/// Bytes in chunks, at most `max`.
#[derive(Debug)]
pub struct Rope {
    max: usize,
    len: usize,
    full: Vec<Bytes>,
    last: Option<BlockMut>,
}

impl Rope {
    /// An empty rope for at most `max` bytes.
    pub fn new(max: usize) -> Self {
        Self { max, len: 0, full: Vec::new(), last: None }
    }

    /// True if it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Appends all of `data`, or nothing.
    pub fn push(&mut self, data: &[u8], room: &dyn Room) -> Result<(), Overflow> {
        if data.len() > self.max - self.len {
            return Err(Overflow::TooLong);
        }
        let fits = self.last.as_ref().map_or(0, BlockMut::room).min(data.len());
        let (head, tail) = data.split_at_checked(fits).unwrap_or((data, &[]));
        let next = if tail.is_empty() {
            None
        } else {
            let capacity = (self.len / 2).clamp(MIN_CHUNK, MAX_CHUNK).min(self.max - self.len - fits).max(tail.len());
            Some(room.block(capacity)?)
        };
        if let Some(last) = &mut self.last {
            last.fill(head);
        }
        if let Some(mut next) = next {
            next.fill(tail);
            self.full.extend(self.last.replace(next).map(BlockMut::freeze));
        }
        self.len += data.len();
        Ok(())
    }

    /// Returns all bytes in a block of their own, and empties the rope.
    pub fn finish(&mut self, room: &dyn Room) -> Result<Bytes, OverBudget> {
        let len = self.len;
        let chunks = self.take();
        let mut block = room.block(len)?;
        for chunk in &chunks {
            block.fill(chunk);
        }
        Ok(block.freeze())
    }

    /// Returns the chunks, and empties the rope.
    pub fn take(&mut self) -> Vec<Bytes> {
        self.full.extend(self.last.take().map(BlockMut::freeze));
        self.len = 0;
        std::mem::take(&mut self.full)
    }

    /// Drops all bytes.
    pub fn clear(&mut self) {
        drop(self.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{Account, BLOCK_OVERHEAD};

    #[test]
    fn a_frame_is_an_exact_block_and_grows_within_its_bound() {
        for size in [1, 100, 4096, 4097, 70_000, 400_000] {
            let account = Account::root("a", 4 << 20);
            let data: Vec<u8> = (0..size).map(|at| at as u8).collect();
            let mut rope = Rope::new(size);
            let mut chunks = 0;
            for part in data.chunks(1388) {
                rope.push(part, &account).unwrap();
                chunks = rope.full.len() + 1;
                let slack = (rope.len() / 2).clamp(MIN_CHUNK, MAX_CHUNK);
                assert!(account.used() <= rope.len() + slack + chunks * BLOCK_OVERHEAD);
            }
            assert_eq!(rope.push(b"x", &account), Err(Overflow::TooLong));
            assert_eq!(rope.finish(&account).unwrap(), data);
            assert!(account.peak() <= 2 * size + (chunks + 1) * BLOCK_OVERHEAD, "the rope's end is exact");
            assert_eq!((account.used(), rope.len()), (0, 0));
        }
    }

    #[test]
    fn refused_room_leaves_what_there_was() {
        let account = Account::root("a", 5000);
        let mut rope = Rope::new(1 << 20);
        rope.push(&[1; 4096], &account).unwrap();
        assert!(matches!(rope.push(&[2; 1000], &account), Err(Overflow::OverBudget(_))));
        assert_eq!(rope.len(), 4096);
        rope.clear();
        assert_eq!(account.used(), 0);
    }
}
