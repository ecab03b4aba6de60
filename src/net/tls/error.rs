//! The errors of certificates.

use std::path::PathBuf;
use std::{error, fmt, io};

use rustls::pki_types::pem;

use super::Files;

/// The reason why certificates cannot be used, trusted or made.
#[derive(Debug)]
pub enum CertificateError {
    /// A file cannot be read or written.
    File(PathBuf, io::Error),
    /// No file can be read: their disk does not respond.
    Disk(io::Error),
    /// A file does not contain the expected PEM.
    Pem(PathBuf, pem::Error),
    /// A file has no certificate.
    Empty(PathBuf),
    /// A certificate or its key cannot be used, or they do not belong together.
    Pair(Files, rustls::Error),
    /// A certificate is not that of an authority.
    Authority(PathBuf, rustls::Error),
    /// TLS itself is not available.
    Tls(rustls::Error),
    /// A certificate cannot be made.
    Unmade(rcgen::Error),
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file, error) => write!(f, "{}: {error}", file.display()),
            Self::Disk(error) => error.fmt(f),
            Self::Pem(file, error) => write!(f, "{}: {error}", file.display()),
            Self::Empty(file) => write!(f, "{}: there is no certificate in it", file.display()),
            Self::Pair(Files { certificate, key }, error) => {
                write!(f, "{} with {}: ", certificate.display(), key.display())?;
                match error {
                    rustls::Error::InconsistentKeys(_) => f.write_str("the key is not that of this certificate"),
                    error => error.fmt(f),
                }
            }
            Self::Authority(file, error) => write!(f, "{}: {error}", file.display()),
            Self::Tls(error) => error.fmt(f),
            Self::Unmade(error) => error.fmt(f),
        }
    }
}

impl error::Error for CertificateError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::File(_, error) | Self::Disk(error) => Some(error),
            Self::Pem(_, error) => Some(error),
            Self::Pair(_, error) | Self::Authority(_, error) | Self::Tls(error) => Some(error),
            Self::Unmade(error) => Some(error),
            Self::Empty(_) => None,
        }
    }
}

impl From<io::Error> for CertificateError {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

impl From<rustls::Error> for CertificateError {
    fn from(error: rustls::Error) -> Self {
        Self::Tls(error)
    }
}
