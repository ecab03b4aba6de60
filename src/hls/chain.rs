//! Bytes that grow in blocks of one size, so that nothing is moved.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::budget::{Account, BlockMut, OverBudget};

/// A growing list of blocks. Room is reserved first, which may be refused; then bytes can be appended.
#[derive(Debug)]
pub(super) struct Chain {
    block: usize,
    full: Vec<Bytes>,
    /// The blocks that have room.
    open: VecDeque<BlockMut>,
    len: usize,
}

impl Chain {
    /// An empty chain with blocks of `block` bytes.
    pub(super) fn new(block: usize) -> Self {
        Self { block, full: Vec::new(), open: VecDeque::new(), len: 0 }
    }

    /// Makes room for `len` more bytes. After a refusal the blocks made so far stay.
    pub(super) fn reserve(&mut self, account: &Account, len: usize) -> Result<(), OverBudget> {
        let mut room: usize = self.open.iter().map(BlockMut::room).sum();
        while room < len {
            self.open.push_back(BlockMut::new(account, self.block)?);
            room += self.block;
        }
        Ok(())
    }

    /// Appends a copy of `data`, as far as there is room.
    pub(super) fn append(&mut self, mut data: &[u8]) {
        while let (false, Some(block)) = (data.is_empty(), self.open.front_mut()) {
            let taken = block.fill(data);
            self.len += taken;
            data = data.get(taken..).unwrap_or_default();
            if block.room() == 0 {
                self.full.extend(self.open.pop_front().map(BlockMut::freeze));
            }
        }
        debug_assert!(data.is_empty(), "{} bytes had no room made", data.len());
    }

    /// The number of bytes appended.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// True if nothing was appended.
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the finished blocks and starts again. The last one is copied to its exact size if that saves much and
    /// there is memory for the copy.
    pub(super) fn finish(&mut self, account: &Account) -> Vec<Bytes> {
        let mut chain = std::mem::replace(self, Self::new(self.block));
        if let Some(block) = chain.open.pop_front().filter(|block| !block.is_empty()) {
            chain.open.clear();
            let small = block.len() < chain.block / 2;
            let bytes = block.freeze();
            let tight = if small { BlockMut::copy(account, &bytes).ok() } else { None };
            chain.full.push(tight.unwrap_or(bytes));
        }
        chain.full
    }
}
