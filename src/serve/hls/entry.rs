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
use crate::hub::Unit;
use crate::session::Who;

/// One stream's segments.
pub(super) struct Entry {
    pub(super) state: Mutex<State>,
    /// Dropped with the entry, which ends the collecting.
    pub(super) task: Mutex<Option<Task<()>>>,
    /// Its place on the disk.
    pub(super) shelf: Option<Shelf>,
}

/// The state that the collector, the keeper and requests share.
pub(super) struct State {
    pub(super) who: Who,
    /// Something of the stream has come.
    pub(super) begun: bool,
    pub(super) window: Window,
    pub(super) asked: Instant,
    pub(super) askers: Askers,
    /// The last time that the stream was seen with a publisher.
    pub(super) live: Instant,
    pub(super) ended: bool,
    /// It has given way to another stream.
    pub(super) dismissed: bool,
    /// Requests that wait for the next change, at most one for each client; and the disk.
    waiting: Vec<Waker>,
    clients: usize,
    /// The window's version when they were woken last.
    version: u64,
}

/// A playlist that is shared, unless there is no room for it.
pub(super) type Text = Result<Bytes, OverBudget>;

impl Entry {
    /// One that nobody collects yet.
    pub(super) fn new(state: State, shelf: Option<Shelf>) -> Self {
        Self { state: Mutex::new(state), task: Mutex::default(), shelf }
    }

    /// Somebody asks for it.
    pub(super) fn is_asked(&self, customer: Option<u128>) {
        let state = &mut *lock(&self.state);
        state.asked = Instant::now();
        state.askers.see(customer, state.asked);
    }

    /// Whether there is anything to play.
    pub(super) fn is_playable(&self) -> bool {
        lock(&self.state).window.is_playable()
    }

    /// The playlist, as soon as it has what is asked for; `None` if that is too far ahead.
    pub(super) fn poll_playlist(&self, cx: &Context<'_>, ask: &Ask) -> Poll<Option<Text>> {
        let mut state = lock(&self.state);
        match state.window.answers(ask) {
            Found::Now(()) => Poll::Ready(Some(state.window.playlist(ask.skip))),
            Found::Never => Poll::Ready(None),
            Found::Later => state.wait(cx),
        }
    }

    /// All that is kept, as soon as there is something.
    pub(super) fn poll_record(&self, cx: &Context<'_>) -> Poll<Option<Text>> {
        let mut state = lock(&self.state);
        match state.window.answers(&Ask::default()) {
            Found::Now(()) => Poll::Ready(Some(state.window.record())),
            _ => state.wait(cx),
        }
    }

    /// A file, as soon as it is there; `None` if it is not, and does not come next.
    pub(super) fn poll_file(&self, cx: &Context<'_>, name: &str) -> Poll<Option<File>> {
        let mut state = lock(&self.state);
        match state.window.file(name) {
            Found::Now(file) => Poll::Ready(Some(file)),
            // nobody makes it any more
            Found::Later if !state.dismissed => state.wait(cx),
            Found::Never | Found::Later => Poll::Ready(None),
        }
    }

    /// Whether its collector has given way: what comes is collected by another.
    pub(super) fn is_dismissed(&self) -> bool {
        lock(&self.state).dismissed
    }

    /// Whether a file is on the disk, from where it is served.
    pub(super) fn is_stored(&self, name: &str) -> bool {
        lock(&self.state).window.is_stored(name)
    }

    /// Takes what the stream gives: `told` is whether the log is told of it.
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

impl State {
    /// One of which at most `clients` requests wait at once.
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
        }
    }

    /// Has the task woken by the next change.
    pub(super) fn wait<T>(&mut self, cx: &Context<'_>) -> Poll<T> {
        if !self.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            if self.waiting.len() > self.clients {
                // some have left: those who are still there come again
                self.waiting.drain(..).for_each(Waker::wake);
            }
            self.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Nothing will follow: a later publisher begins a new playlist.
    pub(super) fn end(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            self.window.end();
            self.wake();
        }
    }

    /// Nobody collects any more: requests that wait, or come again, begin anew.
    pub(super) fn dismiss(&mut self) {
        self.dismissed = true;
        self.wake();
    }

    /// The log is told that it ends, if it was told that it began.
    pub(super) fn tell_end(&self) {
        if self.begun && self.who.told {
            log::info!("{} HLS ends", self.who);
        }
    }

    /// Something has changed.
    pub(super) fn wake(&mut self) {
        self.version = self.window.version();
        self.waiting.drain(..).for_each(Waker::wake);
    }
}
