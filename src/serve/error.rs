//! The errors of starting a server, or of applying a configuration.

use std::path::PathBuf;
use std::{error, fmt, io};

use crate::conf::Address;
use crate::net::CertificateError;

/// The reason why a server does not start, or does not apply a configuration.
#[derive(Debug)]
pub enum Error {
    /// A port cannot be opened.
    Unbound(Unbound),
    /// An open port cannot accept connections.
    Deaf {
        /// The key of its address.
        key: &'static str,
        /// Its address.
        address: Address,
        /// The system's error.
        error: io::Error,
    },
    /// A certificate cannot be used.
    Certificate(CertificateError),
}

/// A port that cannot be opened.
#[derive(Debug)]
pub struct Unbound {
    /// The key of the port.
    pub key: &'static str,
    /// The reason.
    pub why: Refused,
}

/// The reason why a port cannot be opened.
#[derive(Debug)]
pub enum Refused {
    /// The system refuses the address.
    Address(Address, io::Error),
    /// The system refuses the path of a Unix socket.
    Socket(PathBuf, io::Error),
    /// There is no certificate for it.
    NoCertificate,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unbound(port) => port.fmt(f),
            Self::Deaf { key, address, error } => write!(f, "{key} = \"{address}\": {error}"),
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
            Self::Socket(path, error) => write!(f, "{}: {error}{}", path.display(), holder(error)),
            Self::NoCertificate => f.write_str("no client can be served over TLS"),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Unbound(port) => port.source(),
            Self::Deaf { error, .. } => Some(error),
            Self::Certificate(error) => Some(error),
        }
    }
}

impl error::Error for Unbound {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match &self.why {
            Refused::Address(_, error) | Refused::Socket(_, error) => Some(error),
            Refused::NoCertificate => None,
        }
    }
}

impl From<Unbound> for Error {
    fn from(port: Unbound) -> Self {
        Self::Unbound(port)
    }
}

impl From<CertificateError> for Error {
    fn from(error: CertificateError) -> Self {
        Self::Certificate(error)
    }
}

/// The text about the program that has the port.
pub(super) fn holder(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => ": another program, or a runnel that is running, uses it",
        _ => "",
    }
}
