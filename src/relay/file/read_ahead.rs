//! A file that is read ahead by a thread that may wait for disks.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::span::Spans;
use crate::budget::Room;
use crate::container::file::{self, Fault, FileReader, Storage, Unreadable};
use crate::container::{Error, Event};
use crate::disk::{Lane, Opened};
use crate::media::{Hz, Kind, MAX_TRACKS, Ticks, Tracks};

/// A file, and the items that were read from it.
pub(super) struct ReadAhead {
    path: PathBuf,
    max_frame: usize,
    disk: Disk,
    reader: Box<dyn FileReader>,
    tracks: Tracks,
    /// The items that were read ahead.
    ahead: BTreeMap<Place, Item>,
    eras: Eras,
    count: u32,
    bytes: usize,
    /// The maximum number of bytes that are read ahead.
    most: usize,
    /// The places of the last video frame and the last audio frame.
    last: [Option<Place>; 2],
    spans: Spans,
    /// The microseconds that are added to all times: the duration of previous rounds.
    shift: i64,
    /// A frame was read.
    begun: bool,
    ended: bool,
}

/// The position of an item: its era, its time, and the number of items before it in the file.
type Place = (u32, i64, u32);

/// Eras: a jump of the times begins a new era, in which times are ordered again.
#[derive(Debug, Default)]
struct Eras {
    number: u32,
    newest: Option<i64>,
    /// The last time before the jump.
    before: Option<i64>,
}

/// An item read from a file.
pub(super) enum Item {
    Event(Event),
    Lost(Kind, Error),
}

/// The next items, with their times in microseconds.
pub(super) struct Batch {
    pub(super) items: Vec<(i64, Item)>,
    /// There is a video and an audio track.
    pub(super) both: bool,
    /// The file has ended.
    pub(super) ended: bool,
}

/// The duration that is read ahead, in microseconds: audio may be stored this far after its pictures.
const MAX_SPAN: i64 = 1_000_000;
/// The maximum number of frames that are read ahead.
const MAX_FRAMES: usize = 256;
/// The maximum number of reader steps in one call, so that other work gets its turn.
const MAX_STEPS: usize = 4096;
/// The maximum duration of one call, if the disk is slow.
const MAX_DURATION: Duration = Duration::from_millis(50);
/// The bytes that a frame takes in addition to its data.
const ITEM_COST: usize = 160;
/// The maximum differences between consecutive times without a jump: backwards, because audio is stored after its
/// pictures, and forwards, because slides are shown long.
const MAX_DISORDER: i64 = 2_000_000;
const MAX_PAUSE: i64 = 60_000_000;
/// The first time of a stream: times of a file that begins earlier are increased, so that none is below 0.
const MIN_TIME: i64 = 500_000;
const MICROS: Hz = Hz::new(1_000_000);

impl ReadAhead {
    /// Opens a file, of which `most` bytes may be read ahead.
    pub(super) fn open(path: &Path, most: usize, max_frame: usize) -> io::Result<Self> {
        let (disk, reader) = open(path, max_frame)?;
        Ok(Self {
            path: path.into(),
            max_frame,
            disk,
            reader,
            tracks: Tracks::default(),
            ahead: BTreeMap::new(),
            eras: Eras::default(),
            count: 0,
            bytes: 0,
            most,
            last: [None; 2],
            spans: Spans::default(),
            shift: 0,
            begun: false,
            ended: false,
        })
    }

    /// The lane for reading the file.
    pub(super) fn lane(&self) -> Lane {
        self.disk.file.lane()
    }

    /// The clockwise rotation in degrees with which its pictures are to be shown.
    pub(super) fn rotation(&self) -> u16 {
        self.reader.rotation()
    }

    /// True if the file has a table of frame durations.
    pub(super) fn is_timed(&self) -> bool {
        self.reader.is_timed()
    }

    /// Restarts the file. Its times continue after those of the previous round.
    pub(super) fn rewind(&mut self) -> io::Result<()> {
        let lasted = std::mem::take(&mut self.spans).length();
        if lasted == 0 {
            return Err(io::Error::other("there is nothing in it to play"));
        }
        (self.disk, self.reader) = open(&self.path, self.max_frame)?;
        self.shift = self.shift.saturating_add(lasted);
        (self.last, self.ended) = ([None; 2], false);
        self.eras.before = None;
        Ok(())
    }

    /// The next items. The later half of the items stays, to be ordered with those that follow.
    pub(super) fn next(&mut self, room: &dyn Room) -> io::Result<Batch> {
        let begun = Instant::now();
        for _ in 0..MAX_STEPS {
            if begun.elapsed() >= MAX_DURATION {
                break;
            }
            if self.ended || self.bytes >= self.most || self.ahead.len() >= MAX_FRAMES || self.span() >= MAX_SPAN {
                break;
            }
            self.step(room)?;
        }
        let is_much =
            |show: &Self| show.bytes > show.most / 2 || show.ahead.len() > MAX_FRAMES / 2 || show.span() > MAX_SPAN / 2;
        let mut items = Vec::new();
        while self.ended || is_much(self) {
            let Some(((_, at, _), item)) = self.ahead.pop_first() else { break };
            self.bytes -= item.len();
            items.push((at, item));
        }
        let both = self.tracks.has_video() && self.tracks.has_audio();
        Ok(Batch { items, both, ended: self.ended })
    }

    /// The duration of the items since the last jump.
    fn span(&self) -> i64 {
        let Some(((era, last, _), _)) = self.ahead.last_key_value() else { return 0 };
        // items before the first frame have no time
        let first = self.ahead.range((*era, i64::MIN + 1, 0)..).next();
        first.map_or(0, |((_, first, _), _)| last.saturating_sub(*first))
    }

    fn step(&mut self, room: &dyn Room) -> io::Result<()> {
        let mut found = Vec::new();
        let read = self.reader.step(&mut self.disk, room, &mut |event| {
            // a step with more items is not a valid file
            if found.len() < MAX_FRAMES {
                found.push(Item::Event(event));
            }
        });
        match read {
            Ok(goes_on) => self.ended = !goes_on,
            Err(Fault::Lost(kind, error)) => found.push(Item::Lost(kind, error)),
            Err(fault) => return Err(self.disk.error(fault)),
        }
        found.into_iter().for_each(|item| self.put(item));
        Ok(())
    }

    /// Inserts an item: a frame at its time, any other item after the last frame of its kind.
    fn put(&mut self, mut item: Item) {
        let kind = item.kind();
        let Some(last) = self.last.get_mut(usize::from(kind == Kind::Audio)) else { return };
        let (mut era, mut at) = last.map_or((0, i64::MIN), |(era, at, _)| (era, at));
        match &mut item {
            Item::Event(Event::Track(track)) => _ = self.tracks.set(track.clone()),
            Item::Event(Event::Frame(frame)) => {
                let unknown = (MAX_TRACKS + usize::from(kind == Kind::Audio), Hz::MS);
                let place = self.tracks.place(kind, frame.track);
                let (slot, clock) = place.map_or(unknown, |(place, track)| (place, track.clock));
                if !std::mem::replace(&mut self.begun, true) {
                    self.shift = MIN_TIME.saturating_sub(frame.dts.rescale(clock, MICROS).0).max(0);
                }
                frame.dts = frame.dts + Ticks(self.shift).rescale(MICROS, clock);
                at = frame.dts.rescale(clock, MICROS).0;
                era = self.eras.of(at);
                let shown = (frame.dts + Ticks(frame.cts.into())).rescale(clock, MICROS).0;
                self.spans.add(slot, era, at, shown);
                *last = Some((era, at, self.count));
            }
            _ => {}
        }
        self.bytes += item.len();
        self.ahead.insert((era, at, self.count), item);
        self.count = self.count.wrapping_add(1);
    }
}

impl Eras {
    /// The era of the next frame in the file, whose time is `at`.
    fn of(&mut self, at: i64) -> u32 {
        let near =
            |time: Option<i64>, most| time.is_none_or(|time| (-MAX_DISORDER..=most).contains(&at.saturating_sub(time)));
        if !near(self.newest, MAX_DISORDER) && self.before.is_some() && near(self.before, MAX_DISORDER) {
            // it is stored after the jump, but belongs before it
            self.before = Some(at);
            return self.number.wrapping_sub(1);
        }
        if !near(self.newest, MAX_PAUSE) {
            self.before = self.newest;
            self.number = self.number.wrapping_add(1);
        }
        self.newest = Some(at);
        self.number
    }
}

impl Item {
    fn kind(&self) -> Kind {
        match self {
            Self::Event(Event::Track(track)) => track.codec.kind(),
            Self::Event(Event::Frame(frame)) => frame.kind,
            Self::Event(Event::SequenceEnd(kind) | Event::Unsupported(kind, _)) | Self::Lost(kind, _) => *kind,
        }
    }

    fn len(&self) -> usize {
        let content = match self {
            Self::Event(Event::Frame(frame)) => frame.data.len(),
            Self::Event(Event::Track(track)) => track.params.record.len(),
            _ => 0,
        };
        content + ITEM_COST
    }
}

fn open(path: &Path, max_frame: usize) -> io::Result<(Disk, Box<dyn FileReader>)> {
    // opening a device may have effects, and opening a pipe waits for its writer
    let is_file =
        |about: &Metadata| about.is_file().then_some(()).ok_or_else(|| io::Error::other("it is not a regular file"));
    is_file(&fs::metadata(path)?)?;
    let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    is_file(&metadata)?;
    let mut disk = Disk { file: Opened::new(file, metadata.dev()), len: metadata.len(), error: None };
    let reader = file::open(&mut disk, max_frame).map_err(|fault| disk.error(fault))?;
    Ok((disk, reader))
}

/// A file of the operating system.
struct Disk {
    file: Opened,
    len: u64,
    /// The error of the last failed read.
    error: Option<io::Error>,
}

impl Disk {
    /// The system's error, if there is one; otherwise the fault.
    fn error(&mut self, fault: Fault) -> io::Error {
        self.error.take().unwrap_or_else(|| io::Error::other(fault))
    }
}

impl Storage for Disk {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&mut self, at: u64, out: &mut [u8]) -> Result<usize, Unreadable> {
        let mut got = 0;
        while let Some(rest) = out.get_mut(got..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, at.saturating_add(got as u64)) {
                Ok(0) => break,
                Ok(bytes) => got += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.error = Some(error);
                    return Err(Unreadable);
                }
            }
        }
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eras(times: &[i64]) -> Vec<u32> {
        let mut eras = Eras::default();
        times.iter().map(|at| eras.of(at * 1000)).collect()
    }

    #[test]
    fn times_that_jump_are_in_order_again_and_what_is_late_belongs_before() {
        // audio after its pictures, and a pause
        assert_eq!(eras(&[0, 40, 80, 10, 30_000, 30_040]), [0; 6]);
        // the file repeated, and audio of the previous round
        assert_eq!(eras(&[11_900, 11_940, 0, 11_300, 40, 11_320, 80]), [0, 0, 1, 0, 1, 0, 1]);
        assert_eq!(eras(&[0, 3_600_000, 3_600_040, 100]), [0, 1, 1, 0]);
        assert_eq!(eras(&[0, 3_600_000, 7_200_000, 0]), [0, 1, 2, 3]);
    }
}
