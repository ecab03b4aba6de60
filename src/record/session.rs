//! Writes one stream to files.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::reactor::Timer;

use super::costs::BLOCK;
use super::disk::Disk;
use super::recording::Recording;
use super::writer::{Job, Patch, Place};
use crate::budget::{Account, BlockMut, Lease, OverBudget};
use crate::container::flv::recorded::{MAX_MARKS, Summary};
use crate::hub::{Next, Step, Unit, Viewer};
use crate::media::{Ticks, Tracks};
use crate::session::{Grant, Recorded};

/// The session of a recording.
pub(super) struct Session {
    recording: Arc<Recording>,
    account: Account,
    recorded: Arc<Recorded>,
    jobs: SyncSender<Job>,
    tracks: Arc<Tracks>,
    file: Option<Open>,
    /// The bytes that are not sent to the writer yet, and the time of the first.
    block: Option<(BlockMut, Instant)>,
    /// The next unit begins another file: it does not continue the previous one.
    broken: bool,
    /// Memory was refused: recording continues at a key frame.
    out_of_memory: bool,
    /// No file is begun before this time.
    pause: Instant,
    next_id: u64,
}

/// The file that is being written.
struct Open {
    id: usize,
    /// The tracks at the start of the file.
    tracks: Arc<Tracks>,
    /// Writing has failed.
    failed: Arc<AtomicBool>,
    origin: Ticks,
    newest: Ticks,
    size: u64,
    /// The day on which it began, in days since 1970.
    day: u64,
    summary: Summary,
    /// The charge for the bytes that overwrite the file's beginning at the end.
    patch: Lease,
    /// Every `stride`-th key frame is marked.
    stride: usize,
    starts: usize,
    /// The file does not continue the previous one.
    discontinuity: bool,
}

/// The bytes that must be free before a recording continues after memory was refused.
pub(super) const MIN_FREE: usize = 3 * BLOCK;
/// The maximum number of units and bytes that are polled at once.
const MAX_STEP: Step = Step { units: 64, bytes: 256 << 10 };
/// The longest time that bytes wait for others to be written with them.
const MAX_DELAY: Duration = Duration::from_millis(500);
/// The pause after a failed file before the next.
const RETRY_PAUSE: Duration = Duration::from_secs(2);
/// The length of segments if the rule gives none.
const SEGMENT_LENGTH: Duration = Duration::from_secs(6);

impl Session {
    pub(super) fn new(recorded: &Arc<Recorded>, recording: Arc<Recording>, disk: &Disk) -> Self {
        recording.begins();
        Self {
            recording,
            account: disk.account.clone(),
            recorded: recorded.clone(),
            jobs: disk.jobs.clone(),
            tracks: Arc::default(),
            file: None,
            block: None,
            broken: true,
            out_of_memory: false,
            pause: Instant::now(),
            next_id: 0,
        }
    }

    /// Records the viewer's units until it is dropped or the viewer is dismissed.
    pub(super) async fn run(mut self, (mut viewer, _grant): (Viewer, Grant)) {
        let mut units = Vec::new();
        loop {
            // a new head belongs to changed tracks, which are checked below
            let next = std::future::poll_fn(|cx| viewer.poll_next(cx, &mut units, MAX_STEP));
            let patience = async {
                match self.block.as_ref().map(|(_, since)| *since + MAX_DELAY) {
                    Some(end) => drop(Timer::at(end).await),
                    None => std::future::pending().await,
                }
                Next::Units
            };
            if let Next::Dismissed(_) = smol::future::or(next, patience).await {
                return;
            }
            if !self.tracks.iter().eq(viewer.tracks().iter()) {
                self.broken = true;
                self.tracks = viewer.tracks().clone();
            }
            viewer.kept(units.iter().map(|unit| unit.packed.len()).sum());
            units.drain(..).for_each(|unit| self.take(&unit));
            if self.block.as_ref().is_some_and(|(_, since)| since.elapsed() >= MAX_DELAY) {
                self.hand_on();
            }
            smol::future::yield_now().await;
        }
    }

    fn take(&mut self, unit: &Unit) {
        if unit.discontinuity {
            // the unit belongs to tracks that the file does not have
            self.broken = true;
            return self.close(None);
        }
        if unit.packed.is_head() || unit.packed.is_empty() {
            return;
        }
        if self.file.as_ref().is_some_and(|file| file.failed.load(Relaxed)) {
            self.close(None);
            self.broken = true;
            self.pause = Instant::now() + RETRY_PAUSE;
        }
        if self.out_of_memory && (!unit.start || self.account.available() < MIN_FREE) {
            return;
        }
        if unit.start && (self.is_due(unit) || self.file.is_none()) && Instant::now() >= self.pause {
            self.close(Some(unit.at));
            if self.open(unit.at).is_err() {
                // a file without its beginning is useless
                self.close(None);
                self.broken = true;
                return self.starve();
            }
        }
        if self.file.is_none() {
            return;
        }
        match self.append(unit) {
            Ok(()) => self.out_of_memory = false,
            Err(_) => self.starve(),
        }
    }

    /// True if a unit with which a file can begin must begin another file.
    fn is_due(&self, unit: &Unit) -> bool {
        let Some(file) = &self.file else { return true };
        let Recording { rule, layout, .. } = &*self.recording;
        let length = match rule.length.0 {
            Duration::ZERO if layout.is_segments() => SEGMENT_LENGTH,
            length => length,
        };
        let long = u128::try_from((unit.at - file.origin).0).unwrap_or(0) >= length.as_millis();
        self.broken
            || !length.is_zero() && long
            || rule.size.0 > 0 && file.size >= rule.size.0
            || rule.daily && day(SystemTime::now()) != file.day
    }

    fn open(&mut self, origin: Ticks) -> Result<(), OverBudget> {
        let layout = self.recording.layout;
        let begin = layout.begin(&self.tracks);
        let patch = self.account.charge(layout.patch())?;
        let failed = Arc::new(AtomicBool::new(false));
        let discontinuity = std::mem::take(&mut self.broken);
        let now = SystemTime::now();
        let id = self.recorded.next_file();
        let place = Place {
            recording: self.recording.clone(),
            begun: now.duration_since(UNIX_EPOCH).unwrap_or_default(),
            number: self.next_id,
        };
        self.next_id += 1;
        self.send(Job::Open { id, place, failed: failed.clone() });
        self.file = Some(Open {
            id,
            tracks: self.tracks.clone(),
            failed,
            origin,
            newest: origin,
            size: 0,
            day: day(now),
            summary: Summary::default(),
            patch,
            stride: 1,
            starts: 0,
            discontinuity,
        });
        self.put([&begin[..]].into_iter(), begin.len())
    }

    /// Closes the file. It ends at `end`, where the next file begins, or with its newest frame.
    fn close(&mut self, end: Option<Ticks>) {
        self.hand_on();
        let Some(mut file) = self.file.take() else { return };
        let end = end.filter(|_| !self.broken).unwrap_or(file.newest);
        let length = u32::try_from((end - file.origin).0).unwrap_or(0);
        (file.summary.duration, file.summary.size) = (length, file.size);
        let patch = self.recording.layout.finish(&file.tracks, &file.summary);
        let patch = patch.map(|(at, bytes)| Patch { at, bytes, _lease: file.patch });
        let duration = Duration::from_millis(length.into());
        self.send(Job::Close { id: file.id, patch, duration, discontinuity: file.discontinuity });
    }

    /// Appends the whole unit, or nothing.
    fn append(&mut self, unit: &Unit) -> Result<(), OverBudget> {
        let Some(file) = &self.file else { return Ok(()) };
        let (origin, place) = (file.origin, file.size);
        let layout = self.recording.layout;
        if layout.rebases() {
            let mut first = unit.packed.slices().next().unwrap_or_default().to_vec();
            layout.rebase(&mut first, origin, &file.tracks);
            let rest = unit.packed.slices().skip(1);
            self.put([&first[..]].into_iter().chain(rest), unit.packed.len())?;
        } else {
            self.put(unit.packed.slices(), unit.packed.len())?;
        }
        if let Some(file) = &mut self.file {
            file.newest = file.newest.max(unit.at);
            if unit.start {
                file.mark(unit.at, place);
            }
        }
        Ok(())
    }

    /// Copies `len` bytes into blocks. All blocks are allocated before any is filled.
    fn put<'a>(&mut self, slices: impl Iterator<Item = &'a [u8]>, len: usize) -> Result<(), OverBudget> {
        let room = self.block.as_ref().map_or(0, |(block, _)| block.room());
        let blocks = (room..len).step_by(BLOCK).map(|_| BlockMut::new(&self.account, BLOCK));
        let mut blocks = blocks.collect::<Result<Vec<_>, _>>()?.into_iter();
        for mut slice in slices {
            while !slice.is_empty() {
                if self.block.as_ref().is_none_or(|(block, _)| block.room() == 0) {
                    self.hand_on();
                    self.block = blocks.next().map(|block| (block, Instant::now()));
                }
                let Some((block, _)) = &mut self.block else { return Ok(()) };
                let taken = block.fill(slice);
                slice = slice.get(taken..).unwrap_or_default();
            }
        }
        if let Some(file) = &mut self.file {
            file.size += len as u64;
        }
        Ok(())
    }

    /// Sends the current block to the writer.
    fn hand_on(&mut self) {
        if let (Some((block, _)), Some(file)) = (self.block.take(), &self.file) {
            let id = file.id;
            self.send(Job::Write { id, bytes: block.freeze() });
        }
    }

    fn send(&mut self, job: Job) {
        // the queue has a place for every block that the account allows
        if self.jobs.try_send(job).is_err()
            && let Some(file) = &self.file
        {
            file.failed.store(true, Relaxed);
        }
    }

    fn starve(&mut self) {
        if !self.out_of_memory {
            self.recording.starves();
        }
        self.out_of_memory = true;
        self.recorded.lost();
    }
}

impl Open {
    /// Stores the time and offset of a key frame.
    fn mark(&mut self, at: Ticks, place: u64) {
        let marks = &mut self.summary.marks;
        if marks.len() == MAX_MARKS {
            let mut odd = false;
            marks.retain(|_| {
                odd = !odd;
                odd
            });
            self.stride *= 2;
        }
        if self.starts.is_multiple_of(self.stride) {
            marks.push((u32::try_from((at - self.origin).0).unwrap_or(0), place));
        }
        self.starts += 1;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.close(None);
        self.recording.stops();
    }
}

fn day(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / 86_400
}
