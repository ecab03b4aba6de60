//! The reasons for which the machine does not give the program what it needs.

use std::path::PathBuf;
use std::{error, fmt, io};

use super::Weight;

/// The reason for which the machine does not give the program what it needs.
#[derive(Debug)]
pub enum Error {
    /// More files are to be open than may be.
    Descriptors {
        /// Those of the plan.
        needed: u64,
        /// Those that may be.
        limit: u64,
    },
    /// Less memory may be locked than the process has.
    LockLimit,
    /// Memory cannot be locked.
    Lock(io::Error),
    /// Less memory is free than the plan takes.
    Memory {
        /// The bytes of the plan.
        wanted: u64,
        /// The bytes that are free.
        free: u64,
    },
    /// There can be no thread but the first.
    Thread(io::Error),
    /// There can be no thread that writes the log.
    LogThread(io::Error),
    /// A file cannot be read, or not be written to.
    File(PathBuf, io::Error),
    /// There is no such user.
    User(String),
    /// There is no such group, or none that was named.
    Group(String),
}

const LOCK_REMEDY: &str = "start as root, or lift the limit (ulimit -l unlimited, LimitMEMLOCK=infinity)";

impl Error {
    /// Whether the server starts all the same, or at another time.
    pub fn weight(&self) -> Weight {
        match self {
            // a server that runs may have it
            Self::Memory { .. } => Weight::Untried,
            Self::Thread(_) | Self::LogThread(_) => Weight::Refused,
            _ => Weight::Wrong,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Descriptors { needed, limit } => write!(
                f,
                "the plan needs {needed} open files, but the limit is {limit}: raise it (ulimit -n, LimitNOFILE=, \
                 procd's limits), or lower viewers.max, streams.max or connections.spare"
            ),
            Self::LockLimit => write!(f, "memory cannot be locked beyond a limit: {LOCK_REMEDY}"),
            Self::Lock(error) => write!(f, "memory cannot be locked: {error}: {LOCK_REMEDY}"),
            Self::Memory { wanted, free } => {
                write!(f, "the plan takes {} KiB, but {} KiB are free: lower memory.total", wanted / 1024, free / 1024)
            }
            Self::Thread(error) => write!(
                f,
                "a second thread cannot be started: {error}: raise the limit of processes (ulimit -u, TasksMax=, \
                 LimitNPROC=, pids.max)"
            ),
            Self::LogThread(error) => write!(f, "the thread of the log cannot be started: {error}"),
            Self::File(path, error) => write!(f, "{}: {error}", path.display()),
            Self::User(text) => write!(f, "{text:?}: no such user"),
            Self::Group(text) => write!(f, "{text:?}: no such group: write UID:GID"),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Lock(error) | Self::Thread(error) | Self::LogThread(error) | Self::File(_, error) => Some(error),
            _ => None,
        }
    }
}
