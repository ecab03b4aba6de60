//! The errors of the machine's limits and resources.

use std::path::PathBuf;
use std::{error, fmt, io};

use super::Weight;

/// The reason why the machine cannot provide what the program needs.
#[derive(Debug)]
pub enum Error {
    /// The plan needs more open files than the limit allows.
    Descriptors {
        /// The number of files in the plan.
        needed: u64,
        /// The limit.
        limit: u64,
    },
    /// The limit on locked memory is too low.
    LockLimit,
    /// Memory cannot be locked.
    Lock(io::Error),
    /// Less memory is free than the plan needs.
    Memory {
        /// The bytes of the plan.
        wanted: u64,
        /// The free bytes.
        free: u64,
    },
    /// A second thread cannot be started.
    Thread(io::Error),
    /// The thread that writes the log cannot be started.
    LogThread(io::Error),
    /// A file cannot be read or written.
    File(PathBuf, io::Error),
    /// The user does not exist.
    User(String),
    /// The group does not exist, or none was given.
    Group(String),
}

const LOCK_REMEDY: &str = "start as root, or lift the limit (ulimit -l unlimited, LimitMEMLOCK=infinity)";

impl Error {
    /// Tells if the server starts anyway, or may start later.
    pub fn weight(&self) -> Weight {
        match self {
            // a running server may be using the memory
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
