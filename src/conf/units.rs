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

/// What stands in the file.
enum Raw {
    Number(i64),
    Text(String),
}

impl<'de> Deserialize<'de> for Raw {
    #[inline(never)]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

/// The only visitor for all of these: each more would be as large again.
struct RawVisitor;

impl Visitor<'_> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text with a unit, or a whole number")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.into()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Raw, E> {
        Ok(Raw::Number(number))
    }
}

impl Raw {
    /// What `make` makes of it, or that something else is expected.
    fn read<T, E: Error>(self, make: impl Fn(&Self) -> Option<T>, expecting: &'static str) -> Result<T, E> {
        make(&self).ok_or_else(|| match &self {
            Self::Number(number) => E::invalid_value(Unexpected::Signed(*number), &expecting),
            Self::Text(text) => E::invalid_value(Unexpected::Str(text), &expecting),
        })
    }

    fn bytes(&self) -> Option<u64> {
        match self {
            Self::Number(number) => u64::try_from(*number).ok(),
            Self::Text(text) => parse(text, SIZES),
        }
    }
}

impl<'de> Deserialize<'de> for Size {
    #[inline(never)]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let size = |raw: &Raw| raw.bytes().and_then(|bytes| usize::try_from(bytes).ok()).map(Size);
        Raw::deserialize(deserializer)?.read(size, "a size such as \"64KiB\" or \"2MiB\"")
    }
}

impl<'de> Deserialize<'de> for FileSize {
    #[inline(never)]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let size = |raw: &Raw| raw.bytes().map(FileSize);
        Raw::deserialize(deserializer)?.read(size, "a size such as \"64KiB\" or \"2GiB\"")
    }
}

impl<'de> Deserialize<'de> for Time {
    #[inline(never)]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let time = |raw: &Raw| match raw {
            Raw::Number(_) => None,
            Raw::Text(text) => parse(text, TIMES).map(|ms| Time(Duration::from_millis(ms))),
        };
        Raw::deserialize(deserializer)?.read(time, "a time such as \"100ms\" or \"3s\"")
    }
}

impl<'de> Deserialize<'de> for Threads {
    #[inline(never)]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let count = |raw: &Raw| match raw {
            Raw::Number(number) => usize::try_from(*number).ok().map(Threads),
            Raw::Text(text) => (text == "auto").then(|| Threads(machine::processors().min(64))),
        };
        Raw::deserialize(deserializer)?.read(count, "a whole number, or \"auto\"")
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
