//! Recordings: streams that are written to files. Each disk has threads of its own.
//!
//! A session is a viewer of a stream; it copies units into blocks of a bounded account, and the writer writes them.
//! Frames that a slow disk does not accept in time are not recorded, up to the next key frame. Neither other
//! viewers nor other disks are affected.

mod answer;
pub(crate) mod costs;
mod disk;
mod error;
mod folder;
#[cfg(fuzzing)]
pub mod fuzz;
mod heal;
mod index;
mod keep;
mod layout;
mod list;
mod queue;
mod recording;
mod remove;
mod retain;
#[cfg(test)]
mod scratch;
mod session;
#[cfg(test)]
mod tests;
mod watch;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::reactor::Timer;
use smol::Task;

use crate::conf::{Config, Record};
use crate::disk::may_be_mounted;
use crate::hub::{EventKind, Interest, Name, Stream, Ticket, Viewer, matches};
use crate::net::{Takers, goes_to};
use crate::session::{Action, Asker, Core, Entrant, Grant, Leave};
use disk::{Disk, Disks};
pub use error::Unready;
use layout::FileLayout;
use recording::{Live, Recording, no_card};
use watch::{CLOSE_DELAY, watch};

/// All recordings.
pub struct Recorder {
    core: Arc<Core>,
    state: Arc<Mutex<State>>,
    /// Watches publishers; started with the first rule.
    watcher: Option<Task<()>>,
}

/// Threads for disks without recordings so far. They end when this is dropped.
pub struct Prepared(Vec<Disk>);

/// The rules, and the current recordings.
#[derive(Default)]
struct State {
    rules: Vec<Arc<Record>>,
    disks: Disks,
    sessions: Vec<Running>,
    /// Recordings that were ended on request, while their publishers stay.
    ended: Vec<Ended>,
    /// The number of recordings that were refused since the last check, and in it.
    left_out: usize,
}

struct Running {
    rule: Arc<Record>,
    recording: Live,
    /// The publisher at the last check.
    of: Option<Ticket>,
    /// The time since which the stream has no publisher.
    left: Option<Instant>,
    /// The task of the session; its file is closed properly when the task is dropped. `None` while the card is
    /// missing.
    task: Option<Task<()>>,
}

/// A recording that was ended on request: it begins again with another publisher.
struct Ended {
    rule: Arc<Record>,
    stream: Name,
    of: Option<Ticket>,
}

/// The prefix of the ids of recordings.
pub(crate) const KIND: &str = "RECORD";
/// The time that the threads have at the end to write all data to the disk.
const END_TIMEOUT: Duration = Duration::from_secs(5);

impl Recorder {
    /// A recorder without recordings.
    pub fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone(), state: Arc::default(), watcher: None }
    }

    /// Prepares for the rules of `config`; nothing changes before `follow`.
    pub fn prepare(&self, config: &Config) -> Result<Prepared, Unready> {
        if let Some((key, fault)) = config.refused_link() {
            return Err(Unready::Link(key, fault));
        }
        let config = config.followed();
        lock(&self.state).disks.prepare(&self.core, &config).map(Prepared)
    }

    /// Applies the current configuration. A recording continues if its rule differs only in what is kept.
    /// Recordings without a rule have ended before others begin.
    pub async fn follow(&mut self, Prepared(disks): Prepared) {
        let config = self.core.config().followed();
        let mut before = lock(&self.state).rules.clone();
        let (mut kept, mut new) = (Vec::new(), Vec::new());
        for wanted in &config.record {
            match before.iter().position(|rule| **rule == *wanted) {
                Some(at) => kept.push(before.swap_remove(at)),
                None => new.push(Arc::new(wanted.clone())),
            }
        }
        let mut replaced = Vec::new();
        new.retain(|wanted| match before.iter().position(|rule| wanted.goes_on_from(rule)) {
            Some(at) => {
                replaced.push((before.swap_remove(at), wanted.clone()));
                false
            }
            None => true,
        });
        kept.extend(replaced.iter().map(|(_, wanted)| wanted.clone()));
        let gone: Vec<_> = {
            let mut state = lock(&self.state);
            // the threads receive all rules at once
            state.rules = kept;
            state.disks.set_changed(false);
            let State { sessions, ended, .. } = &mut *state;
            let ruled = sessions.iter_mut().map(|one| &mut one.rule).chain(ended.iter_mut().map(|one| &mut one.rule));
            for known in ruled {
                if let Some((_, wanted)) = replaced.iter().find(|(rule, _)| Arc::ptr_eq(rule, known)) {
                    *known = wanted.clone();
                }
            }
            let is_gone = |one: &mut Running| before.iter().any(|rule| Arc::ptr_eq(rule, &one.rule));
            state.sessions.extract_if(.., is_gone).collect()
        };
        for task in gone.into_iter().filter_map(|running| running.task) {
            task.cancel().await;
        }
        let mut state = lock(&self.state);
        state.rules.extend(new);
        state.disks.follow(&self.core, &config, disks);
        state.disks.set_changed(true);
        if !config.record.is_empty() {
            let core = &self.core;
            self.watcher.get_or_insert_with(|| {
                let kinds = &[EventKind::Published, EventKind::Unpublished];
                let events = core.hub.events(Interest { name: None, kinds });
                core.executor.spawn(watch(core.clone(), self.state.clone(), events))
            });
        }
        state.look(&self.core);
        drop(state);
        self.core.recorded.tell_changed();
    }

    /// Ends all recordings and closes their files.
    pub async fn stop(self) {
        let Some(watcher) = self.watcher else { return };
        watcher.cancel().await;
        let sessions = std::mem::take(&mut lock(&self.state).sessions);
        let last: Vec<Weak<Recording>> = sessions.iter().map(|running| running.recording.weak()).collect();
        drop(sessions);
        let threads = lock(&self.state).disks.end();
        let end = Instant::now() + END_TIMEOUT;
        // they end when all senders of jobs are dropped
        while !threads.iter().flatten().all(JoinHandle::is_finished) && Instant::now() < end {
            Timer::after(Duration::from_millis(10)).await;
        }
        // recordings with jobs that the disk has not accepted
        last.iter().filter_map(Weak::upgrade).for_each(|recording| recording.end());
    }
}

impl State {
    /// Checks all streams and recordings.
    fn look(&mut self, core: &Arc<Core>) {
        let now = Instant::now();
        self.disks.tell(&self.rules);
        self.note_left(core, now);
        self.sessions.retain(|one| one.left.is_none_or(|left| now.saturating_duration_since(left) < CLOSE_DELAY));
        self.sessions.retain(|one| core.recorded.switches.wants(&one.rule, &one.recording.stream));
        self.let_go(core);
        let begun = core.recorded.switches.take_begun();
        self.ended.retain(|one| !begun.contains(&one.stream));
        self.left_out = core.hub.streams().iter().map(|stream| self.attend(core, stream)).sum();
        core.recorded.leaves_out(self.left_out);
    }

    /// Collects recordings that were ended on request, and forgets those whose publishers have left.
    fn let_go(&mut self, core: &Core) {
        let publisher = |stream: &Name| core.hub.find(stream).and_then(|stream| stream.publisher());
        let ended = self.sessions.extract_if(.., |one| one.task.is_some() && !one.writes());
        self.ended.extend(ended.map(|Running { rule, recording, of, .. }| {
            let stream = recording.stream.clone();
            // a publisher may have got its number behind its event
            Ended { of: of.or_else(|| publisher(&stream)), stream, rule }
        }));
        let Self { rules, ended, .. } = self;
        ended.retain(|one| {
            one.of.is_some()
                && publisher(&one.stream) == one.of
                && rules.iter().any(|rule| Arc::ptr_eq(rule, &one.rule))
                && core.recorded.switches.wants(&one.rule, &one.stream)
        });
    }

    /// Records a published stream by all rules that match. Gives the number of rules whose recording was refused.
    fn attend(&mut self, core: &Arc<Core>, stream: &Stream) -> usize {
        let is_live = stream.is_live();
        let rules = self.rules.clone();
        let switches = &core.recorded.switches;
        let is_of =
            |rule: &Record| matches(&rule.streams, stream.name().as_str()) && switches.wants(rule, stream.name());
        let wanted = rules.iter().filter(|rule| is_live && is_of(rule));
        wanted.filter(|rule| self.record(core, rule, stream).is_none()).count()
    }

    /// Records a published stream by a rule, or lets it wait for its card; `None` if it was refused.
    fn record(&mut self, core: &Arc<Core>, rule: &Arc<Record>, stream: &Stream) -> Option<()> {
        let (name, of) = (stream.name(), stream.publisher());
        if self.ended.iter().any(|one| Arc::ptr_eq(&one.rule, rule) && one.stream == *name && one.of == of) {
            return Some(());
        }
        self.disks.of(rule)?;
        let is_it = |one: &Running| Arc::ptr_eq(&one.rule, rule) && one.recording.stream == *name;
        // it keeps its position: the list is in the order of beginning
        let place = self.sessions.iter().position(is_it);
        let known = place.map(|at| self.sessions.remove(at));
        let (recording, task) = match known {
            Some(Running { recording, task: Some(task), .. }) if !recording.fails() => (recording, Some(task)),
            Some(Running { recording, task, .. }) if is_out(rule) => {
                // another recording may use its place meanwhile
                drop(task);
                (recording, None)
            }
            Some(Running { recording, task, .. }) => {
                let task = task.or_else(|| {
                    self.give_way(core, name);
                    self.begin(core, &recording, self.admit(core, rule, name, Asker::Session(&recording.who()))?)
                });
                (recording, task)
            }
            None if is_out(rule) => {
                self.has_place(core, name, |one| one.task.is_none())?;
                (Live::new(core, rule, name, core.who(KIND).of(name)), None)
            }
            None => {
                self.give_way(core, name);
                let admitted = self.admit(core, rule, name, Asker::Guest(KIND, None))?;
                let recording = Live::new(core, rule, name, admitted.1.who.clone());
                let task = self.begin(core, &recording, admitted);
                (recording, task)
            }
        };
        if task.is_none() && !recording.fails() {
            recording.failed(&no_card());
        }
        let at = place.unwrap_or(usize::MAX).min(self.sessions.len());
        self.sessions.insert(at, Running { rule: rule.clone(), recording, of, left: None, task });
        Some(())
    }

    /// True if a further recording may begin or wait; each has the limit `recording.max`.
    fn has_place(&self, core: &Core, name: &Name, is_like: impl Fn(&Running) -> bool) -> Option<()> {
        let is_full = self.sessions.iter().filter(|one| is_like(one)).count() >= core.config().recording.max;
        if is_full {
            core.recorded.refuse(&core.flood, || core.who(KIND).of(name), &"recording.max is reached");
        }
        (!is_full).then_some(())
    }

    /// Ends the newest recording of an address that publishes more than its share under `connections.per_peer`, if
    /// a stream of another address needs the place.
    fn give_way(&mut self, core: &Core, to: &Name) {
        let config = core.config();
        let takers = |name: &Name| -> Takers { [core.hub.find(name).and_then(|one| one.publisher_peer()), None] };
        let written: Vec<_> = (0..).zip(&self.sessions).filter(|(_, one)| one.writes()).collect();
        let all: Vec<_> = written.iter().map(|(_, one)| takers(&one.recording.stream)).collect();
        if all.len() < config.recording.max {
            return;
        }
        let (most, to) = (config.per_peer_of_few(config.recording.max), takers(to));
        let goes = all.iter().rposition(|one| goes_to(&to, one, &all, most));
        if let Some(at) = goes.and_then(|at| written.get(at)).map(|(at, _)| *at) {
            self.sessions.remove(at);
        }
    }

    fn admit(&self, core: &Core, rule: &Record, name: &Name, asker: Asker<'_>) -> Option<(Viewer, Grant)> {
        self.has_place(core, name, Running::writes)?;
        let entrant = Entrant { asker, seat: None, url: &rule.path };
        let form = FileLayout::of(rule.format).form();
        let admitted = core.admit_player(Leave::own(Action::Play, name), &entrant, form);
        let admitted = admitted.map(|(viewer, grant)| (viewer.from_oldest(), grant));
        let refuse = |why| core.recorded.refuse(&core.flood, || core.who(KIND).of(name), &why);
        admitted.map_err(refuse).ok()
    }

    fn begin(&self, core: &Core, recording: &Live, admitted: (Viewer, Grant)) -> Option<Task<()>> {
        let disk = self.disks.of(&recording.rule)?;
        let session = session::Session::new(&core.recorded, recording.recording(), disk);
        Some(core.executor.spawn(session.run(admitted)))
    }
}

impl Running {
    /// True if it is being written.
    fn writes(&self) -> bool {
        self.task.is_some() && self.recording.has_session()
    }
}

/// True if the rule's card is missing.
fn is_out(rule: &Record) -> bool {
    rule.mounted && !may_be_mounted(Path::new(&rule.path))
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
