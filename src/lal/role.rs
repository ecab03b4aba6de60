//! The words of lal for a session: its protocol, and its part in a stream.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::hub::SessionId;
use crate::session::{Part, Session};

/// The role of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    /// `RTMP`, `RTSP`, `FLV`, `TS`, `HLS`, and what lal does not have: `MP4`, `FILE`.
    pub protocol: &'static str,
    /// Its part in the stream.
    pub base: Base,
}

/// The part of a session in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// It publishes.
    Pub,
    /// It plays.
    Sub,
    /// It is pulled from another server.
    Pull,
    /// It is pushed to another server.
    Push,
}

/// A text that is made as it is written; empty for `None`.
#[derive(Debug)]
pub(super) struct Shown<T>(pub Option<T>);

/// A session's id as lal writes it: `RTMPPUBSUB1`.
pub(super) struct Id(pub SessionId);

/// The words by the beginnings of ids.
const PROTOCOLS: [(&str, &str); 7] = [
    ("RTMP", "RTMP"),
    ("RTSP", "RTSP"),
    ("FLV", "FLV"),
    ("TS", "TS"),
    ("MP4", "MP4"),
    ("HLS", "HLS"),
    ("FILE", "FILE"),
];

/// The server's own sessions, which lal does not tell of.
const INTERNAL: [&str; 2] = ["HLSMUXER", "RTSPCAST"];

impl Role {
    /// The role of a session; `None` for recordings, for what the server does for itself, and for sessions of a program
    /// that has it inside.
    pub fn of(session: &Session) -> Option<Self> {
        let kind = session.id.kind;
        if INTERNAL.contains(&kind) {
            return None;
        }
        let (_, protocol) = PROTOCOLS.into_iter().find(|(prefix, _)| kind.starts_with(prefix))?;
        let base = match session.part {
            Part::Publishes if kind.ends_with("PULL") => Base::Pull,
            Part::Publishes => Base::Pub,
            Part::Plays(_) if kind.ends_with("PUSH") => Base::Push,
            Part::Plays(_) => Base::Sub,
        };
        Some(Self { protocol, base })
    }
}

impl Base {
    /// lal's word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pub => "PUB",
            Self::Sub => "SUB",
            Self::Pull => "PULL",
            Self::Push => "PUSH",
        }
    }

    /// True for a session that brings the stream to this server.
    pub fn is_input(self) -> bool {
        matches!(self, Self::Pub | Self::Pull)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0.kind, self.0.number)
    }
}

impl<T: fmt::Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(text) => serializer.collect_str(text),
            None => serializer.serialize_str(""),
        }
    }
}

impl<T> Default for Shown<T> {
    fn default() -> Self {
        Self(None)
    }
}

/// The path before the name in the URL of a session: `live` in `rtmp://host/live/test110?k=1` and `/live/test110.flv`.
pub(super) fn app(url: &str) -> &str {
    let (path, _) = split(url);
    let path = path.split_once("://").map_or(path, |(_, rest)| rest.find('/').map_or("", |at| rest.split_at(at).1));
    path.rsplit_once('/').map_or("", |(folders, _)| folders).trim_matches('/')
}

/// The URL before its query, and the query.
pub(super) fn split(url: &str) -> (&str, &str) {
    url.split_once('?').unwrap_or((url, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::Name;
    use crate::media::Wall;

    fn role(kind: &'static str, part: Part) -> Option<(&'static str, &'static str)> {
        let (id, stream) = (SessionId { kind, number: 1 }, Name::new("a").unwrap());
        let session =
            Session { id, stream, part, url: "".into(), peer: None, tls: false, since: Wall(Default::default()) };
        Role::of(&session).map(|role| (role.protocol, role.base.name()))
    }

    #[test]
    fn sessions_have_lals_words() {
        let plays = Part::Plays("flv");
        assert_eq!(role("RTMPPUBSUB", Part::Publishes), Some(("RTMP", "PUB")));
        assert_eq!(role("RTMPPUBSUB", plays), Some(("RTMP", "SUB")));
        assert_eq!(role("RTSPPULL", Part::Publishes), Some(("RTSP", "PULL")));
        assert_eq!(role("RTMPPUSH", plays), Some(("RTMP", "PUSH")));
        assert_eq!(role("MP4PUBSUB", plays), Some(("MP4", "SUB")));
        assert_eq!(role("HLSSUB", plays), Some(("HLS", "SUB")));
        for own in ["HLSMUXER", "RTSPCAST", "RECORD", "CUSTOMIZEPUB"] {
            assert_eq!(role(own, plays), None, "{own}");
        }
    }

    #[test]
    fn an_app_is_the_path_before_the_name() {
        for (url, path) in [
            ("/live/test110?token=x/y", "live"),
            ("/live/test110.flv", "live"),
            ("rtmp://192.0.2.1:1935/a/b/test110?k=1", "a/b"),
            ("rtsp://192.0.2.1/test110", ""),
            ("rtsp://192.0.2.1", ""),
            ("test110", ""),
            ("", ""),
        ] {
            assert_eq!(app(url), path, "{url}");
        }
    }
}
