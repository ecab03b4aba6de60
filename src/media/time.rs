//! Media time: clock rates and points on a clock, never floats.

use std::num::NonZeroU32;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A clock rate in ticks per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hz(NonZeroU32);

/// A time or a distance on one track's clock; without wraps, may be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticks(pub i64);

/// A wall-clock time: since 1970, in UTC. It jumps when a device's clock is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wall(pub Duration);

impl Hz {
    /// Milliseconds, the clock of RTMP and FLV.
    pub const MS: Self = Self::new(1000);
    /// The clock of MPEG-TS and of video over RTP.
    pub const MPEG: Self = Self::new(90_000);

    /// A clock of `rate` ticks per second; 0 counts as 1.
    pub const fn new(rate: u32) -> Self {
        Self(match NonZeroU32::new(rate) {
            Some(rate) => rate,
            None => NonZeroU32::MIN,
        })
    }

    /// Ticks per second.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl Ticks {
    /// The same time on another clock, rounded down. Saturates at the ends of the range. It converts whole seconds
    /// separately, so that no product overflows.
    pub fn rescale(self, from: Hz, to: Hz) -> Self {
        let (from, to) = (i64::from(from.get()), i64::from(to.get()));
        let (seconds, rest) = (self.0.div_euclid(from), self.0.rem_euclid(from));
        // both are below 2^32
        let rest = rest as u64 * to as u64 / from as u64;
        Self(seconds.saturating_mul(to).saturating_add(rest as i64))
    }
}

impl Add for Ticks {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Ticks {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// Turns 32-bit timestamps, which wrap after 49.7 days at 1 kHz, into `Ticks`. Each is read as the time nearest to
/// the previous one.
#[derive(Clone, Debug, Default)]
pub struct Unwrap {
    last: Option<Ticks>,
}

impl Unwrap {
    /// The unwrapped time of `timestamp`.
    pub fn next(&mut self, timestamp: u32) -> Ticks {
        let time = match self.last {
            None => Ticks(i64::from(timestamp)),
            Some(last) => last + Ticks(i64::from(timestamp.wrapping_sub(last.0 as u32) as i32)),
        };
        self.last = Some(time);
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rescaling_is_exact_and_never_overflows() {
        assert_eq!(Ticks(1001).rescale(Hz::MS, Hz::MPEG), Ticks(90_090));
        assert_eq!(Ticks(-1).rescale(Hz::new(u32::MAX), Hz::new(u32::MAX)), Ticks(-1));
        assert_eq!(Ticks(-1).rescale(Hz::MS, Hz::MPEG), Ticks(-90));
        assert_eq!(Ticks(i64::MAX).rescale(Hz::MS, Hz::new(u32::MAX)), Ticks(i64::MAX));
        let year = Ticks(365 * 86_400_000);
        assert_eq!(year.rescale(Hz::MS, Hz::MPEG).rescale(Hz::MPEG, Hz::MS), year);
    }

    #[test]
    fn timestamps_go_on_across_the_wrap_and_back() {
        let mut unwrap = Unwrap::default();
        assert_eq!(unwrap.next(u32::MAX - 9), Ticks((1 << 32) - 10));
        assert_eq!(unwrap.next(10), Ticks((1 << 32) + 10));
        assert_eq!(unwrap.next(u32::MAX), Ticks((1 << 32) - 1));
    }
}
