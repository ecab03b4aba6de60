//! A file that is read ahead, by the thread that waits for disks.

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

/// A file, and what was read of it.
pub(super) struct ReadAhead {
    path: PathBuf,
    max_frame: usize,
    disk: Disk,
    reader: Box<dyn FileReader>,
    tracks: Tracks,
    /// The next items.
    ahead: BTreeMap<Place, Item>,
    eras: Eras,
    count: u32,
    bytes: usize,
    /// The most bytes that are read ahead.
    most: usize,
    /// The last of pictures and of sound.
    last: [Option<Place>; 2],
    spans: Spans,
    /// Added to all times: the duration of the rounds before.
    shift: i64,
    /// There was a frame.
    begun: bool,
    ended: bool,
}

/// The place of an item: its era, its time, and the number of items before it in the file.
type Place = (u32, i64, u32);

/// Times that jump begin another era, in which they are in order again.
#[derive(Debug, Default)]
struct Eras {
    number: u32,
    newest: Option<i64>,
    /// The last time before the jump.
    before: Option<i64>,
}

/// The content of a file.
pub(super) enum Item {
    Event(Event),
    Lost(Kind, Error),
}

/// The next items, with their times in microseconds.
pub(super) struct Batch {
    pub(super) items: Vec<(i64, Item)>,
    /// There are pictures and sound.
    pub(super) both: bool,
    /// Nothing comes after it.
    pub(super) ended: bool,
}

/// So far is read ahead, in microseconds: sound may stand so far behind its pictures.
const AHEAD: i64 = 1_000_000;
/// So many frames at most, however little they hold.
const MOST: usize = 256;
/// So much at most is looked at before somebody else has a turn.
const STEPS: usize = 4096;
/// And so long, if the disk is slow.
const PATIENCE: Duration = Duration::from_millis(50);
/// The cost of a frame beside its bytes.
const ITEM: usize = 160;
/// Times in a file are apart by no more than this where they do not jump: sound stands
/// behind its pictures, and slides are shown for long.
const DISORDER: i64 = 2_000_000;
const PAUSE: i64 = 60_000_000;
/// A file that begins before that is moved: what goes out has no times below 0.
const EARLIEST: i64 = 500_000;
const MICROS: Hz = Hz::new(1_000_000);

impl ReadAhead {
    /// Opens a file; `most` bytes of it may be read ahead.
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

    /// That of reading it.
    pub(super) fn lane(&self) -> Lane {
        self.disk.file.lane()
    }

    /// By how many degrees its pictures are to be turned to the right.
    pub(super) fn rotation(&self) -> u16 {
        self.reader.rotation()
    }

    /// Whether the file has a table of how long each frame lasts.
    pub(super) fn is_timed(&self) -> bool {
        self.reader.is_timed()
    }

    /// Begins anew; times go on where they have ended.
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

    /// The next items; the later half of what was read stays, to be put in order
    /// with what follows it.
    pub(super) fn next(&mut self, room: &dyn Room) -> io::Result<Batch> {
        let begun = Instant::now();
        for _ in 0..STEPS {
            if begun.elapsed() >= PATIENCE {
                break;
            }
            if self.ended || self.bytes >= self.most || self.ahead.len() >= MOST || self.span() >= AHEAD {
                break;
            }
            self.step(room)?;
        }
        let is_much =
            |show: &Self| show.bytes > show.most / 2 || show.ahead.len() > MOST / 2 || show.span() > AHEAD / 2;
        let mut items = Vec::new();
        while self.ended || is_much(self) {
            let Some(((_, at, _), item)) = self.ahead.pop_first() else { break };
            self.bytes -= item.len();
            items.push((at, item));
        }
        let both = self.tracks.has_video() && self.tracks.has_audio();
        Ok(Batch { items, both, ended: self.ended })
    }

    /// The distance read ahead since times have jumped, if they have.
    fn span(&self) -> i64 {
        let Some(((era, last, _), _)) = self.ahead.last_key_value() else { return 0 };
        // items before the first frame have no time
        let first = self.ahead.range((*era, i64::MIN + 1, 0)..).next();
        first.map_or(0, |((_, first, _), _)| last.saturating_sub(*first))
    }

    fn step(&mut self, room: &dyn Room) -> io::Result<()> {
        let mut found = Vec::new();
        let read = self.reader.step(&mut self.disk, room, &mut |event| {
            // a piece that holds more is no film
            if found.len() < MOST {
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

    /// Takes a piece to its place: a frame where its time is, anything else behind the
    /// last frame of its kind.
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
                    self.shift = EARLIEST.saturating_sub(frame.dts.rescale(clock, MICROS).0).max(0);
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
    /// That of a frame of the time `at`, which comes next in the file.
    fn of(&mut self, at: i64) -> u32 {
        let near =
            |time: Option<i64>, most| time.is_none_or(|time| (-DISORDER..=most).contains(&at.saturating_sub(time)));
        if !near(self.newest, DISORDER) && self.before.is_some() && near(self.before, DISORDER) {
            // it stands behind the jump, but belongs before it
            self.before = Some(at);
            return self.number.wrapping_sub(1);
        }
        if !near(self.newest, PAUSE) {
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
        content + ITEM
    }
}

fn open(path: &Path, max_frame: usize) -> io::Result<(Disk, Box<dyn FileReader>)> {
    // to open a device may do something, and to open a pipe waits for its writer
    let is_file = |about: &Metadata| about.is_file().then_some(()).ok_or_else(|| io::Error::other("it is no file"));
    is_file(&fs::metadata(path)?)?;
    let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    is_file(&metadata)?;
    let mut disk = Disk { file: Opened::new(file, metadata.dev()), len: metadata.len(), error: None };
    let reader = file::open(&mut disk, max_frame).map_err(|fault| disk.error(fault))?;
    Ok((disk, reader))
}

/// A file as the system has it.
struct Disk {
    file: Opened,
    len: u64,
    /// The reason why it could not be read.
    error: Option<io::Error>,
}

impl Disk {
    /// A fault in the system's words, if it has any.
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
        // sound stands behind its pictures, and there is a pause
        assert_eq!(eras(&[0, 40, 80, 10, 30_000, 30_040]), [0; 6]);
        // the same file once more, and sound of its first time
        assert_eq!(eras(&[11_900, 11_940, 0, 11_300, 40, 11_320, 80]), [0, 0, 1, 0, 1, 0, 1]);
        assert_eq!(eras(&[0, 3_600_000, 3_600_040, 100]), [0, 1, 1, 0]);
        assert_eq!(eras(&[0, 3_600_000, 7_200_000, 0]), [0, 1, 2, 3]);
    }
}
