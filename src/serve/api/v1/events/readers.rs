//! Those who read events at once, and their memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::state;
use crate::budget::Key::Count;
use crate::conf::Cost;
use crate::net::random;

/// The readers.
pub(in crate::serve) struct Readers {
    open: Arc<AtomicUsize>,
    /// Tells this run of the server from others, in ids of events.
    pub(super) boot: u32,
}

/// The place of a reader; returned when dropped.
pub(super) struct Place(Arc<AtomicUsize>);

/// The facts that wait for a reader.
pub(super) const FACTS: usize = 32;
/// The bytes for messages of a reader: those that are sent, and what is written meanwhile.
pub(super) const TEXT: usize = 16 << 10;
/// The bytes of a fact.
const FACT: usize = 512;
/// The bytes of the reader itself.
pub(super) const READER: usize = 4 << 10;

/// Readers of events, with what each has been told of streams.
pub(crate) static READERS: Cost = Cost {
    what: "API: readers of events",
    keys: &[Count("api.events"), Count("streams.max")],
    count: crate::conf::Config::api_events,
    user: |all| READER + FACTS * FACT + TEXT + all.streams.max * state::ROW,
    kernel: |_| 0,
};

impl Default for Readers {
    fn default() -> Self {
        Self { open: Arc::default(), boot: random::number() as u32 }
    }
}

impl Readers {
    /// A place, of `most`.
    pub(super) fn enter(&self, most: usize) -> Option<Place> {
        let next = |open| (open < most).then_some(open + 1);
        self.open.fetch_update(Relaxed, Relaxed, next).ok().map(|_| Place(self.open.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_once_its_reader_has_left() {
        let readers = Readers::default();
        let first = readers.enter(1);
        assert!(first.is_some() && readers.enter(1).is_none());
        drop(first);
        assert!(readers.enter(1).is_some() && readers.enter(0).is_none());
    }
}
