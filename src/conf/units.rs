//! Sizes and times with units, addresses and other values, as people write them.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

use super::machine;
use crate::proto::Url;

/// Bytes: `4096`, `"64KiB"`, `"2MiB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub usize);

/// A time: `"100ms"`, `"3s"`, `"2m"`, `"1h"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub Duration);

/// Where to listen: `"[::]:1935"`, `"127.0.0.1:1935"`, or `":1935"` for all addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address(pub SocketAddr);

/// Ports from the first to the last: `"30000-30999"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange(pub u16, pub u16);

/// An IPv4 multicast group: `"239.255.42.42"`; empty for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group(Option<Ipv4Addr>);

impl Group {
    /// The address, if there is one.
    pub fn group(self) -> Option<Ipv4Addr> {
        self.0
    }
}

/// Where a stream comes from or goes to: `"rtsp://USER:PASSWORD@HOST/PATH"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source(pub Url);

/// A number of threads; `"auto"` for the processors that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threads(pub usize);

/// Where the log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Standard error.
    Stderr,
    /// The machine's log, by way of `/dev/log`.
    Syslog,
    /// A file, by its absolute path.
    File(PathBuf),
}

const SIZES: &[(&str, u64)] = &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
const TIMES: &[(&str, u64)] = &[("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];

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

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

struct Sources;

/// What can be relayed, and whether it was compiled in.
const SCHEMES: [(&str, bool); 4] = [
    ("rtmp", cfg!(feature = "rtmp")),
    ("rtsp", cfg!(feature = "rtsp")),
    ("rtmps", cfg!(all(feature = "rtmp", feature = "tls"))),
    ("rtsps", cfg!(all(feature = "rtsp", feature = "tls"))),
];

impl Visitor<'_> for Sources {
    type Value = Source;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a URL that begins with rtsp://, rtsps://, rtmp:// or rtmps://")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Source, E> {
        // a password may stand in it: it is not repeated
        let url = Url::parse(text).map_err(|why| E::custom(format_args!("{why}, expected {}", Expected(&self))))?;
        let known = SCHEMES.iter().any(|(scheme, compiled)| *compiled && *scheme == url.scheme);
        if known {
            Ok(Source(url))
        } else {
            Err(E::custom(format_args!("{}://, expected {}", url.scheme, Expected(&self))))
        }
    }
}

struct Expected<'a>(&'a Sources);

impl fmt::Display for Expected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Sources)
    }
}

struct Groups;

impl Visitor<'_> for Groups {
    type Value = Group;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a multicast address such as \"239.255.42.42\", or \"\" for none")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Group, E> {
        if text.is_empty() {
            return Ok(Group(None));
        }
        let group = text.parse().ok().filter(Ipv4Addr::is_multicast);
        group.map(|group| Group(Some(group))).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

impl<'de> Deserialize<'de> for Group {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Groups)
    }
}

struct Ranges;

impl Visitor<'_> for Ranges {
    type Value = PortRange;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ports such as \"30000-30999\", the first of them even and not 0")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<PortRange, E> {
        let range = text.split_once('-').and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
        let range = range.filter(|(first, last): &(u16, u16)| *first > 0 && first % 2 == 0 && first < last);
        range.map(|(first, last)| PortRange(first, last)).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

impl<'de> Deserialize<'de> for PortRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Ranges)
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

struct Targets;

impl Visitor<'_> for Targets {
    type Value = Target;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"stderr\", \"syslog\" or the absolute path of a file")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Target, E> {
        match text {
            "stderr" => Ok(Target::Stderr),
            "syslog" => Ok(Target::Syslog),
            path if path.starts_with('/') => Ok(Target::File(path.into())),
            _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Targets)
    }
}

struct Addresses;

impl Visitor<'_> for Addresses {
    type Value = Address;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address such as \"[::]:1935\" or \"127.0.0.1:1935\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Address, E> {
        let full = if text.starts_with(':') { format!("[::]{text}") } else { text.into() };
        full.parse().map(Address).map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Addresses)
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
