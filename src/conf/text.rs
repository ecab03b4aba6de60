//! Values that are one text: addresses, ports, URLs, the target of the log.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::features::is_compiled;
use super::secret::MASK;
use super::value::Value;
use super::{Auth, Delete, MissingFeature, Profile, RtmpAuth, Segments, Wrong};
#[cfg(feature = "record")]
use super::{FileFormat, Start};
use crate::hub::Conflict;
use crate::proto::scheme::{FILE, SCHEMES};
use crate::proto::{Scheme, Url};

/// An address to listen on: `"[::]:1935"`, `"127.0.0.1:1935"`, or `":1935"` for all addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address(pub SocketAddr);

/// A range of ports, both ends included: `"30000-30999"`.
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

/// The URL of a stream on another server: `"rtsp://USER:PASSWORD@HOST/PATH"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source(pub Url);

/// The URL of the origin of a stream: like `Source`, or a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(pub Url);

/// The lowest level that is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(pub log::LevelFilter);

/// The target of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Standard error.
    Stderr,
    /// The machine's log, through `/dev/log`.
    Syslog,
    /// A file, by its absolute path.
    File(PathBuf),
}

/// The place of segments: a folder, by its absolute path, or memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store(pub Option<PathBuf>);

/// Reads a text as `$name` with `$make`; an error names `$expecting`.
macro_rules! text {
    ($name:ty, $expecting:literal, $make:expr) => {
        impl Value for $name {
            fn read(value: toml::Value) -> Result<Self, Wrong> {
                let make: fn(&str) -> Option<Self> = $make;
                let text = value.as_str().ok_or_else(|| Wrong::of_type(&value, $expecting))?;
                make(text).ok_or_else(|| Wrong::of_value(&value, $expecting))
            }
        }
    };
}

/// Reads one of several words as its value of `$name`.
macro_rules! choice {
    ($name:ty, $expecting:literal, $($word:literal => $value:expr),+) => {
        text!($name, $expecting, |text| match text {
            $($word => Some($value),)+
            _ => None,
        });
    };
}

choice!(Conflict, "\"refuse\" or \"replace\"", "refuse" => Conflict::Refuse, "replace" => Conflict::Replace);
choice!(RtmpAuth, "\"url\" or \"adobe\"", "url" => RtmpAuth::Url, "adobe" => RtmpAuth::Adobe);
choice!(
    Auth, "\"off\", \"basic\" or \"digest\"",
    "off" => Auth::Off, "basic" => Auth::Basic, "digest" => Auth::Digest
);
choice!(
    Segments, "\"auto\", \"ts\" or \"fmp4\"",
    "auto" => Segments::Auto, "ts" => Segments::Ts, "fmp4" => Segments::Fmp4
);
choice!(
    Delete, "\"never\", \"end\" or \"soon\"",
    "never" => Delete::Never, "end" => Delete::End, "soon" => Delete::Soon
);
#[cfg(feature = "record")]
choice!(
    FileFormat, "\"flv\", \"ts\", \"fmp4\" or \"hls\"",
    "flv" => FileFormat::Flv, "ts" => FileFormat::Ts, "fmp4" => FileFormat::Fmp4, "hls" => FileFormat::Hls
);
#[cfg(feature = "record")]
choice!(Start, "\"always\" or \"api\"", "always" => Start::Always, "api" => Start::Api);

choice!(
    Profile, "one of \"auto\", \"tiny\", \"router\", \"box\"",
    "auto" => Profile::Auto, "tiny" => Profile::Tiny, "router" => Profile::Router, "box" => Profile::Box
);
text!(Level, "one of \"off\", \"error\", \"warn\", \"info\", \"debug\", \"trace\"", |text| {
    text.parse().ok().map(Level)
});

text!(
    Address,
    "an IP address with a port, such as \"127.0.0.1:PORT\" or \"[::1]:PORT\", or \":PORT\" for all",
    |text| {
        let full = if text.starts_with(':') { format!("[::]{text}") } else { text.into() };
        full.parse().ok().map(Address)
    }
);

text!(PortRange, "ports such as \"30000-30999\", the first of them even and not 0", |text| {
    let (first, last) = text.split_once('-')?;
    let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
    (first > 0 && first.is_multiple_of(2) && first < last).then_some(PortRange(first, last))
});

text!(Group, "a multicast address such as \"239.255.42.42\", or \"\" for none", |text| {
    let group = text.parse().ok().filter(Ipv4Addr::is_multicast);
    (text.is_empty() || group.is_some()).then_some(Group(group))
});

impl Source {
    /// Reads a URL to which streams can be sent.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        url(text, false).map(Self)
    }
}

impl Value for Source {
    fn read(value: toml::Value) -> Result<Self, Wrong> {
        Self::parse(&String::read(value)?)
    }
}

impl Origin {
    /// Reads a URL from which streams can be read.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        url(text, true).map(Self)
    }
}

impl Value for Origin {
    fn read(value: toml::Value) -> Result<Self, Wrong> {
        Self::parse(&String::read(value)?)
    }
}

text!(Target, "\"stderr\", \"syslog\" or the absolute path of a file", |text| match text {
    "stderr" => Some(Target::Stderr),
    "syslog" => Some(Target::Syslog),
    path if path.starts_with('/') => Some(Target::File(path.into())),
    _ => None,
});

text!(Store, "\"memory\" or the absolute path of a folder", |text| match text {
    "memory" => Some(Store(None)),
    path if path.starts_with('/') => Some(Store(Some(path.into()))),
    _ => None,
});

/// The reason to refuse a URL as it is shown to others.
pub(super) const MASKED: &str = "what is masked in it has to be written out";

/// Reads a URL, including that of a file if `files`. Errors leave it out, because it may contain a password.
fn url(text: &str, files: bool) -> Result<Url, Wrong> {
    if text.contains(MASK) {
        return Err(Wrong::Url(MASKED));
    }
    let named = text.split_once(':').map_or("", |(scheme, _)| scheme);
    let is_asked_for = |scheme: &&Scheme| files || **scheme != FILE;
    let missing = |scheme: &Scheme| scheme.features().find(|feature| !is_compiled(feature));
    if let Some(scheme) = Scheme::find(named).filter(is_asked_for) {
        if let Some(feature) = missing(scheme) {
            return Err(Wrong::Feature(MissingFeature(feature)));
        }
        let url = match *scheme == FILE {
            true => Url::file(text).ok_or("not an absolute path of a file"),
            false => Url::parse(text),
        };
        return url.map_err(if text.contains('@') { Wrong::UrlWithPassword } else { Wrong::Url });
    }
    let there = SCHEMES.into_iter().filter(is_asked_for).filter(|scheme| missing(scheme).is_none());
    let there: Vec<_> = there.map(|scheme| scheme.name).collect();
    Err(Wrong::Scheme(there.join(", ")))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
