//! Numbers as people write them: sizes and times with units, threads.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

use super::machine;

/// Bytes: `4096`, `"64KiB"`, `"2MiB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub usize);

/// Bytes of files, which may be more than the machine can address: `"2GiB"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileSize(pub u64);

/// A time: `"100ms"`, `"3s"`, `"2m"`, `"1h"`, `"7d"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time(pub Duration);

/// A number of threads; `"auto"` for the processors that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threads(pub usize);

const SIZES: &[(&str, u64)] = &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
const TIMES: &[(&str, u64)] = &[("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// A whole number and one of `units`; the product with the unit's factor.
fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

struct Units<T> {
    units: &'static [(&'static str, u64)],
    /// Whether a bare number is taken, as the first unit.
    bare: bool,
    make: fn(u64) -> Option<T>,
    expecting: &'static str,
}

impl<T> Visitor<'_> for Units<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        let value = parse(text, self.units).and_then(self.make);
        value.ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        let value = u64::try_from(number).ok().filter(|_| self.bare).and_then(self.make);
        value.ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Units {
            units: SIZES,
            bare: true,
            make: |bytes| usize::try_from(bytes).ok().map(Size),
            expecting: "a size such as \"64KiB\" or \"2MiB\"",
        })
    }
}

impl<'de> Deserialize<'de> for FileSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Units {
            units: SIZES,
            bare: true,
            make: |bytes| Some(FileSize(bytes)),
            expecting: "a size such as \"64KiB\" or \"2GiB\"",
        })
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Units {
            units: TIMES,
            bare: false,
            make: |ms| Some(Time(Duration::from_millis(ms))),
            expecting: "a time such as \"100ms\" or \"3s\"",
        })
    }
}

struct Count;

impl Visitor<'_> for Count {
    type Value = Threads;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, or \"auto\"")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Threads, E> {
        usize::try_from(number).map(Threads).map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Threads, E> {
        match text {
            "auto" => Ok(Threads(machine::processors().min(64))),
            _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }
}

impl<'de> Deserialize<'de> for Threads {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_understood_and_nothing_else() {
        for (text, bytes) in [("64KiB", 65_536), ("2 MiB", 2 << 20), ("1GiB", 1 << 30), ("7B", 7)] {
            assert_eq!(parse(text, SIZES), Some(bytes), "{text}");
        }
        for (text, ms) in [("100ms", 100), ("3s", 3000), ("2m", 120_000), ("1h", 3_600_000)] {
            assert_eq!(parse(text, TIMES), Some(ms), "{text}");
        }
        for text in ["", "MiB", "-1s", "1.5s", "3 seconds", "99999999999999999999s", "18446744073709551615h", "5"] {
            assert_eq!(parse(text, TIMES), None, "{text}");
        }
    }
}
