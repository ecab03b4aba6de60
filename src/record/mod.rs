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
mod pattern;
mod retain;
#[cfg(test)]
mod scratch;
mod session;
mod shape;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::HashMap;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use async_io::Timer;
use smol::Task;

use crate::conf::Record;
use crate::hub::Name;
use crate::serve::Server;
use folder::Busy;
use keep::Keeper;
#[cfg(feature = "files")]
use keep::News;
use shape::Shape;
use writer::{Job, Writer};

/// All that is being recorded.
pub struct Recorder {
    sessions: Arc<Mutex<HashMap<Key, Running>>>,
    watcher: Task<()>,
    /// The one that writes, and the one that keeps.
    threads: [JoinHandle<()>; 2],
}

/// A rule by its number, and a stream.
type Key = (usize, Name);

struct Running {
    /// When the stream was last seen with a publisher.
    live: Instant,
    /// Its file is closed in order when this is dropped.
    _task: Task<()>,
}

/// How often it is looked who publishes.
const LOOK: Duration = Duration::from_millis(200);
/// A file is closed when nobody has published for so long: who comes back begins another.
const GONE: Duration = Duration::from_secs(1);
/// What the threads are given to bring all to the disk in the end.
const LAST_WRITES: Duration = Duration::from_secs(5);

/// Records what the configuration says; nothing if it says nothing.
pub fn start(server: &Arc<Server>) -> Result<Option<Recorder>, String> {
    let config = server.config();
    if config.record.is_empty() {
        return Ok(None);
    }
    let rules: Vec<Arc<Record>> = config.record.iter().cloned().map(Arc::new).collect();
    let sync = config.recording.sync.0;
    let (busy, (keeper, news)) = (Busy::default(), sync_channel(keep::NEWS));
    let kept = Keeper::new(rules.clone(), !sync.is_zero(), &busy);
    #[cfg(feature = "files")]
    {
        let keeper = keeper.clone();
        // what finds no room is told nothing
        server.recorded.set_list(Box::new(move |query, tell| drop(keeper.try_send(News::List(query, tell)))));
    }
    // every block that the account allows, each of which may be all of a file that is
    // begun before it and closed behind it; and some that have none
    let jobs = 3 * (config.recording.memory.0 / session::BLOCK) + 16 * (config.recording.max + 1);
    let (sender, jobs) = sync_channel(jobs);
    let writer = Writer::new(sync, rules.clone(), server.recorded.clone(), busy, keeper);
    let threads =
        [thread("runnel-record", move || writer.run(&jobs))?, thread("runnel-keep", move || kept.run(&news))?];
    let sessions: Arc<Mutex<HashMap<Key, Running>>> = Arc::default();
    let watch = watch(server.clone(), rules, sender, sessions.clone());
    Ok(Some(Recorder { watcher: server.executor.spawn(watch), sessions, threads }))
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, String> {
    let thread = std::thread::Builder::new().name(name.into()).spawn(run);
    thread.map_err(|error| format!("a thread cannot be started: {error}"))
}

impl Recorder {
    /// Closes all files.
    pub async fn stop(self) {
        self.watcher.cancel().await;
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let end = Instant::now() + LAST_WRITES;
        // they end when nobody is left who may give them something to do
        while !self.threads.iter().all(JoinHandle::is_finished) && Instant::now() < end {
            Timer::after(Duration::from_millis(10)).await;
        }
    }
}

/// Begins and ends sessions as publishers come and go.
async fn watch(
    server: Arc<Server>,
    rules: Vec<Arc<Record>>,
    sender: SyncSender<Job>,
    sessions: Arc<Mutex<HashMap<Key, Running>>>,
) {
    loop {
        let now = Timer::after(LOOK).await;
        let streams = server.hub.streams();
        let mut sessions = sessions.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in streams.iter().filter(|stream| stream.is_live()) {
            for (at, rule) in rules.iter().enumerate() {
                if !pattern::matches(&rule.streams, stream.name().as_str()) {
                    continue;
                }
                let key = (at, stream.name().clone());
                if let Some(running) = sessions.get_mut(&key) {
                    running.live = now;
                } else if let Some(task) = begin(&server, at, rule, stream.name(), &sender, sessions.len()) {
                    sessions.insert(key, Running { live: now, _task: task });
                }
            }
        }
        sessions.retain(|_, running| now.saturating_duration_since(running.live) < GONE);
    }
}

fn begin(
    server: &Arc<Server>,
    at: usize,
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
    let session = session::Session::new(server, at, rule.clone(), shape, name.clone(), sender.clone());
    Some(server.executor.spawn(session.run(viewer)))
}
