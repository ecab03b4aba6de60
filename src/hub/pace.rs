//! The time that frames gather before they are sent.
//!
//! A write costs the kernel the same for one small frame as for ten. So a stream is read, and its viewers are woken, at
//! a cadence that grows with the number of sessions, up to the configured latency.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// The time that each session adds.
const PER_SESSION: Duration = Duration::from_micros(250);
/// The shortest useful pace. A pause shorter than the distance between two frames costs more than it saves: below this,
/// every frame is sent at once.
const MIN_PACE: Duration = Duration::from_millis(30);

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

    /// The pace for the present number of sessions. A tenth of the allowed latency is left for the sending itself.
    pub(super) fn pace(&self, most: Duration) -> Duration {
        let sessions = self.viewers() + self.publishers.load(Relaxed);
        let wanted = PER_SESSION.saturating_mul(u32::try_from(sessions).unwrap_or(u32::MAX));
        let allowed = wanted.min(most * 9 / 10);
        if wanted < MIN_PACE { Duration::ZERO } else { allowed }
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
