//! The thread that keeps recordings: it mends the index and playlists, deletes recordings above the limits, and
//! answers requests for the list. The writer waits for it only if the message queue is full.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use super::answer;
use super::folder::{Busy, Folder, Home};
use super::heal;
use super::index::State;
use super::retain;
use super::writer::Pace;
use crate::conf::Record;
use crate::listing::{self, Listed, Segments};
use crate::session::{Asked, Found, Question};

/// A message to the thread.
pub(super) enum Message {
    /// A file was created; it is busy until it is closed.
    Opened {
        id: usize,
        path: PathBuf,
        rule: Arc<Record>,
    },
    Closed {
        id: usize,
        path: PathBuf,
        rule: Arc<Record>,
        end: End,
    },
    /// A request for the list.
    Asked(Asked),
    /// The rules that apply from now on, and their number.
    Rules(Vec<Arc<Record>>, usize),
    /// The writer has ended.
    Over,
}

/// The way in which a file ended.
pub(super) enum End {
    Whole,
    /// A whole segment, which must be listed.
    Segment(Listed),
    /// Writing failed.
    Broken,
    /// The file was deleted.
    Empty,
}

pub(super) struct Keeper {
    /// All rules, and the home of each when it was last checked.
    rules: Vec<(Arc<Record>, Option<Home>)>,
    folders: Vec<Arc<Folder>>,
    care: Vec<Care>,
    sync: Pace,
    busy: Busy,
    /// The number of the rules that were last applied.
    applied: Arc<AtomicUsize>,
    /// The time of the next check of the limits.
    due: Instant,
    /// The offsets of the index lines of files that are being written.
    lines: HashMap<usize, u64>,
    /// Files that were closed while a folder is healed: until its end they count as busy.
    closed: Option<Vec<PathBuf>>,
    /// A message that ended the healing, and is handled after it.
    held: Option<Message>,
}

/// The state of a folder.
#[derive(Default)]
struct Care {
    /// The first recording in this folder since the start.
    first: Option<String>,
    /// The folder has changed since the limits were last checked.
    changed: bool,
    /// The index may differ from the folder.
    wrong: bool,
    /// The index contains all recordings of the folder, in their order.
    ordered: bool,
    /// The folder and its playlists were checked as after a power failure.
    settled: bool,
    healed: Option<Instant>,
    /// The last faults that were logged, of the index and of deletion.
    untidy: String,
    undeleted: String,
    /// The interval until the index is compared with the folder again.
    rest: Duration,
}

/// The maximum number of waiting messages.
pub(super) const MAX_MESSAGES: usize = 128;
/// The shortest interval between checks of the limits.
const TIDY_INTERVAL: Duration = Duration::from_secs(5);
/// Checks of large folders take at most this fraction of the time: one part in 20.
const TIDY_SHARE: u32 = 20;
/// The same two values for comparing the index with the folder.
const HEAL_INTERVAL: Duration = Duration::from_secs(60);
const HEAL_SHARE: u32 = 100;

impl Keeper {
    /// A keeper without folders.
    pub(super) fn new(sync: Pace, busy: Busy, applied: Arc<AtomicUsize>) -> Self {
        Self {
            rules: Vec::new(),
            folders: Vec::new(),
            care: Vec::new(),
            sync,
            busy,
            applied,
            due: Instant::now(),
            lines: HashMap::new(),
            closed: None,
            held: None,
        }
    }

    /// Handles messages until the writer has ended.
    pub(super) fn run(mut self, news: &Receiver<Message>) {
        loop {
            // before messages, because requests may arrive continuously
            let begun = Instant::now();
            if begun >= self.due {
                self.look_again();
                (0..self.folders.len()).for_each(|at| self.tidy(at, news));
                self.due = Instant::now() + TIDY_INTERVAL.max(begun.elapsed() * TIDY_SHARE);
            }
            let next = self
                .held
                .take()
                .map_or_else(|| news.recv_timeout(self.due.saturating_duration_since(Instant::now())), Ok);
            match next {
                Ok(Message::Over) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(news) => self.handle(news),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn handle(&mut self, news: Message) {
        match news {
            Message::Opened { id, path, rule } => {
                self.look_again();
                self.opened(id, &path, &rule);
            }
            Message::Closed { id, path, rule, end } => {
                self.closed(id, &path, &rule, &end);
                match &mut self.closed {
                    Some(closed) => closed.push(path),
                    None => self.busy.free(&path),
                }
            }
            Message::Asked(asked) => {
                self.look_again();
                asked.answer(|question| self.answer(question));
            }
            Message::Rules(rules, number) => {
                self.follow(&rules);
                self.applied.store(number, Relaxed);
            }
            Message::Over => {}
        }
    }

    fn answer(&mut self, question: &Question) -> Found {
        if question.deletes() {
            let heals = self.closed.is_some();
            for care in &mut self.care {
                // healing may have found the file before
                (care.changed, care.wrong) = (true, care.wrong || heals);
            }
        }
        answer::answer(&self.folders, question)
    }

    /// Applies the rules again if a link leads elsewhere, or a card was inserted or removed; not while a folder is
    /// healed.
    fn look_again(&mut self) {
        if self.closed.is_none() && self.rules.iter().any(|(rule, home)| Home::of(rule) != *home) {
            let rules: Vec<_> = self.rules.iter().map(|(rule, _)| rule.clone()).collect();
            self.follow(&rules);
        }
    }

    /// Handles messages while a folder is healed. New rules, or the end, stop the healing.
    fn handle_meanwhile(&mut self, news: &Receiver<Message>) -> io::Result<()> {
        while self.held.is_none() {
            match news.try_recv() {
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => self.held = Some(Message::Over),
                Ok(one @ (Message::Rules(..) | Message::Over)) => self.held = Some(one),
                Ok(one) if self.is_elsewhere(&one) => self.held = Some(one),
                Ok(one) => self.handle(one),
            }
        }
        Err(ErrorKind::Interrupted.into())
    }

    /// True if a file was created in a folder that is not known yet, because a card or a link appeared since the
    /// last check.
    fn is_elsewhere(&self, news: &Message) -> bool {
        let Message::Opened { path, rule, .. } = news else { return false };
        let is_its =
            |folder: &&Arc<Folder>| folder.rules.iter().any(|own| own.path == rule.path && own.mounted == rule.mounted);
        !self.folders.iter().find(is_its).is_some_and(|folder| path.starts_with(folder.path()))
    }

    /// Applies these rules. A folder whose rules have changed is checked as at a start: it may contain recordings
    /// that no earlier rule covered.
    fn follow(&mut self, rules: &[Arc<Record>]) {
        let mut before: Vec<_> = self.folders.drain(..).zip(self.care.drain(..)).collect();
        self.rules = rules.iter().map(|rule| (rule.clone(), Home::of(rule))).collect();
        for home in self.rules.iter().filter_map(|(_, home)| home.as_ref()) {
            if self.folders.iter().any(|folder| folder.home == *home) {
                continue;
            }
            let folder = Arc::new(Folder::new(home, rules, self.sync.get().is_some(), self.busy.clone()));
            let known = before.iter().position(|(other, _)| other.home == *home).map(|at| before.swap_remove(at));
            let care = match known {
                Some((other, mut care)) if other.writes_as(&folder) => {
                    care.changed = true;
                    care
                }
                known => {
                    let first = known.and_then(|(_, care)| care.first);
                    Care { first, changed: true, ..Care::default() }
                }
            };
            self.folders.push(folder);
            self.care.push(care);
        }
        self.due = Instant::now();
    }

    fn folder(&mut self, rule: &Record) -> Option<(&Folder, &mut Care, &mut HashMap<usize, u64>)> {
        let is_its =
            |folder: &Arc<Folder>| folder.rules.iter().any(|own| own.path == rule.path && own.mounted == rule.mounted);
        let at = self.folders.iter().position(is_its)?;
        Some((self.folders.get(at)?, self.care.get_mut(at)?, &mut self.lines))
    }

    fn opened(&mut self, id: usize, path: &Path, rule: &Record) {
        let Some((folder, care, lines)) = self.folder(rule) else { return };
        let Some(name) = care.name(folder, path) else { return };
        let added = folder.index.add(State::Open, 0, &name).and_then(|at| {
            path.parent().map_or(Ok(()), |parent| listing::bring_folder(parent, folder.index.syncs())).map(|()| at)
        });
        match added {
            Ok(at) => _ = lines.insert(id, at),
            Err(error) => care.index_failed(folder, &error),
        }
        care.first.get_or_insert(name);
    }

    fn closed(&mut self, id: usize, path: &Path, rule: &Record, end: &End) {
        let (sync, line) = (self.sync.get().is_some(), self.lines.remove(&id));
        let Some((folder, care, _)) = self.folder(rule) else { return };
        let Some(name) = care.name(folder, path) else { return };
        care.changed = true;
        let size = std::fs::metadata(path).map_or(0, |about| about.len());
        let state = if matches!(end, End::Empty) { State::Gone } else { State::Whole };
        if let Some(at) = line
            && let Err(error) = folder.index.set(at, state, size, &name)
        {
            care.index_failed(folder, &error);
        }
        match end {
            End::Segment(about) => {
                if let Err(error) = listing::append(path, about, sync) {
                    log::warn!("{} is recorded, but cannot be listed now: {error}", path.display());
                    care.wrong = true;
                }
            }
            // the file can be played up to the point where it is cut off
            End::Broken => care.wrong = true,
            End::Whole | End::Empty => {}
        }
    }

    /// Mends the index of a folder and deletes recordings above the limits, if it is time.
    fn tidy(&mut self, at: usize, news: &Receiver<Message>) {
        let (Some(folder), Some(care)) = (self.folders.get(at).cloned(), self.care.get_mut(at)) else { return };
        if !folder.is_there() {
            // another card may be inserted
            *care = Care { changed: true, ..Care::default() };
            return;
        }
        let is_due = care.healed.is_none_or(|healed| healed.elapsed() >= care.rest);
        if is_due || care.wrong {
            self.heal(at, &folder, news);
        }
        if self.held.is_some() {
            return;
        }
        let Some(care) = self.care.get_mut(at) else { return };
        let (changed, mut trouble) = (std::mem::take(&mut care.changed), None);
        for rule in folder.rules.iter().filter(|rule| !retain::keeps_all(rule)) {
            let may_change = rule.keep_free.0 > 0 || !rule.keep_age.0.is_zero();
            if !changed && !may_change {
                continue;
            }
            match retain::enforce(&folder, rule, care.ordered) {
                Ok(done) => {
                    care.wrong |= done.missed;
                    care.changed |= done.more;
                }
                Err(error) => {
                    (care.wrong, care.changed) = (true, true);
                    trouble = Some(format!("some files cannot be deleted: {error}"));
                }
            }
        }
        match trouble {
            Some(trouble) => log_once(&folder, &mut care.undeleted, trouble),
            None => care.undeleted.clear(),
        }
    }

    /// Makes the index and the playlists of a folder agree with its files.
    fn heal(&mut self, at: usize, folder: &Folder, news: &Receiver<Message>) {
        let Some(care) = self.care.get_mut(at) else { return };
        let begun = Instant::now();
        let (thorough, was_wrong) = (!care.settled, std::mem::take(&mut care.wrong));
        self.closed = Some(Vec::new());
        let healed = self.mend(at, folder, thorough, was_wrong, news);
        self.closed.take().iter().flatten().for_each(|path| self.busy.free(path));
        let Some(care) = self.care.get_mut(at) else { return };
        match healed {
            Ok(()) => {
                (care.settled, care.changed) = (true, true);
                care.untidy.clear();
            }
            Err(error) => {
                care.wrong |= was_wrong;
                if error.kind() == ErrorKind::Interrupted {
                    return;
                }
                let trouble = format!("the folder cannot be kept in order or listed: {error}");
                log_once(folder, &mut care.untidy, trouble);
            }
        }
        care.rest = HEAL_INTERVAL.max(begun.elapsed() * HEAL_SHARE);
        care.healed = Some(Instant::now());
    }

    fn mend(
        &mut self,
        at: usize,
        folder: &Folder,
        thorough: bool,
        was_wrong: bool,
        news: &Receiver<Message>,
    ) -> io::Result<()> {
        let faults = heal::look(folder, thorough, &mut || self.handle_meanwhile(news))?;
        let first = self.care.get(at).and_then(|care| care.first.as_deref());
        let was_right = !heal::mend(folder, first, faults)?;
        if let Some(care) = self.care.get_mut(at) {
            care.ordered = true;
        }
        if was_right && !was_wrong && !thorough {
            return Ok(());
        }
        let mut result = Ok(());
        folder.streams(&mut |stream, path| {
            let segments = Segments {
                folder: path,
                stream,
                sync: folder.index.syncs(),
                remove_empty: &|path| thorough && folder.remove_empty(path),
                is_busy: &|path| folder.busy.has(path),
            };
            match listing::mend(&segments, &mut || self.handle_meanwhile(news)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => return Err(error),
                // the other playlists are mended anyway
                mended => result = std::mem::replace(&mut result, Ok(())).and(mended),
            }
            Ok(())
        })?;
        result
    }
}

impl Care {
    /// A recording's name in the folder; `None` if a link leads elsewhere now, which the next check finds.
    fn name(&mut self, folder: &Folder, path: &Path) -> Option<String> {
        let name = path.strip_prefix(folder.path()).ok().and_then(Path::to_str);
        self.wrong |= name.is_none();
        name.map(str::to_string)
    }

    /// Handles a failed write to the index: healing will find the file in the folder.
    fn index_failed(&mut self, folder: &Folder, error: &io::Error) {
        log::debug!("recording to {}: the index cannot be written: {error}", folder.path().display());
        self.wrong = true;
    }
}

/// Logs a fault once.
fn log_once(folder: &Folder, said: &mut String, trouble: String) {
    if *said != trouble {
        log::warn!("recording to {}: {trouble}", folder.path().display());
        *said = trouble;
    }
}
