//! The absence of key frames, which the log tells.

use std::time::{Duration, Instant};

/// The state of a stream whose pictures are skipped because no key frame has arrived.
#[derive(Default)]
pub(super) struct Keyless {
    since: Option<Instant>,
    said: bool,
    /// The last time that it was logged.
    logged: Option<Instant>,
}

/// The time without a key frame after which it is logged.
pub(super) const KEYLESS_TIME: Duration = Duration::from_secs(5);
/// The shortest time between two such logs: key frames may stop again and again.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

impl Keyless {
    /// True if it has to be logged now; true once.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        let is_long = now.saturating_duration_since(since) >= KEYLESS_TIME;
        if !is_long
            || self.said
            || self.logged.is_some_and(|logged| now.saturating_duration_since(logged) < LOG_INTERVAL)
        {
            return false;
        }
        (self.said, self.logged) = (true, Some(now));
        true
    }

    /// A key frame has arrived; returns whether their absence was logged.
    pub(super) fn has_ended(&mut self) -> bool {
        let was_said = std::mem::take(&mut self.said);
        self.since.take().is_some() && was_said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_that_come_and_go_are_told_of_once_a_minute() {
        let (mut keyless, begun) = (Keyless::default(), Instant::now());
        let (mut gone, mut back) = (0, 0);
        // six seconds without, and one with them
        for second in 0..700 {
            let now = begun + Duration::from_secs(second);
            match second % 7 {
                6 => back += usize::from(keyless.has_ended()),
                _ => gone += usize::from(keyless.is_due(now)),
            }
        }
        assert!(gone == back && (9..=12).contains(&gone), "{gone} times gone, {back} back");
    }
}
