//! The errors of preparing recordings.

use std::{error, fmt, io};

use crate::conf;

/// The reason why recordings could not be prepared.
#[derive(Debug)]
pub enum Unready {
    /// A key leads to a folder that another key uses: the key, and the fault.
    Link(String, conf::Fault),
    /// A thread of a disk could not be started.
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
