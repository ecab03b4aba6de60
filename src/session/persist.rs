//! What clients of the API changed, kept over a restart in the file `api.persist`: relays, and refused addresses.
//!
//! The file is read once, at the start, and replaced as a whole when something has changed: at most once in ten
//! seconds, in a thread that may wait for disks. Without that key nothing is read or written.

mod file;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use smol::Task;

use self::file::{Contents, Unread};
use super::{Core, MAX_RELAY_URL};
use crate::budget::Key::Count;
use crate::conf::{Config, Cost};
use crate::disk::{Lane, aside};
use crate::reactor::Timer;

/// Keeps the file.
pub struct Persist {
    core: Arc<Core>,
    path: Option<PathBuf>,
    kept: Arc<Mutex<Option<Edits>>>,
    task: Option<Task<()>>,
}

/// The numbers of changes of relays and of refused addresses.
type Edits = (u32, usize);

/// The shortest interval between two writes.
const INTERVAL: Duration = Duration::from_secs(10);
/// The interval between looks whether something has changed.
const LOOK: Duration = Duration::from_secs(1);
/// The bytes of a relay and of an address in the file, each of which is twice in memory while it is read or written.
const RELAY: usize = 2 * (4 * MAX_RELAY_URL + 512);
const ADDRESS: usize = 2 * 128;

/// The file while it is read or written.
pub static PERSIST: Cost = Cost {
    what: "changes by the API: file",
    keys: &[Count("api.pulls"), Count("api.blacklist")],
    count: |all| usize::from(all.persist().is_some()),
    user: |all| longest(all).saturating_mul(2),
    kernel: |_| 0,
};

/// The longest file, in bytes.
fn longest(config: &Config) -> usize {
    let (relays, addresses) = (config.api_pulls().saturating_mul(RELAY), config.api.blacklist.saturating_mul(ADDRESS));
    relays.saturating_add(addresses).saturating_add(1 << 10)
}

impl Persist {
    /// Begins with the file of the configuration at the start.
    pub fn new(core: &Arc<Core>) -> Self {
        let path = core.config().persist().map(Path::to_path_buf);
        Self { core: core.clone(), path, kept: Arc::default(), task: None }
    }

    /// Reads the file, and keeps it from then on.
    pub fn begin(&mut self) {
        let Some(path) = self.path.clone().filter(|_| self.task.is_none()) else { return };
        let keep = keep(self.core.clone(), path, self.kept.clone());
        self.task = Some(self.core.executor.spawn(keep));
    }

    /// Writes what is not written yet.
    pub async fn stop(self) {
        let (Some(path), Some(task)) = (self.path, self.task) else { return };
        task.cancel().await;
        let (kept, now) = (*lock(&self.kept), edits(&self.core));
        // what was not read is not replaced
        if kept.is_some_and(|kept| kept != now)
            && let Err(error) = write(&self.core, path.clone()).await
        {
            tell_unwritten(&path, &error);
        }
    }
}

/// Reads the file, and writes it whenever something has changed.
async fn keep(core: Arc<Core>, path: PathBuf, kept: Arc<Mutex<Option<Edits>>>) {
    let (mut fails, before) = (false, edits(&core));
    while let Err(error) = restore(&core, path.clone()).await {
        if !std::mem::replace(&mut fails, true) {
            log::warn!("api.persist: {}: {error}: nothing is restored yet, and it is tried again", path.display());
        }
        Timer::after(INTERVAL).await;
    }
    // what clients have changed while the file could not be read is to be written as well
    let is_later = std::mem::take(&mut fails);
    *lock(&kept) = Some(if is_later { before } else { edits(&core) });
    loop {
        Timer::after(LOOK).await;
        let now = edits(&core);
        if *lock(&kept) == Some(now) {
            continue;
        }
        match write(&core, path.clone()).await {
            Ok(()) => {
                *lock(&kept) = Some(now);
                if std::mem::take(&mut fails) {
                    log::info!("api.persist: {} is written again", path.display());
                }
            }
            Err(error) if !std::mem::replace(&mut fails, true) => tell_unwritten(&path, &error),
            Err(_) => {}
        }
        Timer::after(INTERVAL).await;
    }
}

/// Restores what the file has.
///
/// # Errors
/// Those of the disk: what could not be read must not be replaced.
async fn restore(core: &Core, path: PathBuf) -> io::Result<()> {
    let (name, most) = (path.display().to_string(), longest(&core.config()));
    let read = aside(Lane::to(&path.clone()), move || file::read(&path, most)).await;
    match read {
        Ok(contents) => {
            contents.restore(core, Instant::now()).iter().for_each(|lost| log::warn!("api.persist: {name}: {lost}"));
        }
        Err(Unread::Missing) => {}
        Err(Unread::Broken(why, aside)) => {
            log::warn!("api.persist: {name}: {why}; nothing of it is restored, and it is kept as {}", aside.display());
        }
        Err(Unread::Failed(error)) => return Err(error),
    }
    Ok(())
}

async fn write(core: &Core, path: PathBuf) -> io::Result<()> {
    let text = Contents::of(core, Instant::now()).text();
    aside(Lane::to(&path.clone()), move || file::write(&path, &text)).await
}

fn tell_unwritten(path: &Path, error: &dyn fmt::Display) {
    log::warn!("api.persist: {}: {error}: changes by the API are not kept, and it is tried again", path.display());
}

fn edits(core: &Core) -> Edits {
    (core.relays.edits(), core.blacklist.edits())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
