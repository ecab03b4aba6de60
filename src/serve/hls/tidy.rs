//! Tidies the folders of `hls.store` while streams write to them: files left by a kill or a power loss are listed or
//! deleted, and ended streams are completed.
//!
//! Folders are tidied one after another: those of streams that begin come first, and all are tidied again when another
//! disk appears. No task waits for it, except while the list in the stream's own folder is rewritten.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, ReadDir};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::reactor::Timer;
use smol::channel::{Receiver, Sender, bounded};
use smol::future::or;

use super::store::{Folder, has_segment};
use crate::disk;
use crate::hls::Delete;
use crate::hub::Name;

/// The work in `hls.store`.
pub(super) struct Tidy {
    store: PathBuf,
    state: Mutex<State>,
    /// A signal that there is work.
    told: Sender<()>,
    tells: Receiver<()>,
}

#[derive(Default)]
struct State {
    /// The present rule for deletion, and whether written files are synced to the disk.
    now: Option<(Delete, bool)>,
    /// The folders of streams that are written, with the number of the seat.
    live: HashMap<Name, (usize, Folder)>,
    /// The number of the last seat, which wraps.
    seats: usize,
    /// The folders to tidy, and the one in progress.
    waiting: VecDeque<(Name, Folder)>,
    running: Option<(Name, Folder)>,
    /// True if all folders that the disk had when it appeared are tidied.
    complete: bool,
}

/// A stream's place among those that are written.
pub(super) struct Seat {
    tidy: Arc<Tidy>,
    name: Name,
    number: usize,
    /// True if the folder was due for tidying before, even if nothing is written.
    is_due: bool,
    pub(super) folder: Folder,
}

/// The time between two checks for another disk, and the first pause after a failure of the disk.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// The longest pause, up to which it doubles.
const MAX_PAUSE: Duration = Duration::from_secs(3600);
/// The most folders that wait without any being left out.
const MAX_WAITING: usize = 64;

impl Tidy {
    pub(super) fn new(store: PathBuf) -> Arc<Self> {
        let (told, tells) = bounded(1);
        Arc::new(Self { store, state: Mutex::default(), told, tells })
    }

    /// Sets the rule for deletion; returns whether `run` has to be started.
    pub(super) fn follow(&self, delete: Delete, sync: bool) -> bool {
        self.lock().now.replace((delete, sync)).is_none()
    }

    /// The folder of a stream that begins, while the seat exists.
    pub(super) fn begins(self: &Arc<Self>, name: &Name, delete: Delete, sync: bool) -> Seat {
        let mut state = self.lock();
        let mut folder = Folder::new(self.store.join(name.as_str()), delete, sync);
        // the run in progress may have passed files that need another one
        let is_due = state.forget(name);
        let is_new = match state.running.as_ref().filter(|(running, _)| running == name) {
            Some((_, running)) => {
                folder.ward = running.ward.clone();
                false
            }
            None => !state.complete || folder.is_cleared(),
        };
        if is_due || is_new {
            state.waiting.push_front((name.clone(), folder.clone()));
        }
        state.seats = state.seats.wrapping_add(1);
        let number = state.seats;
        state.live.insert(name.clone(), (number, folder.clone()));
        let _ = self.told.try_send(());
        Seat { tidy: self.clone(), name: name.clone(), number, is_due, folder }
    }

    /// Ends a stream: its files are to be deleted, or its playlist is to be completed.
    fn ends(&self, name: &Name, delete: Delete) {
        let mut state = self.lock();
        let Some((_, folder)) = state.live.remove(name) else { return };
        state.forget(name);
        let folder = Folder { delete, ward: Arc::default(), ..folder };
        state.waiting.push_back((name.clone(), folder));
        let _ = self.told.try_send(());
    }

    /// Tidies folders for ever.
    pub(super) async fn run(self: Arc<Self>) {
        let (mut disk, mut rest) = (None, None);
        let (mut again, mut pause) = (None, CHECK_INTERVAL);
        loop {
            let next = self.lock().next();
            if let Some((name, folder)) = next {
                folder.put_in_order(&name).await;
                self.lock().running = None;
                continue;
            }
            let walked = if let Some(folders) = rest.take() {
                self.next_of(folders).await
            } else {
                let store = self.store.clone();
                let now = disk::tidy(move || fs::metadata(store).map(|about| (about.dev(), about.ino()))).await.ok();
                let is_other = std::mem::replace(&mut disk, now) != now;
                if is_other {
                    (again, pause) = (None, CHECK_INTERVAL);
                    self.lock().recheck();
                }
                if now.is_none() || !is_other && again.take_if(|at| Instant::now() >= *at).is_none() {
                    or(async { _ = self.tells.recv().await }, async { _ = Timer::after(CHECK_INTERVAL).await }).await;
                    continue;
                }
                self.all().await.map(Some)
            };
            match walked {
                Ok(folders) => {
                    self.lock().complete = folders.is_none();
                    rest = folders;
                }
                // the folders after it are tidied at another time
                Err(error) => {
                    complain_of(&self.store, &error);
                    again = Some(Instant::now() + pause);
                    pause = (2 * pause).min(MAX_PAUSE);
                }
            }
        }
    }

    /// All folders of the store.
    async fn all(&self) -> io::Result<ReadDir> {
        let store = self.store.clone();
        disk::tidy(move || fs::read_dir(store)).await
    }

    /// Queues the next folder; returns the rest.
    async fn next_of(&self, mut folders: ReadDir) -> io::Result<Option<ReadDir>> {
        let Some((delete, sync)) = self.lock().now else { return Ok(None) };
        let next = move || {
            let Some(entry) = folders.next().transpose()? else { return Ok(None) };
            let name = entry.file_name().to_str().and_then(|name| Name::new(name).ok());
            let name = name.filter(|_| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            let path = entry.path();
            // other programs may have folders there
            let is_one = |name: &Name| delete == Delete::Never || has_segment(&path, name.as_str());
            Ok(Some((folders, name.filter(is_one))))
        };
        let Some((folders, name)) = disk::tidy(next).await? else { return Ok(None) };
        if let Some(name) = name {
            self.lock().meet(name, |name| Folder::new(self.store.join(name.as_str()), delete, sync));
        }
        Ok(Some(folders))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Ends the stream: its files are to be deleted, or its playlist is to be completed.
    pub(super) fn ends(&self, delete: Delete) {
        self.tidy.ends(&self.name, delete);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let is_it = |folder: &Folder| Arc::ptr_eq(&folder.ward, &self.folder.ward);
        let mut state = self.tidy.lock();
        if state.live.get(&self.name).is_some_and(|(number, _)| *number == self.number) {
            state.live.remove(&self.name);
        }
        // names that were only requested leave nothing behind, whatever their number
        if !self.is_due && state.waiting.len() > MAX_WAITING {
            state.waiting.retain(|(_, folder)| !is_it(folder));
        }
    }
}

impl State {
    fn next(&mut self) -> Option<(Name, Folder)> {
        self.running = self.waiting.pop_front();
        self.running.clone()
    }

    /// True if a folder waited to be tidied, and no longer does.
    fn forget(&mut self, name: &Name) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|(waiting, _)| waiting != name);
        self.waiting.len() < before
    }

    /// Queues a folder that was found, unless its stream is being written.
    fn meet(&mut self, name: Name, folder: impl FnOnce(&Name) -> Folder) {
        if !self.live.contains_key(&name) && self.waiting.iter().all(|(waiting, _)| *waiting != name) {
            let folder = folder(&name);
            self.waiting.push_back((name, folder));
        }
    }

    /// Another disk has appeared, or none: other folders have to be tidied.
    fn recheck(&mut self) {
        self.complete = false;
        for (name, (_, folder)) in &self.live {
            if self.waiting.iter().all(|(waiting, _)| waiting != name) {
                self.waiting.push_back((name.clone(), folder.clone()));
            }
        }
    }
}

impl Folder {
    /// Lists the files that can be played and deletes the others, of those left in the folder.
    async fn put_in_order(&self, name: &Name) {
        // after the writes that are queued; other writes do not wait for this
        let behind = disk::write(|| Ok(())).await;
        let (folder, stream) = (self.clone(), name.clone());
        let done = disk::tidy(move || folder.tidy(stream.as_str())).await;
        match behind.and(done) {
            Err(error) if self.is_cleared() => {
                log::warn!("stream={name} HLS: {}: {error}: some of its files are left", self.path.display());
            }
            Err(error) => complain_of(&self.path, &error),
            Ok(()) => {}
        }
    }
}

fn complain_of(path: &Path, error: &io::Error) {
    if error.kind() != ErrorKind::NotFound {
        log::warn!("HLS: {}: {error}: the folder may be listed wrongly", path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_looked_at_is_looked_at_though_its_name_returns() {
        let tidy = Tidy::new("/nowhere".into());
        let name = |name: &str| Name::new(name).unwrap();
        let cam = name("cam");
        let begins = || tidy.begins(&cam, Delete::End, false);
        let waits = || tidy.lock().waiting.iter().any(|(waiting, _)| *waiting == cam);
        tidy.lock().complete = true;
        // it ends, and returns, while its earlier files are tidied
        let first = begins();
        assert!(tidy.lock().next().is_some() && !waits());
        tidy.ends(&cam, Delete::End);
        drop(first);
        let second = begins();
        assert!(waits(), "the one that is looked at may be through");
        // only requested, among many
        tidy.lock().running = None;
        tidy.ends(&cam, Delete::End);
        drop(second);
        let others: Vec<_> =
            (0..2 * MAX_WAITING).map(|at| tidy.begins(&name(&format!("x{at}")), Delete::End, false)).collect();
        drop(begins());
        assert!(waits());
        drop(others);
        assert!(waits() && tidy.lock().waiting.len() <= MAX_WAITING + 1, "names that are only asked for");
    }
}
