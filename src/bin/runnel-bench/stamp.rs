//! Time stamps that two processes of one machine agree on.

use std::time::{Duration, Instant, SystemTime};

/// The way in which a frame tells the time at which it was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamping {
    None,
    /// By its timestamp.
    Times,
    /// By an SEI message in it.
    Pictures,
}

/// The time of day when the program started, carried on by the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Stamps {
    begun: Instant,
    /// Since 1970.
    at: Duration,
}

impl Stamps {
    pub fn start() -> Self {
        let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { begun: Instant::now(), at }
    }

    /// The first moment not before `time` whose stamp is a whole number of milliseconds.
    pub fn align(&self, time: Instant) -> Instant {
        let part = self.since_1970(time).subsec_nanos() % 1_000_000;
        time + Duration::from_nanos((1_000_000 - u64::from(part)) % 1_000_000)
    }

    /// Milliseconds; 32 bits that wrap.
    pub fn of(&self, time: Instant) -> u32 {
        self.since_1970(time).as_millis() as u32
    }

    /// The time from `stamp` to `now`; zero if `stamp` is still to come.
    pub fn age(&self, stamp: u32, now: Instant) -> Duration {
        let part = self.since_1970(now).subsec_nanos() % 1_000_000;
        let ms = self.of(now).wrapping_sub(stamp) as i32;
        u64::try_from(ms).map_or(Duration::ZERO, |ms| Duration::from_millis(ms) + Duration::from_nanos(part.into()))
    }

    fn since_1970(&self, time: Instant) -> Duration {
        self.at + time.saturating_duration_since(self.begun)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_tells_its_age() {
        let stamps = Stamps::start();
        let due = stamps.align(Instant::now());
        let stamp = stamps.of(due);
        assert_eq!(stamps.age(stamp, due), Duration::ZERO);
        assert_eq!(stamps.age(stamp, due + Duration::from_micros(12_345)), Duration::from_micros(12_345));
        assert_eq!(stamps.age(stamp.wrapping_add(5), due), Duration::ZERO);
    }
}
