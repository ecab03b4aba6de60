//! The folders of `hls.store` are put in order while streams write to them: what a kill or a loss
//! of power has left there is listed, or deleted, and so are streams that are over.
//!
//! One folder is looked at after the other, those of streams that begin before the rest, and all
//! of them again when another disk appears. Nobody waits for it, but for the moment in which
//! the list in the stream's own folder is written anew.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, ReadDir};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_io::Timer;
use smol::channel::{Receiver, Sender, bounded};
use smol::future::or;
use smol::lock::MutexGuardArc;

use super::store::{Folder, has_segment};
use crate::hls::Delete;
use crate::hub::Name;
use crate::net::{tidied, written};
use crate::serve::listing;

/// What there is to be done in `hls.store`.
pub(super) struct Tidy {
    store: PathBuf,
    state: Mutex<State>,
    /// There is something.
    told: Sender<()>,
    tells: Receiver<()>,
}

#[derive(Default)]
struct State {
    /// When segments are deleted now, and whether what is written is brought to the disk.
    now: Option<(Delete, bool)>,
    /// Those of streams that are being written.
    live: HashMap<Name, Folder>,
    /// What is to be looked at next, and what is looked at.
    waiting: VecDeque<(Name, Folder)>,
    running: Option<(Name, Folder)>,
    /// All that the disk had when it appeared was looked at.
    complete: bool,
}

/// A stream's place among those that are being written.
pub(super) struct Seat {
    tidy: Arc<Tidy>,
    name: Name,
    pub(super) folder: Folder,
}

/// What those who write to a folder and who put it in order have to know of each other.
#[derive(Debug, Default)]
pub(super) struct Ward {
    /// Held by who writes the list of segments.
    list: Arc<smol::lock::Mutex<()>>,
    new: Mutex<New>,
}

/// Files that a stream has written: they are none of those that were left there.
#[derive(Debug, Default)]
struct New {
    /// The hashes of their names, since somebody may look at the folder.
    names: Vec<u64>,
    /// Nobody does.
    done: bool,
}

/// How often it is looked whether another disk is there.
const LOOK: Duration = Duration::from_secs(5);
/// So many of the last files are known when that is seen: more than are written meanwhile.
const RECENT: usize = 64;
/// Of so many that wait none is left out.
const MANY: usize = 64;

impl Tidy {
    pub(super) fn new(store: PathBuf) -> Arc<Self> {
        let (told, tells) = bounded(1);
        Arc::new(Self { store, state: Mutex::default(), told, tells })
    }

    /// From now on segments are deleted so; whether somebody has to `run` from now on.
    pub(super) fn follow(&self, delete: Delete, sync: bool) -> bool {
        self.lock().now.replace((delete, sync)).is_none()
    }

    /// The folder of a stream that begins, for as long as the seat is there.
    pub(super) fn begins(self: &Arc<Self>, name: &Name, delete: Delete, sync: bool) -> Seat {
        let mut state = self.lock();
        let mut folder = Folder::new(self.store.join(name.as_str()), delete, sync);
        let waited = state.forget(name);
        if let Some((_, running)) = state.running.as_ref().filter(|(running, _)| running == name) {
            folder.ward = running.ward.clone();
        } else if waited || !state.complete || folder.is_cleared() {
            state.waiting.push_front((name.clone(), folder.clone()));
        } else {
            folder.ward.set_done(true);
        }
        state.live.insert(name.clone(), folder.clone());
        let _ = self.told.try_send(());
        Seat { tidy: self.clone(), name: name.clone(), folder }
    }

    /// A stream is over, of which nothing is to stay.
    pub(super) fn ends(&self, name: &Name) {
        let mut state = self.lock();
        let Some(folder) = state.live.remove(name) else { return };
        state.forget(name);
        let folder = Folder { ward: Arc::default(), ..folder };
        state.waiting.push_back((name.clone(), folder));
        let _ = self.told.try_send(());
    }

    /// Looks at what is to be looked at, for ever.
    pub(super) async fn run(self: Arc<Self>) {
        let (mut disk, mut rest) = (None, None);
        loop {
            let next = self.lock().next();
            if let Some((name, folder)) = next {
                folder.put_in_order(&name).await;
                folder.ward.set_done(true);
                self.lock().running = None;
            } else if let Some(folders) = rest.take() {
                rest = self.next_of(folders).await;
                self.lock().complete = rest.is_none();
            } else {
                let store = self.store.clone();
                let now = tidied(move || fs::metadata(store).map(|about| (about.dev(), about.ino()))).await.ok();
                if std::mem::replace(&mut disk, now) != now {
                    self.lock().look_again();
                    rest = self.all(now.is_some()).await;
                } else {
                    or(async { _ = self.tells.recv().await }, async { _ = Timer::after(LOOK).await }).await;
                }
            }
        }
    }

    /// All folders that are there.
    async fn all(&self, is_there: bool) -> Option<ReadDir> {
        let store = self.store.clone();
        let folders = if is_there { tidied(move || fs::read_dir(store)).await } else { return None };
        folders.inspect_err(|error| complain_of(&self.store, error)).ok()
    }

    /// Has the next folder looked at; gives those that are left.
    async fn next_of(&self, mut folders: ReadDir) -> Option<ReadDir> {
        let (delete, sync) = self.lock().now?;
        let next = move || {
            let Some(entry) = folders.next().transpose()? else { return Ok(None) };
            let name = entry.file_name().to_str().and_then(|name| Name::new(name).ok());
            let name = name.filter(|_| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            let path = entry.path();
            // others have folders there as well
            let is_one = |name: &Name| delete == Delete::Never || has_segment(&path, name.as_str());
            Ok(Some((folders, name.filter(is_one))))
        };
        let next = tidied(next).await.inspect_err(|error| complain_of(&self.store, error)).ok().flatten();
        let (folders, name) = next?;
        if let Some(name) = name {
            self.lock().meet(name, |name| Folder::new(self.store.join(name.as_str()), delete, sync));
        }
        Some(folders)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let is_it = |folder: &Folder| Arc::ptr_eq(&folder.ward, &self.folder.ward);
        let mut state = self.tidy.lock();
        if state.live.get(&self.name).is_some_and(is_it) {
            state.live.remove(&self.name);
        }
        // names that are only asked for leave nothing behind, however many there are
        if state.waiting.len() > MANY {
            state.waiting.retain(|(_, folder)| !is_it(folder));
        }
    }
}

impl State {
    fn next(&mut self) -> Option<(Name, Folder)> {
        self.running = self.waiting.pop_front();
        self.running.clone()
    }

    /// Whether a folder was to be looked at, which it is no longer.
    fn forget(&mut self, name: &Name) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|(waiting, _)| waiting != name);
        self.waiting.len() < before
    }

    /// A folder is there. Those of streams that are being written have their turn.
    fn meet(&mut self, name: Name, folder: impl FnOnce(&Name) -> Folder) {
        if !self.live.contains_key(&name) && self.waiting.iter().all(|(waiting, _)| *waiting != name) {
            let folder = folder(&name);
            self.waiting.push_back((name, folder));
        }
    }

    /// Another disk is there, or none: what was looked at is not what is there now.
    fn look_again(&mut self) {
        self.complete = false;
        for (name, folder) in &self.live {
            folder.ward.set_done(false);
            if self.waiting.iter().all(|(waiting, _)| waiting != name) {
                self.waiting.push_back((name.clone(), folder.clone()));
            }
        }
    }
}

impl Ward {
    /// Nobody else writes the list meanwhile.
    pub(super) async fn listing(&self) -> MutexGuardArc<()> {
        self.list.lock_arc().await
    }

    /// The same for a thread.
    pub(super) fn wait(&self) -> MutexGuardArc<()> {
        self.list.lock_arc_blocking()
    }

    /// A file of that name is written from here on.
    pub(super) fn note(&self, name: &str) {
        let (hash, mut new) = (listing::hash(name), self.lock());
        // what the disk does not take is tried again
        if new.names.last() != Some(&hash) {
            new.names.push(hash);
        }
        new.shorten();
    }

    /// Whether a file was written by the stream that runs.
    pub(super) fn has(&self, path: &Path) -> bool {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| self.lock().names.contains(&listing::hash(name)))
    }

    /// Whether any was.
    pub(super) fn is_used(&self) -> bool {
        !self.lock().names.is_empty()
    }

    /// The folder was looked at, or will be.
    fn set_done(&self, done: bool) {
        let mut new = self.lock();
        new.done = done;
        new.shorten();
    }

    fn lock(&self) -> MutexGuard<'_, New> {
        self.new.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl New {
    fn shorten(&mut self) {
        if self.done {
            let more = self.names.len().saturating_sub(RECENT);
            self.names.drain(..more);
        }
    }
}

impl Folder {
    /// Lists what plays and deletes what is to go, of what was left there.
    async fn put_in_order(&self, name: &Name) {
        // behind what is being written there; but others do not wait for all that is to be done
        let behind = written(|| Ok(())).await;
        let (folder, stream) = (self.clone(), name.clone());
        let done = tidied(move || folder.tidy(stream.as_str())).await;
        match behind.and(done) {
            Err(error) if self.is_cleared() => {
                log::warn!("stream={name} HLS: {}: {error}: something of it is left", self.path.display());
            }
            Err(error) => complain_of(&self.path, &error),
            Ok(()) => {}
        }
    }
}

fn complain_of(path: &Path, error: &io::Error) {
    if error.kind() != ErrorKind::NotFound {
        log::warn!("HLS: {}: {error}: what is there may be listed wrongly", path.display());
    }
}
