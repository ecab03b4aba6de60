//! File formats of forms.

use super::flv::recorded::Summary;
use crate::media::{Ticks, Tracks};

/// The way in which a file stores the units of a form, one after the other.
pub struct Recorded {
    /// The bytes at the start of the file.
    pub begin: fn(&Tracks) -> Vec<u8>,
    /// Changes the times in a unit, given its first bytes, so that the file's start in the stream becomes 0. `None`
    /// if files may begin at any time.
    pub rebase: Option<fn(&mut [u8], Ticks, &Tracks)>,
    /// Bytes that are overwritten when the file is closed.
    pub patch: Option<Patch>,
}

/// A part of the file that is known only at its end.
pub struct Patch {
    /// The offset of its first byte in the file.
    pub at: u64,
    /// Its length in bytes.
    pub len: usize,
    /// Gives the bytes.
    pub write: fn(&Tracks, &Summary) -> Vec<u8>,
}

impl Recorded {
    /// A file of units only.
    pub const PLAIN: Self = Self { begin: |_| Vec::new(), rebase: None, patch: None };
}
