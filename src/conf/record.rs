//! What is recorded, and what that may cost.

use serde::Deserialize;

use super::{FileSize, Size, Time};

/// Streams that are written to files.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "conf/reference.toml documents every key")]
pub struct Record {
    pub streams: String,
    pub path: String,
    #[serde(default)]
    pub format: FileFormat,
    #[serde(default)]
    pub length: Time,
    #[serde(default)]
    pub size: FileSize,
    #[serde(default)]
    pub daily: bool,
    #[serde(default)]
    pub keep_size: FileSize,
    #[serde(default)]
    pub keep_age: Time,
    #[serde(default)]
    pub keep_free: FileSize,
    #[serde(default)]
    pub mounted: bool,
}

/// What files of a recording are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the formats' own names")]
pub enum FileFormat {
    #[default]
    Flv,
    Ts,
    Fmp4,
    /// Segments of MPEG-TS in a folder of the stream's name, with a playlist.
    Hls,
}

/// What holds for all recordings.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "conf/reference.toml documents every key")]
pub struct Recording {
    pub max: usize,
    pub memory: Size,
    pub sync: Time,
    pub http: bool,
}

impl Record {
    /// What is wrong with it, if anything.
    pub(super) fn objection(&self) -> Option<&'static str> {
        let wrong = [
            (self.streams.is_empty(), "streams = \"*\" for all, or a pattern of names"),
            (!self.path.starts_with('/'), "path = a folder, from the root on"),
            (!self.length.0.is_zero() && self.length.0.as_secs() < 1, "length of at least \"1s\""),
            (self.size.0 > 0 && self.size.0 < 64 << 10, "size of at least \"64KiB\""),
        ];
        wrong.iter().find(|(wrong, _)| *wrong).map(|(_, remedy)| *remedy)
    }
}
