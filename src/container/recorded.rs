//! Forms in files.

use super::flv::recorded::Summary;
use crate::media::{Ticks, Tracks};

/// The way in which a file has the units of a form, one behind the other.
pub struct Recorded {
    /// The bytes before them.
    pub begin: fn(&Tracks) -> Vec<u8>,
    /// Moves a unit, of which these are the first bytes, to where it is in a file that begins at a time of
    /// the stream; none where files begin at any time.
    pub rebase: Option<fn(&mut [u8], Ticks, &Tracks)>,
    /// Bytes that are written over when the file is closed.
    pub patch: Option<Patch>,
}

/// Bytes that are known only at the end of a file.
pub struct Patch {
    /// The place of the first.
    pub at: u64,
    /// The number of them.
    pub len: usize,
    /// These bytes.
    pub write: fn(&Tracks, &Summary) -> Vec<u8>,
}

impl Recorded {
    /// Units alone.
    pub const PLAIN: Self = Self { begin: |_| Vec::new(), rebase: None, patch: None };
}
