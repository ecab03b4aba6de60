//! A recording, as its session and the writer share it: the number of bytes written, and its fault.

use std::fmt;
use std::io::{self, ErrorKind};
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::layout::FileLayout;
use crate::conf::Record;
use crate::hub::Name;
use crate::session::{Core, Fact, Finished, Flood, News, Recorded, Who};

/// A recording. It exists as long as its session, or data of it to be written.
pub(super) struct Recording {
    pub(super) rule: Arc<Record>,
    pub(super) layout: FileLayout,
    pub(super) stream: Name,
    recorded: Arc<Recorded>,
    flood: Arc<Flood>,
    news: Arc<News>,
    state: Mutex<State>,
}

/// A recording whose stream is published.
pub(super) struct Live(Arc<Recording>);

struct State {
    who: Who,
    /// The sessions that write it; one that was cancelled may end after the next has begun.
    sessions: usize,
    /// Its begin was logged, so its end must be logged too.
    begun: bool,
    written: u64,
    trouble: Option<Trouble>,
    /// The stream has no publisher any more: the recording is no longer counted.
    over: bool,
}

/// The reason why writing fails.
struct Trouble {
    why: String,
    /// The last time that it occurred.
    seen: Instant,
}

/// The time without errors after which a recording counts as working: a full disk accepts writes now and then.
const RECOVERY_TIME: Duration = Duration::from_secs(4);
/// The maximum number of messages about faults in the log per period.
const MAX_LOGGED: u32 = 100;
/// The maximum number of completed files in the log per period of ten seconds.
const MAX_LOGGED_FILES: u32 = 200;

/// The remedies, by the kind of error.
const REMEDIES: [(ErrorKind, &str); 5] = [
    (ErrorKind::StorageFull, "delete files, or have keep_free or keep_total do it"),
    (ErrorKind::QuotaExceeded, "delete files, or have keep_total do it"),
    (ErrorKind::ReadOnlyFilesystem, "mount it for writing, or replace it: a card that is worn out becomes read-only"),
    (ErrorKind::PermissionDenied, "let process.user write there"),
    (ErrorKind::NotFound, "make the folder, or mount the card"),
];

/// The remedy if a rule requires a card.
const NO_CARD: &str = "mount the card there, or leave out mounted = true";

/// The error of a recording that waits for its card.
pub(super) fn no_card() -> io::Error {
    io::Error::new(ErrorKind::NotFound, "nothing is mounted there")
}

impl Recording {
    pub(super) fn new(core: &Core, rule: Arc<Record>, stream: Name, who: Who) -> Arc<Self> {
        let state = State { who, sessions: 0, begun: false, written: 0, trouble: None, over: false };
        let (recorded, flood, news) = (core.recorded.clone(), core.flood.clone(), core.teller());
        let (layout, state) = (FileLayout::of(rule.format), Mutex::new(state));
        Arc::new(Self { layout, rule, stream, recorded, flood, news, state })
    }

    /// The identity of the session.
    pub(super) fn who(&self) -> Who {
        self.lock().who.clone()
    }

    /// A session begins. Logs the begin of the recording, once.
    pub(super) fn begins(&self) {
        let state = &mut *self.lock();
        state.sessions += 1;
        self.recorded.begins();
        if !std::mem::replace(&mut state.begun, true) {
            state.who.begins(&self.flood, &self.stream, format_args!("is recorded to {}", self.rule.path));
        }
    }

    /// A session ends.
    pub(super) fn stops(&self) {
        self.lock().sessions -= 1;
        self.recorded.ends();
    }

    /// True if a session writes it.
    pub(super) fn has_session(&self) -> bool {
        self.lock().sessions > 0
    }

    /// Counts written bytes, and logs the end of a fault.
    pub(super) fn wrote(&self, bytes: usize) {
        let state = &mut *self.lock();
        state.written += bytes as u64;
        self.recorded.wrote(bytes);
        if let Some(trouble) = state.trouble.take_if(|trouble| trouble.seen.elapsed() >= RECOVERY_TIME) {
            if !state.over {
                self.recorded.mended();
            }
            self.tell(log::Level::Info, &state.who, format_args!("recording goes on: no longer {}", trouble.why));
        }
    }

    /// Counts a failed write, and logs the fault once.
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
            let said = format_args!("recording to {why}: {remedy}: nothing is recorded until that is mended");
            self.tell(log::Level::Error, &state.who, said);
        }
    }

    /// Logs that a file was deleted while it was written.
    pub(super) fn lost(&self, path: &Path) {
        self.recorded.failed();
        let said = format_args!("recording: {} was deleted while it was written: another file begins", path.display());
        self.tell(log::Level::Warn, &self.lock().who, said);
    }

    /// True if writing fails now.
    pub(super) fn fails(&self) -> bool {
        self.lock().trouble.is_some()
    }

    /// Logs that frames were lost for want of memory.
    pub(super) fn starves(&self) {
        let said = "the disk is too slow: frames that find no room in recording.memory are not recorded";
        self.tell(log::Level::Warn, &self.lock().who, format_args!("{said}"));
    }

    /// Tells and logs a completed file. The log is limited, because a stream whose tracks change may cause many files.
    pub(super) fn completes(&self, path: &Path) {
        let state = self.lock();
        let who = &state.who;
        self.news.tell(|| Fact::File(Finished { id: who.id(), stream: self.stream.clone(), path: path.into() }));
        let passes = who.told && self.flood.passes("files", who.subject(), MAX_LOGGED_FILES);
        let level = if passes { log::Level::Info } else { log::Level::Debug };
        log::log!(level, "{who} recorded {}", path.display());
    }

    fn tell(&self, level: log::Level, who: &Who, said: fmt::Arguments<'_>) {
        if self.flood.passes("recordings", who.subject(), MAX_LOGGED) {
            log::log!(level, "{who} {said}");
        }
    }

    /// Logs the end of the recording, after everything was written.
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
