//! A recording, as its session and the thread that writes know it: the bytes that were written, and
//! its fault.

use std::fmt;
use std::io::{self, ErrorKind};
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::layout::FileLayout;
use crate::conf::Record;
use crate::hub::Name;
use crate::session::{Core, Flood, Recorded, Who};

/// It lasts as long as somebody hands on or writes what is its.
pub(super) struct Recording {
    pub(super) rule: Arc<Record>,
    pub(super) layout: FileLayout,
    pub(super) stream: Name,
    recorded: Arc<Recorded>,
    flood: Arc<Flood>,
    state: Mutex<State>,
}

/// One whose stream is published.
pub(super) struct Live(Arc<Recording>);

struct State {
    who: Who,
    /// It has begun, and its end is to be told.
    begun: bool,
    written: u64,
    trouble: Option<Trouble>,
    /// Nobody publishes any more: it counts no longer.
    over: bool,
}

/// It cannot be written.
struct Trouble {
    why: String,
    /// The last time that it was seen.
    seen: Instant,
}

/// It goes on when nothing was wrong for so long: a full disk has room now and then.
const STEADY: Duration = Duration::from_secs(4);
/// So many recordings may tell the log of a fault at once.
const TOLD: u32 = 100;
/// Of so many files in ten seconds the log is told that they are whole.
const FILES: u32 = 200;

/// The remedies, by the kind of the fault.
const REMEDIES: [(ErrorKind, &str); 5] = [
    (ErrorKind::StorageFull, "delete files, or have keep_free or keep_total do it"),
    (ErrorKind::QuotaExceeded, "delete files, or have keep_total do it"),
    (ErrorKind::ReadOnlyFilesystem, "mount it to be written to, or take another: one that is worn out becomes so"),
    (ErrorKind::PermissionDenied, "let process.user write there"),
    (ErrorKind::NotFound, "make the folder, or mount the card"),
];

/// The remedy where a rule wants a card.
const NO_CARD: &str = "mount the card there, or leave out mounted = true";

/// The fault of a recording that waits for its card.
pub(super) fn no_card() -> io::Error {
    io::Error::new(ErrorKind::NotFound, "nothing is mounted there")
}

impl Recording {
    pub(super) fn new(core: &Core, rule: Arc<Record>, stream: Name, who: Who) -> Arc<Self> {
        let state = State { who, begun: false, written: 0, trouble: None, over: false };
        let (recorded, flood) = (core.recorded.clone(), core.flood.clone());
        Arc::new(Self { layout: FileLayout::of(rule.format), rule, stream, recorded, flood, state: Mutex::new(state) })
    }

    /// The session.
    pub(super) fn who(&self) -> Who {
        self.lock().who.clone()
    }

    /// Frames that are handed on are written from here on.
    pub(super) fn begins(&self) {
        let state = &mut *self.lock();
        if !std::mem::replace(&mut state.begun, true) {
            state.who.begins(&self.flood, &self.stream, format_args!("is recorded to {}", self.rule.path));
        }
    }

    /// Something was written.
    pub(super) fn wrote(&self, bytes: usize) {
        let state = &mut *self.lock();
        state.written += bytes as u64;
        self.recorded.wrote(bytes);
        if let Some(trouble) = state.trouble.take_if(|trouble| trouble.seen.elapsed() >= STEADY) {
            if !state.over {
                self.recorded.mended();
            }
            self.tell(log::Level::Info, &state.who, format_args!("recording goes on: no longer {}", trouble.why));
        }
    }

    /// It cannot be written: that is said once.
    pub(super) fn failed(&self, error: &io::Error) {
        let state = &mut *self.lock();
        self.recorded.failed();
        let (why, seen) = (format!("{}: {error}", self.rule.path), Instant::now());
        let before = state.trouble.replace(Trouble { why: why.clone(), seen });
        if before.is_none() && !state.over {
            self.recorded.fails();
        }
        if before.is_none_or(|before| before.why != why) {
            let remedy = match REMEDIES.iter().find(|(kind, _)| *kind == error.kind()) {
                Some((ErrorKind::NotFound, _)) if self.rule.mounted => NO_CARD,
                Some((_, remedy)) => remedy,
                None => "try another disk",
            };
            let said = format_args!("recording to {why}: {remedy}: what comes until that is mended is not recorded");
            self.tell(log::Level::Error, &state.who, said);
        }
    }

    /// A file was deleted while it was written.
    pub(super) fn lost(&self, path: &Path) {
        self.recorded.failed();
        let said = format_args!("recording: {} was deleted while it was written: another file begins", path.display());
        self.tell(log::Level::Warn, &self.lock().who, said);
    }

    /// Whether it cannot be written now.
    pub(super) fn fails(&self) -> bool {
        self.lock().trouble.is_some()
    }

    /// Frames have found no room.
    pub(super) fn starves(&self) {
        let said = "the disk is too slow: what finds no room in recording.memory is not recorded";
        self.tell(log::Level::Warn, &self.lock().who, format_args!("{said}"));
    }

    /// A file is whole. A stream may have one after the other, of other tracks each.
    pub(super) fn completes(&self, path: &Path) {
        let state = self.lock();
        let who = &state.who;
        let passes = who.told && self.flood.passes("files", who.subject(), FILES);
        let level = if passes { log::Level::Info } else { log::Level::Debug };
        log::log!(level, "{who} recorded {}", path.display());
    }

    fn tell(&self, level: log::Level, who: &Who, said: fmt::Arguments<'_>) {
        if self.flood.passes("recordings", who.subject(), TOLD) {
            log::log!(level, "{who} {said}");
        }
    }

    /// Tells of its end, behind all that was written.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        if std::mem::take(&mut state.begun) {
            let written = state.written;
            state.who.ends(format_args!("is no longer recorded to {}", self.rule.path), written);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    pub(super) fn new(core: &Core, rule: &Arc<Record>, stream: &Name, who: Who) -> Self {
        Self(Recording::new(core, rule.clone(), stream.clone(), who))
    }

    pub(super) fn recording(&self) -> Arc<Recording> {
        self.0.clone()
    }

    pub(super) fn weak(&self) -> Weak<Recording> {
        Arc::downgrade(&self.0)
    }
}

impl Deref for Live {
    type Target = Recording;

    fn deref(&self) -> &Recording {
        &self.0
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.over = true;
        if state.trouble.is_some() {
            self.0.recorded.mended();
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Display for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lock().who.fmt(f)
    }
}
