//! A fragment: a run of samples for each track, then the samples' bytes. ISO/IEC 14496-12 sections 8.8.4 to 8.8.8
//! and 8.8.12.

use super::boxes::full;
use super::init;
use super::sample::row_len;
use crate::media::Kind;
use crate::wire::Writer;

/// Consecutive samples of a track, whose bytes are contiguous.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// The kind of the track.
    pub kind: Kind,
    /// The decode time of the first sample.
    pub from: u64,
    /// The number of samples.
    pub samples: usize,
    /// Bytes of all samples.
    pub bytes: usize,
}

impl Run {
    /// Bytes of the samples' entries in `trun`.
    fn rows(&self) -> usize {
        self.samples * row_len(self.kind)
    }
}

/// Appends `moof` and the header of `mdat`; the samples' bytes follow run by run. `rows` appends the entries of a
/// run's samples, or records the length of `out` as their place.
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

/// The maximum number of bytes in a fragment with one run of each kind that are neither rows nor samples.
pub const HEADS: usize = BOX + MFHD + 2 * TRAF + BOX;

/// Bytes of boxes without rows: of any box's header, and of whole boxes.
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
/// tr_flags: the offset of the first sample, and the duration and size of each sample.
const FIELDS: u32 = 0x1 | 0x100 | 0x200;
/// tr_flags: the flags and the composition offset of each sample.
const PICTURE_FIELDS: u32 = 0x400 | 0x800;
