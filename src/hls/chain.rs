//! A segment's bytes: blocks of one size, so that nothing is moved as it grows.

use bytes::Bytes;

use crate::budget::{Account, BlockMut, OverBudget};

/// The size of a block in bytes: 170 transport packets and a bit.
const BLOCK: usize = 32 << 10;

/// A growing list of blocks.
#[derive(Debug, Default)]
pub struct Chain {
    full: Vec<Bytes>,
    last: Option<BlockMut>,
    len: usize,
}

impl Chain {
    /// Appends a copy of `data`. On refusal a part of it may have been appended.
    pub fn append(&mut self, account: &Account, mut data: &[u8]) -> Result<(), OverBudget> {
        while !data.is_empty() {
            let block = match &mut self.last {
                Some(block) => block,
                none => none.insert(BlockMut::new(account, BLOCK)?),
            };
            let taken = block.fill(data);
            self.len += taken;
            data = data.get(taken..).unwrap_or_default();
            if block.room() == 0 {
                self.full.extend(self.last.take().map(BlockMut::freeze));
            }
        }
        Ok(())
    }

    /// Bytes appended so far.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was appended.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The finished blocks. The last one is copied to its real size if that
    /// saves much and there is room for the copy.
    pub fn finish(mut self, account: &Account) -> Vec<Bytes> {
        if let Some(block) = self.last.take() {
            let small = block.len() < BLOCK / 2;
            let bytes = block.freeze();
            let tight = if small { BlockMut::copy(account, &bytes).ok() } else { None };
            self.full.push(tight.unwrap_or(bytes));
        }
        self.full
    }
}
