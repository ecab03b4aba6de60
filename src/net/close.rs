//! The reasons why connections end: one list for the log, the statistics and the peer.

/// The reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Close {
    /// The peer closed.
    Eof,
    /// The peer broke the protocol.
    Peer(String),
    /// Nothing came in the time allowed.
    Idle,
    /// Nothing could be sent in the time allowed.
    Slow,
    /// The new tracks cannot be announced in mid-stream: the peer is to ask again.
    Changed,
    /// Somebody else took its place, or it was told to go.
    Kicked,
    /// Its request was refused.
    Refused(String),
    /// The socket failed.
    Io(std::io::ErrorKind),
    /// The server stops.
    Shutdown,
    /// All was served.
    Done,
}

impl Close {
    /// One word: the label in the metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Eof => "eof",
            Self::Peer(_) => "peer",
            Self::Idle => "idle",
            Self::Slow => "slow",
            Self::Changed => "changed",
            Self::Kicked => "kicked",
            Self::Refused(_) => "refused",
            Self::Io(_) => "io",
            Self::Shutdown => "shutdown",
            Self::Done => "done",
        }
    }

    /// All labels.
    pub const LABELS: [&'static str; 10] =
        ["eof", "peer", "idle", "slow", "changed", "kicked", "refused", "io", "shutdown", "done"];
}

impl std::fmt::Display for Close {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Peer(what) | Self::Refused(what) => write!(f, "{}: {what}", self.label()),
            Self::Io(kind) => write!(f, "io: {kind}"),
            Self::Kicked => f.write_str("another took its place"),
            Self::Slow => f.write_str("slow: too little could be sent in time"),
            Self::Changed => f.write_str("changed: it has to ask again, because the tracks are others now"),
            _ => f.write_str(self.label()),
        }
    }
}

impl From<std::io::Error> for Close {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
        match error.kind() {
            BrokenPipe | ConnectionReset | UnexpectedEof => Self::Eof,
            kind => Self::Io(kind),
        }
    }
}
