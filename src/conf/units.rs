//! Numbers with units: sizes, times, threads.

use std::time::Duration;

use super::Wrong;
use super::value::Value;

/// Bytes: `4096`, `"64KiB"`, `"2MiB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub usize);

/// Bytes of files, which may be more than the machine can address: `"2GiB"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileSize(pub u64);

/// A time: `"100ms"`, `"3s"`, `"2m"`, `"1h"`, `"7d"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time(pub Duration);

/// The number of threads that run connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// The number that `Config::connection_threads` finds for this machine.
    Auto,
    /// A fixed number.
    Number(usize),
}

const SIZES: &[(&str, u64)] = &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
const TIMES: &[(&str, u64)] = &[("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// A whole number and one of `units`; the product with the unit's factor.
fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// A value in the file.
struct Raw(toml::Value);

impl Raw {
    fn bytes(&self) -> Option<u64> {
        match &self.0 {
            toml::Value::Integer(number) => u64::try_from(*number).ok(),
            toml::Value::String(text) => parse(text, SIZES),
            _ => None,
        }
    }

    fn time(&self) -> Option<Duration> {
        self.0.as_str().and_then(|text| parse(text, TIMES)).map(Duration::from_millis)
    }

    fn threads(&self) -> Option<Threads> {
        match &self.0 {
            toml::Value::Integer(number) => usize::try_from(*number).ok().map(Threads::Number),
            toml::Value::String(text) => (text == "auto").then_some(Threads::Auto),
            _ => None,
        }
    }
}

/// Reads a value as `$name` with `$make`; an error names `$expecting`.
macro_rules! number {
    ($name:ty, $expecting:literal, $make:expr) => {
        impl Value for $name {
            fn read(value: toml::Value) -> Result<Self, Wrong> {
                let raw = Raw(value);
                let make: fn(&Raw) -> Option<Self> = $make;
                make(&raw).ok_or_else(|| Wrong::of_value(&raw.0, $expecting))
            }
        }
    };
}

number!(Size, "a whole number with a unit, such as \"64KiB\" or \"2MiB\"", |raw| raw
    .bytes()?
    .try_into()
    .ok()
    .map(Size));
number!(FileSize, "a whole number with a unit, such as \"64KiB\" or \"2GiB\"", |raw| raw.bytes().map(FileSize));
number!(Time, "a whole number with a unit, such as \"100ms\" or \"3s\"", |raw| raw.time().map(Time));
number!(Threads, "a whole number, or \"auto\"", Raw::threads);

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
