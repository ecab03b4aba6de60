//! Samples that the movie's tables list. ISO/IEC 14496-12 sections 8.6 and 8.7.

use super::Sample;
use super::boxes::{BoxAt, find};
use super::table::Table;
use crate::container::{Fault, Storage};

/// The samples of a track, one after the other.
pub(super) struct Listed {
    sizes: Sizes,
    durations: Runs,
    shifts: Option<Runs>,
    keys: Option<Keys>,
    chunks: Option<Chunks>,
    /// The number of the next sample, counted from 1.
    number: u32,
    /// Its decode time.
    pub(super) dts: i64,
}

impl Listed {
    /// Those of a track whose sample table box is `stbl`.
    pub(super) fn open(storage: &mut dyn Storage, stbl: &BoxAt) -> Result<Self, Fault> {
        let durations = find(storage, stbl, b"stts")?.ok_or(Fault::Broken("a track without times"))?;
        let shifts = find(storage, stbl, b"ctts")?;
        let keys = find(storage, stbl, b"stss")?;
        Ok(Self {
            sizes: Sizes::open(storage, stbl)?,
            durations: Runs::open(storage, &durations)?,
            shifts: shifts.map(|shifts| Runs::open(storage, &shifts)).transpose()?,
            keys: keys.map(|keys| Keys::open(storage, &keys)).transpose()?,
            chunks: Chunks::open(storage, stbl)?,
            number: 1,
            dts: 0,
        })
    }

    /// The next; `None` behind the last.
    pub(super) fn next(&mut self, storage: &mut dyn Storage) -> Result<Option<Sample>, Fault> {
        let (Some(len), Some(chunks)) = (self.sizes.next(storage)?, &mut self.chunks) else { return Ok(None) };
        let at = chunks.place(storage, len)?;
        let cts = self.shifts.as_mut().map_or(Ok(0), |shifts| shifts.next(storage))? as i32;
        let key = self.keys.as_mut().map_or(Ok(true), |keys| keys.holds(storage, self.number))?;
        let sample = Sample { at, len, dts: self.dts, cts, key };
        self.number = self.number.saturating_add(1);
        self.dts = self.dts.saturating_add(self.durations.next(storage)?.into());
        Ok(Some(sample))
    }
}

/// The sizes of samples in bytes: `stsz`, or `stz2`.
struct Sizes {
    /// That of each, if all are alike.
    each: u32,
    left: u32,
    table: Table,
    /// Bits of a size.
    bits: u8,
}

impl Sizes {
    fn open(storage: &mut dyn Storage, stbl: &BoxAt) -> Result<Self, Fault> {
        let wide = find(storage, stbl, b"stsz")?;
        let narrow = if wide.is_none() { find(storage, stbl, b"stz2")? } else { None };
        let from = wide.or(narrow).ok_or(Fault::Broken("a track without sizes"))?;
        let mut table = Table::over(&from.behind(4));
        let first = table.u32(storage)?;
        let left = table.u32(storage)?;
        let (each, bits) = if wide.is_some() { (first, 32) } else { (0, first as u8) };
        match bits {
            8 | 16 | 32 => Ok(Self { each, left, table, bits }),
            _ => Err(Fault::Broken("sizes of a few bits")),
        }
    }

    fn next(&mut self, storage: &mut dyn Storage) -> Result<Option<u32>, Fault> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        match (self.each, self.bits) {
            (0, 8) => self.table.array(storage).map(|[size]| Some(size.into())),
            (0, 16) => self.table.array(storage).map(|size| Some(u16::from_be_bytes(size).into())),
            (0, _) => self.table.u32(storage).map(Some),
            (each, _) => Ok(Some(each)),
        }
    }
}

/// So many entries in a row may be of no use; more is damage.
const STALE: usize = 64;

/// Values that hold for so many samples each: `stts`, `ctts`.
struct Runs {
    table: Table,
    /// Runs that were not begun.
    runs: u32,
    /// Samples left in the run, and their value.
    left: u32,
    value: u32,
}

impl Runs {
    fn open(storage: &mut dyn Storage, from: &BoxAt) -> Result<Self, Fault> {
        let mut table = Table::over(&from.behind(4));
        let runs = table.u32(storage)?;
        Ok(Self { table, runs, left: 0, value: 0 })
    }

    /// The value of the next sample; behind the last run that of the last.
    fn next(&mut self, storage: &mut dyn Storage) -> Result<u32, Fault> {
        for _ in 0..STALE {
            if self.left > 0 || self.runs == 0 {
                break;
            }
            self.runs -= 1;
            self.left = self.table.u32(storage)?;
            self.value = self.table.u32(storage)?;
        }
        self.left = self.left.saturating_sub(1);
        Ok(self.value)
    }
}

/// Numbers of samples where decoding can begin: `stss`.
struct Keys {
    table: Table,
    left: u32,
    next: u32,
}

impl Keys {
    fn open(storage: &mut dyn Storage, from: &BoxAt) -> Result<Self, Fault> {
        let mut table = Table::over(&from.behind(4));
        let left = table.u32(storage)?;
        Ok(Self { table, left, next: 0 })
    }

    /// Whether `number` is among them; it is larger than at the last call.
    fn holds(&mut self, storage: &mut dyn Storage, number: u32) -> Result<bool, Fault> {
        for _ in 0..STALE {
            if self.next >= number || self.left == 0 {
                break;
            }
            self.left -= 1;
            self.next = self.table.u32(storage)?;
        }
        Ok(self.next == number)
    }
}

/// The places of samples in the file: `stsc`, with `stco` or `co64`.
struct Chunks {
    offsets: Table,
    /// Offsets have 64 bits.
    wide: bool,
    runs: Table,
    /// Runs of chunks that were not begun.
    left: u32,
    /// The chunk that the next run begins with, and how many samples its chunks have.
    run: (u32, u32),
    /// The number of this chunk, counted from 1, and how many samples it has.
    chunk: u32,
    samples: u32,
    /// Samples of this chunk to come, and where the next is.
    to_come: u32,
    at: u64,
}

impl Chunks {
    /// `None` if there are none.
    fn open(storage: &mut dyn Storage, stbl: &BoxAt) -> Result<Option<Self>, Fault> {
        let narrow = find(storage, stbl, b"stco")?;
        let wide = if narrow.is_none() { find(storage, stbl, b"co64")? } else { None };
        let (Some(offsets), Some(runs)) = (narrow.or(wide), find(storage, stbl, b"stsc")?) else { return Ok(None) };
        let mut runs = Table::over(&runs.behind(4));
        let left = runs.u32(storage)?;
        let (offsets, wide) = (Table::over(&offsets.behind(8)), wide.is_some());
        let mut chunks = Self { offsets, wide, runs, left, run: (1, 0), chunk: 0, samples: 0, to_come: 0, at: 0 };
        chunks.read_run(storage)?;
        Ok(Some(chunks))
    }

    fn read_run(&mut self, storage: &mut dyn Storage) -> Result<(), Fault> {
        let Some(left) = self.left.checked_sub(1) else {
            self.run = (u32::MAX, 0);
            return Ok(());
        };
        self.left = left;
        self.run = (self.runs.u32(storage)?, self.runs.u32(storage)?);
        self.runs.u32(storage)?; // sample_description_index
        Ok(())
    }

    /// The file position of the next sample, which has `len` bytes.
    fn place(&mut self, storage: &mut dyn Storage, len: u32) -> Result<u64, Fault> {
        if self.to_come == 0 {
            self.chunk = self.chunk.saturating_add(1);
            self.at = if self.wide { self.offsets.u64(storage)? } else { self.offsets.u32(storage)?.into() };
            if self.run.0 <= self.chunk {
                self.samples = self.run.1;
                self.read_run(storage)?;
            }
            self.to_come = self.samples;
        }
        self.to_come = self.to_come.checked_sub(1).ok_or(Fault::Broken("a chunk without samples"))?;
        let at = self.at;
        self.at = at.saturating_add(len.into());
        Ok(at)
    }
}
