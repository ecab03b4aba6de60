//! One stream's segments, and the requests that wait for more of them.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use smol::Task;

use super::disk::Shelf;
use super::lock;
use super::places::Askers;
use crate::budget::OverBudget;
use crate::hls::{Ask, File, Found, Window};
use crate::hub::{Name, Unit};
use crate::session::{Fact, News, Segment, Who};

/// One stream's segments.
pub(super) struct Entry {
    pub(super) state: Mutex<State>,
    /// Dropped with the entry, which ends the collector.
    pub(super) task: Mutex<Option<Task<()>>>,
    /// Its folder on the disk.
    pub(super) shelf: Option<Shelf>,
}

/// The state that the collector, the keeper and requests share.
pub(super) struct State {
    pub(super) who: Who,
    /// True if the collector has received anything.
    pub(super) begun: bool,
    pub(super) window: Window,
    pub(super) asked: Instant,
    pub(super) askers: Askers,
    /// The last time that the stream had a publisher.
    pub(super) live: Instant,
    pub(super) ended: bool,
    /// True if it has given way to another stream.
    pub(super) dismissed: bool,
    /// The requests that wait for the next change, at most one for each client, and the keeper of the disk.
    waiting: Vec<Waker>,
    clients: usize,
    /// The window's version when they were last woken.
    version: u64,
    /// The number of segments that were told complete, and whether the open one was told.
    told: (u64, bool),
}

/// A shared playlist, or the lack of memory for it.
pub(super) type Text = Result<Bytes, OverBudget>;

impl Entry {
    /// An entry without a collector yet.
    pub(super) fn new(state: State, shelf: Option<Shelf>) -> Self {
        Self { state: Mutex::new(state), task: Mutex::default(), shelf }
    }

    /// Notes a request of a customer.
    pub(super) fn is_asked(&self, customer: Option<u128>) {
        let state = &mut *lock(&self.state);
        state.asked = Instant::now();
        state.askers.see(customer, state.asked);
    }

    /// True if a player can begin.
    pub(super) fn is_playable(&self) -> bool {
        lock(&self.state).window.is_playable()
    }

    /// The playlist, once it contains what the request waits for; `None` if that is too far ahead.
    pub(super) fn poll_playlist(&self, cx: &Context<'_>, ask: &Ask) -> Poll<Option<Text>> {
        let mut state = lock(&self.state);
        match state.window.answers(ask) {
            Found::Now(()) => Poll::Ready(Some(state.window.playlist(ask.skip))),
            Found::Never => Poll::Ready(None),
            Found::Later => state.wait(cx),
        }
    }

    /// The list of all segments, once there is one.
    pub(super) fn poll_record(&self, cx: &Context<'_>) -> Poll<Option<Text>> {
        let mut state = lock(&self.state);
        match state.window.answers(&Ask::default()) {
            Found::Now(()) => Poll::Ready(Some(state.window.record())),
            _ => state.wait(cx),
        }
    }

    /// A file, once it exists; `None` if it does not, and is not the next one.
    pub(super) fn poll_file(&self, cx: &Context<'_>, name: &str) -> Poll<Option<File>> {
        let mut state = lock(&self.state);
        match state.window.file(name) {
            Found::Now(file) => Poll::Ready(Some(file)),
            // a dismissed collector makes no more files
            Found::Later if !state.dismissed => state.wait(cx),
            Found::Never | Found::Later => Poll::Ready(None),
        }
    }

    /// True if its collector was dismissed: another collects further units.
    pub(super) fn is_dismissed(&self) -> bool {
        lock(&self.state).dismissed
    }

    /// True if a file is on the disk, and served from there.
    pub(super) fn is_stored(&self, name: &str) -> bool {
        lock(&self.state).window.is_stored(name)
    }

    /// Adds units of the stream. `told` decides at the first whether the entry is logged.
    pub(super) fn take(&self, units: &[Arc<Unit>], gap: bool, told: impl FnOnce() -> bool) {
        let mut state = lock(&self.state);
        if !std::mem::replace(&mut state.begun, true) {
            state.who.told = told();
            match state.who.told {
                true => log::info!("{} HLS begins", state.who),
                false => state.window.hush(),
            }
        }
        state.window.look(Instant::now(), SystemTime::now());
        if gap {
            state.window.jump();
        }
        units.iter().for_each(|unit| state.window.push(unit));
        if state.window.version() != state.version {
            state.wake();
        }
    }
}

impl Entry {
    /// Tells the segments that are new since it was last asked: each as it begins, and as it is complete.
    pub(super) fn tell(&self, stream: &Name, news: &News) {
        if !news.is_read() {
            return;
        }
        let state = &mut *lock(&self.state);
        let (first, was_begun) = state.told;
        let count = state.window.count();
        for number in first..=count {
            let Some((file, length)) = state.window.segment(number) else { continue };
            let tell = |length| {
                let (stream, file) = (stream.clone(), file.as_str().into());
                news.tell(|| Fact::Segment(Segment { stream, number, file, length }));
            };
            if number > first || !was_begun {
                tell(None);
            }
            if length.is_some() {
                tell(length);
            }
        }
        state.told = (count, state.window.segment(count).is_some());
    }
}

impl State {
    /// A state of which at most `clients` requests wait at once.
    pub(super) fn new(who: Who, window: Window, clients: usize) -> Self {
        let now = Instant::now();
        Self {
            who,
            begun: false,
            window,
            asked: now,
            askers: Askers::default(),
            live: now,
            ended: false,
            dismissed: false,
            waiting: Vec::new(),
            clients,
            version: 0,
            told: (0, false),
        }
    }

    /// Wakes the task at the next change.
    pub(super) fn wait<T>(&mut self, cx: &Context<'_>) -> Poll<T> {
        if !self.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            if self.waiting.len() > self.clients {
                // some were dropped; the others wait again
                self.waiting.drain(..).for_each(Waker::wake);
            }
            self.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Ends the window: a later publisher starts a new playlist.
    pub(super) fn end(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            self.window.end();
            self.wake();
        }
    }

    /// The collector was dismissed: waiting and later requests start another.
    pub(super) fn dismiss(&mut self) {
        self.dismissed = true;
        self.wake();
    }

    /// Logs the end, if the start was logged.
    pub(super) fn tell_end(&self) {
        if self.begun && self.who.told {
            log::info!("{} HLS ends", self.who);
        }
    }

    /// Wakes the requests after a change.
    pub(super) fn wake(&mut self) {
        self.version = self.window.version();
        self.waiting.drain(..).for_each(Waker::wake);
    }
}
