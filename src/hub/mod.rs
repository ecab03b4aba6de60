//! The meeting place of publishers and viewers: streams by name, their rings and cursors.

mod clock;
mod echo;
mod events;
mod form;
mod frames;
mod gauges;
mod hold;
mod keyless;
mod name;
mod occupant;
mod pace;
mod pattern;
mod publisher;
mod pulse;
mod ring;
mod session;
mod silence;
mod stats;
mod still;
mod stream;
mod timeline;
mod viewer;
mod waiting;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

pub use echo::Feed;
pub use events::{Event, EventKind, Interest, Reader};
pub use form::Unit;
pub use frames::{FRAMES, Frames, Read, ReadFrame};
pub use gauges::{Gauges, Progress};
pub use hold::{Dismissal, Pressed};
pub use name::{InvalidName, Name};
pub use pattern::{have_common, is_pattern, matches};
pub use publisher::{Doubt, EvictingRoom, Lost, Publisher};
pub use pulse::{Pulse, SECONDS};
pub use session::{SessionId, Ticket};
pub use stats::{FormStats, SessionStats, StreamStats, Traffic, Waits};
pub use still::{NoStill, Still};
pub use stream::Stream;
pub use viewer::{Next, Step, Viewer};
pub use waiting::{Guest, Waiting, first_to_go};

use crate::budget::{Account, OverBudget};
use crate::container::Form;
use crate::media::Wall;

/// The treatment of a second publisher with the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// It is refused.
    Refuse,
    /// It replaces the first.
    Replace,
}

/// The numbers that bound a hub.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Streams at once.
    pub streams: usize,
    /// Viewers of all streams at once.
    pub viewers: usize,
    /// The most memory of each stream in bytes: its ring, input in progress, packed units.
    pub stream_memory: usize,
    /// The largest frame in bytes.
    pub max_frame: usize,
    /// The least number of groups of pictures to keep, the current one included.
    pub gops: usize,
    /// The treatment of a second publisher.
    pub conflict: Conflict,
    /// True if streams with pictures alone get a silent audio track.
    pub silent_audio: bool,
    /// The time that a stream without viewers is kept after its publisher has left.
    pub resume: Duration,
    /// The longest time that frames may wait to be sent together.
    pub latency: Duration,
}

/// The reason why a request to publish or to play is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The name has a publisher.
    Taken,
    /// `streams.max` is reached.
    Streams,
    /// `viewers.max` is reached.
    Viewers,
    /// The limit `connections.per_peer` of its address is reached.
    Peer,
    /// The budget has no room.
    Memory(OverBudget),
}

/// All streams.
pub struct Hub {
    limits: RwLock<Limits>,
    account: Account,
    state: Mutex<State>,
    sessions: pace::Sessions,
    events: Arc<events::Events>,
}

#[derive(Default)]
struct State {
    streams: HashMap<Name, Arc<Stream>>,
    /// The traffic of streams that were removed.
    past: Traffic,
}

impl Hub {
    /// A hub whose streams are charged to `account`.
    pub fn new(limits: Limits, account: Account) -> Arc<Self> {
        Arc::new(Self {
            limits: RwLock::new(limits),
            account,
            state: Mutex::default(),
            sessions: pace::Sessions::default(),
            events: Arc::default(),
        })
    }

    /// Sets new limits for publishers and viewers that begin from here on.
    pub fn set_limits(&self, limits: Limits) {
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    fn limits(&self) -> Limits {
        *self.limits.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the caller the publisher of `name`; `who` is its session in the log.
    pub fn publish(self: &Arc<Self>, name: &Name, who: &str, now: Instant) -> Result<Publisher, Refused> {
        let mut state = self.lock();
        let others = state.streams.values().filter(|stream| stream.name() != name);
        if others.filter(|stream| stream.is_occupied()).count() >= self.limits().streams {
            return Err(Refused::Streams);
        }
        let stream = self.stream(&mut state, name)?;
        // before the lock is released, so that the count includes it
        let publisher = Publisher::join(self.clone(), stream, who, now)?;
        drop(state);
        self.events.tell(name, EventKind::Published);
        Ok(publisher)
    }

    /// A reader of the events of all streams from now on, woken for those of interest. A task that needs a stream from
    /// the first frame on receives the publisher's event before that frame.
    pub fn events(&self, interest: Interest) -> Reader {
        self.events.reader(interest)
    }

    /// Makes the caller a viewer of `name`, with or without a publisher.
    pub fn play(self: &Arc<Self>, name: &Name, form: &'static Form) -> Result<Viewer, Refused> {
        while !self.sessions.viewer_joins(self.limits().viewers) {
            let plays = self.find(name).is_some_and(|stream| stream.is_live());
            if !plays || !self.dismiss(false) {
                return Err(Refused::Viewers);
            }
        }
        let stream = self.stream(&mut self.lock(), name).inspect_err(|_| self.sessions.viewer_leaves())?;
        Ok(Viewer::join(self.clone(), stream, form, false))
    }

    /// Makes the caller a sender of the stream to viewers that have places themselves; it takes no place.
    pub fn cast(self: &Arc<Self>, name: &Name, form: &'static Form) -> Result<Viewer, Refused> {
        let stream = self.stream(&mut self.lock(), name)?;
        Ok(Viewer::join(self.clone(), stream, form, true))
    }

    /// The stream of that name, if there is one.
    pub fn find(&self, name: &Name) -> Option<Arc<Stream>> {
        self.lock().streams.get(name).cloned()
    }

    /// All streams, in no order.
    pub fn streams(&self) -> Vec<Arc<Stream>> {
        self.lock().streams.values().cloned().collect()
    }

    /// The number of streams, used or not.
    pub fn known(&self) -> usize {
        self.lock().streams.len()
    }

    /// The account that the streams' memory is charged to.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The traffic of all streams since the start.
    pub fn traffic(&self) -> Traffic {
        let state = self.lock();
        state.streams.values().fold(state.past, |sum, stream| sum + stream.stats().traffic)
    }

    /// Removes streams that were not used for a while.
    pub fn sweep(&self, now: Instant) {
        let resume = self.limits().resume;
        let mut state = self.lock();
        state.streams.values().for_each(|stream| stream.drop_leftovers(now));
        state.forget(|stream| stream.is_idle(now, resume));
    }

    /// Passes the time of day to all streams.
    pub fn time_of_day(&self, wall: Wall) {
        for stream in self.lock().streams.values() {
            stream.time_of_day(wall);
        }
    }

    /// The time that frames gather before they are sent, for the present number of sessions.
    pub fn pace(&self) -> Duration {
        self.sessions.pace(self.limits().latency)
    }

    /// The stream of that name, created if there is none. A name that is only requested costs a little memory, so the
    /// number of names is bounded too.
    fn stream(&self, state: &mut State, name: &Name) -> Result<Arc<Stream>, Refused> {
        if let Some(stream) = state.streams.get(name) {
            return Ok(stream.clone());
        }
        let limits = self.limits();
        let most = limits.streams + limits.viewers;
        if state.streams.len() >= most {
            state.forget(|stream| !stream.is_occupied());
        }
        if state.streams.len() >= most {
            return Err(Refused::Streams);
        }
        let account = self.account.child(name.as_str(), limits.stream_memory);
        let stream = Arc::new(Stream::new(name.clone(), account, limits));
        state.streams.insert(name.clone(), stream.clone());
        Ok(stream)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    /// Removes the streams that are not referenced and that `may_go`.
    fn forget(&mut self, may_go: impl Fn(&Stream) -> bool) {
        let Self { streams, past, .. } = self;
        streams.retain(|name, stream| {
            // no other thread can get it while the map is locked
            let goes = Arc::strong_count(stream) == 1 && may_go(stream);
            if goes {
                log::debug!("stream={name} is forgotten");
                *past = *past + stream.stats().traffic;
            }
            !goes
        });
    }
}

/// A panic of another thread leaves a consistent state: every change is complete before the lock is released.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Refused {
    /// One word: the label in the metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Streams => "streams",
            Self::Viewers => "viewers",
            Self::Peer => "peer",
            Self::Memory(_) => "memory",
        }
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Taken => f.write_str("the stream has a publisher already"),
            Self::Streams => f.write_str("no more streams: streams.max is reached"),
            Self::Viewers => f.write_str("no more viewers: viewers.max is reached"),
            Self::Peer => f.write_str("this address has all that connections.per_peer leaves it"),
            Self::Memory(refusal) => refusal.fmt(f),
        }
    }
}

impl std::error::Error for Refused {}
