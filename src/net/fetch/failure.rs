//! The reasons why a request has no answer, by whose fault that is.

use std::fmt;

use super::super::{Close, Fault, Reason};
use crate::proto::http::Unsent;
use crate::proto::{Blame, Error};

/// The reason why there is no answer. An answer with a status that is an error is an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The request's: it cannot be sent as it is, now or later.
    Request(Reason),
    /// Of a limit of ours: an account has no room, or the answer is longer than it may be.
    Limit(Error),
    /// The network's or a name server's: nothing listens there, or the connection was lost.
    Unreachable(Reason),
    /// The server's: it ends the connection too soon, is not believed, or says what is not HTTP.
    Server(Close),
    /// The server's: it redirects to where nobody follows.
    Redirect(&'static str),
    /// Nobody's that could be known: time is over.
    Late,
    /// Nobody's: the program ends.
    Shutdown,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(why) => write!(f, "it cannot be asked: {why}"),
            Self::Limit(why) => write!(f, "it takes too much: {why}"),
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
