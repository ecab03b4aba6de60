//! The reason why somebody may not do what it asks for, in each protocol's words.

use std::fmt;

use crate::hub::{InvalidName, Refused};
use crate::net::{Close, Reason};
#[cfg(feature = "http")]
use crate::proto::http;
#[cfg(feature = "rtmp")]
use crate::proto::rtmp;
#[cfg(feature = "rtsp")]
use crate::proto::rtsp;
use crate::proto::{AuthScheme, Lack};

/// A refusal, by its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No stream can have that name.
    Name,
    /// The gatekeeper does not want it.
    Denied,
    /// The gatekeeper has not answered in time.
    Unanswered,
    /// It has to show credentials by one of these schemes: those that it has shown do not do.
    Unauthenticated(Lack, &'static [AuthScheme]),
    /// No track has a place here.
    #[cfg(feature = "rtsp")]
    Codec,
    /// `hls.streams` have segments.
    #[cfg(feature = "http")]
    Segments,
    /// There is no place for it.
    Hub(Refused),
}

impl Refusal {
    /// The label in the metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Denied => "denied",
            Self::Unanswered => "unanswered",
            Self::Unauthenticated(Lack::Wrong, _) => "password",
            Self::Unauthenticated(..) => "unauthenticated",
            #[cfg(feature = "rtsp")]
            Self::Codec => "codec",
            #[cfg(feature = "http")]
            Self::Segments => "streams",
            Self::Hub(refused) => refused.label(),
        }
    }

    /// Whether the client did nothing wrong so far: it could not know that it has to show credentials, or by which
    /// challenge.
    pub fn is_question(self) -> bool {
        matches!(self, Self::Unauthenticated(Lack::Missing | Lack::Stale, _))
    }

    /// Its code in RTMP, which goes with the text.
    #[cfg(feature = "rtmp")]
    pub fn in_rtmp(self) -> rtmp::Refusal {
        match self {
            Self::Name | Self::Hub(Refused::Taken) => rtmp::Refusal::BadName,
            Self::Denied | Self::Unanswered | Self::Unauthenticated(..) => rtmp::Refusal::Denied,
            #[cfg(feature = "rtsp")]
            Self::Codec => rtmp::Refusal::Denied,
            #[cfg(feature = "http")]
            Self::Segments => rtmp::Refusal::Full,
            Self::Hub(_) => rtmp::Refusal::Full,
        }
    }

    /// Its status in RTSP.
    #[cfg(feature = "rtsp")]
    pub fn in_rtsp(self) -> rtsp::Status {
        match self {
            Self::Name => rtsp::Status::NOT_FOUND,
            Self::Denied => rtsp::Status::FORBIDDEN,
            Self::Unanswered => rtsp::Status::UNAVAILABLE,
            Self::Codec => rtsp::Status::UNSUPPORTED_MEDIA_TYPE,
            Self::Unauthenticated(..) => rtsp::Status::UNAUTHORIZED,
            #[cfg(feature = "http")]
            Self::Segments => rtsp::Status::NOT_ENOUGH_BANDWIDTH,
            Self::Hub(Refused::Taken) => rtsp::Status::FORBIDDEN,
            Self::Hub(_) => rtsp::Status::NOT_ENOUGH_BANDWIDTH,
        }
    }

    /// Its status in HTTP: a client may try again after 503. There 401 has challenges, so it is 403 if there are none.
    #[cfg(feature = "http")]
    pub fn in_http(self) -> http::Status {
        match self {
            Self::Name => http::Status::BAD_REQUEST,
            Self::Unauthenticated(..) if self.challenges().next().is_some() => http::Status::UNAUTHORIZED,
            Self::Denied | Self::Unauthenticated(..) => http::Status::FORBIDDEN,
            #[cfg(feature = "rtsp")]
            Self::Codec => http::Status::NOT_FOUND,
            Self::Unanswered | Self::Segments | Self::Hub(_) => http::Status::UNAVAILABLE,
        }
    }

    /// The challenges that go with 401 in HTTP.
    #[cfg(feature = "http")]
    pub fn challenges(self) -> impl Iterator<Item = &'static str> {
        let schemes = if let Self::Unauthenticated(_, schemes) = self { schemes } else { &[] };
        CHALLENGES.into_iter().filter(|(scheme, _)| schemes.contains(scheme)).map(|(_, challenge)| challenge)
    }
}

/// The challenges that HTTP has here: the values of `WWW-Authenticate`. RFC 7617 section 2, RFC 6750 section 3.
#[cfg(feature = "http")]
const CHALLENGES: [(AuthScheme, &str); 2] =
    [(AuthScheme::Bearer, "Bearer realm=\"runnel\""), (AuthScheme::Basic, "Basic realm=\"runnel\"")];

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
            Refusal::Denied => "the server's rules do not allow it",
            Refusal::Unanswered => "nobody has decided in time whether it may",
            Refusal::Unauthenticated(Lack::Missing, _) => "it has to show a password or a token",
            Refusal::Unauthenticated(Lack::Stale, _) => "it answers a challenge that does not hold any more",
            Refusal::Unauthenticated(Lack::Wrong, _) => "wrong user or password",
            #[cfg(feature = "rtsp")]
            Refusal::Codec => "no track of it has a codec that has a place here",
            #[cfg(feature = "http")]
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
        let refused = |schemes| Refusal::Unauthenticated(Lack::Missing, schemes);
        let only_digest = refused(&[AuthScheme::Digest]);
        assert_eq!((only_digest.in_http(), only_digest.challenges().count()), (http::Status::FORBIDDEN, 0));
        let all = refused(&[AuthScheme::Basic, AuthScheme::Digest, AuthScheme::Bearer]);
        let realm = format!("realm=\"{REALM}\"");
        assert_eq!(all.in_http(), http::Status::UNAUTHORIZED);
        assert!(all.challenges().count() == 2 && all.challenges().all(|one| one.ends_with(&realm)));
        assert_eq!(Refusal::Denied.challenges().count(), 0);
    }
}
