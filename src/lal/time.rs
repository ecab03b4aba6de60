//! lal's format of times: Go's layout `2006-01-02 15:04:05.999 Z0700 MST`.

use std::fmt;

use serde::{Serialize, Serializer};

use super::Zone;
use crate::media::Wall;
use crate::wire::civil;

/// A time of day in a zone: `2024-04-16 10:00:00.123 +0800 CST`. The fraction has no zeros at its end, and is left out
/// if it is 0; where the offset is 0, it is `Z`.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a>(pub Wall, pub &'a Zone);

impl fmt::Display for Stamp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(Wall(since), zone) = self;
        let period = zone.at(since.as_secs());
        let local = since.as_secs().saturating_add_signed(period.offset.into());
        let (year, month, day) = civil(local / 86_400);
        let (hour, minute, second) = (local / 3600 % 24, local / 60 % 60, local % 60);
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")?;
        match since.subsec_millis() {
            0 => {}
            millis if millis % 100 == 0 => write!(f, ".{}", millis / 100)?,
            millis if millis % 10 == 0 => write!(f, ".{:02}", millis / 10)?,
            millis => write!(f, ".{millis:03}")?,
        }
        let (sign, minutes) = (if period.offset < 0 { '-' } else { '+' }, period.offset.unsigned_abs() / 60);
        match minutes {
            0 => write!(f, " Z {}", period.name),
            _ => write!(f, " {sign}{:02}{:02} {}", minutes / 60, minutes % 60, period.name),
        }
    }
}

impl Serialize for Stamp<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_time_is_told_as_lal_does() {
        let told = |millis, zone: &Zone| Stamp(Wall(Duration::from_millis(millis)), zone).to_string();
        let (utc, china) = (Zone::utc(), Zone::fixed("CST", 8 * 3600));
        assert_eq!(told(1_713_232_800_123, &china), "2024-04-16 10:00:00.123 +0800 CST");
        assert_eq!(told(1_713_232_800_120, &china), "2024-04-16 10:00:00.12 +0800 CST");
        assert_eq!(told(1_713_232_800_100, &china), "2024-04-16 10:00:00.1 +0800 CST");
        assert_eq!(told(1_713_232_800_007, &utc), "2024-04-16 02:00:00.007 Z UTC");
        assert_eq!(told(1_713_232_800_000, &utc), "2024-04-16 02:00:00 Z UTC");
        assert_eq!(told(1_713_232_800_000, &Zone::fixed("NST", -12_600)), "2024-04-15 22:30:00 -0330 NST");
        assert_eq!(told(0, &Zone::fixed("-08", -28_800)), "1970-01-01 00:00:00 -0800 -08", "no time before 1970");
    }
}
