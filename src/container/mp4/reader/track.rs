//! One track of a movie. ISO/IEC 14496-12 sections 8.3 to 8.6.

use super::Sample;
use super::boxes::{BoxAt, Name, dig, find};
use super::entry::{self, Entry};
use super::fragments::{Fragments, Next};
use super::listed::Listed;
use super::table::Table;
use crate::container::{Fault, Storage};
use crate::media::{Hz, Kind, Ticks};

/// A track's codec, and its samples in decoding order.
pub(super) struct MovieTrack {
    pub(super) kind: Kind,
    pub(super) entry: Entry,
    pub(super) clock: Hz,
    /// Clockwise, in degrees.
    pub(super) rotation: u16,
    /// The ticks that are added to all decode times: those of the edit list plus `early`.
    shift: i64,
    /// The ticks, 0 or less, by which decode times move so that no picture is shown before it is decoded.
    early: i32,
    listed: Option<Listed>,
    fragments: Option<Fragments>,
    /// The next sample, if it was read.
    pub(super) next: Option<Sample>,
}

/// The number of samples that are read in advance to find how far pictures precede their decode times, in files
/// with negative composition offsets.
const PROBED_SAMPLES: usize = 64;
/// The maximum number of boxes read in one step.
const MAX_BOXES_IN_STEP: usize = 64;

impl MovieTrack {
    /// Opens a track from its `trak`; `None` if it is neither video nor audio.
    pub(super) fn open(storage: &mut dyn Storage, moov: &BoxAt, trak: &BoxAt) -> Result<Option<Self>, Fault> {
        let media = need(storage, trak, b"mdia")?;
        let handler: [u8; 12] = need(storage, &media, b"hdlr")?.first(storage)?;
        let kind = match &handler {
            [.., b'v', b'i', b'd', b'e'] => Kind::Video,
            [.., b's', b'o', b'u', b'n'] => Kind::Audio,
            _ => return Ok(None),
        };
        let id = number(storage, trak, b"tkhd")?;
        // a track whose matrix cannot be read is played without rotation
        let rotation = rotation(storage, trak).unwrap_or(0);
        let clock = Hz::new(number(storage, &media, b"mdhd")?);
        let movie_clock = Hz::new(number(storage, moov, b"mvhd")?);
        let information = need(storage, &media, b"minf")?;
        let stbl = need(storage, &information, b"stbl")?;
        let stsd = need(storage, &stbl, b"stsd")?;
        let entry = entry::read(storage, &stsd, kind)?;
        let edits = dig(storage, trak, &[b"edts", b"elst"])?;
        let shift = edits.map_or(Ok(0), |edits| shift(storage, &edits, movie_clock, clock))?;
        let extends = find(storage, moov, b"mvex")?;
        let begin = |storage: &mut dyn Storage| -> Result<Self, Fault> {
            let fragments = extends.map(|extends| Fragments::open(storage, id, &extends)).transpose()?;
            let listed = Some(Listed::open(storage, &stbl)?);
            Ok(Self { kind, entry: entry.clone(), clock, rotation, shift, early: 0, listed, fragments, next: None })
        };
        let early = begin(storage)?.earliest(storage)?;
        let mut track = begin(storage)?;
        track.shift = track.shift.saturating_add(early.into());
        track.early = early;
        Ok(Some(track))
    }

    /// The smallest composition offset of the first samples; 0 if none is negative.
    fn earliest(&mut self, storage: &mut dyn Storage) -> Result<i32, Fault> {
        let mut early = 0;
        for _ in 0..PROBED_SAMPLES {
            if !self.look(storage)? {
                break;
            }
            let Some(sample) = self.next.take() else { break };
            early = early.min(sample.cts);
        }
        Ok(early)
    }

    /// Reads the next sample; false if that takes more than one step.
    pub(super) fn look(&mut self, storage: &mut dyn Storage) -> Result<bool, Fault> {
        let mut dts = 0;
        if let Some(listed) = &mut self.listed {
            self.next = listed.next(storage)?;
            dts = listed.dts;
            if self.next.is_none() && self.fragments.is_none() {
                self.listed = None;
            }
        }
        let mut steps = 0;
        while let (None, Some(fragments)) = (self.next, &mut self.fragments) {
            match fragments.next(storage, dts)? {
                Next::Sample(sample) => self.next = Some(sample),
                Next::Nothing if steps == MAX_BOXES_IN_STEP => return Ok(false),
                Next::Nothing => steps += 1,
                Next::End => self.fragments = None,
            }
        }
        if let Some(sample) = &mut self.next {
            sample.dts = sample.dts.saturating_add(self.shift);
            sample.cts = sample.cts.saturating_sub(self.early);
        }
        Ok(true)
    }

    /// True if samples may follow the next one.
    pub(super) fn goes_on(&self) -> bool {
        self.listed.is_some() || self.fragments.is_some()
    }

    /// The decode time of the next sample, in microseconds for all tracks.
    pub(super) fn due(&self) -> Option<Ticks> {
        self.next.map(|sample| Ticks(sample.dts).rescale(self.clock, Hz::new(1_000_000)))
    }
}

/// A box that is required.
fn need(storage: &mut dyn Storage, parent: &BoxAt, name: &Name) -> Result<BoxAt, Fault> {
    find(storage, parent, name)?.ok_or(Fault::Broken("a track lacks a part"))
}

/// The number after the two times at the start of some headers: track_ID, timescale.
fn number(storage: &mut dyn Storage, parent: &BoxAt, header: &Name) -> Result<u32, Fault> {
    let mut fields = Table::over(&need(storage, parent, header)?);
    skip_times(storage, &mut fields)?;
    fields.u32(storage)
}

/// Skips the times in a header; true if they have 64 bits.
fn skip_times(storage: &mut dyn Storage, fields: &mut Table) -> Result<bool, Fault> {
    let wide = fields.u32(storage)? >> 24 == 1;
    for _ in 0..if wide { 4 } else { 2 } {
        fields.u32(storage)?;
    }
    Ok(wide)
}

/// The clockwise rotation by the matrix of `tkhd`, in degrees; 0 if it is not a multiple of 90. Section 8.3.2.
fn rotation(storage: &mut dyn Storage, trak: &BoxAt) -> Result<u16, Fault> {
    let mut fields = Table::over(&need(storage, trak, b"tkhd")?);
    let wide = skip_times(storage, &mut fields)?;
    // track_ID, 4 bytes, duration, 8 bytes, layer, alternate_group, volume, 2 bytes
    for _ in 0..if wide { 8 } else { 7 } {
        fields.u32(storage)?;
    }
    let mut row = || -> Result<[i32; 2], Fault> {
        let row = [fields.u32(storage)?, fields.u32(storage)?].map(|value| (value as i32).signum());
        fields.u32(storage)?;
        Ok(row)
    };
    Ok(match [row()?, row()?] {
        [[0, 1], [-1, 0]] => 90,
        [[-1, 0], [0, -1]] => 180,
        [[0, -1], [1, 0]] => 270,
        _ => 0,
    })
}

/// The ticks that an edit list adds to times: it may begin with a pause, and cut off the beginning of the track.
/// Later edits are ignored. Section 8.6.6.
fn shift(storage: &mut dyn Storage, elst: &BoxAt, movie: Hz, clock: Hz) -> Result<i64, Fault> {
    let mut fields = Table::over(elst);
    let wide = fields.u32(storage)? >> 24 == 1;
    let mut pause: i64 = 0;
    for _ in 0..fields.u32(storage)?.min(2) {
        let (duration, time) = match wide {
            true => (fields.u64(storage)? as i64, fields.u64(storage)? as i64),
            false => (fields.u32(storage)?.into(), i64::from(fields.u32(storage)? as i32)),
        };
        fields.u32(storage)?; // media_rate
        if time >= 0 {
            return Ok(pause.saturating_sub(time));
        }
        pause = Ticks(duration).rescale(movie, clock).0;
    }
    Ok(pause)
}
