//! Reads samples in movie fragments. ISO/IEC 14496-12 section 8.8.

use super::Sample;
use super::boxes::{BoxAt, MAX_BOXES, Walk, find};
use super::table::Table;
use crate::container::{Fault, Storage};

/// The samples of one track, in all fragments of the file.
pub(super) struct Fragments {
    /// track_ID.
    id: u32,
    usual: Usual,
    /// Iterates over the boxes of the file, of a fragment, and of this track's `traf`.
    file: Walk,
    fragment: Option<(BoxAt, Walk)>,
    part: Option<Part>,
    run: Option<Run>,
    /// The decode time of the next sample, if it is known.
    dts: Option<i64>,
}

/// The defaults of samples: from `trex`, or from `tfhd`.
#[derive(Clone, Copy, Debug, Default)]
struct Usual {
    duration: u32,
    len: u32,
    flags: u32,
}

/// A track's part of a fragment: `traf`.
struct Part {
    walk: Walk,
    usual: Usual,
    /// The offset in the file to which the runs' data offsets are relative.
    base: u64,
    /// The offset in the file at which the last run's samples end.
    end: u64,
}

/// Consecutive samples: `trun`.
struct Run {
    table: Table,
    left: u32,
    flags: u32,
    /// Flags of the first sample, if they differ.
    first: Option<u32>,
    usual: Usual,
    at: u64,
}

/// The result of reading one box or sample.
pub(super) enum Next {
    Sample(Sample),
    /// A box that is not needed, or only opened.
    Nothing,
    End,
}

impl Fragments {
    /// Opens the samples of track `id`; `extends` is `mvex`, which contains the movie's defaults.
    pub(super) fn open(storage: &mut dyn Storage, id: u32, extends: &BoxAt) -> Result<Self, Fault> {
        let mut usual = Usual::default();
        let mut walk = Walk::over(extends);
        for _ in 0..MAX_BOXES {
            let Some(found) = walk.next(storage)? else { break };
            if found.name == *b"trex" {
                let mut fields = Table::over(&found.behind(4));
                let its = fields.u32(storage)?;
                fields.u32(storage)?; // default_sample_description_index
                let (duration, len, flags) = (fields.u32(storage)?, fields.u32(storage)?, fields.u32(storage)?);
                if its == id {
                    usual = Usual { duration, len, flags };
                }
            }
        }
        let file = Walk::over(&BoxAt::file(storage));
        Ok(Self { id, usual, file, fragment: None, part: None, run: None, dts: None })
    }

    /// Reads one box or sample. `dts` is the decode time of the next sample if the file gives none.
    pub(super) fn next(&mut self, storage: &mut dyn Storage, dts: i64) -> Result<Next, Fault> {
        if let Some(run) = &mut self.run {
            match run.next(storage, self.dts.get_or_insert(dts))? {
                Some(sample) => return Ok(Next::Sample(sample)),
                None => {
                    let end = run.at;
                    self.part.iter_mut().for_each(|part| part.end = end);
                    self.run = None;
                }
            }
        } else if let Some(part) = &mut self.part {
            match part.walk.next(storage)? {
                Some(found) if found.name == *b"trun" => self.run = Some(part.run(storage, &found)?),
                Some(_) => {}
                None => self.part = None,
            }
        } else if let Some((moof, walk)) = &mut self.fragment {
            match walk.next(storage)? {
                Some(found) if found.name == *b"traf" => {
                    let base = moof.start;
                    self.part = self.open_part(storage, &found, base)?;
                }
                Some(_) => {}
                None => self.fragment = None,
            }
        } else {
            match self.file.next(storage)? {
                Some(found) if found.name == *b"moof" => self.fragment = Some((found, Walk::over(&found))),
                Some(_) => {}
                None => return Ok(Next::End),
            }
        }
        Ok(Next::Nothing)
    }

    /// Opens a `traf` if it belongs to this track: reads `tfhd` and `tfdt`.
    fn open_part(&mut self, storage: &mut dyn Storage, traf: &BoxAt, base: u64) -> Result<Option<Part>, Fault> {
        let head = find(storage, traf, b"tfhd")?.ok_or(Fault::Broken("a fragment of no track"))?;
        let mut fields = Table::over(&head);
        let flags = fields.u32(storage)?;
        if fields.u32(storage)? != self.id {
            return Ok(None);
        }
        let base = if flags & 0x1 != 0 { fields.u64(storage)? } else { base };
        if flags & 0x2 != 0 {
            fields.u32(storage)?; // sample_description_index
        }
        let mut usual = self.usual;
        let overrides = [(0x8, &mut usual.duration), (0x10, &mut usual.len), (0x20, &mut usual.flags)];
        for (flag, value) in overrides {
            if flags & flag != 0 {
                *value = fields.u32(storage)?;
            }
        }
        if let Some(time) = find(storage, traf, b"tfdt")? {
            let mut fields = Table::over(&time);
            let wide = fields.u32(storage)? >> 24 == 1;
            let at = if wide { fields.u64(storage)? } else { fields.u32(storage)?.into() };
            self.dts = i64::try_from(at).ok();
        }
        Ok(Some(Part { walk: Walk::over(traf), usual, base, end: base }))
    }
}

impl Part {
    /// Opens a run of samples. Without a data offset it begins where the last run ends.
    fn run(&self, storage: &mut dyn Storage, trun: &BoxAt) -> Result<Run, Fault> {
        let mut table = Table::over(trun);
        let flags = table.u32(storage)?;
        let left = table.u32(storage)?;
        let at = match flags & 0x1 {
            0 => self.end,
            _ => self.base.saturating_add_signed((table.u32(storage)? as i32).into()),
        };
        let first = if flags & 0x4 != 0 { Some(table.u32(storage)?) } else { None };
        Ok(Run { table, left, flags, first, usual: self.usual, at })
    }
}

impl Run {
    fn next(&mut self, storage: &mut dyn Storage, dts: &mut i64) -> Result<Option<Sample>, Fault> {
        if self.flags & PER_SAMPLE == 0 && self.usual.len == 0 {
            // nothing in the file bounds the number of these empty samples: they are skipped at once
            let all = i64::from(std::mem::take(&mut self.left)).saturating_mul(self.usual.duration.into());
            *dts = dts.saturating_add(all);
        }
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        let mut field = |flag, usual| if self.flags & flag != 0 { self.table.u32(storage) } else { Ok(usual) };
        let duration = field(0x100, self.usual.duration)?;
        let len = field(0x200, self.usual.len)?;
        let flags = field(0x400, self.usual.flags)?;
        let cts = field(0x800, 0)? as i32;
        let flags = self.first.take().unwrap_or(flags);
        let sample = Sample { at: self.at, len, dts: *dts, cts, key: flags & NOT_SYNC == 0 };
        self.at = self.at.saturating_add(len.into());
        *dts = dts.saturating_add(duration.into());
        Ok(Some(sample))
    }
}

/// Flags for fields that a run has for each sample. Section 8.8.8.
const PER_SAMPLE: u32 = 0xf00;
/// sample_is_non_sync_sample. Section 8.8.3.
const NOT_SYNC: u32 = 0x1_0000;
