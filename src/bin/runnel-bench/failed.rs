//! The reason for which a session, or the whole measurement, ends.

use std::borrow::Cow;
use std::{error, fmt, io};

use runnel::net::CertificateError;
use runnel::proto;

/// The reason, by whose fault it is.
#[derive(Debug)]
pub enum Failed {
    /// The command line asks for something impossible.
    Asked(Cow<'static, str>),
    /// The system refuses something, or the connection is broken.
    System(io::Error),
    /// TLS is not available.
    Tls(rustls::Error),
    /// TLS is not available, because there are no trusted certificates.
    Trust(CertificateError),
    /// The server breaks the protocol.
    Protocol(proto::Error),
    /// The server refuses a request, or stops.
    Server(Cow<'static, str>),
}

impl Failed {
    /// The command line asks for something impossible.
    pub fn asked(why: impl Into<Cow<'static, str>>) -> Self {
        Self::Asked(why.into())
    }

    /// The server refuses a request, or stops.
    pub fn server(why: impl Into<Cow<'static, str>>) -> Self {
        Self::Server(why.into())
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked(why) | Self::Server(why) => f.write_str(why),
            Self::System(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::Trust(error) => error.fmt(f),
            Self::Protocol(error) => error.fmt(f),
        }
    }
}

impl error::Error for Failed {}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl From<rustls::Error> for Failed {
    fn from(error: rustls::Error) -> Self {
        Self::Tls(error)
    }
}

impl From<CertificateError> for Failed {
    fn from(error: CertificateError) -> Self {
        Self::Trust(error)
    }
}

impl From<proto::Error> for Failed {
    fn from(error: proto::Error) -> Self {
        Self::Protocol(error)
    }
}
