//! Those who read events at once, and their memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::state;
use crate::budget::Key::Count;
use crate::conf::{Config, Cost};
use crate::net::random;

/// The readers.
pub(in crate::serve) struct Readers {
    open: Arc<AtomicUsize>,
    /// Tells this run of the server from others, in ids of events.
    pub(super) boot: u32,
}

/// The place of a reader; returned when dropped.
pub(super) struct Place(Arc<AtomicUsize>);

/// The facts that wait for readers, for each that there may be.
const FACTS: usize = 8;
/// The bytes for the message of a reader: two blocks.
pub(super) const TEXT: usize = (8 << 10) + 512;
/// The bytes of a fact.
const FACT: usize = 512;
/// The bytes of the reader itself.
pub(super) const READER: usize = 2 << 10;

/// Readers of events, with what each has been told of streams.
pub(crate) static READERS: Cost = Cost {
    what: "API: readers of events",
    keys: &[Count("api.events"), Count("streams.max")],
    count: Config::api_events,
    user: |all| all.streams.max.saturating_mul(state::ROW).saturating_add(READER + TEXT),
    kernel: |_| 0,
};

/// The facts that wait for them, beyond those that wait for notifications: there is one ring.
pub(crate) static NEWS: Cost = Cost {
    what: "API: facts",
    keys: &[Count("api.events")],
    count: |all| kept_facts(all).saturating_sub(all.kept_facts()),
    user: |_| FACT,
    kernel: |_| 0,
};

/// The facts that are kept for readers.
pub(super) fn kept_facts(config: &Config) -> usize {
    config.api_events().saturating_mul(FACTS)
}

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
