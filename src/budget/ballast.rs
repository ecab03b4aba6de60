//! Ballast: memory that is held from the start, and let go of as far as it is
//! charged, so that the process has all of its budget whatever others take.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Blocks of memory that nobody uses yet.
pub(super) struct Ballast {
    /// The bytes that are held and those that are charged, together.
    whole: usize,
    blocks: Mutex<Vec<Box<[u8]>>>,
    held: AtomicUsize,
}

/// Large enough that the C library maps each by itself, and so gives it back.
const BLOCK: usize = 256 << 10;

impl Ballast {
    pub(super) fn new(whole: usize) -> Self {
        Self { whole, blocks: Mutex::default(), held: AtomicUsize::new(0) }
    }

    /// So much is charged now: makes way for it.
    pub(super) fn make_way(&self, used: usize) {
        if self.held() + used > self.whole {
            self.settle(used);
        }
    }

    /// Holds all that is not charged, down to whole blocks. What is taken is
    /// written to, since memory that nobody wrote to is none.
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
