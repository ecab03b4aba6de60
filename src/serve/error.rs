//! The reasons for which a server does not start, or does not follow its configuration.

use std::{error, fmt, io};

use crate::conf::Address;
#[cfg(feature = "tls")]
use crate::net::CertificateError;

/// The reason for which a server does not start, or does not follow its configuration.
#[derive(Debug)]
pub enum Error {
    /// A port cannot be opened.
    Unbound(Unbound),
    /// Nobody can be let in by an open port.
    Deaf {
        /// The key that says where it is.
        key: &'static str,
        /// Its address.
        address: Address,
        /// The system's error.
        error: io::Error,
    },
    /// A certificate is of no use.
    #[cfg(feature = "tls")]
    Certificate(CertificateError),
}

/// A port that cannot be opened.
#[derive(Debug)]
pub struct Unbound {
    /// The key that asks for it.
    pub key: &'static str,
    /// The reason.
    pub why: Refused,
}

/// The reason for which a port cannot be opened.
#[derive(Debug)]
pub enum Refused {
    /// The system does not give the address.
    Address(Address, io::Error),
    /// There is no certificate to show there.
    NoCertificate,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unbound(port) => port.fmt(f),
            Self::Deaf { key, address, error } => write!(f, "{key} = \"{address}\": {error}"),
            #[cfg(feature = "tls")]
            Self::Certificate(error) => write!(f, "tls: {error}"),
        }
    }
}

impl fmt::Display for Unbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.why)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address, error) => write!(f, "{address}: {error}{}", holder(error)),
            Self::NoCertificate => f.write_str("nobody can be served over TLS"),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Unbound(port) => port.source(),
            Self::Deaf { error, .. } => Some(error),
            #[cfg(feature = "tls")]
            Self::Certificate(error) => Some(error),
        }
    }
}

impl error::Error for Unbound {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match &self.why {
            Refused::Address(_, error) => Some(error),
            Refused::NoCertificate => None,
        }
    }
}

impl From<Unbound> for Error {
    fn from(port: Unbound) -> Self {
        Self::Unbound(port)
    }
}

#[cfg(feature = "tls")]
impl From<CertificateError> for Error {
    fn from(error: CertificateError) -> Self {
        Self::Certificate(error)
    }
}

/// The words about who has a port that is taken.
pub(super) fn holder(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => ": another program, or a runnel that runs already, has it",
        _ => "",
    }
}
