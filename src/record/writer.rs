//! The thread that writes. What it waits for, nobody else does.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::retain;
use super::shape::Shape;
use crate::conf::Record;
use crate::hub::Name;
use crate::serve::Recorded;
use crate::serve::listing;

/// What the thread is told to do.
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
    /// `patch` is written over what is there.
    Close {
        id: usize,
        patch: Option<(u64, Vec<u8>)>,
        duration: Duration,
        discontinuity: bool,
    },
}

/// Where a file is to be.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The number of the rule.
    pub(super) rule: usize,
    pub(super) stream: Name,
    pub(super) shape: Shape,
    /// Since 1970.
    pub(super) begun: Duration,
    /// Of the files of this session, from 0.
    pub(super) number: u64,
}

pub(super) struct Writer {
    sync: Duration,
    rules: Vec<Arc<Record>>,
    recorded: Arc<Recorded>,
    open: HashMap<usize, Open>,
    synced: Instant,
    tidied: Instant,
    /// The pause until the next time.
    rest: Duration,
    /// What is wrong now with the folder of each rule: it is said once.
    trouble: HashMap<usize, String>,
}

struct Open {
    place: Place,
    path: PathBuf,
    file: File,
    failed: Arc<AtomicBool>,
    /// There is something that may not be on the disk.
    dirty: bool,
    /// Nothing was written yet.
    empty: bool,
}

/// How often it is looked whether there is too much, at most.
const TIDY: Duration = Duration::from_secs(5);
/// Looking at large folders takes a share of one in so many of the time.
const TIDY_SHARE: u32 = 20;
/// So many files may begin in the same second.
const SAME_SECOND: usize = 100;

impl Writer {
    pub(super) fn new(sync: Duration, rules: Vec<Arc<Record>>, recorded: Arc<Recorded>) -> Self {
        let now = Instant::now();
        let (open, trouble) = (HashMap::new(), HashMap::new());
        Self { sync, rules, recorded, open, synced: now, tidied: now, rest: Duration::ZERO, trouble }
    }

    /// Works until nobody is left who could say what to do.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        let pause = if self.sync.is_zero() { TIDY } else { self.sync.min(TIDY) };
        loop {
            match jobs.recv_timeout(pause) {
                Ok(job) => self.act(job),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if !self.sync.is_zero() && self.synced.elapsed() >= self.sync {
                self.sync_all();
            }
            self.tidy();
        }
        self.sync_all();
    }

    fn act(&mut self, job: Job) {
        match job {
            Job::Open { id, place, failed } => match self.open(&place) {
                Ok((path, file)) => {
                    log::debug!("recording {}", path.display());
                    self.open.insert(id, Open { place, path, file, failed, dirty: false, empty: true });
                }
                Err(error) => {
                    failed.store(true, Relaxed);
                    self.complain(place.rule, &error);
                }
            },
            Job::Write { id, bytes } => {
                let Some(open) = self.open.get_mut(&id) else { return };
                match open.file.write_all(&bytes) {
                    Ok(()) => {
                        (open.dirty, open.empty) = (true, false);
                        self.recorded.wrote(bytes.len());
                        if let Some(trouble) = self.trouble.remove(&open.place.rule) {
                            log::info!("recording goes on: no longer {trouble}");
                        }
                    }
                    Err(error) => self.give_up(id, &error),
                }
            }
            Job::Close { id, patch, duration, discontinuity } => {
                let Some(open) = self.open.remove(&id) else { return };
                let rule = open.place.rule;
                if let Err(error) = open.close(patch, duration, discontinuity, !self.sync.is_zero()) {
                    self.complain(rule, &error);
                }
            }
        }
    }

    fn open(&mut self, place: &Place) -> io::Result<(PathBuf, File)> {
        let Some(rule) = self.rules.get(place.rule) else { return Err(ErrorKind::NotFound.into()) };
        let root = Path::new(&rule.path);
        if rule.mounted && !is_mounted(root)? {
            return Err(io::Error::other("nothing is mounted there"));
        }
        let folder = if place.shape.is_segments() { root.join(place.stream.as_str()) } else { root.to_path_buf() };
        // the folder itself is the user's to make: what is missing may be a card
        if place.shape.is_segments() && root.is_dir() {
            match fs::create_dir(&folder) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        let (stream, extension) = (&place.stream, place.shape.extension());
        for again in 0..SAME_SECOND {
            let name = match (place.shape.is_segments(), again) {
                (true, _) => {
                    format!("{stream}-{}-{}.{extension}", place.begun.as_millis(), place.number + again as u64)
                }
                (false, 0) => format!("{stream}-{}.{extension}", place.begun.as_secs()),
                (false, again) => format!("{stream}-{}-{again}.{extension}", place.begun.as_secs()),
            };
            let path = folder.join(name);
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                opened => return opened.map(|file| (path, file)),
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

    /// The file is left as it is; its session begins another later on.
    fn give_up(&mut self, id: usize, error: &io::Error) {
        if let Some(open) = self.open.remove(&id) {
            open.failed.store(true, Relaxed);
            if open.empty {
                // one that nothing could be written to is of no use
                let _ = fs::remove_file(&open.path);
            }
            self.complain(open.place.rule, error);
        }
    }

    fn complain(&mut self, rule: usize, error: &io::Error) {
        let Some(path) = self.rules.get(rule).map(|rule| &rule.path) else { return };
        let trouble = format!("{path}: {error}");
        if self.trouble.get(&rule) != Some(&trouble) {
            log::error!("recording to {trouble}: what comes until that is mended is not recorded");
            self.trouble.insert(rule, trouble);
        }
    }

    /// Deletes what is too much, if it is time.
    fn tidy(&mut self) {
        if self.tidied.elapsed() < self.rest {
            return;
        }
        let begun = Instant::now();
        let busy: Vec<&Path> = self.open.values().map(|open| open.path.as_path()).collect();
        for rule in &self.rules {
            if let Err(error) = retain::enforce(rule, &busy) {
                log::debug!("recording to {}: nothing is deleted: {error}", rule.path);
            }
        }
        self.tidied = Instant::now();
        self.rest = TIDY.max(begun.elapsed() * TIDY_SHARE);
    }
}

impl Open {
    fn close(
        mut self,
        patch: Option<(u64, Vec<u8>)>,
        duration: Duration,
        discontinuity: bool,
        sync: bool,
    ) -> io::Result<()> {
        if self.empty {
            // its stream had nothing for it, or there was no room for its beginning
            return fs::remove_file(&self.path);
        }
        if let Some((at, bytes)) = patch {
            self.file.write_all_at(&bytes, at)?;
        }
        self.file.flush()?;
        if sync {
            self.file.sync_data()?;
        }
        if self.place.shape.is_segments() {
            listing::append(&self.path, &listing::Listed { duration, discontinuity, map: None })?;
        }
        log::info!("stream={} recorded {}", self.place.stream, self.path.display());
        Ok(())
    }
}

/// Whether the folder is on another file system than the one around it.
fn is_mounted(path: &Path) -> io::Result<bool> {
    let around = path.parent().unwrap_or(path);
    Ok(fs::metadata(path)?.dev() != fs::metadata(around)?.dev())
}
