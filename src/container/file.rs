//! Files as sources: detection of the format, and one reader for each format.

use bytes::Bytes;

use super::{Error, Event, flv, mp4, ts};
use crate::budget::Room;
use crate::media::Kind;

/// A file that is being read.
pub trait Storage: Send {
    /// The file's length in bytes.
    fn len(&self) -> u64;

    /// Reads into `out` from the offset `at`. It reads fewer bytes than `out` holds only at the end of the file.
    fn read_at(&mut self, at: u64, out: &mut [u8]) -> Result<usize, Unreadable>;

    /// True if the file is empty.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The system failed to read the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

/// Reads a file from its start to its end.
pub trait FileReader: Send {
    /// Reads the next few frames at most; false at the end of the file.
    fn step(&mut self, storage: &mut dyn Storage, room: &dyn Room, event: &mut dyn FnMut(Event))
    -> Result<bool, Fault>;

    /// The clockwise rotation in degrees with which pictures are to be shown.
    fn rotation(&self) -> u16 {
        0
    }

    /// True if a table gives the duration of each frame: then a long frame is not damage.
    fn is_timed(&self) -> bool {
        false
    }
}

/// The error of reading a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The system failed to read it.
    Unreadable,
    /// The content is not valid for the format of its first bytes: no more frames can be read.
    Broken(&'static str),
    /// One frame is lost; reading continues.
    Lost(Kind, Error),
}

/// Opens a reader for FLV, MPEG-TS or MP4, chosen by the file's first bytes. Frames longer than `max_frame` bytes
/// are not read.
pub fn open(storage: &mut dyn Storage, max_frame: usize) -> Result<Box<dyn FileReader>, Fault> {
    let mut head = [0; ts::file::LOOK];
    let len = storage.read_at(0, &mut head)?;
    let head = head.get(..len).unwrap_or_default();
    if let Some(reader) = ts::file::Reader::open(head, max_frame) {
        return Ok(Box::new(reader));
    }
    match head {
        [] => Err(Fault::Broken("it is empty")),
        [b'F', b'L', b'V', ..] => Ok(Box::new(flv::Reader::open(head, max_frame)?)),
        [_, _, _, _, a, b, c, d, ..] if mp4::reader::begins_with(&[*a, *b, *c, *d]) => {
            Ok(Box::new(mp4::reader::Reader::open(storage, max_frame)?))
        }
        _ => Err(Fault::Broken("it is neither FLV nor MPEG-TS nor MP4")),
    }
}

/// Reads the `len` bytes of a frame at the offset `at`; `None` if the file ends before that.
pub(super) fn body(
    storage: &mut dyn Storage,
    (at, len): (u64, usize),
    kind: Kind,
    room: &dyn Room,
) -> Result<Option<Bytes>, Fault> {
    let mut block = room.block(len).map_err(|refusal| Fault::Lost(kind, refusal.into()))?;
    let mut got = Ok(0);
    block.fill_by(len, |out| {
        got = storage.read_at(at, out);
        got.unwrap_or(0)
    });
    Ok((got? == len).then(|| block.freeze()))
}

/// The error for a frame that is longer than `streams.max_frame`.
pub(super) const TOO_LONG: Error = Error::Malformed("it is longer than streams.max_frame");

impl From<Unreadable> for Fault {
    fn from(_: Unreadable) -> Self {
        Self::Unreadable
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreadable => f.write_str("it cannot be read"),
            Self::Broken(what) => f.write_str(what),
            Self::Lost(_, error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Fault {}
