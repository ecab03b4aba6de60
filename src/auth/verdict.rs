//! The answer: granted, or the reason why not.

#[cfg(feature = "rtmp")]
use std::borrow::Cow;
use std::pin::Pin;
use std::time::Duration;

use super::request::Request;
#[cfg(feature = "rtmp")]
use crate::proto::Credentials;
use crate::proto::{AuthScheme, Lack};

/// The reason why a client may not do what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The rules do not allow it, whoever asks.
    Forbidden,
    /// Nobody has decided in time.
    Unanswered,
    /// Credentials by one of these schemes are required; those of the client are missing or wrong.
    Unauthenticated(Lack, &'static [AuthScheme]),
    /// The signature of its link is missing or wrong.
    Unsigned(Lack),
    /// Its link or token does not hold any more.
    Expired,
    /// Its link or token expires, and the machine does not know the time of day.
    NoClock,
    /// Too many wrong credentials have come from its address.
    TooMany,
}

/// The decision, with the reason for a refusal.
pub type Verdict = Result<(), Denial>;

/// An answer to a request.
pub enum Answer {
    /// The decision.
    Now(Verdict),
    /// The decision follows within [`PATIENCE`]. The future is dropped when its client leaves. It is a part of its
    /// connection, whose memory in the plan is that of a player: it should hold no more than a few hundred bytes.
    Later(Pin<Box<dyn Future<Output = Verdict> + Send>>),
}

impl Answer {
    /// Grants what both grant.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Now(Ok(())), other) | (other, Self::Now(Ok(()))) => other,
            (Self::Now(refused), _) | (_, Self::Now(refused)) => Self::Now(refused),
            (Self::Later(one), Self::Later(other)) => Self::Later(Box::pin(async move {
                one.await?;
                other.await
            })),
        }
    }
}

/// The reply to a client of RTMP that connects.
#[cfg(feature = "rtmp")]
#[derive(Debug)]
pub enum Meeting {
    /// It is let in, to say what it wants.
    Welcome,
    /// The same, with these credentials.
    Known(Credentials),
    /// It is rejected with this description, which asks it to connect again.
    Again(Cow<'static, str>),
}

/// The longest time that a client waits for an answer; then it is refused.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Decides which clients may do what. It is not asked about clients that the configuration refuses at
/// once, nor about changes by the API from other machines. A client
/// that needs a password is refused as [`Denial::Unauthenticated`] unless
/// [`Credentials::prove`](crate::proto::Credentials::prove) accepts it.
pub trait Gatekeeper: Send + Sync {
    /// The answer to a request of a client. It is called between the packets of other connections: an answer that has
    /// to wait is an [`Answer::Later`].
    fn ask(&self, request: &Request<'_>) -> Answer;
}

impl<F: Fn(&Request<'_>) -> Answer + Send + Sync> Gatekeeper for F {
    fn ask(&self, request: &Request<'_>) -> Answer {
        self(request)
    }
}
