//! Ballast: memory that is held from the start and released as it is charged, so that the process has its whole budget
//! whatever other processes use.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Blocks of unused memory.
pub(super) struct Ballast {
    /// The sum of held and charged bytes.
    whole: usize,
    blocks: Mutex<Vec<Box<[u8]>>>,
    held: AtomicUsize,
}

/// The size of a block: large enough that the C library maps each separately, and so returns it to the system.
const BLOCK: usize = 256 << 10;

impl Ballast {
    pub(super) fn new(whole: usize) -> Self {
        Self { whole, blocks: Mutex::default(), held: AtomicUsize::new(0) }
    }

    /// Releases blocks for the `used` bytes that are charged now.
    pub(super) fn make_way(&self, used: usize) {
        if self.held() + used > self.whole {
            self.settle(used);
        }
    }

    /// Holds all memory that is not charged, in whole blocks. They are written to, because the system assigns memory at
    /// the first write.
    pub(super) fn settle(&self, used: usize) {
        let mut blocks = self.lock();
        let count = self.whole.saturating_sub(used) / BLOCK;
        blocks.resize_with(count, || vec![1; BLOCK].into_boxed_slice());
        self.held.store(count * BLOCK, Relaxed);
    }

    /// Bytes held.
    pub(super) fn held(&self) -> usize {
        self.held.load(Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Box<[u8]>>> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
