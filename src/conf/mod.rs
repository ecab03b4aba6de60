//! The configuration: a profile, and the keys that a file overrides.

#[cfg(feature = "auth")]
mod access;
#[cfg(not(feature = "auth"))]
#[path = "no_access.rs"]
mod access;
#[cfg(feature = "auth")]
mod callback;
mod check;
mod counts;
#[cfg(any(feature = "auth", feature = "notify"))]
mod endpoint;
mod error;
mod faults;
mod features;
mod hints;
mod keys;
pub mod machine;
mod nearest;
#[cfg(not(feature = "notify"))]
#[path = "no_notify.rs"]
mod notify;
#[cfg(feature = "notify")]
mod notify;
mod own;
mod place;
mod plan;
pub mod port;
mod profile;
#[cfg(feature = "record")]
mod record;
#[cfg(not(feature = "record"))]
#[path = "no_record.rs"]
mod record;
mod secret;
#[cfg(feature = "auth")]
mod stored;
mod text;
mod told;
mod units;
mod value;
mod wrong;

use std::path::Path;

use crate::hub::{Conflict, is_pattern};
use crate::net::Network;
pub use access::Access;
#[cfg(feature = "auth")]
pub use access::{Demand, TokenKey, VARIABLES};
#[cfg(feature = "auth")]
pub use callback::{Authority, Format, KeyUrl};
#[cfg(any(feature = "auth", feature = "notify"))]
pub use endpoint::Endpoint;
pub use error::{Error, Errors, Fault};
pub use features::{FEATURES, MissingFeature, features};
pub use hints::Hint;
pub use keys::{Changes, Keys, REFERENCE};
pub use notify::{Commands, Exec, Notifications, Notify};
#[cfg(feature = "notify")]
pub use notify::{Event, Occasion};
pub use place::{Place, Spot};
pub use plan::Cost;
pub use port::Port;
pub use profile::Profile;
#[cfg(feature = "record")]
pub use record::{FileFormat, Start};
pub use record::{Record, Recording};
pub use secret::{MASK, Secret};
#[cfg(feature = "auth")]
pub use stored::{Pbkdf2, Stored, stored_sha256};
pub use text::{Address, Group, Level, Origin, PortRange, Source, Store, Target};
pub use told::Told;
pub use units::{FileSize, Size, Threads, Time};
use value::tables;
pub use wrong::{Found, Wrong};

tables! {
    /// All settings; `conf/reference.toml` explains each key. A running server applies those that are `live` to new
    /// connections and streams, and existing ones keep theirs. Ports, sizes and the process are set up once.
    pub struct Config {
        pub profile: Profile,
        /// Threads that run connections.
        pub threads: Threads,
        /// The server's name in lal's JSON.
        pub server_id: String => live,
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
        pub api: Api,
        pub metrics: Metrics,
        pub log: Log,
        pub access: Vec<Access> => live,
        pub pull: Vec<Pull> => live,
        pub push: Vec<Push> => live,
        pub record: Vec<Record> => live,
        pub recording: Recording,
        pub notify: Vec<Notify> => live,
        pub notifications: Notifications,
        pub exec: Vec<Exec> => live,
        pub commands: Commands,
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
        pub resume: Time => live,
    }

    pub struct Viewers {
        pub max: usize,
        pub send_buffer: Size,
        pub slow: Time => live,
        pub latency: Time => live,
    }

    pub struct Connections {
        pub spare: usize,
        pub per_peer: usize => live,
        pub proxies: Vec<std::net::IpAddr> => live,
        pub trusted_proxies: Vec<Network> => live,
        pub proxy_protocol: Vec<String> => live,
        pub handshake: Time => live,
    }

    pub struct Publish {
        pub conflict: Conflict => live,
        pub silence: Time => live,
        pub silent_audio: bool => live,
        pub receive_buffer: Size,
    }

    pub struct Rtmp {
        pub enable: bool,
        pub listen: Address,
        pub auth: RtmpAuth => live,
    }

    pub struct Rtsp {
        pub enable: bool,
        pub listen: Address,
        pub auth: Auth => live,
        pub user: String => live,
        pub password: String => live,
        pub hold: Time => live,
        pub timeout: Time => live,
        pub reorder: Time => live,
        pub udp: bool,
        pub udp_ports: PortRange,
        pub udp_pairs: usize,
        pub multicast: Group => live,
        pub multicast_ttl: u8 => live,
        pub websocket: bool,
        pub websocket_listen: Address,
    }

    pub struct Tls {
        pub cert: String => live,
        pub key: String => live,
        pub more: Vec<Certificate> => live,
        pub required: bool => live,
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
        pub keep_alive: Time => live,
        pub max_head: Size => live,
        pub root: String => live,
    }

    pub struct Hls {
        pub enable: bool,
        pub on_demand: bool => live,
        pub format: Segments => live,
        pub segment: Time => live,
        pub segments: usize => live,
        pub start: usize => live,
        pub part: Time => live,
        pub record: bool => live,
        pub sessions: bool => live,
        pub session_timeout: Time => live,
        pub streams: usize,
        pub memory: Size,
        pub idle: Time => live,
        pub store: Store,
        pub delete: Delete => live,
    }

    pub struct Api {
        pub enable: bool,
        pub listen: Address,
        pub socket: String,
        pub hosts: Vec<String> => live,
        pub origins: Vec<String> => live,
        pub pulls: usize,
        pub blacklist: usize,
        pub persist: String,
        pub events: usize,
    }

    pub struct Metrics {
        pub streams: usize => live,
    }

    /// A stream that is pulled from another server.
    pub struct Pull {
        pub stream: String,
        pub url: Origin,
        pub on_demand: bool = false,
        pub udp: bool = false,
        pub ca: String = String::new(),
        pub insecure: bool = false,
    }

    /// A stream that is pushed to another server.
    pub struct Push {
        pub stream: String,
        pub url: Source,
        pub udp: bool = false,
        pub ca: String = String::new(),
        pub insecure: bool = false,
    }

    pub struct Log {
        pub level: Level => live,
        pub target: Target,
        pub max_size: Size,
        pub kept: Size,
    }
}

/// The way in which RTMP clients show user and password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RtmpAuth {
    /// In the URL: nobody is asked.
    Url,
    /// Also in Adobe's way: encoders are asked at `connect`.
    Adobe,
}

/// The authentication of RTSP clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// None.
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
    /// True if it pushes all streams whose names match a pattern.
    pub fn is_pattern(&self) -> bool {
        is_pattern(&self.stream) == Ok(true)
    }
}

impl Config {
    /// The embedded default configuration.
    pub fn embedded() -> Result<Self, Errors> {
        Self::parse("embedded", "")
    }

    /// True if a running server applies a new value of a key, such as `rtsp.hold`.
    pub fn is_live(key: &str) -> bool {
        let (mut keys, mut is_live) = (<Self as value::Value>::KEYS, false);
        for item in key.split('.') {
            let Some(known) = keys.iter().find(|known| known.name == item) else { return false };
            (keys, is_live) = (known.below, known.is_live);
        }
        is_live
    }

    /// Makes a configuration from a table with every key.
    pub fn of(table: toml::Table) -> Result<Self, Wrong> {
        value::Value::read(toml::Value::Table(table))
    }

    /// Reads the file at `path`.
    pub fn load(path: &Path) -> Result<Self, Errors> {
        Keys::load(path).map(|(config, _)| config)
    }

    /// Reads `text`; `file` is its name in errors. Keys that the text leaves out have the values of its profile.
    pub fn parse(file: &str, text: &str) -> Result<Self, Errors> {
        Keys::parse(file, text).map(|(config, _)| config)
    }
}
