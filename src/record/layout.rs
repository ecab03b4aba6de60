//! The layout of a file, by its format.

use crate::conf::FileFormat;
use crate::container::flv::recorded::{self, Summary};
use crate::container::{self, FLV, Form, MP4, TS};
use crate::media::{Ticks, Tracks};

/// A format of files.
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

    /// Whether files are segments in a folder of the stream's, with a playlist.
    pub(super) fn is_segments(self) -> bool {
        self.0 == FileFormat::Hls
    }

    /// The head of a file.
    pub(super) fn begin(self, tracks: &Tracks) -> Vec<u8> {
        match self.0 {
            FileFormat::Flv => recorded::file_begin(tracks),
            // each key frame has the tables before it
            FileFormat::Ts | FileFormat::Hls => Vec::new(),
            FileFormat::Fmp4 => (MP4.mux)().head(tracks, Ticks(0)).to_vec(),
        }
    }

    /// Whether `rebase` has something to do.
    pub(super) fn rebases(self) -> bool {
        matches!(self.0, FileFormat::Flv | FileFormat::Fmp4)
    }

    /// Moves a unit, of which `first` are the first bytes, to where it is in a file that
    /// begins at `origin`.
    pub(super) fn rebase(self, first: &mut [u8], origin: Ticks, tracks: &Tracks) {
        match self.0 {
            FileFormat::Flv => recorded::rebase(first, origin),
            FileFormat::Fmp4 => container::mp4::rebase(first, origin, tracks),
            FileFormat::Ts | FileFormat::Hls => {}
        }
    }

    /// Bytes that are to be written over when the file is closed.
    pub(super) fn patch(self) -> usize {
        if self.0 == FileFormat::Flv { recorded::METADATA } else { 0 }
    }

    /// These bytes, and where.
    pub(super) fn finish(self, tracks: &Tracks, summary: &Summary) -> Option<(u64, Vec<u8>)> {
        (self.0 == FileFormat::Flv).then(|| (recorded::METADATA_AT, recorded::metadata(tracks, summary)))
    }
}
