//! Reads a table of numbers piece by piece, so that it takes 512 bytes of memory whatever its length.

use super::boxes::BoxAt;
use crate::container::{Fault, Storage};

/// Bytes of a table that are kept in memory.
const WINDOW: usize = 512;

/// The numbers in a box, in order.
#[derive(Debug)]
pub(super) struct Table {
    /// The bytes in memory, and the number of them that were read.
    window: Vec<u8>,
    used: usize,
    /// The offsets in the file at which the window and the table end.
    at: u64,
    end: u64,
}

impl Table {
    /// Opens the content of `from`.
    pub(super) fn over(from: &BoxAt) -> Self {
        Self { window: Vec::new(), used: 0, at: from.body, end: from.end }
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self, storage: &mut dyn Storage) -> Result<[u8; N], Fault> {
        if self.window.len() < self.used + N {
            self.fill(storage)?;
        }
        let bytes = self.window.get(self.used..).and_then(<[u8]>::first_chunk);
        self.used += N;
        bytes.copied().ok_or(Fault::Broken("a table is too short"))
    }

    /// The next number of 32 bits.
    pub(super) fn u32(&mut self, storage: &mut dyn Storage) -> Result<u32, Fault> {
        self.array(storage).map(u32::from_be_bytes)
    }

    /// The next number of 64 bits.
    pub(super) fn u64(&mut self, storage: &mut dyn Storage) -> Result<u64, Fault> {
        self.array(storage).map(u64::from_be_bytes)
    }

    fn fill(&mut self, storage: &mut dyn Storage) -> Result<(), Fault> {
        self.window.drain(..self.used.min(self.window.len()));
        self.used = 0;
        let kept = self.window.len();
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(WINDOW);
        self.window.resize(kept + left.min(WINDOW - kept), 0);
        let got = storage.read_at(self.at, self.window.get_mut(kept..).unwrap_or_default())?;
        self.window.truncate(kept + got);
        self.at += got as u64;
        Ok(())
    }
}
