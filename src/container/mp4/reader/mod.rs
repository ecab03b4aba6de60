//! Reads MP4 files, with tables of samples or in fragments. Samples are read in decoding order, whatever their
//! order in the file, and no table is kept in memory.

mod boxes;
mod entry;
mod fragments;
mod listed;
mod table;
mod track;

use boxes::{BoxAt, MAX_BOXES, Name, Walk, find};
use entry::Entry;
use track::MovieTrack;

use crate::budget::Room;
use crate::container::file::{TOO_LONG, body};
use crate::container::{Coded, Event, Fault, FileReader, FrameNormalizer, Storage};
use crate::media::{Kind, MAX_TRACKS, Ticks};

/// The offset and length of a frame in the file, and its times on the track's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sample {
    at: u64,
    len: u32,
    dts: i64,
    cts: i32,
    key: bool,
}

/// The maximum number of tracks that are read from a file.
const MAX_TRACKS_READ: usize = 64;

/// Reads a file.
pub struct Reader {
    normal: FrameNormalizer,
    tracks: Vec<MovieTrack>,
    max_frame: usize,
    /// The tables list all samples: there are no fragments.
    is_listed: bool,
    /// The tracks were announced.
    begun: bool,
    /// Bytes of all samples read so far.
    bytes: u64,
}

/// True if files begin with a box of this type.
pub fn begins_with(name: &Name) -> bool {
    matches!(name, b"ftyp" | b"styp" | b"moov" | b"moof" | b"mdat" | b"free" | b"skip" | b"wide" | b"sidx")
}

impl Reader {
    /// Reads the description of the tracks.
    pub fn open(storage: &mut dyn Storage, max_frame: usize) -> Result<Self, Fault> {
        let file = BoxAt::file(storage);
        let moov = find(storage, &file, b"moov")?.ok_or(Fault::Broken("an MP4 file without a moov"))?;
        let mut tracks = Vec::new();
        let mut walk = Walk::over(&moov);
        let mut read = 0;
        for _ in 0..MAX_BOXES {
            let Some(found) = walk.next(storage)? else { break };
            if found.name == *b"trak" && tracks.len() < MAX_TRACKS && read < MAX_TRACKS_READ {
                read += 1;
                tracks.extend(MovieTrack::open(storage, &moov, &found)?);
            }
        }
        let is_listed = find(storage, &moov, b"mvex")?.is_none();
        Ok(Self { normal: FrameNormalizer::default(), tracks, max_frame, is_listed, begun: false, bytes: 0 })
    }

    /// The index of a track among the supported tracks of its kind.
    fn place(&self, at: usize) -> u8 {
        let kind = self.tracks.get(at).map(|track| track.kind);
        let is_like = |track: &&MovieTrack| Some(track.kind) == kind && matches!(track.entry, Entry::Known(..));
        self.tracks.iter().take(at).filter(is_like).count() as u8
    }

    fn begin(&mut self, room: &dyn Room, event: &mut dyn FnMut(Event)) -> Result<(), Fault> {
        let mut event = |news| event(news);
        let mut result = Ok(());
        for at in 0..self.tracks.len() {
            let place = self.place(at);
            let Some(MovieTrack { kind, entry, clock, .. }) = self.tracks.get(at) else { continue };
            match entry {
                Entry::Unknown(name) => self.normal.unsupported(*kind, *name, &mut event),
                Entry::Known(_, record) if record.is_empty() => {} // its frames describe the track
                Entry::Known(codec, record) => {
                    let recorded = self.normal.record(*codec, place, *clock, record, room, &mut event);
                    // an error in one track does not stop the others
                    result = result.and(recorded.map_err(|error| Fault::Lost(*kind, error)));
                }
            }
        }
        result
    }
}

impl FileReader for Reader {
    fn step(
        &mut self,
        storage: &mut dyn Storage,
        room: &dyn Room,
        event: &mut dyn FnMut(Event),
    ) -> Result<bool, Fault> {
        if !std::mem::replace(&mut self.begun, true) {
            self.begin(room, event)?;
        }
        for track in &mut self.tracks {
            let is_known = matches!(track.entry, Entry::Known(..));
            if is_known && track.next.is_none() && track.goes_on() && !track.look(storage)? {
                return Ok(true);
            }
        }
        let next = (0..).zip(&self.tracks).filter_map(|(at, track)| Some((track.due()?, at))).min();
        let Some((_, at)) = next else { return Ok(false) };
        let place = self.place(at);
        let Some(track) = self.tracks.get_mut(at) else { return Ok(false) };
        let (Some(sample), Entry::Known(codec, _)) = (track.next.take(), &track.entry) else { return Ok(false) };
        let (kind, Sample { at, len, dts, cts, key }) = (track.kind, sample);
        self.bytes = self.bytes.saturating_add(len.into());
        // tracks may share their samples, but no track contains a byte twice
        if self.bytes > storage.len().saturating_mul(MAX_TRACKS as u64) {
            return Err(Fault::Broken("samples that have more bytes than the file"));
        }
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if len > self.max_frame {
            return Err(Fault::Lost(kind, TOO_LONG));
        }
        let Some(data) = body(storage, (at, len), kind, room)? else { return Ok(false) };
        let key = key || kind == Kind::Audio;
        let coded = Coded { codec: *codec, track: place, clock: track.clock, dts: Ticks(dts), cts, key, data };
        let taken = self.normal.frame(coded, room, &mut |news| event(news));
        taken.map_err(|error| Fault::Lost(kind, error))?;
        Ok(true)
    }

    fn rotation(&self) -> u16 {
        self.tracks.iter().find(|track| track.kind == Kind::Video).map_or(0, |track| track.rotation)
    }

    fn is_timed(&self) -> bool {
        self.is_listed
    }
}
