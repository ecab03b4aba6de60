//! The heap of one test at a time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::HEAP;

/// Keeps other tests waiting.
pub struct Alone {
    _turn: MutexGuard<'static, ()>,
}

/// Bytes that are held beyond those of the start.
pub struct Meter {
    before: usize,
}

/// Bytes that the test harness itself may allocate meanwhile.
pub const NOISE: usize = 8 << 10;

/// To be called before a test makes anything.
pub fn alone() -> Alone {
    static ALONE: Mutex<()> = Mutex::new(());
    Alone { _turn: ALONE.lock().unwrap_or_else(PoisonError::into_inner) }
}

impl Alone {
    /// Measures from here on.
    pub fn meter(&self) -> Meter {
        HEAP.reset_peak_usage();
        Meter { before: HEAP.current_usage() }
    }
}

impl Meter {
    /// Bytes that are held now and were not at the start.
    pub fn held(&self) -> usize {
        HEAP.current_usage().saturating_sub(self.before)
    }

    /// The most that was held since the start.
    pub fn peak(&self) -> usize {
        HEAP.peak_usage().saturating_sub(self.before)
    }
}
