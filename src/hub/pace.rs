//! The time for which frames gather before they are sent on.
//!
//! A write costs the kernel the same for one small frame as for ten. So a stream
//! is read, and its viewers are woken, at a cadence that grows with the number of
//! sessions, up to the latency that the configuration allows.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// The time that each session adds.
const STEP: Duration = Duration::from_micros(250);
/// A pause that is shorter than two frames are apart costs more than it saves:
/// below this, every frame goes at once.
const LEAST: Duration = Duration::from_millis(30);

/// The sessions of a hub.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    publishers: AtomicUsize,
    viewers: AtomicUsize,
}

impl Sessions {
    pub(super) fn viewers(&self) -> usize {
        self.viewers.load(Relaxed)
    }

    /// Counts one more viewer; false if there are `most` already.
    pub(super) fn viewer_joins(&self, most: usize) -> bool {
        let more = |viewers| (viewers < most).then_some(viewers + 1);
        self.viewers.fetch_update(Relaxed, Relaxed, more).is_ok()
    }

    pub(super) fn viewer_leaves(&self) {
        self.viewers.fetch_sub(1, Relaxed);
    }

    pub(super) fn publisher_joins(&self) {
        self.publishers.fetch_add(1, Relaxed);
    }

    pub(super) fn publisher_leaves(&self) {
        self.publishers.fetch_sub(1, Relaxed);
    }

    /// The pace that the present number of sessions asks for. A tenth of what is
    /// allowed is left for the sending itself.
    pub(super) fn pace(&self, most: Duration) -> Duration {
        let sessions = self.viewers() + self.publishers.load(Relaxed);
        let wanted = STEP.saturating_mul(u32::try_from(sessions).unwrap_or(u32::MAX));
        let allowed = wanted.min(most * 9 / 10);
        if wanted < LEAST { Duration::ZERO } else { allowed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_get_every_frame_at_once_and_many_wait_no_longer_than_allowed() {
        let sessions = Sessions::default();
        let most = Duration::from_millis(100);
        (0..100).for_each(|_| assert!(sessions.viewer_joins(200)));
        assert_eq!(sessions.pace(most), Duration::ZERO);
        (0..100).for_each(|_| assert!(sessions.viewer_joins(200)));
        assert_eq!(sessions.pace(most), Duration::from_millis(50));
        (0..5000).for_each(|_| sessions.publisher_joins());
        assert_eq!(sessions.pace(most), Duration::from_millis(90));
    }
}
