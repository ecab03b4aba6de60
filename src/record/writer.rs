//! The writer: the only thread that waits for writes to its disk.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::costs::JOB;
use super::folder::{Busy, is_mounted};
use super::keep::{End, Message};
use super::queue::Queue;
use super::recording::{Recording, no_card};
use crate::budget::Lease;
use crate::conf::Record;
use crate::listing;

/// A job of the writer.
pub(super) enum Job {
    Open {
        id: usize,
        place: Place,
        failed: Arc<AtomicBool>,
    },
    Write {
        id: usize,
        bytes: Bytes,
    },
    /// Closes a file, after `patch` was written over its beginning.
    Close {
        id: usize,
        patch: Option<Patch>,
        duration: Duration,
        discontinuity: bool,
    },
    /// The rules that apply from now on, and their number, which the keeper stores once it applies them.
    Rules(Vec<Arc<Record>>, usize),
}

const _: () = assert!(size_of::<Job>() + size_of::<usize>() <= JOB, "the plan has room for the queue");

/// Bytes that are written at the offset `at`, with the lease that charges for them.
pub(super) struct Patch {
    pub(super) at: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) _lease: Lease,
}

/// The parts of a file's path: the recording, and the time and number in its name.
pub(super) struct Place {
    pub(super) recording: Arc<Recording>,
    /// The time since 1970.
    pub(super) begun: Duration,
    /// The number among the files of this session, from 0.
    pub(super) number: u64,
}

/// The interval between syncs to the disk, in milliseconds; the threads of a disk share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace(Arc<AtomicU32>);

impl Pace {
    pub(super) fn set(&self, sync: Duration) {
        self.0.store(u32::try_from(sync.as_millis()).unwrap_or(u32::MAX), Relaxed);
    }

    /// The interval; `None` if syncing is left to the system.
    pub(super) fn get(&self) -> Option<Duration> {
        Some(self.0.load(Relaxed)).filter(|sync| *sync > 0).map(|sync| Duration::from_millis(sync.into()))
    }
}

pub(super) struct Writer {
    sync: Pace,
    open: HashMap<usize, Open>,
    synced: Instant,
    looked: Instant,
    /// Its files, until they are closed and in the index.
    busy: Busy,
    /// Messages to the keeper.
    keeper: SyncSender<Message>,
}

struct Open {
    recording: Arc<Recording>,
    path: PathBuf,
    file: File,
    failed: Arc<AtomicBool>,
    /// The file contains data that may not be on the disk.
    dirty: bool,
    /// Nothing was written yet.
    empty: bool,
    /// The number of bytes that the disk accepted of a write that failed.
    part: usize,
}

/// The interval between checks for deleted files.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// The maximum number of files that may begin in the same second.
const MAX_SAME_SECOND: usize = 100;

impl Writer {
    pub(super) fn new(sync: Pace, busy: Busy, keeper: SyncSender<Message>) -> Self {
        Self { sync, open: HashMap::new(), synced: Instant::now(), looked: Instant::now(), busy, keeper }
    }

    /// Handles jobs until all senders are dropped.
    pub(super) fn run(mut self, queue: &Queue) {
        loop {
            match queue.next(self.patience()) {
                Ok(job) => self.act(job),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.sync.get().is_some_and(|sync| self.synced.elapsed() >= sync) {
                self.sync_all();
            }
            if self.looked.elapsed() >= CHECK_INTERVAL {
                self.leave_deleted();
            }
        }
        self.sync_all();
        self.tell(Message::Over);
    }

    /// The longest wait for a job: until bytes are to be synced, or files to be checked, if there are any.
    fn patience(&self) -> Duration {
        let is_dirty = self.open.values().any(|open| open.dirty);
        let sync = self.sync.get().filter(|_| is_dirty).unwrap_or(CHECK_INTERVAL);
        if self.open.is_empty() { Duration::MAX } else { sync.min(CHECK_INTERVAL) }
    }

    fn tell(&self, news: Message) {
        // the keeper ends after this thread
        let _ = self.keeper.send(news);
    }

    fn act(&mut self, job: Job) {
        match job {
            Job::Open { id, place, failed } => match self.open(&place) {
                Ok((path, file)) => {
                    log::debug!("{} recording {}", place.recording, path.display());
                    self.tell(Message::Opened { id, path: path.clone(), rule: place.recording.rule.clone() });
                    let Place { recording, .. } = place;
                    self.open.insert(id, Open { recording, path, file, failed, dirty: false, empty: true, part: 0 });
                }
                Err(error) => {
                    failed.store(true, Relaxed);
                    place.recording.failed(&error);
                }
            },
            Job::Write { id, bytes } => {
                if let Some(open) = self.open.get_mut(&id)
                    && let Err(error) = open.write(&bytes)
                {
                    self.give_up(id, &error);
                }
            }
            Job::Close { id, patch, duration, discontinuity } => {
                let Some(open) = self.open.remove(&id) else { return };
                let (recording, path) = (open.recording.clone(), open.path.clone());
                let end = if open.is_deleted() {
                    recording.lost(&path);
                    End::Empty
                } else {
                    let closed = open.close(patch, duration, discontinuity, self.sync.get().is_some());
                    closed.unwrap_or_else(|error| {
                        recording.failed(&error);
                        End::Broken
                    })
                };
                self.tell(Message::Closed { id, path, rule: recording.rule.clone(), end });
            }
            Job::Rules(rules, number) => {
                if rules.is_empty() {
                    self.leave();
                }
                // after the messages about files that earlier rules have closed
                self.tell(Message::Rules(rules, number));
            }
        }
    }

    fn open(&mut self, place: &Place) -> io::Result<(PathBuf, File)> {
        // by the same path as in the keeper
        let Recording { rule, layout, stream, .. } = &*place.recording;
        let root = &*fs::canonicalize(&rule.path)?;
        if rule.mounted && !is_mounted(root)? {
            return Err(no_card());
        }
        let folder = if layout.is_segments() { root.join(stream.as_str()) } else { root.to_path_buf() };
        // the root folder is not created: if it is missing, a card may be missing
        if layout.is_segments() && root.is_dir() {
            match fs::create_dir(&folder) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        let extension = layout.extension();
        for again in 0..MAX_SAME_SECOND {
            let name = match (layout.is_segments(), again) {
                (true, _) => {
                    format!("{stream}-{}-{}.{extension}", place.begun.as_millis(), place.number + again as u64)
                }
                (false, again) => {
                    let stem = listing::file_name(stream.as_str(), place.begun.as_secs(), again as u64);
                    format!("{stem}.{extension}")
                }
            };
            let path = folder.join(name);
            // the lock keeps the keeper from taking it for an empty file left by a power failure
            let mut busy = self.busy.lock();
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                opened => {
                    let file = opened?;
                    busy.push(path.clone());
                    return Ok((path, file));
                }
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }

    fn sync_all(&mut self) {
        self.synced = Instant::now();
        let dirty: Vec<_> = self.open.iter().filter(|(_, open)| open.dirty).map(|(id, _)| *id).collect();
        for id in dirty {
            let Some(open) = self.open.get_mut(&id) else { continue };
            open.dirty = false;
            if let Err(error) = open.file.sync_data() {
                self.give_up(id, &error);
            }
        }
    }

    /// Drops files that were deleted from their folders: writes to them are lost. Their sessions begin new ones.
    fn leave_deleted(&mut self) {
        self.looked = Instant::now();
        for (id, open) in self.open.extract_if(|_, open| open.is_deleted()) {
            open.failed.store(true, Relaxed);
            open.recording.lost(&open.path);
            let news = Message::Closed { id, path: open.path, rule: open.recording.rule.clone(), end: End::Empty };
            // the keeper ends after this thread
            let _ = self.keeper.send(news);
        }
    }

    /// Drops files that were not closed because their jobs were taken back.
    fn leave(&mut self) {
        for (id, Open { recording, path, .. }) in std::mem::take(&mut self.open) {
            self.tell(Message::Closed { id, path, rule: recording.rule.clone(), end: End::Broken });
        }
    }

    /// Drops a file after an error, and leaves its data. Its session begins another later.
    fn give_up(&mut self, id: usize, error: &io::Error) {
        if let Some(open) = self.open.remove(&id) {
            open.failed.store(true, Relaxed);
            // a file without data is useless
            let is_gone = open.empty && fs::remove_file(&open.path).is_ok();
            let end = if is_gone { End::Empty } else { End::Broken };
            if !is_gone && open.part > 0 {
                open.recording.wrote(open.part);
            }
            open.recording.failed(error);
            self.tell(Message::Closed { id, path: open.path, rule: open.recording.rule.clone(), end });
        }
    }
}

impl Open {
    /// True if the file was deleted from its folder.
    fn is_deleted(&self) -> bool {
        self.file.metadata().is_ok_and(|about| about.nlink() == 0)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        while let Some(rest) = bytes.get(self.part..).filter(|rest| !rest.is_empty()) {
            match self.file.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => self.part += written,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        (self.dirty, self.empty) = (true, false);
        self.recording.wrote(std::mem::take(&mut self.part));
        Ok(())
    }

    fn close(mut self, patch: Option<Patch>, duration: Duration, discontinuity: bool, sync: bool) -> io::Result<End> {
        if self.empty {
            // its stream sent nothing, or there was no memory for its beginning
            return fs::remove_file(&self.path).map(|()| End::Empty);
        }
        if let Some(Patch { at, bytes, .. }) = patch {
            self.file.write_all_at(&bytes, at)?;
        }
        self.file.flush()?;
        if sync {
            self.file.sync_data()?;
        }
        self.recording.completes(&self.path);
        let about = listing::Listed { duration, discontinuity, map: None };
        Ok(if self.recording.layout.is_segments() { End::Segment(about) } else { End::Whole })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, sync_channel};

    use super::*;
    use crate::conf::Config;
    use crate::hub::Name;
    use crate::record::scratch::Scratch;
    use crate::session::{Core, said};

    /// The writer's side of a recording of `cam` in segments to this folder.
    fn writer(folder: &Scratch) -> (Writer, Arc<Recording>, Receiver<Message>) {
        let path = folder.0.to_str().unwrap();
        let text = format!("profile = \"box\"\n[[record]]\nstreams = \"cam\"\npath = {path:?}\nformat = \"hls\"\n");
        let config = Config::parse("test", &text).unwrap();
        let core = Core::new(config.clone(), crate::registry::costs(), Arc::default());
        let (keeper, news) = sync_channel(16);
        let rule = Arc::new(config.record[0].clone());
        let recording = Recording::new(&core, rule, Name::new("cam").unwrap(), core.who("RECORD"));
        (Writer::new(Pace::default(), Busy::default(), keeper), recording, news)
    }

    fn open(id: usize, recording: &Arc<Recording>) -> (Job, Arc<AtomicBool>) {
        let failed = Arc::new(AtomicBool::new(false));
        let place =
            Place { recording: recording.clone(), begun: Duration::from_secs(1_764_000_000), number: id as u64 };
        (Job::Open { id, place, failed: failed.clone() }, failed)
    }

    #[test]
    fn what_is_deleted_while_it_is_written_is_told_and_the_next_file_has_a_folder_again() {
        let scratch = Scratch::new();
        let (mut writer, recording, news) = writer(&scratch);
        let write = |id| Job::Write { id, bytes: Bytes::from_static(b"some of it") };
        let close = |id| Job::Close { id, patch: None, duration: Duration::from_secs(1), discontinuity: false };
        let delete = || fs::remove_dir_all(scratch.0.join("cam")).unwrap();
        said::lines();
        // one is found by the check, the other when it is closed
        let (begin, failed) = open(0, &recording);
        writer.act(begin);
        writer.act(write(0));
        writer.leave_deleted();
        assert!(!failed.load(Relaxed));
        delete();
        writer.leave_deleted();
        assert!(failed.load(Relaxed));
        writer.act(open(1, &recording).0);
        writer.act(write(1));
        delete();
        writer.act(close(1));
        writer.act(open(2, &recording).0);
        writer.act(write(2));
        writer.act(close(2));
        let ends = news.try_iter().filter_map(|news| match news {
            Message::Closed { id, end, .. } => Some((id, matches!(end, End::Empty))),
            _ => None,
        });
        assert_eq!(ends.collect::<Vec<_>>(), [(0, true), (1, true), (2, false)]);
        let told = said::lines().iter().filter(|line| line.contains("was deleted while it was written")).count();
        assert_eq!((told, fs::read_dir(scratch.0.join("cam")).unwrap().count()), (2, 1));
    }
}
