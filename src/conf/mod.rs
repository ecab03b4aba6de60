//! The configuration: a profile, and what a file says otherwise.

mod plan;
mod units;

use std::fmt;
use std::path::Path;

use serde::Deserialize;

use crate::hub::Conflict;
pub use plan::{GREETING, SMALL_BUFFER};
pub use units::{Address, Size, Time};

/// Everything that can be configured. `conf/reference.toml` explains each key.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "conf/reference.toml documents every key")]
pub struct Config {
    pub profile: Profile,
    /// Threads that run connections.
    pub threads: usize,
    pub memory: Memory,
    pub streams: Streams,
    pub viewers: Viewers,
    pub connections: Connections,
    pub publish: Publish,
    pub rtmp: Rtmp,
    pub http: Http,
    pub hls: Hls,
    pub log: Log,
}

/// A set of defaults for a class of machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "conf/reference.toml documents every key")]
pub enum Profile {
    Tiny,
    Router,
    #[default]
    Box,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "conf/reference.toml documents every key")]
pub struct Memory {
    pub total: Size,
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
pub struct Http {
    pub enable: bool,
    pub listen: Address,
    pub keep_alive: Time,
    pub max_head: Size,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "conf/reference.toml documents every key")]
pub struct Hls {
    pub enable: bool,
    pub on_demand: bool,
    pub segment: Time,
    pub segments: usize,
    pub streams: usize,
    pub memory: Size,
    pub idle: Time,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "conf/reference.toml documents every key")]
pub struct Log {
    pub level: String,
}

/// Why a configuration is refused: where, what, and what would help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    file: String,
    what: String,
}

/// What every profile shares; complete, so that a profile says only what differs.
const COMMON: &str = include_str!("../../conf/reference.toml");
const TINY: &str = include_str!("../../conf/tiny.toml");
const ROUTER: &str = include_str!("../../conf/router.toml");
const BOX: &str = include_str!("../../conf/box.toml");

/// What has an `enable`, and whether it was compiled in. A default is no demand:
/// what is not there is off.
const COMPILED: [(&str, bool); 3] =
    [("rtmp", cfg!(feature = "rtmp")), ("http", cfg!(feature = "http")), ("hls", cfg!(feature = "hls"))];

impl Profile {
    fn text(self) -> &'static str {
        match self {
            Self::Tiny => TINY,
            Self::Router => ROUTER,
            Self::Box => BOX,
        }
    }
}

impl Config {
    /// The embedded default configuration.
    pub fn embedded() -> Result<Self, Error> {
        Self::parse("embedded", "")
    }

    /// Reads the file at `path`.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let file = path.display().to_string();
        let text =
            std::fs::read_to_string(path).map_err(|error| Error { file: file.clone(), what: error.to_string() })?;
        Self::parse(&file, &text)
    }

    /// Reads `text`; `file` is its name in errors. What the text leaves out is
    /// as its profile has it.
    pub fn parse(file: &str, text: &str) -> Result<Self, Error> {
        let fail = |error: toml::de::Error| Error { file: file.into(), what: error.to_string().trim_end().into() };
        // each layer lies on the one before; unknown keys and wrong types are
        // found in the layer that has them, with their line
        let own: toml::Table = toml::from_str(text).map_err(fail)?;
        let profile = match own.get("profile") {
            Some(name) => name
                .clone()
                .try_into()
                .map_err(|_| Error::key(file, text, "profile", "one of \"tiny\", \"router\", \"box\""))?,
            None => Profile::default(),
        };
        let mut merged: toml::Table = toml::from_str(COMMON).map_err(fail)?;
        merge(&mut merged, toml::from_str(profile.text()).map_err(fail)?);
        for (table, _) in COMPILED.iter().filter(|(_, compiled)| !compiled) {
            let key = format!("{table}.enable");
            merge(&mut merged, nest(&key, false.into()));
            if own.get(*table).and_then(|own| own.get("enable")) == Some(&true.into()) {
                return Err(Error::key(
                    file,
                    text,
                    &key,
                    &format!("false: the program was built without the feature {table:?}"),
                ));
            }
        }
        let base = merged.clone();
        merge(&mut merged, own.clone());
        let config: Self = merged.try_into().map_err(|error| locate(file, text, &base, &own, &error))?;
        config.check(file, text)?;
        Ok(config)
    }

    /// Combinations that no machine can serve.
    fn check(&self, file: &str, text: &str) -> Result<(), Error> {
        let bad = [
            (self.threads == 0 || self.threads > 64, "threads", "between 1 and 64"),
            (self.streams.max == 0, "streams.max", "at least 1"),
            (self.streams.max_frame.0 < 16 << 10, "streams.max_frame", "at least \"16KiB\""),
            (self.streams.max_frame.0 > 16 << 20, "streams.max_frame", "at most \"16MiB\": a message cannot be longer"),
            (
                self.streams.memory.0 / 2 < self.streams.max_frame.0,
                "streams.memory",
                "at least twice streams.max_frame",
            ),
            (self.viewers.send_buffer.0 < 4 << 10, "viewers.send_buffer", "at least \"4KiB\""),
            (self.publish.receive_buffer.0 < 4 << 10, "publish.receive_buffer", "at least \"4KiB\""),
            (self.publish.silence.0.is_zero(), "publish.silence", "more than \"0s\""),
            (self.viewers.slow.0.is_zero(), "viewers.slow", "more than \"0s\""),
            (self.connections.handshake.0.is_zero(), "connections.handshake", "more than \"0s\""),
            (self.http.keep_alive.0.is_zero(), "http.keep_alive", "more than \"0s\""),
            (!(512..=16 << 10).contains(&self.http.max_head.0), "http.max_head", "between 512 and \"16KiB\""),
            (self.hls.segments < 3, "hls.segments", "at least 3: players start three segments before the end"),
            (self.hls.segment.0.as_millis() < 500, "hls.segment", "at least \"500ms\""),
            (
                self.log.level.parse::<log::LevelFilter>().is_err(),
                "log.level",
                "one of \"off\", \"error\", \"warn\", \"info\", \"debug\", \"trace\"",
            ),
        ];
        match bad.iter().find(|(wrong, ..)| *wrong) {
            Some((_, key, remedy)) => Err(Error::key(file, text, key, remedy)),
            None => Ok(()),
        }
    }
}

/// Lays `over` on `base`, table by table.
fn merge(base: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above)) => merge(below, above),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// Finds the key that is at fault: the one whose value makes the base, which is
/// sound, unsound.
fn locate(file: &str, text: &str, base: &toml::Table, own: &toml::Table, error: &toml::de::Error) -> Error {
    let what = error.message().to_string();
    let mut keys = Vec::new();
    leaves("", own, &mut keys);
    let guilty = keys.into_iter().find(|(key, value)| {
        let mut probe = base.clone();
        merge(&mut probe, nest(key, value.clone()));
        probe.try_into::<Config>().is_err()
    });
    match guilty {
        Some((key, _)) => Error::key_is(file, text, &key, &what),
        None => Error { file: file.into(), what },
    }
}

fn leaves(path: &str, table: &toml::Table, out: &mut Vec<(String, toml::Value)>) {
    for (key, value) in table {
        let key = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            toml::Value::Table(inner) if !inner.is_empty() => leaves(&key, inner, out),
            value => out.push((key, value.clone())),
        }
    }
}

fn nest(key: &str, value: toml::Value) -> toml::Table {
    let (first, rest) = key.split_once('.').map_or((key, None), |(first, rest)| (first, Some(rest)));
    let value = rest.map_or(value.clone(), |rest| toml::Value::Table(nest(rest, value)));
    toml::Table::from_iter([(first.to_string(), value)])
}

impl Error {
    fn key(file: &str, text: &str, key: &str, remedy: &str) -> Self {
        Self::key_is(file, text, key, &format!("must be {remedy}"))
    }

    fn key_is(file: &str, text: &str, key: &str, what: &str) -> Self {
        let line = line_of(text, key).map_or(String::new(), |line| format!("line {line}: "));
        Self { file: file.into(), what: format!("{line}{key}: {}", humane(what)) }
    }
}

/// The parser's words for types, in words of people.
fn humane(message: &str) -> String {
    match message.rsplit_once("expected ") {
        Some((before, "usize")) => format!("{before}expected a whole number"),
        Some((before, kind)) if kind.starts_with("struct ") => format!("{before}expected a table"),
        _ => message.into(),
    }
}

/// The line that sets `key`, counted from 1.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let whole = toml::de::DeTable::parse(text).ok()?;
    let mut table = whole.get_ref();
    let mut at = None;
    for item in key.split('.') {
        let (name, value) = table.iter().find(|(name, _)| name.get_ref() == item)?;
        at = Some(name.span().start);
        match value.get_ref() {
            toml::de::DeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    let before = text.get(..at?)?;
    Some(before.matches('\n').count() + 1)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.what)
    }
}

impl std::error::Error for Error {}
