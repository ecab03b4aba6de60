//! Counts of what is recorded, for the metrics and the log.

#[cfg(feature = "files")]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[cfg(feature = "files")]
use smol::channel::{Sender, bounded};

#[cfg(feature = "files")]
use super::listing::name_parts;
use crate::hub::Name;

/// What is recorded, and what was.
#[derive(Default)]
pub struct Recorded {
    files: AtomicUsize,
    counts: Mutex<Counts>,
    #[cfg(feature = "files")]
    list: OnceLock<List>,
    /// Held by the one who is being told.
    #[cfg(feature = "files")]
    turn: smol::lock::Mutex<()>,
}

/// Has somebody say what there is, for a query; a sender that is dropped says nothing.
#[cfg(feature = "files")]
pub type List = Box<dyn Fn(String, Sender<String>) + Send + Sync>;

/// Counts that are kept.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Recordings that run.
    pub running: usize,
    /// Bytes that were written.
    pub bytes: u64,
    /// How often frames found no room, each time up to a key frame.
    pub lost: u64,
    /// It was said that there is no place for more.
    full: bool,
}

/// Whether a path below a folder of recordings is one: others may have files there.
#[cfg(feature = "files")]
pub(super) fn is_recording(path: &str) -> bool {
    let named = |stem| name_parts(false, stem).is_some_and(|(stream, _)| Name::new(stream).is_ok());
    match path.split_once('/') {
        None => path.rsplit_once('.').is_some_and(|(stem, end)| ["flv", "ts", "mp4"].contains(&end) && named(stem)),
        Some((stream, "record.m3u8")) => Name::new(stream).is_ok(),
        Some((stream, segment)) => {
            let stem = segment.strip_suffix(".ts");
            stem.and_then(|stem| name_parts(true, stem)).is_some_and(|(name, _)| name == stream)
        }
    }
}

impl Recorded {
    /// Who can say what there is.
    #[cfg(feature = "files")]
    pub fn set_list(&self, list: List) {
        // there is one recorder
        let _ = self.list.set(list);
    }

    /// Whether anything is recorded.
    #[cfg(feature = "files")]
    pub fn has_list(&self) -> bool {
        self.list.get().is_some()
    }

    /// The list as JSON; `None` if that cannot be said now. One after the other is told.
    #[cfg(feature = "files")]
    pub async fn list(&self, query: String) -> Option<String> {
        let _turn = self.turn.lock().await;
        let (tell, told) = bounded(1);
        self.list.get()?(query, tell);
        told.recv().await.ok()
    }

    /// A number for a file.
    pub fn next_file(&self) -> usize {
        self.files.fetch_add(1, Relaxed)
    }

    /// A recording begins.
    pub fn begins(&self) {
        self.lock().running += 1;
    }

    /// A recording ends: there is a place for another.
    pub fn ends(&self) {
        let mut counts = self.lock();
        counts.running -= 1;
        counts.full = false;
    }

    /// Bytes were written.
    pub fn wrote(&self, bytes: usize) {
        self.lock().bytes += bytes as u64;
    }

    /// Something found no room.
    pub fn lost(&self) {
        self.lock().lost += 1;
    }

    /// There is no place for a recording of `name`, which is said of the first.
    pub fn refuse(&self, name: &Name, why: &dyn std::fmt::Display) {
        if !std::mem::replace(&mut self.lock().full, true) {
            log::warn!("stream={name} is not recorded: {why}");
        }
    }

    /// The counts as they are now.
    pub fn counts(&self) -> Counts {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, feature = "files"))]
mod tests {
    use super::*;

    #[test]
    fn only_recordings_are_recordings() {
        for path in ["cam-1700000000.flv", "cam-1700000000-1.mp4", "cam/record.m3u8", "cam/cam-1700000000123-0.ts"] {
            assert!(is_recording(path), "{path}");
        }
        for path in
            ["mine.ts", "cam-x.flv", "cam-1.txt", "cam/passwords.txt", "cam/door-1700000000123-0.ts", "", "/", "cam/"]
        {
            assert!(!is_recording(path), "{path}");
        }
    }
}
