//! The time of day, if the machine knows it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(Duration);

/// The beginning of 2026: a clock that shows less was not set since the machine started.
const PLAUSIBLE: Duration = Duration::from_secs(1_767_225_600);

impl Clock {
    pub(super) fn read() -> Self {
        Self(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    /// The time, if it may be right.
    pub(super) fn now(self) -> Option<Duration> {
        Some(self.0).filter(|time| *time >= PLAUSIBLE)
    }

    #[cfg(test)]
    pub(super) fn at(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }
}
