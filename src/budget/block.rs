//! Blocks: byte buffers of a fixed size that contain their lease.

use bytes::Bytes;

use super::{Account, Lease, OverBudget};

/// A buffer that is being filled. Its capacity was charged before it was allocated, and never grows. `freeze` turns it
/// into `Bytes` that refund the charge when the last reference is dropped.
#[derive(Debug)]
pub struct BlockMut {
    data: Vec<u8>,
    capacity: usize,
    lease: Lease,
}

/// A source of blocks: an account, or a type that frees memory in one first.
pub trait Room {
    /// A block of exactly `capacity` bytes.
    fn block(&self, capacity: usize) -> Result<BlockMut, OverBudget>;
}

impl Room for Account {
    fn block(&self, capacity: usize) -> Result<BlockMut, OverBudget> {
        BlockMut::new(self, capacity)
    }
}

/// The bytes of an allocation besides its contents: the owner behind `Bytes`, and the allocator's header.
pub const BLOCK_OVERHEAD: usize = 96;

impl BlockMut {
    /// A block of exactly `capacity` bytes, charged to `account`.
    pub fn new(account: &Account, capacity: usize) -> Result<Self, OverBudget> {
        let lease = account.charge(capacity.saturating_add(BLOCK_OVERHEAD))?;
        Ok(Self { data: Vec::with_capacity(capacity), capacity, lease })
    }

    /// The same block, charged to another account.
    pub fn charged_to(self, account: &Account) -> Result<Self, OverBudget> {
        let lease = account.charge(self.capacity.saturating_add(BLOCK_OVERHEAD))?;
        Ok(Self { lease, ..self })
    }

    /// A frozen copy of `data`, in a block of `room`.
    pub fn copy(room: &(impl Room + ?Sized), data: &[u8]) -> Result<Bytes, OverBudget> {
        let mut block = room.block(data.len())?;
        block.fill(data);
        Ok(block.freeze())
    }

    /// Appends as much of `data` as fits, and returns the number of bytes.
    pub fn fill(&mut self, data: &[u8]) -> usize {
        let (head, _) = data.split_at(data.len().min(self.room()));
        self.data.extend_from_slice(head);
        head.len()
    }

    /// Appends up to `len` bytes, as far as they fit: `write` writes them, and returns their number.
    pub fn fill_by(&mut self, len: usize, write: impl FnOnce(&mut [u8]) -> usize) {
        let before = self.data.len();
        self.data.resize(before + len.min(self.room()), 0);
        let written = write(self.data.get_mut(before..).unwrap_or_default());
        self.data.truncate(before.saturating_add(written));
    }

    /// The number of bytes that still fit.
    pub fn room(&self) -> usize {
        self.capacity - self.data.len()
    }

    /// The number of bytes written.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// True if nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The finished bytes.
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(Block { data: self.data, _lease: self.lease })
    }
}

struct Block {
    data: Vec<u8>,
    _lease: Lease,
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_slice_refunds_the_block() {
        let account = Account::root("a", 1000);
        let bytes = BlockMut::copy(&account, b"hello").unwrap();
        let tail = bytes.slice(3..);
        drop(bytes);
        assert_eq!(account.used(), 5 + BLOCK_OVERHEAD);
        assert_eq!(&tail[..], b"lo");
        drop(tail);
        assert_eq!(account.used(), 0);
    }

    #[test]
    fn a_block_never_grows() {
        let account = Account::root("a", 1000);
        let mut block = BlockMut::new(&account, 4).unwrap();
        assert_eq!(block.fill(b"abcdef"), 4);
        assert_eq!((block.fill(b"g"), block.room(), block.len()), (0, 0, 4));
    }
}
