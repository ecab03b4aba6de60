//! Questions about recordings, and what the keeper of a disk answers from its index.

use crate::hub::Name;

/// A question, or a deletion. Times are in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// The newest recordings, by the query of a request: `stream=NAME` and `before=UNIX_MS`.
    Newest(String),
    /// The streams with recordings whose names come after this one, in the order of their names.
    Streams(String),
    /// The files of a stream that began at `from` or later and before `to`, the earliest first.
    Files {
        /// The stream.
        stream: Name,
        /// The first time.
        from: u64,
        /// The first time that no longer counts.
        to: u64,
    },
    /// Deletes recordings of a stream.
    Delete(Name, Doomed),
}

/// The recordings to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doomed {
    /// The file of this name.
    File(String),
    /// Those that began at this time: in files of one second there may be several.
    At(u64),
    /// All that began before this time and are complete.
    Before(u64),
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The entries, of which there may be more.
    pub told: Vec<Told>,
    /// The number of all entries, or of the files that were deleted.
    pub total: usize,
    /// The reason why not all was deleted.
    pub kept: Option<Kept>,
}

/// The reason why a recording was not deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is being written.
    Busy,
    /// There are more than are deleted at once.
    More,
    /// The disk refuses it.
    Failed(String),
}

/// A recording, or all of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The stream.
    pub stream: String,
    /// The file's name below `/record/`.
    pub file: String,
    /// The start time.
    pub begun: u64,
    /// The time of the last write.
    pub ended: u64,
    /// The size in bytes.
    pub bytes: u64,
    /// The number of files.
    pub files: usize,
    /// True if it is being written.
    pub is_open: bool,
}

/// The most recordings or streams in an answer.
pub const MOST_TOLD: usize = 100;

impl Question {
    /// True if it changes what others are told.
    pub fn deletes(&self) -> bool {
        matches!(self, Self::Delete(..))
    }
}

impl Found {
    /// Adds the answer of another disk or folder.
    pub fn add(&mut self, other: Self) {
        self.told.extend(other.told);
        self.total = self.total.saturating_add(other.total);
        self.kept = self.kept.take().or(other.kept);
    }
}
