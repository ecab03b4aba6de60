//! The configuration: a profile, and the keys that a file sets otherwise.

mod check;
mod error;
mod features;
mod hints;
mod keys;
pub mod machine;
mod own;
mod plan;
pub mod port;
mod profile;
#[cfg(feature = "record")]
mod record;
mod text;
mod units;
mod value;

use std::path::Path;

use crate::hub::{Conflict, is_pattern};
pub use error::Error;
pub use features::{features, lacks};
pub use hints::Hint;
pub use keys::{Changes, Keys, LIVE, REFERENCE};
pub use plan::{ADDRESS, CONNECTION, GREETING, RECORD_BLOCK, RECORD_JOB, SESSION, SMALL_BUFFER};
pub use port::Port;
pub use profile::Profile;
#[cfg(feature = "record")]
pub use record::{FileFormat, Record, Recording};
pub use text::{Address, Group, Level, Origin, PortRange, Source, Store, Target};
pub use units::{FileSize, Size, Threads, Time};
use value::tables;

/// A table that nothing in this program reads. A file that sets a key of it is refused.
#[cfg(not(feature = "record"))]
#[derive(Clone, Debug, PartialEq)]
pub struct Record;
/// As `Record`.
#[cfg(not(feature = "record"))]
pub type Recording = Record;

#[cfg(not(feature = "record"))]
impl value::Value for Record {
    fn read(_: toml::Value) -> Result<Self, String> {
        Ok(Self)
    }
}

tables! {
    /// Everything that can be configured. `conf/reference.toml` explains each key.
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

    pub struct Memory {
        pub total: Size,
        pub prefault: bool,
    }

    pub struct Process {
        pub user: String,
        pub watchdog: String,
    }

    pub struct Streams {
        pub max: usize,
        pub memory: Size,
        pub max_frame: Size,
        pub resume: Time,
    }

    pub struct Viewers {
        pub max: usize,
        pub send_buffer: Size,
        pub slow: Time,
        pub latency: Time,
    }

    pub struct Connections {
        pub spare: usize,
        pub per_peer: usize,
        pub proxies: Vec<std::net::IpAddr>,
        pub handshake: Time,
    }

    pub struct Publish {
        pub conflict: Conflict,
        pub silence: Time,
        pub silent_audio: bool,
        pub receive_buffer: Size,
    }

    pub struct Rtmp {
        pub enable: bool,
        pub listen: Address,
    }

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
    pub struct Certificate {
        pub cert: String,
        pub key: String,
    }

    pub struct Http {
        pub enable: bool,
        pub listen: Address,
        pub keep_alive: Time,
        pub max_head: Size,
        pub root: String,
    }

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

    /// A stream that is fetched from elsewhere.
    pub struct Pull {
        pub stream: String,
        pub url: Origin,
        pub on_demand: bool = false,
        pub udp: bool = false,
        pub ca: String = String::new(),
        pub insecure: bool = false,
    }

    /// A stream that is sent elsewhere.
    pub struct Push {
        pub stream: String,
        pub url: Source,
        pub udp: bool = false,
        pub ca: String = String::new(),
        pub insecure: bool = false,
    }

    pub struct Log {
        pub level: Level,
        pub target: Target,
        pub max_size: Size,
    }
}

/// The authentication of RTSP clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Not at all.
    Off,
    /// With the password in the clear.
    Basic,
    /// With a digest of it.
    Digest,
}

/// The time at which segments in a folder are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delete {
    /// Never.
    Never,
    /// At the end of the stream.
    End,
    /// Once they have left the playlist.
    Soon,
}

/// The format of HLS segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segments {
    /// MPEG-TS, or fragmented MP4 where a stream has a track that only this carries.
    Auto,
    /// MPEG-TS, which every player knows.
    Ts,
    /// Fragmented MP4, which carries more codecs.
    Fmp4,
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

    /// Makes it of a table that has every key.
    pub fn of(table: toml::Table) -> Result<Self, String> {
        value::Value::read(toml::Value::Table(table))
    }

    /// Reads the file at `path`.
    pub fn load(path: &Path) -> Result<Self, Error> {
        Keys::load(path).map(|(config, _)| config)
    }

    /// Reads `text`; `file` is its name in errors. Keys that the text leaves out are as its profile has
    /// them.
    pub fn parse(file: &str, text: &str) -> Result<Self, Error> {
        Keys::parse(file, text).map(|(config, _)| config)
    }
}
