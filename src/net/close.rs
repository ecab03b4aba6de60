//! The reasons why connections end: one list for the log, the statistics and the peer.

use std::{fmt, io};

use crate::hub;
use crate::proto::{Blame, ENCODE, Error};

/// The reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Close {
    /// The peer closed.
    Eof,
    /// The peer broke the protocol.
    Peer(Fault),
    /// No input within the time allowed.
    Idle,
    /// No output could be sent within the time allowed.
    Slow,
    /// The new tracks cannot be announced in mid-stream: the peer has to ask again.
    Changed,
    /// Another publisher has replaced it.
    Replaced,
    /// The operator has ended it.
    Kicked,
    /// Its request was refused, or the server's own request was.
    Refused(Reason),
    /// The socket failed.
    Io(io::ErrorKind),
    /// This server could not do its own part.
    Failed(Failed),
    /// The server stops.
    Shutdown,
    /// All was served.
    Done,
}

/// A peer's fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A machine refused the input. The number, where it is known, is the offset of the fault in the connection's
    /// input, in bytes without TLS.
    Input(Error, Option<u64>),
    /// TLS ended, for this reason.
    Tls(Box<str>),
    /// It closed before it had answered anything by this protocol.
    Unanswered(&'static str),
}

/// The reason for a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A rule or a limit of this server.
    Ours(&'static str),
    /// The hub has no place for it.
    Hub(hub::Refused),
    /// The text of the peer or of the system: of bounded length, without characters that a log cannot show.
    Said(Box<str>),
}

/// A part of this server's own work that failed, with the text that says why, and what helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failed {
    /// A file cannot be read.
    File(Box<str>),
    /// The name of a server has no address. The name is left out where it may be a part of a password.
    Name(Option<Box<str>>, Box<str>),
    /// No connection was made.
    Connect(Box<str>),
    /// The certificate authorities cannot be used.
    Trust(Box<str>),
}

impl Failed {
    /// A file that cannot be read.
    pub fn file(error: &io::Error) -> Self {
        Self::File(match error.kind() {
            io::ErrorKind::NotFound => "file not found".into(),
            io::ErrorKind::PermissionDenied => "permission denied: let the server's user read the file".into(),
            _ => error.to_string().into(),
        })
    }
}

impl Close {
    /// A refusal.
    pub fn refused(why: impl Into<Reason>) -> Self {
        Self::Refused(why.into())
    }

    /// The same fault, found in input that `start` bytes of the connection precede. A position that is known already
    /// stays, and a limit of this server has no position.
    #[must_use]
    pub fn found_at(self, start: u64) -> Self {
        match self {
            Self::Peer(Fault::Input(error, None)) if error.blame() != Blame::Limit => {
                Self::Peer(Fault::Input(error, Some(start + error.used() as u64)))
            }
            known => known,
        }
    }

    /// One word: the label in the metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Eof => "eof",
            Self::Peer(_) => "peer",
            Self::Idle => "idle",
            Self::Slow => "slow",
            Self::Changed => "changed",
            Self::Replaced | Self::Kicked => "kicked",
            Self::Refused(_) => "refused",
            Self::Io(_) | Self::Failed(_) => "io",
            Self::Shutdown => "shutdown",
            Self::Done => "done",
        }
    }

    /// All labels.
    pub const LABELS: [&'static str; 10] =
        ["eof", "peer", "idle", "slow", "changed", "kicked", "refused", "io", "shutdown", "done"];
}

impl fmt::Display for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(fault) => write!(f, "peer: {fault}"),
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::Io(kind) => write!(f, "io: {kind}"),
            Self::Failed(why) => why.fmt(f),
            Self::Replaced => f.write_str("another took its place"),
            Self::Kicked => f.write_str("kicked: the operator has ended it"),
            Self::Slow => f.write_str("slow: too little could be sent in time"),
            Self::Changed => f.write_str("changed: the tracks are different now, so it has to ask again"),
            _ => f.write_str(self.label()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(error, Some(at)) => write!(f, "{error}, at byte {at}"),
            Self::Input(error, None) => error.fmt(f),
            Self::Tls(why) => write!(f, "TLS: {why}"),
            Self::Unanswered(protocol) => {
                write!(f, "it closed the connection before it answered: is that an {protocol} port?")
            }
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(why) | Self::Trust(why) => f.write_str(why),
            Self::Name(Some(host), why) => {
                write!(f, "name lookup failed: {host}: {why}: check the name, and the name servers of this machine")
            }
            Self::Name(None, why) => write!(f, "name lookup failed: {why}: {ENCODE}"),
            Self::Connect(why) => write!(f, "cannot connect: {why}"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours(why) => f.write_str(why),
            Self::Hub(why) => why.fmt(f),
            Self::Said(why) => f.write_str(why),
        }
    }
}

impl From<Error> for Close {
    fn from(error: Error) -> Self {
        Self::Peer(Fault::Input(error, None))
    }
}

impl From<Failed> for Close {
    fn from(why: Failed) -> Self {
        Self::Failed(why)
    }
}

impl From<&'static str> for Reason {
    fn from(why: &'static str) -> Self {
        Self::Ours(why)
    }
}

impl From<hub::Refused> for Reason {
    fn from(why: hub::Refused) -> Self {
        Self::Hub(why)
    }
}

impl From<String> for Reason {
    fn from(said: String) -> Self {
        Self::Said(said.into())
    }
}

impl From<io::Error> for Reason {
    fn from(error: io::Error) -> Self {
        error.to_string().into()
    }
}

impl From<io::Error> for Close {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
        match error.kind() {
            BrokenPipe | ConnectionReset | UnexpectedEof => Self::Eof,
            kind => Self::Io(kind),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_better_stays_and_a_limit_has_no_place() {
        let fault = Close::from(Error::misbehaved("not now").after(2)).found_at(5);
        assert_eq!(fault.clone().found_at(100), fault);
        assert_eq!(fault.to_string(), "peer: not now, at byte 7");
        let limit = Close::from(Error::limit("answers are not read")).found_at(5);
        assert_eq!(limit.to_string(), "peer: answers are not read");
        assert_eq!(Close::Eof.found_at(5), Close::Eof);
    }
}
