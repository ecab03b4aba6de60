//! Recordings: streams that are written to files. Each disk has threads of its own.
//!
//! A session is a viewer of a stream; it copies units into blocks of a bounded account, and the writer writes them.
//! Frames that a slow disk does not accept in time are not recorded, up to the next key frame. Neither other
//! viewers nor other disks are affected.

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
mod retain;
#[cfg(test)]
mod scratch;
mod session;
#[cfg(test)]
mod tests;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::reactor::Timer;
use smol::Task;
use smol::future::or;

use crate::conf::{Config, Record};
use crate::disk::may_be_mounted;
use crate::hub::{EventKind, Interest, Name, Reader, Stream, Ticket, Viewer, matches};
use crate::net::{Takers, goes_to};
use crate::session::{Action, Asker, Core, Entrant, Grant, Leave};
use disk::{Disk, Disks};
pub use error::Unready;
use layout::FileLayout;
use recording::{Live, Recording, no_card};

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
}

struct Running {
    rule: Arc<Record>,
    recording: Live,
    /// The publisher at the last check.
    of: Option<Ticket>,
    /// The time at which the stream last had a publisher.
    live: Instant,
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
/// The interval between checks for publishers and cards.
const CHECK_INTERVAL: Duration = Duration::from_millis(200);
/// The same while nothing is recorded: needed for threads that have not received the rules.
const IDLE_INTERVAL: Duration = Duration::from_secs(1);
/// The time without a publisher after which a file is closed: a publisher that returns later begins another file.
const CLOSE_DELAY: Duration = Duration::from_secs(1);
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
        self.let_go(core);
        let left_out = core.hub.streams().iter().map(|stream| self.attend(core, stream, now)).sum();
        core.recorded.leaves_out(left_out);
        self.sessions.retain(|running| now.saturating_duration_since(running.live) < CLOSE_DELAY);
    }

    /// Collects recordings that were ended on request, and forgets those whose publishers have left.
    fn let_go(&mut self, core: &Core) {
        let ended = self.sessions.extract_if(.., |one| one.task.as_ref().is_some_and(Task::is_finished));
        self.ended.extend(ended.map(|one| Ended { stream: one.recording.stream.clone(), rule: one.rule, of: one.of }));
        let Self { rules, ended, .. } = self;
        ended.retain(|one| {
            let publisher = core.hub.find(&one.stream).and_then(|stream| stream.publisher());
            one.of.is_some() && publisher == one.of && rules.iter().any(|rule| Arc::ptr_eq(rule, &one.rule))
        });
    }

    /// Records a published stream by all rules that match. Gives the number of rules whose recording was refused.
    fn attend(&mut self, core: &Arc<Core>, stream: &Stream, now: Instant) -> usize {
        let is_live = stream.is_live();
        let rules = self.rules.clone();
        let wanted = rules.iter().filter(|rule| is_live && matches(&rule.streams, stream.name().as_str()));
        wanted.filter(|rule| self.record(core, rule, stream, now).is_none()).count()
    }

    /// Records a published stream by a rule, or lets it wait for its card; `None` if it was refused.
    fn record(&mut self, core: &Arc<Core>, rule: &Arc<Record>, stream: &Stream, now: Instant) -> Option<()> {
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
        self.sessions.insert(at, Running { rule: rule.clone(), recording, of, live: now, task });
        Some(())
    }

    /// Whether a further recording may begin or wait; each has the limit `recording.max`.
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
    /// Whether it is being written.
    fn writes(&self) -> bool {
        self.task.as_ref().is_some_and(|task| !task.is_finished())
    }
}

/// Whether the rule's card is missing.
fn is_out(rule: &Record) -> bool {
    rule.mounted && !may_be_mounted(Path::new(&rule.path))
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins and ends sessions when publishers come and go.
async fn watch(core: Arc<Core>, state: Arc<Mutex<State>>, mut events: Reader) {
    loop {
        let is_idle = lock(&state).sessions.is_empty();
        let look = Instant::now() + if is_idle { IDLE_INTERVAL } else { CHECK_INTERVAL };
        // events may arrive continuously
        while Instant::now() < look {
            let next = std::future::poll_fn(|cx| events.poll_next(cx));
            let due = async {
                Timer::at(look).await;
                None
            };
            // after missed events everything is checked
            let Some(event) = or(next, due).await else { break };
            let is_ours = matches!(event.kind, EventKind::Published | EventKind::Unpublished);
            if is_ours && let Some(stream) = core.hub.find(&event.name) {
                let mut state = lock(&state);
                state.let_go(&core);
                state.attend(&core, &stream, Instant::now());
                if is_idle && !state.sessions.is_empty() {
                    break; // a recording that has begun is checked more often
                }
            }
        }
        lock(&state).look(&core);
    }
}
