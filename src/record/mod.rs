//! Recordings: streams that are written to files, by a thread of its own.
//!
//! A session is a viewer of a stream; it copies what it gets into blocks of a bounded
//! account, and the thread writes them. What a slow disk does not take in time is not
//! recorded, up to the next key frame; nobody else notices.

mod folder;
mod heal;
mod index;
mod keep;
#[cfg(feature = "files")]
mod list;
mod retain;
#[cfg(test)]
mod scratch;
mod session;
mod shape;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use async_io::Timer;
use smol::Task;
use smol::future::or;

use crate::conf::{Config, Record};
use crate::hub::{Name, matches};
use crate::serve::Server;
use folder::Busy;
use keep::Keeper;
#[cfg(feature = "files")]
use keep::News;
use shape::Shape;
use writer::{Job, Writer};

/// All that is being recorded.
pub struct Recorder {
    server: Arc<Server>,
    state: Arc<Mutex<State>>,
    /// Once something is to be recorded.
    works: Option<Works>,
}

struct Works {
    watcher: Task<()>,
    sender: SyncSender<Job>,
    /// The one that writes, and the one that keeps.
    threads: [JoinHandle<()>; 2],
}

/// The rules, and the recordings that run.
#[derive(Default)]
struct State {
    rules: Vec<Arc<Record>>,
    /// The threads have not heard of these rules.
    changed: bool,
    sessions: Vec<Running>,
}

struct Running {
    rule: Arc<Record>,
    name: Name,
    /// When the stream was last seen with a publisher.
    live: Instant,
    /// Its file is closed in order when this is dropped.
    task: Task<()>,
}

/// How often it is looked who publishes still.
const LOOK: Duration = Duration::from_millis(200);
/// A file is closed when nobody has published for so long: who comes back begins another.
const GONE: Duration = Duration::from_secs(1);
/// The time that the threads have to bring all to the disk in the end.
const LAST_WRITES: Duration = Duration::from_secs(5);

impl Recorder {
    /// One that records nothing yet.
    pub fn new(server: &Arc<Server>) -> Self {
        Self { server: server.clone(), state: Arc::default(), works: None }
    }

    /// Makes ready for what `config` asks for.
    pub fn prepare(&mut self, config: &Config) -> Result<(), String> {
        if config.record.is_empty() || self.works.is_some() {
            return Ok(());
        }
        let server = &self.server;
        let sync = config.recording.sync.0;
        let (busy, (keeper, news)) = (Busy::default(), sync_channel(keep::NEWS));
        let kept = Keeper::new(!sync.is_zero(), busy.clone());
        // every block that the account allows, each of which may be all of a file that is
        // begun before it and closed behind it; and some that have none
        let jobs = 3 * (config.recording.memory.0 / session::BLOCK) + 16 * (config.recording.max + 1);
        let (sender, jobs) = sync_channel(jobs);
        let writer = Writer::new(sync, server.recorded.clone(), busy, keeper.clone());
        let threads =
            [thread("runnel-record", move || writer.run(&jobs))?, thread("runnel-keep", move || kept.run(&news))?];
        #[cfg(feature = "files")]
        // what finds no room is told nothing
        server.recorded.set_list(Box::new(move |query, tell| drop(keeper.try_send(News::List(query, tell)))));
        let watcher = server.executor.spawn(watch(server.clone(), self.state.clone(), sender.clone()));
        self.works = Some(Works { watcher, sender, threads });
        Ok(())
    }

    /// Records what the configuration says now: what is the same but for what is kept goes on
    /// untouched, and what is gone has ended before others begin.
    pub async fn follow(&self) {
        let config = self.server.config();
        let mut before = lock(&self.state).rules.clone();
        let (mut kept, mut new) = (Vec::new(), Vec::new());
        for (at, wanted) in config.record.iter().enumerate() {
            match before.iter().position(|rule| **rule == *wanted) {
                Some(at) => kept.push(before.swap_remove(at)),
                None => {
                    if let Some((key, words)) = wanted.hint() {
                        log::warn!("record[{at}].{key} {words}");
                    }
                    new.push(Arc::new(wanted.clone()));
                }
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
            // the threads hear of all rules at once
            (state.rules, state.changed) = (kept, false);
            for running in &mut state.sessions {
                let mut replaced = replaced.iter();
                if let Some((_, wanted)) = replaced.find(|(rule, _)| Arc::ptr_eq(rule, &running.rule)) {
                    running.rule = wanted.clone();
                }
            }
            let is_gone = |one: &mut Running| before.iter().any(|rule| Arc::ptr_eq(rule, &one.rule));
            state.sessions.extract_if(.., is_gone).collect()
        };
        for running in gone {
            running.task.cancel().await;
        }
        let mut state = lock(&self.state);
        state.rules.extend(new);
        state.changed = true;
        if let Some(works) = &self.works {
            state.tell(&works.sender);
        }
    }

    /// Closes all files.
    pub async fn stop(self) {
        let Some(Works { watcher, sender, threads }) = self.works else { return };
        watcher.cancel().await;
        lock(&self.state).sessions.clear();
        drop(sender);
        let end = Instant::now() + LAST_WRITES;
        // they end when nobody is left who may give them something to do
        while !threads.iter().all(JoinHandle::is_finished) && Instant::now() < end {
            Timer::after(Duration::from_millis(10)).await;
        }
    }
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, String> {
    let thread = std::thread::Builder::new().name(name.into()).spawn(run);
    thread.map_err(|error| format!("a thread cannot be started: {error}"))
}

impl State {
    /// Has the threads hear of the rules; while the disk has too much to do, later.
    fn tell(&mut self, sender: &SyncSender<Job>) {
        self.changed = self.changed && sender.try_send(Job::Rules(self.rules.clone())).is_err();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins and ends sessions as publishers come and go.
async fn watch(server: Arc<Server>, state: Arc<Mutex<State>>, sender: SyncSender<Job>) {
    let mut seen = 0;
    loop {
        let begun = std::future::poll_fn(|cx| server.hub.poll_begun(cx, &mut seen));
        or(begun, async { _ = Timer::after(LOOK).await }).await;
        let (now, streams) = (Instant::now(), server.hub.streams());
        let mut state = lock(&state);
        state.tell(&sender);
        let State { rules, sessions, .. } = &mut *state;
        for stream in streams.iter().filter(|stream| stream.is_live()) {
            let name = stream.name();
            for rule in rules.iter().filter(|rule| matches(&rule.streams, name.as_str())) {
                let mut running = sessions.iter_mut();
                if let Some(running) = running.find(|one| Arc::ptr_eq(&one.rule, rule) && one.name == *name) {
                    running.live = now;
                } else if let Some(task) = begin(&server, rule, name, &sender, sessions.len()) {
                    sessions.push(Running { rule: rule.clone(), name: name.clone(), live: now, task });
                }
            }
        }
        sessions.retain(|running| now.saturating_duration_since(running.live) < GONE);
    }
}

fn begin(
    server: &Arc<Server>,
    rule: &Arc<Record>,
    name: &Name,
    sender: &SyncSender<Job>,
    running: usize,
) -> Option<Task<()>> {
    if running >= server.config().recording.max {
        server.recorded.refuse(name, &"recording.max is reached");
        return None;
    }
    let shape = Shape::of(rule.format);
    let viewer = server.hub.play(name, shape.form());
    let viewer = viewer.map_err(|refused| server.recorded.refuse(name, &refused)).ok()?.from_oldest();
    let session = session::Session::new(server, rule.clone(), shape, name.clone(), sender.clone());
    Some(server.executor.spawn(session.run(viewer)))
}
