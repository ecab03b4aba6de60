//! What was compiled in.

/// The features, and whether they were.
pub const FEATURES: [(&str, bool); 12] = [
    ("rtmp", cfg!(feature = "rtmp")),
    ("rtsp", cfg!(feature = "rtsp")),
    ("tls", cfg!(feature = "tls")),
    ("http", cfg!(feature = "http")),
    ("flv", cfg!(feature = "flv")),
    ("ts", cfg!(feature = "ts")),
    ("mp4", cfg!(feature = "mp4")),
    ("ws", cfg!(feature = "ws")),
    ("hls", cfg!(feature = "hls")),
    ("record", cfg!(feature = "record")),
    ("replay", cfg!(feature = "replay")),
    ("files", cfg!(feature = "files")),
];

/// The features by their names, and those that are not there.
pub fn features() -> String {
    let names = |compiled| FEATURES.iter().filter(move |(_, there)| *there == compiled).map(|(name, _)| *name);
    let (there, lacking) = (names(true).collect::<Vec<_>>(), names(false).collect::<Vec<_>>());
    let lacking = if lacking.is_empty() { String::new() } else { format!(", without {}", lacking.join(" ")) };
    format!("features {}{lacking}", there.join(" "))
}
