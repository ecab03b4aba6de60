//! The reasons for refusals, in the terms of each protocol.

use std::fmt;

use crate::auth::Denial;
use crate::hub::{InvalidName, Refused};
use crate::net::{Close, Reason};
#[cfg(feature = "http")]
use crate::proto::AuthScheme;
use crate::proto::Lack;
#[cfg(feature = "http")]
use crate::proto::http;
#[cfg(feature = "rtmp")]
use crate::proto::rtmp;
#[cfg(feature = "rtsp")]
use crate::proto::rtsp;

/// The reason for a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The name is not valid.
    Name,
    /// It may not do that.
    Denied(Denial),
    /// No track can be received here.
    Codec,
    /// The segments of `hls.streams` are used.
    Segments,
    /// The hub refuses it.
    Hub(Refused),
}

/// The labels of refusals that are about credentials.
pub(super) const OF_CREDENTIALS: [&str; 7] =
    ["denied", "password", "unauthenticated", "signature", "expired", "clock", "failures"];

impl Refusal {
    /// The label in the metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Denied(Denial::Forbidden) => "denied",
            Self::Denied(Denial::Unanswered) => "unanswered",
            Self::Denied(Denial::Unauthenticated(Lack::Wrong, _)) => "password",
            Self::Denied(Denial::Unauthenticated(..)) => "unauthenticated",
            Self::Denied(Denial::Unsigned(_)) => "signature",
            Self::Denied(Denial::Expired) => "expired",
            Self::Denied(Denial::NoClock) => "clock",
            Self::Denied(Denial::TooMany) => "failures",
            Self::Codec => "codec",
            Self::Segments => "streams",
            Self::Hub(refused) => refused.label(),
        }
    }

    /// True if the credentials of the client are wrong.
    pub fn is_wrong(self) -> bool {
        matches!(self, Self::Denied(Denial::Unauthenticated(Lack::Wrong, _)))
    }

    /// True if the client made no mistake yet: it could not know that credentials are needed, or by which challenge.
    pub fn is_question(self) -> bool {
        matches!(self, Self::Denied(Denial::Unauthenticated(Lack::Missing | Lack::Stale, _)))
    }

    /// The code in RTMP, which is sent with the text.
    #[cfg(feature = "rtmp")]
    pub fn in_rtmp(self) -> rtmp::Refusal {
        match self {
            Self::Name | Self::Hub(Refused::Taken) => rtmp::Refusal::BadName,
            Self::Denied(_) | Self::Codec => rtmp::Refusal::Denied,
            Self::Segments | Self::Hub(_) => rtmp::Refusal::Full,
        }
    }

    /// The status in RTSP.
    #[cfg(feature = "rtsp")]
    pub fn in_rtsp(self) -> rtsp::Status {
        match self {
            Self::Name => rtsp::Status::NOT_FOUND,
            Self::Denied(Denial::Forbidden | Denial::Unsigned(_) | Denial::Expired) => rtsp::Status::FORBIDDEN,
            Self::Denied(Denial::Unanswered | Denial::NoClock | Denial::TooMany) => rtsp::Status::UNAVAILABLE,
            Self::Denied(Denial::Unauthenticated(..)) => rtsp::Status::UNAUTHORIZED,
            Self::Codec => rtsp::Status::UNSUPPORTED_MEDIA_TYPE,
            Self::Segments => rtsp::Status::NOT_ENOUGH_BANDWIDTH,
            Self::Hub(Refused::Taken) => rtsp::Status::FORBIDDEN,
            Self::Hub(_) => rtsp::Status::NOT_ENOUGH_BANDWIDTH,
        }
    }

    /// The status in HTTP: a client may try again after 503. In HTTP 401 requires challenges, so it is 403 if there are
    /// none.
    #[cfg(feature = "http")]
    pub fn in_http(self) -> http::Status {
        match self {
            Self::Name => http::Status::BAD_REQUEST,
            Self::Denied(Denial::Unauthenticated(..)) if self.challenges().next().is_some() => {
                http::Status::UNAUTHORIZED
            }
            Self::Denied(Denial::TooMany) => http::Status::TOO_MANY_REQUESTS,
            Self::Denied(Denial::Forbidden | Denial::Unauthenticated(..) | Denial::Unsigned(_) | Denial::Expired) => {
                http::Status::FORBIDDEN
            }
            Self::Codec => http::Status::NOT_FOUND,
            Self::Denied(Denial::Unanswered | Denial::NoClock) | Self::Segments | Self::Hub(_) => {
                http::Status::UNAVAILABLE
            }
        }
    }

    /// The challenges that are sent with 401 in HTTP.
    #[cfg(feature = "http")]
    pub fn challenges(self) -> impl Iterator<Item = &'static str> {
        let schemes = if let Self::Denied(Denial::Unauthenticated(_, schemes)) = self { schemes } else { &[] };
        CHALLENGES.into_iter().filter(|(scheme, _)| schemes.contains(scheme)).map(|(_, challenge)| challenge)
    }
}

/// The challenges in HTTP: the values of `WWW-Authenticate`. RFC 7617 section 2, RFC 6750 section 3.
#[cfg(feature = "http")]
const CHALLENGES: [(AuthScheme, &str); 2] =
    [(AuthScheme::Bearer, "Bearer realm=\"runnel\""), (AuthScheme::Basic, "Basic realm=\"runnel\"")];

impl From<Denial> for Refusal {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        Self::Hub(refused)
    }
}

impl From<InvalidName> for Refusal {
    fn from(_: InvalidName) -> Self {
        Self::Name
    }
}

impl From<Refusal> for Reason {
    fn from(refusal: Refusal) -> Self {
        Self::Ours(match refusal {
            Refusal::Name => InvalidName::TEXT,
            Refusal::Denied(Denial::Forbidden) => "the server's rules do not allow it",
            Refusal::Denied(Denial::Unanswered) => "no decision was made in time",
            Refusal::Denied(Denial::Unauthenticated(lack, _)) => match lack {
                Lack::Missing => "it has to show a password or a token",
                Lack::Stale => "it answers a challenge that has expired",
                Lack::Wrong => "wrong user or password",
            },
            Refusal::Denied(Denial::Unsigned(Lack::Missing | Lack::Stale)) => "its URL has to be signed",
            Refusal::Denied(Denial::Unsigned(Lack::Wrong)) => "the signature of its URL is wrong",
            Refusal::Denied(Denial::Expired) => "its URL or token has expired, or is not valid yet",
            Refusal::Denied(Denial::NoClock) => "the server's clock is not set, so nothing that expires is accepted",
            Refusal::Denied(Denial::TooMany) => "too many wrong passwords have come from its address: wait a minute",
            Refusal::Codec => "none of its tracks has a codec that is supported here",
            Refusal::Segments => "no more streams have segments: hls.streams is reached",
            Refusal::Hub(refused) => return Self::Hub(refused),
        })
    }
}

impl From<Refusal> for Close {
    fn from(refusal: Refusal) -> Self {
        Self::refused(refusal)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Reason::from(*self).fmt(f)
    }
}

#[cfg(all(test, feature = "http"))]
mod tests {
    use super::*;
    use crate::proto::REALM;

    #[test]
    fn a_challenge_of_http_is_one_that_its_clients_can_answer_here() {
        let refused = |schemes| Refusal::from(Denial::Unauthenticated(Lack::Missing, schemes));
        let only_digest = refused(&[AuthScheme::Digest]);
        assert_eq!((only_digest.in_http(), only_digest.challenges().count()), (http::Status::FORBIDDEN, 0));
        let all = refused(&[AuthScheme::Basic, AuthScheme::Digest, AuthScheme::Bearer]);
        let realm = format!("realm=\"{REALM}\"");
        assert_eq!(all.in_http(), http::Status::UNAUTHORIZED);
        assert!(all.challenges().count() == 2 && all.challenges().all(|one| one.ends_with(&realm)));
        assert_eq!(Refusal::from(Denial::Forbidden).challenges().count(), 0);
    }
}
