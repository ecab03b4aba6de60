//! The layout of a file, by its format.

use crate::conf::FileFormat;
use crate::container::flv::recorded::Summary;
use crate::container::{FLV, Form, MP4, Recorded, TS};
use crate::media::{Ticks, Tracks};

/// The layout of files in one format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileLayout(FileFormat);

impl FileLayout {
    pub(super) fn of(format: FileFormat) -> Self {
        Self(format)
    }

    /// The form in which the stream is packed.
    pub(super) fn form(self) -> &'static Form {
        match self.0 {
            FileFormat::Flv => &FLV,
            FileFormat::Ts | FileFormat::Hls => &TS,
            FileFormat::Fmp4 => &MP4,
        }
    }

    /// The files' extension, without the dot.
    pub(super) fn extension(self) -> &'static str {
        self.form().extension
    }

    /// True if files are segments in a folder of the stream, with a playlist.
    pub(super) fn is_segments(self) -> bool {
        self.0 == FileFormat::Hls
    }

    /// The bytes at the start of a file.
    pub(super) fn begin(self, tracks: &Tracks) -> Vec<u8> {
        (self.recorded().begin)(tracks)
    }

    /// True if `rebase` changes units.
    pub(super) fn rebases(self) -> bool {
        self.recorded().rebase.is_some()
    }

    /// Changes the times in a unit, given its first bytes, for a file that begins at `origin`.
    pub(super) fn rebase(self, first: &mut [u8], origin: Ticks, tracks: &Tracks) {
        if let Some(rebase) = self.recorded().rebase {
            rebase(first, origin, tracks);
        }
    }

    /// The number of bytes that are overwritten when the file is closed.
    pub(super) fn patch(self) -> usize {
        self.recorded().patch.as_ref().map_or(0, |patch| patch.len)
    }

    /// The bytes that are overwritten when the file is closed, and their offset.
    pub(super) fn finish(self, tracks: &Tracks, summary: &Summary) -> Option<(u64, Vec<u8>)> {
        self.recorded().patch.as_ref().map(|patch| (patch.at, (patch.write)(tracks, summary)))
    }

    fn recorded(self) -> &'static Recorded {
        self.form().recorded.as_ref().unwrap_or(&Recorded::PLAIN)
    }
}
