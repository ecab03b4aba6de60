//! The reasons why a request has no answer, by cause.

use std::fmt;

use super::super::{Close, Fault, Reason};
use crate::proto::http::Unsent;
use crate::proto::{Blame, Error};

/// The reason why there is no answer. An answer with an error status is an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The request is at fault: it cannot be sent, now or later.
    Request(Reason),
    /// A limit of this server: an account is full, or the answer is too long.
    Limit(Error),
    /// The network or a name server is at fault: nothing listens there, or the connection was lost.
    Unreachable(Reason),
    /// The server is at fault: it ends the connection too soon, is not trusted, or does not speak HTTP.
    Server(Close),
    /// The server redirects to a place that is not followed.
    Redirect(&'static str),
    /// The time is over; the cause is unknown.
    Late,
    /// The program ends.
    Shutdown,
}

/// The reason why a server does not do what it is asked for, though it may do so later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It has troubles of its own, by this status.
    Status(u16),
    /// There was no answer.
    Unanswered(Failure),
}

/// Statuses below 500 after which another attempt may succeed. RFC 9110 section 15.5.9, RFC 6585 section 4.
const TRANSIENT: [u16; 2] = [408, 429];

impl Trouble {
    /// The trouble that a status tells of.
    pub fn of(status: u16) -> Option<Self> {
        (status >= 500 || TRANSIENT.contains(&status)).then_some(Self::Status(status))
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "it answers with the status {status}"),
            Self::Unanswered(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for Trouble {}

impl From<Failure> for Trouble {
    fn from(why: Failure) -> Self {
        Self::Unanswered(why)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(why) => write!(f, "the request cannot be sent: {why}"),
            Self::Limit(why) => write!(f, "a limit is reached: {why}"),
            Self::Unreachable(why) => why.fmt(f),
            Self::Server(why) => why.fmt(f),
            Self::Redirect(why) => f.write_str(why),
            Self::Late => f.write_str("it has not answered in time"),
            Self::Shutdown => Close::Shutdown.fmt(f),
        }
    }
}

impl std::error::Error for Failure {}

impl From<Unsent> for Failure {
    fn from(why: Unsent) -> Self {
        match why {
            Unsent::Unfit(what) => Self::Request(what.into()),
            Unsent::Busy | Unsent::OverBudget(_) => Self::Limit(Error::limit("no room for the request")),
        }
    }
}

impl From<Close> for Failure {
    fn from(why: Close) -> Self {
        match why {
            Close::Peer(Fault::Input(error, _)) if error.blame() == Blame::Limit => Self::Limit(error),
            Close::Refused(Reason::Ours(what)) => Self::Limit(Error::limit(what)),
            Close::Refused(why) => Self::Request(why),
            Close::Io(kind) => Self::Unreachable(std::io::Error::from(kind).into()),
            Close::Idle | Close::Slow => Self::Late,
            Close::Shutdown => Self::Shutdown,
            Close::Eof => Self::Server(Error::misbehaved("the connection is cut within the answer").into()),
            why => Self::Server(why),
        }
    }
}
