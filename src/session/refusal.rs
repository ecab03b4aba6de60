//! The reason why somebody may not do what it asks for, in each protocol's words.

use std::fmt;

use crate::hub::{InvalidName, Refused};
use crate::net::{Close, Reason};
#[cfg(feature = "rtmp")]
use crate::proto::rtmp;
#[cfg(feature = "rtsp")]
use crate::proto::rtsp;

/// A refusal, by its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No stream can have that name.
    Name,
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
            Self::Codec => rtsp::Status::UNSUPPORTED_MEDIA_TYPE,
            Self::Password => rtsp::Status::UNAUTHORIZED,
            #[cfg(feature = "http")]
            Self::Segments => rtsp::Status::NOT_ENOUGH_BANDWIDTH,
            Self::Hub(Refused::Taken) => rtsp::Status::FORBIDDEN,
            Self::Hub(_) => rtsp::Status::NOT_ENOUGH_BANDWIDTH,
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
