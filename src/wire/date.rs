//! Dates as text.

use std::time::{SystemTime, UNIX_EPOCH};

/// A time as UTC with milliseconds; times before 1970 count as 1970.
pub fn iso8601(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", since.subsec_millis())
}

/// The date `days` days after 1970-01-01: year, month from 1, and day from 1. It counts in years that begin in March, so that the leap day is the last,
/// and in eras of 400 years.
pub fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = (if month < 10 { month + 3 } else { month - 9 }, day - (153 * month + 2) / 5 + 1);
    (400 * era + year + u64::from(date.0 <= 2), date.0, date.1)
}

/// The milliseconds since 1970 of a time in UTC, `2026-11-18T11:06:40Z` with or without a fraction of the second, or of
/// a number of milliseconds. `None` for another text, and for times before 1970.
pub fn unix_ms(text: &str) -> Option<u64> {
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok())?;
    if let Some(ms) = number(text) {
        return Some(ms);
    }
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let part = |text: &str, from: usize, to: usize| number(text.get(from..to)?);
    let form = |text: &str, other: char| text.bytes().all(|byte| byte.is_ascii_digit() || byte == other as u8);
    if (date.len(), time.len()) != (10, 8) || !form(date, '-') || !form(time, ':') || !(1..=9).contains(&fraction.len())
    {
        return None;
    }
    let (year, month, day) = (part(date, 0, 4)?, part(date, 5, 7)?, part(date, 8, 10)?);
    let (hour, minute, second) = (part(time, 0, 2)?, part(time, 3, 5)?, part(time, 6, 8)?);
    number(fraction)?;
    let ms = part(&format!("{fraction}00"), 0, 3)?;
    if year < 1970 || !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // the inverse of `civil`: years that begin in March
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day.checked_sub(1)?;
    let days = days.checked_sub(719_468).filter(|days| civil(*days) == (year, month, day))?;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + ms)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        for ms in [0, 7, 951_782_399_999, 951_782_400_000, 1_795_000_000_250, 4_107_542_400_000, 253_402_300_799_999] {
            assert_eq!(unix_ms(&iso8601(UNIX_EPOCH + Duration::from_millis(ms))), Some(ms));
        }
        assert_eq!(unix_ms("2026-11-18T11:06:40Z"), Some(1_795_000_000_000));
        assert_eq!(unix_ms("2026-11-18T11:06:40.5Z"), Some(1_795_000_000_500));
        assert_eq!(unix_ms("1795000000000"), Some(1_795_000_000_000));
        for wrong in [
            "",
            "x",
            "-1",
            "99999999999999999999",
            "2026-11-18",
            "2026-11-18T11:06:40",
            "2026-11-18T11:06:40+01:00",
            "2026-13-18T11:06:40Z",
            "2026-02-29T11:06:40Z",
            "2026-11-00T11:06:40Z",
            "1969-12-31T23:59:59Z",
            "2026-11-18T24:06:40Z",
            "2026-1١-18T11:06:40Z",
            "+026-11-18T11:06:40Z",
            "2026-11-18T11:06:40.Z",
        ] {
            assert_eq!(unix_ms(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn dates_of_the_calendar() {
        let at = |seconds: u64| iso8601(UNIX_EPOCH + Duration::from_millis(seconds * 1000 + 7));
        assert_eq!(at(0), "1970-01-01T00:00:00.007Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00.007Z");
        assert_eq!(at(1_795_000_000), "2026-11-18T11:06:40.007Z");
        assert_eq!(at(4_107_542_399), "2100-02-28T23:59:59.007Z");
        assert_eq!(at(4_107_542_400), "2100-03-01T00:00:00.007Z");
    }
}
