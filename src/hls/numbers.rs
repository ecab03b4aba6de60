//! Numbers of segments and discontinuities that never decrease, although they are not stored.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// EXT-X-MEDIA-SEQUENCE and EXT-X-DISCONTINUITY-SEQUENCE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// The number of a segment.
    pub segment: u64,
    /// The number of a run of segments without a discontinuity.
    pub discontinuity: u64,
}

/// 2025, since when numbers of segments fit in 31 bits until 2052.
const EPOCH: Duration = Duration::from_secs(1_735_689_600);
/// The unit of the clock that gives the first number of a segment. Segments are hardly ever shorter: `hls.segment` is
/// at least 500 ms, and a key frame may arrive 100 ms early. So the clock is always ahead of the numbers.
const SEGMENT: Duration = Duration::from_millis(400);
/// The unit of the clock that gives the first number of a discontinuity: a device does not restart faster.
const DISCONTINUITY: Duration = Duration::from_secs(5);
/// The modulus of that number, reached after about a day: hls.js has an array with as many elements as the number, and
/// iterates over it with every playlist.
const DISCONTINUITIES: u64 = 1 << 14;

impl Numbers {
    /// The first numbers of a playlist that begins `now`: greater than any before a restart, so that players take its
    /// segments as new. A clock that was not set counts from 0.
    pub fn at(now: SystemTime) -> Self {
        let since = now.duration_since(UNIX_EPOCH + EPOCH).unwrap_or_default();
        let count = |unit: Duration| u64::try_from(since.as_millis() / unit.as_millis()).unwrap_or(0);
        Self { segment: count(SEGMENT), discontinuity: count(DISCONTINUITY) % DISCONTINUITIES }
    }

    /// The greater of each.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self { segment: self.segment.max(other.segment), discontinuity: self.discontinuity.max(other.discontinuity) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_ahead_of_any_before_and_have_room_in_31_bits() {
        let at = |seconds| Numbers::at(UNIX_EPOCH + EPOCH + Duration::from_secs(seconds));
        let (day, years) = (86_400, 27 * 365 * 86_400);
        // a day of segments of half a second, and some that were cut short
        assert!(at(day).segment > at(0).segment + 2 * day + 1000);
        assert_eq!(at(60).discontinuity, at(0).discontinuity + 12);
        assert!(at(years).segment < 1 << 31 && at(years).discontinuity < DISCONTINUITIES);
        assert_eq!(Numbers::at(UNIX_EPOCH), Numbers::default());
        let used = Numbers { segment: 7, discontinuity: u64::MAX };
        assert_eq!(at(0).max(used), used);
    }
}
