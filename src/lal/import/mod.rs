//! Translates a configuration of lal into one of this server.

mod reader;
mod sections;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;

use reader::Lal;
use sections::SECTIONS;
use writer::Toml;

/// The reason why a file cannot be translated.
#[derive(Debug)]
pub enum Unreadable {
    /// It is not a JSON object.
    Json(serde_json::Error),
    /// A value has a type that lal refuses for its key.
    Type {
        /// The key, with a dot between its tables.
        key: String,
        /// The type that lal expects.
        expected: &'static str,
    },
}

/// Keys without a counterpart, and the reasons. A row that ends with `*` stands for all keys that begin so.
pub const LEFT_OUT: &[(&str, &str)] = &[
    ("conf_version", "the file has no version: unknown keys are refused"),
    ("rtmp.gop_num", "a player begins at the newest key frame that streams.memory holds"),
    ("rtmp.single_gop_max_frame_num", "streams.memory limits what a stream keeps"),
    ("rtmp.merge_write_size", "viewers.latency limits how long frames wait to be sent together"),
    ("in_session.add_dummy_audio_wait_audio_ms", "silence begins as soon as a stream is known to have no sound"),
    ("httpflv.url_pattern", "any path before the name of a stream is accepted"),
    ("httpts.url_pattern", "any path before the name of a stream is accepted"),
    ("httpflv.https_*", "HTTPS has one port and certificate: tls.http_listen, tls.cert and tls.key"),
    ("httpts.https_*", "HTTPS has one port and certificate: tls.http_listen, tls.cert and tls.key"),
    ("hls.https_*", "HTTPS has one port and certificate: tls.http_listen, tls.cert and tls.key"),
    ("httpflv.*", "a player begins at the newest key frame that streams.memory holds"),
    ("httpts.*", "a player begins at the newest key frame that streams.memory holds"),
    ("hls.url_pattern", "HLS is at /hls/"),
    ("hls.delete_threshold", "hls.delete says when files go"),
    ("rtsp.out_wait_key_frame_flag", "a player always begins at a key frame"),
    ("pprof.*", "/metrics has the figures of the program"),
    ("log.*", "lines have one format, and log.max_size limits a file"),
    ("debug.*", "/api/stat/all_group has the state of all streams"),
];

/// The text of a configuration file with which this server does what lal does with `json`, its own file. Comments name
/// what has no counterpart.
///
/// # Errors
/// lal would refuse the file too.
pub fn import(json: &str) -> Result<String, Unreadable> {
    let mut lal = Lal::read(json)?;
    let mut toml = Toml("# Made from a configuration of lal by `runnel import`.\n".into());
    // keys come before tables
    for section in SECTIONS {
        section(&mut lal, &mut toml)?;
    }
    lal.tell_rest(&mut toml);
    Ok(toml.0)
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => write!(f, "this is no JSON of lal's: {error}"),
            Self::Type { key, expected } => write!(f, "{key}: must be {expected}"),
        }
    }
}

impl std::error::Error for Unreadable {}
