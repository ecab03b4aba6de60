//! A sample: the fields of one frame in a fragment. ISO/IEC 14496-12 section 8.8.8.

use super::clock::Times;
use crate::container::Head;
use crate::container::Packed;
use crate::media::{Frame, Kind};
use crate::wire::Writer;

/// The fields of a frame that are known when it is packed. Times are on the track's clock in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Video or audio.
    pub kind: Kind,
    /// Decoding can begin with it.
    pub key: bool,
    /// Its decode time.
    pub at: u64,
    /// Its duration, which is an estimate for pictures.
    pub duration: u32,
    /// Presentation time minus decode time.
    pub shift: i32,
}

/// Sample flags: it depends on no other sample. Section 8.8.3.
pub(super) const INDEPENDENT: u32 = 0x0200_0000;
/// Sample flags: it depends on others, and decoding cannot begin with it.
const DEPENDENT: u32 = 0x0101_0000;

impl Sample {
    pub(super) fn new(frame: &Frame, shift: i32, times: Times) -> Self {
        let Times { at, duration } = times;
        Self { kind: frame.kind, key: frame.key, at, duration, shift }
    }

    /// The entry in `trun` of a sample with `size` bytes and the given duration and composition offset.
    pub fn row(&self, duration: u32, shift: i32, size: usize) -> Head {
        let mut row = [0; ROW];
        let flags = if self.key { INDEPENDENT } else { DEPENDENT };
        let fields = [duration, u32::try_from(size).unwrap_or(u32::MAX), flags, shift as u32];
        for (place, field) in row.chunks_exact_mut(4).zip(fields) {
            place.copy_from_slice(&field.to_be_bytes());
        }
        Head::new(row.get(..row_len(self.kind)).unwrap_or_default())
    }
}

/// Bytes of the longest row.
pub const ROW: usize = 16;

/// Bytes of a row: sound has only duration and size.
pub(super) fn row_len(kind: Kind) -> usize {
    match kind {
        Kind::Video => ROW,
        Kind::Audio => 8,
    }
}

impl Sample {
    /// The fields as they are written before the frame's bytes.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let flag = |set: bool, at: u8| u8::from(set) << at;
        let mut out = Vec::with_capacity(LEN);
        out.u8(flag(self.kind == Kind::Video, 1) | flag(self.key, 0));
        out.u32((self.at >> 32) as u32);
        out.u32(self.at as u32);
        out.u32(self.duration);
        out.u32(self.shift as u32);
        out
    }

    /// Reads the sample in a unit of [`crate::container::SAMPLES`], and the frame's bytes.
    pub fn read(packed: &Packed) -> Option<(Self, &bytes::Bytes)> {
        let piece = packed.pieces().next()?;
        let (flags, rest) = piece.head.bytes().split_first()?;
        let (at, rest) = rest.split_first_chunk()?;
        let (duration, rest) = rest.split_first_chunk()?;
        let (shift, _) = rest.split_first_chunk()?;
        let sample = Self {
            kind: if flags & 2 != 0 { Kind::Video } else { Kind::Audio },
            key: flags & 1 != 0,
            at: u64::from_be_bytes(*at),
            duration: u32::from_be_bytes(*duration),
            shift: i32::from_be_bytes(*shift),
        };
        Some((sample, &piece.body))
    }
}

/// Bytes that `to_bytes` writes.
const LEN: usize = 17;
