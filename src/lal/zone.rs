//! The time zone of the machine, as the C library has it: from `TZ`, `/etc/localtime` or `/etc/TZ`. Rules of zones are
//! those of POSIX (IEEE 1003.1, section 8.3); days of the year without a month are not read, and count as UTC.

use std::fs;
use std::sync::OnceLock;

use crate::wire::civil;

/// A time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    standard: Period,
    /// The time in summer, its begin in standard time, and its end in summer time.
    summer: Option<(Period, Turn, Turn)>,
}

/// A name such as `CST`, and the seconds that are added to UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// The name.
    pub name: Box<str>,
    /// The seconds.
    pub offset: i32,
}

/// A moment of each year: `M3.2.0/2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Turn {
    month: u8,
    /// The week of the month from 1; 5 is the last.
    week: u8,
    /// Days since Sunday.
    day: u8,
    /// Seconds since midnight.
    time: i32,
}

/// Folders with zones by their names.
const ZONES: &str = "/usr/share/zoneinfo";
/// The zone of the machine, a file of TZif (RFC 8536).
const LOCAL: &str = "/etc/localtime";
/// The zone of OpenWrt, a line of text.
const LINE: &str = "/etc/TZ";
/// The time of day of a change that names none.
const TWO_O_CLOCK: i32 = 2 * 3600;

impl Zone {
    /// The zone of the machine, which is read once. UTC if it has none, or one whose rule is not read.
    pub fn local() -> &'static Self {
        static LOCAL_ZONE: OnceLock<Zone> = OnceLock::new();
        LOCAL_ZONE.get_or_init(|| Self::found().unwrap_or_else(Self::utc))
    }

    /// UTC.
    pub fn utc() -> Self {
        Self::fixed("UTC", 0)
    }

    /// A zone that is always `offset` seconds before UTC.
    pub fn fixed(name: &str, offset: i32) -> Self {
        Self { standard: Period { name: name.into(), offset }, summer: None }
    }

    fn found() -> Option<Self> {
        match std::env::var("TZ") {
            Ok(said) => {
                let said = said.trim_start_matches(':');
                Self::parse(said).or_else(|| Self::of_file(&format!("{ZONES}/{said}")))
            }
            Err(_) => Self::of_file(LOCAL).or_else(|| Self::parse(fs::read_to_string(LINE).ok()?.trim())),
        }
    }

    /// The rule at the end of a file of TZif, which holds for all times after the last that is listed. RFC 8536
    /// section 3.3.
    fn of_file(path: &str) -> Option<Self> {
        let bytes = fs::read(path).ok().filter(|bytes| bytes.starts_with(b"TZif"))?;
        let footer = bytes.strip_suffix(b"\n")?.rsplit(|byte| *byte == b'\n').next()?;
        Self::parse(std::str::from_utf8(footer).ok()?)
    }

    /// A rule such as `CST-8` or `CET-1CEST,M3.5.0,M10.5.0/3`.
    fn parse(text: &str) -> Option<Self> {
        let (standard, rest) = Period::parse(text, None)?;
        if rest.is_empty() {
            return Some(Self { standard, summer: None });
        }
        let (summer, rest) = Period::parse(rest, Some(standard.offset + 3600))?;
        let (begin, end) = rest.strip_prefix(',')?.split_once(',')?;
        Some(Self { standard, summer: Some((summer, Turn::parse(begin)?, Turn::parse(end)?)) })
    }

    /// The name and the offset at a time in seconds since 1970.
    pub fn at(&self, time: u64) -> &Period {
        let Some((summer, begin, end)) = &self.summer else { return &self.standard };
        let time = i64::try_from(time).unwrap_or(i64::MAX / 2);
        let (standard, late) = (i64::from(self.standard.offset), i64::from(summer.offset));
        let (year, ..) = civil(u64::try_from((time + standard) / 86_400).unwrap_or_default());
        let (begin, end) = (begin.of_year(year) - standard, end.of_year(year) - late);
        let is_summer = if begin < end { (begin..end).contains(&time) } else { !(end..begin).contains(&time) };
        if is_summer { summer } else { &self.standard }
    }
}

impl Period {
    /// A name with its offset, or `otherwise` if that is left out, and what follows.
    fn parse(text: &str, otherwise: Option<i32>) -> Option<(Self, &str)> {
        let (name, rest) = match text.strip_prefix('<') {
            Some(quoted) => quoted.split_once('>')?,
            None => text.split_at(text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len())),
        };
        let end = rest.find(|c: char| !(c.is_ascii_digit() || ":+-".contains(c))).unwrap_or(rest.len());
        let (offset, rest) = rest.split_at(end);
        // POSIX counts to the west
        let offset = if offset.is_empty() { otherwise? } else { -seconds(offset)? };
        let is_sound = (3..=8).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic());
        is_sound.then(|| (Self { name: name.into(), offset }, rest))
    }
}

impl Turn {
    fn parse(text: &str) -> Option<Self> {
        let (date, time) = text.split_once('/').map_or((text, None), |(date, time)| (date, Some(time)));
        let mut numbers = date.strip_prefix('M')?.splitn(3, '.').map(|number| number.parse::<u8>().ok());
        let (month, week, day) = (numbers.next()??, numbers.next()??, numbers.next()??);
        let is_sound = (1..=12).contains(&month) && (1..=5).contains(&week) && day < 7;
        let time = time.map_or(Some(TWO_O_CLOCK), seconds)?;
        is_sound.then_some(Self { month, week, day, time })
    }

    /// The moment of a year, in seconds since 1970 by the clock that it is told in.
    fn of_year(self, year: u64) -> i64 {
        let first = first_of(year, self.month.into());
        let next = if self.month == 12 { first_of(year + 1, 1) } else { first_of(year, u64::from(self.month) + 1) };
        // 1970 began on a Thursday
        let weekday = (first + 4).rem_euclid(7);
        let mut day = first + (i64::from(self.day) - weekday).rem_euclid(7) + 7 * (i64::from(self.week) - 1);
        while day >= next {
            day -= 7;
        }
        day * 86_400 + i64::from(self.time)
    }
}

/// The days from 1970 to the first of a month.
fn first_of(year: u64, month: u64) -> i64 {
    // years that begin in March, as in wire::civil
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5;
    i64::try_from(days).unwrap_or_default() - 719_468
}

/// Hours, minutes and seconds: `8`, `-5:30`, `2:00:00`.
fn seconds(text: &str) -> Option<i32> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut sum = 0;
    for (part, worth) in text.split(':').zip([3600, 60, 1]) {
        sum += part.parse::<u8>().ok().map(i32::from)? * worth;
    }
    Some(sign * sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(zone: &str, time: u64) -> (String, i32) {
        let zone = Zone::parse(zone).unwrap();
        let Period { name, offset } = zone.at(time);
        (name.to_string(), *offset)
    }

    #[test]
    fn a_rule_of_posix_says_name_and_offset() {
        assert_eq!(told("CST-8", 0), ("CST".into(), 28_800));
        assert_eq!(told("<+0545>-5:45", 9), ("+0545".into(), 20_700));
        assert_eq!(told("UTC0", 9), ("UTC".into(), 0));
        for wrong in ["", "C", "CST", "CST-x", "CET-1CEST", "CET-1CEST,J60,J300", "CET-1CEST,M13.1.0,M10.5.0", "<-8"] {
            assert_eq!(Zone::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn summer_begins_and_ends_by_its_rule_in_both_halves_of_the_world() {
        let berlin = "CET-1CEST,M3.5.0,M10.5.0/3";
        // 2024-03-31 01:00 UTC and 2024-10-27 01:00 UTC
        for (time, name) in
            [(1_711_846_799, "CET"), (1_711_846_800, "CEST"), (1_729_990_799, "CEST"), (1_729_990_800, "CET")]
        {
            assert_eq!(told(berlin, time).0, name, "{time}");
        }
        let sydney = "AEST-10AEDT,M10.1.0,M4.1.0/3";
        // 2024-04-06 16:00 UTC and 2024-10-05 16:00 UTC
        for (time, name) in
            [(1_712_419_199, "AEDT"), (1_712_419_200, "AEST"), (1_728_143_999, "AEST"), (1_728_144_000, "AEDT")]
        {
            assert_eq!(told(sydney, time).0, name, "{time}");
        }
        assert_eq!(told("EST5EDT,M3.2.0,M11.1.0", 1_710_054_000), ("EDT".into(), -14_400));
    }
}
