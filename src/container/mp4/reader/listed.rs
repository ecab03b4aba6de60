//! Reads samples that the movie's tables list. ISO/IEC 14496-12 sections 8.6 and 8.7.

use super::Sample;
use super::boxes::{BoxAt, find};
use super::table::Table;
use crate::container::{Fault, Storage};

/// The samples of a track, in order.
pub(super) struct Listed {
    sizes: Sizes,
    durations: Runs,
    shifts: Option<Runs>,
    keys: Option<Keys>,
    chunks: Option<Chunks>,
    /// The number of the next sample, counted from 1.
    number: u32,
    /// The decode time of the next sample.
    pub(super) dts: i64,
}

impl Listed {
    /// Opens the tables of a track; `stbl` is its sample table box.
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

    /// The next sample; `None` after the last.
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
    /// The size of each sample if all are equal; otherwise 0.
    each: u32,
    left: u32,
    table: Table,
    /// The width of a size in bits.
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

/// The maximum number of consecutive useless entries; more are damage.
const MAX_USELESS: usize = 64;

/// Values that each apply to a run of samples: `stts`, `ctts`.
struct Runs {
    table: Table,
    /// The number of runs that are not begun.
    runs: u32,
    /// The number of samples left in the current run, and their value.
    left: u32,
    value: u32,
}

impl Runs {
    fn open(storage: &mut dyn Storage, from: &BoxAt) -> Result<Self, Fault> {
        let mut table = Table::over(&from.behind(4));
        let runs = table.u32(storage)?;
        Ok(Self { table, runs, left: 0, value: 0 })
    }

    /// The value of the next sample. After the last run it stays the same.
    fn next(&mut self, storage: &mut dyn Storage) -> Result<u32, Fault> {
        for _ in 0..MAX_USELESS {
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

/// The numbers of sync samples: `stss`.
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

    /// True if the table contains `number`, which must be larger than in the last call.
    fn holds(&mut self, storage: &mut dyn Storage, number: u32) -> Result<bool, Fault> {
        for _ in 0..MAX_USELESS {
            if self.next >= number || self.left == 0 {
                break;
            }
            self.left -= 1;
            self.next = self.table.u32(storage)?;
        }
        Ok(self.next == number)
    }
}

/// The offsets of samples in the file: `stsc`, with `stco` or `co64`.
struct Chunks {
    offsets: Table,
    /// Offsets have 64 bits.
    wide: bool,
    runs: Table,
    /// The number of runs of chunks that are not begun.
    left: u32,
    /// The first chunk of the next run, and the number of samples in each of its chunks.
    run: (u32, u32),
    /// The number of the current chunk, counted from 1, and the number of samples in it.
    chunk: u32,
    samples: u32,
    /// The number of samples left in this chunk, and the offset of the next.
    to_come: u32,
    at: u64,
}

impl Chunks {
    /// Opens the tables; `None` if one of them is missing.
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

    /// The offset in the file of the next sample, which has `len` bytes.
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
