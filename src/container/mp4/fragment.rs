//! A fragment: a run of samples of each track, then their bytes. ISO/IEC 14496-12
//! sections 8.8.4 to 8.8.8 and 8.8.12.

use super::boxes::full;
use super::init;
use super::sample::row_len;
use crate::media::Kind;
use crate::wire::Writer;

/// Samples of a track that follow each other, with their bytes in one piece.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// The kind of its track.
    pub kind: Kind,
    /// The decode time of the first.
    pub from: u64,
    /// Their number.
    pub samples: usize,
    /// Bytes of all of them.
    pub bytes: usize,
}

impl Run {
    /// Bytes of the entries of its samples in `trun`.
    fn rows(&self) -> usize {
        self.samples * row_len(self.kind)
    }
}

/// Appends `moof` and the head of `mdat`, behind which the samples' bytes follow run by run. `rows`
/// appends the entries of a run's samples, or notes the length of `out` as their place.
pub fn write(out: &mut Vec<u8>, sequence: u32, runs: &[Run], mut rows: impl FnMut(&mut Vec<u8>, &Run)) {
    let moof = BOX + MFHD + runs.iter().map(|run| TRAF + run.rows()).sum::<usize>();
    head(out, moof, b"moof");
    full(out, b"mfhd", 0, 0, |out| out.u32(sequence));
    let mut offset = moof + BOX;
    for run in runs {
        head(out, TRAF + run.rows(), b"traf");
        full(out, b"tfhd", 0, BASE_IS_MOOF, |out| out.u32(init::id(run.kind)));
        full(out, b"tfdt", 1, 0, |out| {
            out.u32((run.from >> 32) as u32);
            out.u32(run.from as u32);
        });
        head(out, TRUN + run.rows(), b"trun");
        out.u32(1 << 24 | FIELDS | if run.kind == Kind::Video { PICTURE_FIELDS } else { 0 });
        out.u32(run.samples as u32);
        out.u32(offset as u32);
        rows(out, run);
        offset += run.bytes;
    }
    head(out, BOX + runs.iter().map(|run| run.bytes).sum::<usize>(), b"mdat");
}

/// At most so many bytes of a fragment of one run of each kind are neither rows nor samples.
pub const HEADS: usize = BOX + MFHD + 2 * TRAF + BOX;

/// Bytes of boxes without rows: of the head of any box, and of whole boxes.
const BOX: usize = 8;
const MFHD: usize = 16;
const TRUN: usize = 20;
const TRAF: usize = BOX + 16 + 20 + TRUN;

fn head(out: &mut Vec<u8>, size: usize, name: &[u8; 4]) {
    out.u32(size as u32);
    out.bytes(name);
}

/// tf_flags: default-base-is-moof.
const BASE_IS_MOOF: u32 = 0x02_0000;
/// tr_flags: the place of the first sample, and the duration and size of each.
const FIELDS: u32 = 0x1 | 0x100 | 0x200;
/// Flags and composition offset of each.
const PICTURE_FIELDS: u32 = 0x400 | 0x800;
