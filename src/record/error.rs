//! The reasons for which recordings are not made ready.

use std::{error, fmt, io};

use crate::conf;

/// The reason for which recordings are not made ready.
#[derive(Debug)]
pub enum Unready {
    /// A key leads to a folder that another has: the key, and its fault.
    Link(String, conf::Fault),
    /// A disk gets no thread.
    Thread(io::Error),
}

impl fmt::Display for Unready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(key, fault) => write!(f, "{key} {fault}"),
            Self::Thread(error) => write!(f, "a thread cannot be started: {error}"),
        }
    }
}

impl error::Error for Unready {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Link(..) => None,
            Self::Thread(error) => Some(error),
        }
    }
}
