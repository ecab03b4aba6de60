//! Counts of what is recorded, for the metrics and the log.

use std::collections::BTreeSet;
#[cfg(feature = "files")]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::hub::Name;

/// What is recorded, and what was.
#[derive(Default)]
pub struct Recorded {
    files: AtomicUsize,
    counts: Mutex<Counts>,
    #[cfg(feature = "files")]
    list: OnceLock<List>,
}

/// Says what there is, for a query.
#[cfg(feature = "files")]
pub type List = Box<dyn Fn(&str) -> String + Send + Sync>;

/// Counts that are kept.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Recordings that run.
    pub running: usize,
    /// Bytes that were written.
    pub bytes: u64,
    /// Frames, and runs of them up to a key frame, that found no room.
    pub lost: u64,
    /// Streams of which it was said that there is no place for them.
    refused: BTreeSet<Name>,
}

impl Recorded {
    /// Who can say what there is.
    #[cfg(feature = "files")]
    pub fn set_list(&self, list: List) {
        // there is one recorder
        let _ = self.list.set(list);
    }

    /// What there is, as JSON; `None` where nothing is recorded. It waits for the disk.
    #[cfg(feature = "files")]
    pub fn list(&self, query: &str) -> Option<String> {
        self.list.get().map(|list| list(query))
    }

    /// A number for a file.
    pub fn next_file(&self) -> usize {
        self.files.fetch_add(1, Relaxed)
    }

    /// A recording begins.
    pub fn begins(&self) {
        self.lock().running += 1;
    }

    /// A recording ends: there is a place for another.
    pub fn ends(&self) {
        let mut counts = self.lock();
        counts.running -= 1;
        counts.refused.clear();
    }

    /// Bytes were written.
    pub fn wrote(&self, bytes: usize) {
        self.lock().bytes += bytes as u64;
    }

    /// Something found no room.
    pub fn lost(&self) {
        self.lock().lost += 1;
    }

    /// There is no place for a recording of `name`, which is said once.
    pub fn refuse(&self, name: &Name) {
        if self.lock().refused.insert(name.clone()) {
            log::warn!("[{name}] is not recorded: recording.max is reached");
        }
    }

    /// The counts as they are now.
    pub fn counts(&self) -> Counts {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
