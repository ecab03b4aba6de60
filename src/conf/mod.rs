//! The configuration: a profile, and what a file says otherwise.

mod check;
mod error;
mod features;
mod keys;
pub mod machine;
mod own;
mod plan;
mod ports;
mod profile;
#[cfg(feature = "record")]
mod record;
mod text;
mod units;

use std::path::Path;

use serde::Deserialize;

use crate::hub::{Conflict, is_pattern};
pub use error::Error;
pub use features::{features, lacks};
pub use keys::{Changes, Keys, LIVE, REFERENCE};
pub use plan::{ADDRESS, CONNECTION, GREETING, SMALL_BUFFER};
pub use profile::Profile;
#[cfg(feature = "record")]
pub use record::{FileFormat, Record, Recording};
pub use text::{Address, Group, Level, Origin, PortRange, Source, Store, Target};
pub use units::{FileSize, Size, Threads, Time};

/// What is not looked at, because nothing in the program needs it.
#[cfg(not(feature = "record"))]
pub type Record = serde::de::IgnoredAny;
/// As `Record`.
#[cfg(not(feature = "record"))]
pub type Recording = serde::de::IgnoredAny;

/// Everything that can be configured. `conf/reference.toml` explains each key.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "conf/reference.toml documents every key")]
pub struct Config {
    pub profile: Profile,
    /// Threads that run connections.
    pub threads: Threads,
    pub memory: Memory,
    pub process: Process,
    pub streams: Streams,
    pub viewers: Viewers,
    pub connections: Connections,
    pub publish: Publish,
    pub rtmp: Rtmp,
    pub rtsp: Rtsp,
    pub tls: Tls,
    pub http: Http,
    pub hls: Hls,
    pub log: Log,
    pub pull: Vec<Pull>,
    pub push: Vec<Push>,
    pub record: Vec<Record>,
    pub recording: Recording,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "conf/reference.toml documents every key")]
pub struct Memory {
    pub total: Size,
    pub prefault: bool,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "conf/reference.toml documents every key")]
pub struct Process {
    pub user: String,
    pub watchdog: String,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "conf/reference.toml documents every key")]
pub struct Streams {
    pub max: usize,
    pub memory: Size,
    pub max_frame: Size,
    pub resume: Time,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "conf/reference.toml documents every key")]
pub struct Viewers {
    pub max: usize,
    pub send_buffer: Size,
    pub slow: Time,
    pub latency: Time,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "conf/reference.toml documents every key")]
pub struct Connections {
    pub spare: usize,
    pub per_peer: usize,
    pub proxies: Vec<std::net::IpAddr>,
    pub handshake: Time,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "conf/reference.toml documents every key")]
pub struct Publish {
    pub conflict: Conflict,
    pub silence: Time,
    pub silent_audio: bool,
    pub receive_buffer: Size,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "conf/reference.toml documents every key")]
pub struct Rtmp {
    pub enable: bool,
    pub listen: Address,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "conf/reference.toml documents every key")]
pub struct Rtsp {
    pub enable: bool,
    pub listen: Address,
    pub auth: Auth,
    pub user: String,
    pub password: String,
    pub hold: Time,
    pub timeout: Time,
    pub reorder: Time,
    pub udp: bool,
    pub udp_ports: PortRange,
    pub udp_pairs: usize,
    pub multicast: Group,
    pub multicast_ttl: u8,
    pub websocket: bool,
    pub websocket_listen: Address,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "conf/reference.toml documents every key")]
pub struct Tls {
    pub cert: String,
    pub key: String,
    pub more: Vec<Certificate>,
    pub required: bool,
    pub max: usize,
    pub record: Size,
    pub http_listen: Address,
    pub rtmp_listen: Address,
    pub rtsp_listen: Address,
}

/// One more certificate.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "conf/reference.toml documents every key")]
pub struct Certificate {
    pub cert: String,
    pub key: String,
}

/// How RTSP clients prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Not at all.
    Off,
    /// With the password in the clear.
    Basic,
    /// With a digest of it.
    Digest,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "conf/reference.toml documents every key")]
pub struct Http {
    pub enable: bool,
    pub listen: Address,
    pub keep_alive: Time,
    pub max_head: Size,
    pub root: String,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "conf/reference.toml documents every key")]
pub struct Hls {
    pub enable: bool,
    pub on_demand: bool,
    pub format: Segments,
    pub segment: Time,
    pub segments: usize,
    pub start: usize,
    pub part: Time,
    pub record: bool,
    pub sessions: bool,
    pub session_timeout: Time,
    pub streams: usize,
    pub memory: Size,
    pub idle: Time,
    pub store: Store,
    pub delete: Delete,
}

/// When segments in a folder are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delete {
    /// Never.
    Never,
    /// When the stream is over.
    End,
    /// When they have left the playlist.
    Soon,
}

/// What segments of HLS are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segments {
    /// MPEG-TS, or fragmented MP4 where a stream has a track that only this carries.
    Auto,
    /// MPEG-TS, which every player knows.
    Ts,
    /// Fragmented MP4, which carries more codecs.
    Fmp4,
}

/// A stream that is fetched from elsewhere.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "conf/reference.toml documents every key")]
pub struct Pull {
    pub stream: String,
    pub url: Origin,
    #[serde(default)]
    pub on_demand: bool,
    #[serde(default)]
    pub udp: bool,
    #[serde(default)]
    pub ca: String,
    #[serde(default)]
    pub insecure: bool,
}

/// A stream that is sent elsewhere.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "conf/reference.toml documents every key")]
pub struct Push {
    pub stream: String,
    pub url: Source,
    #[serde(default)]
    pub udp: bool,
    #[serde(default)]
    pub ca: String,
    #[serde(default)]
    pub insecure: bool,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "conf/reference.toml documents every key")]
pub struct Log {
    pub level: Level,
    pub target: Target,
    pub max_size: Size,
}

impl Push {
    /// Whether it sends every stream whose name is as a pattern says.
    pub fn is_pattern(&self) -> bool {
        is_pattern(&self.stream) == Ok(true)
    }
}

impl Config {
    /// The embedded default configuration.
    pub fn embedded() -> Result<Self, Error> {
        Self::parse("embedded", "")
    }

    /// Reads the file at `path`.
    pub fn load(path: &Path) -> Result<Self, Error> {
        Keys::load(path).map(|(config, _)| config)
    }

    /// Reads `text`; `file` is its name in errors. What the text leaves out is
    /// as its profile has it.
    pub fn parse(file: &str, text: &str) -> Result<Self, Error> {
        Keys::parse(file, text).map(|(config, _)| config)
    }
}
