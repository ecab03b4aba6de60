//! The features that were compiled in.

use std::fmt;

/// The features, and whether each was compiled in.
pub const FEATURES: [(&str, bool); 8] = [
    ("rtmp", cfg!(feature = "rtmp")),
    ("rtsp", cfg!(feature = "rtsp")),
    ("http", cfg!(feature = "http")),
    ("record", cfg!(feature = "record")),
    ("tls", cfg!(feature = "tls")),
    ("auth", cfg!(feature = "auth")),
    ("api", cfg!(feature = "api")),
    ("notify", cfg!(feature = "notify")),
];

/// A feature that was not compiled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingFeature(pub &'static str);

impl fmt::Display for MissingFeature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the program was built without the feature {:?}", self.0)
    }
}

/// True if a feature was compiled in.
pub(super) fn is_compiled(feature: &str) -> bool {
    FEATURES.iter().any(|(name, there)| *name == feature && *there)
}

/// The names of the compiled features, and of the others.
pub fn features() -> String {
    let names = |compiled| FEATURES.iter().filter(move |(_, there)| *there == compiled).map(|(name, _)| *name);
    let (there, lacking) = (names(true).collect::<Vec<_>>(), names(false).collect::<Vec<_>>());
    let lacking = if lacking.is_empty() { String::new() } else { format!(", without {}", lacking.join(" ")) };
    format!("features {}{lacking}", there.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::Config;

    #[test]
    fn what_is_not_compiled_in_is_refused_by_name() {
        let stream = |table: &str, url: &str| format!("[[{table}]]\nstream = \"a\"\nurl = \"{url}\"");
        let cases: [(String, &[&str]); 29] = [
            ("recording.max = 9".into(), &["record"]),
            ("recording.sync = \"0s\"".into(), &["record"]),
            ("recording.maxx = 3".into(), &["record"]),
            ("recording = 3".into(), &["record"]),
            ("[recording]\n[tls]\n[rtsp]\n[hls]".into(), &[]),
            ("hls.segments = 9".into(), &["http"]),
            ("rtsp.hold = \"9s\"".into(), &["rtsp"]),
            ("tls.max = 7".into(), &["tls"]),
            ("rtsp.websocket_listen = \":1\"".into(), &["http", "rtsp"]),
            ("tls.cert = \"/c\"\ntls.key = \"/k\"".into(), &["tls"]),
            ("tls.required = true".into(), &["tls"]),
            ("[[tls.more]]\ncert = \"/c\"\nkey = \"/k\"".into(), &["tls"]),
            (stream("pull", "rtsps://h/"), &["rtsp", "tls"]),
            (stream("push", "RTMPS://h/a/b"), &["rtmp", "tls"]),
            (stream("push", "rtmp://h/a/b"), &["rtmp"]),
            (stream("pull", "rtsp://h/"), &["rtsp"]),
            (stream("pull", "file:/m.flv"), &["record"]),
            ("[[record]]\nstreams = \"*\"\npath = \"/m\"".into(), &["record"]),
            ("http.root = \"/m\"".into(), &["http", "record"]),
            ("[[notify]]\nurl = \"http://h/\"".into(), &["notify"]),
            ("[[exec]]\non = [\"play\"]\ncommand = [\"/a\"]".into(), &["notify"]),
            ("commands.max = 7".into(), &["notify"]),
            ("hls.store = \"/m\"".into(), &["http", "record"]),
            ("[[access]]\nallow = true".into(), &["auth"]),
            ("hls.format = \"fmp4\"".into(), &["http"]),
            ("hls.enable = true".into(), &["http"]),
            ("http.enable = true".into(), &["http"]),
            ("rtsp.websocket = true".into(), &["http"]),
            ("rtmp.enable = true".into(), &["rtmp"]),
        ];
        for (text, features) in cases {
            let said = Config::parse("test", &text).err().map_or(String::new(), |error| error.to_string());
            let missing = features.iter().find(|feature| !is_compiled(feature));
            match missing {
                Some(feature) => assert!(said.ends_with(&MissingFeature(feature).to_string()), "{text}\n{said}"),
                None => assert!(!said.contains("without the feature"), "{text}\n{said}"),
            }
        }
    }
}
