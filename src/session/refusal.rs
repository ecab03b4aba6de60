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

/// A refusal, by its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No stream can have that name.
    Name,
    /// The gatekeeper does not want it.
    Denied,
    /// The gatekeeper has not answered in time.
    Unanswered,
    /// No track has a place here.
    #[cfg(feature = "rtsp")]
    Codec,
    /// The password is wrong.
    #[cfg(feature = "rtsp")]
    Password,
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
            #[cfg(feature = "rtsp")]
            Self::Codec => "codec",
            #[cfg(feature = "rtsp")]
            Self::Password => "password",
            #[cfg(feature = "http")]
            Self::Segments => "streams",
            Self::Hub(refused) => refused.label(),
        }
    }

    /// Its code in RTMP, which goes with the text.
    #[cfg(feature = "rtmp")]
    pub fn in_rtmp(self) -> rtmp::Refusal {
        match self {
            Self::Name | Self::Hub(Refused::Taken) => rtmp::Refusal::BadName,
            Self::Denied | Self::Unanswered => rtmp::Refusal::Denied,
            #[cfg(feature = "rtsp")]
            Self::Codec | Self::Password => rtmp::Refusal::Denied,
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
            Self::Password => rtsp::Status::UNAUTHORIZED,
            #[cfg(feature = "http")]
            Self::Segments => rtsp::Status::NOT_ENOUGH_BANDWIDTH,
            Self::Hub(Refused::Taken) => rtsp::Status::FORBIDDEN,
            Self::Hub(_) => rtsp::Status::NOT_ENOUGH_BANDWIDTH,
        }
    }

    /// Its status in HTTP: a client may try again after 503.
    #[cfg(feature = "http")]
    pub fn in_http(self) -> http::Status {
        match self {
            Self::Name => http::Status::BAD_REQUEST,
            Self::Denied => http::Status::FORBIDDEN,
            #[cfg(feature = "rtsp")]
            Self::Codec => http::Status::NOT_FOUND,
            #[cfg(feature = "rtsp")]
            Self::Password => http::Status::FORBIDDEN,
            Self::Unanswered | Self::Segments | Self::Hub(_) => http::Status::UNAVAILABLE,
        }
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
            Refusal::Denied => "the server's rules do not allow it",
            Refusal::Unanswered => "nobody has decided in time whether it may",
            #[cfg(feature = "rtsp")]
            Refusal::Codec => "no track of it has a codec that has a place here",
            #[cfg(feature = "rtsp")]
            Refusal::Password => "wrong user or password",
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
