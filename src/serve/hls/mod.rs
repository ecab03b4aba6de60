//! HLS: one collector for each stream that somebody asks for, and the answers
//! to those who ask.

#[cfg(feature = "record")]
mod kept;
mod packing;
mod places;
mod sessions;
mod shares;
#[cfg(feature = "record")]
mod store;
#[cfg(feature = "record")]
mod tidy;

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use smol::Task;

pub(super) use sessions::HlsSessions;

use super::Server;
use crate::budget::{Account, OverBudget};
use crate::conf;
#[cfg(feature = "record")]
use crate::hls::Unstored;
use crate::hls::{Ask, Delete, File, Found, Numbers, Packing, Rules, Window};
use crate::hub::{Name, Next, Step, Unit, Viewer};
use crate::session::{Flood, Grant, Refusal, Who};

/// All streams that have segments.
pub(super) struct Hls {
    settings: Mutex<Settings>,
    /// The most streams at once.
    streams: usize,
    clients: usize,
    account: Account,
    state: Mutex<Entries>,
    /// The first numbers that no playlist that is over has had.
    unused: Mutex<Numbers>,
    /// Live streams that were to have segments before anybody asks, and have no place.
    denied: Mutex<Vec<Name>>,
    /// Nothing begins or goes any more.
    stopped: AtomicBool,
    /// The folders of streams, if segments go to a disk.
    #[cfg(feature = "record")]
    store: Option<Arc<tidy::Tidy>>,
}

type Entries = HashMap<Name, Arc<Entry>>;

/// The settings that may change while the server runs.
#[derive(Clone, Copy)]
struct Settings {
    enable: bool,
    on_demand: bool,
    rules: Rules,
    /// `None` where the stream's tracks decide.
    packing: Option<Packing>,
    idle: Duration,
    /// A player that asks for nothing for so long is gone.
    absence: Duration,
}

impl Settings {
    fn of(config: &conf::Hls) -> Self {
        let rules = Rules {
            target: config.segment.0,
            listed: config.segments,
            start: config.start as u64,
            record: config.record,
            part: Some(config.part.0).filter(|part| !part.is_zero()),
            packing: Packing::Ts,
            store: config.store.0.as_ref().map(|_| match config.delete {
                conf::Delete::Never => Delete::Never,
                conf::Delete::End => Delete::End,
                conf::Delete::Soon => Delete::Soon,
            }),
        };
        let packing = match config.format {
            conf::Segments::Auto => None,
            conf::Segments::Ts => Some(Packing::Ts),
            conf::Segments::Fmp4 => Some(Packing::Mp4),
        };
        Self {
            enable: config.enable,
            on_demand: config.on_demand,
            rules,
            packing,
            idle: config.idle.0,
            absence: config.session_timeout.0,
        }
    }
}

/// One stream's segments.
pub(super) struct Entry {
    state: Mutex<State>,
    /// Dropped with the entry, which ends the collecting.
    task: Mutex<Option<Task<()>>>,
    /// The same for the files that go to the disk.
    #[cfg(feature = "record")]
    keeper: Mutex<Option<Task<()>>>,
    /// Its place on the disk.
    #[cfg(feature = "record")]
    folder: Option<tidy::Seat>,
}

struct State {
    who: Who,
    /// Something of the stream has come.
    begun: bool,
    window: Window,
    asked: Instant,
    askers: places::Askers,
    /// The last time that the stream was seen with a publisher.
    live: Instant,
    ended: bool,
    /// It has given way to another stream.
    dismissed: bool,
    /// Requests that wait for the next change, at most one for each client; and the disk.
    waiting: Vec<Waker>,
    clients: usize,
    /// The window's version when they were woken last.
    version: u64,
}

/// A playlist that is shared, unless there is no room for it.
pub(super) type Text = Result<Bytes, OverBudget>;

/// The words that ids begin with: of what makes a stream's segments, and of players.
pub(crate) const SESSIONS: [&str; 2] = [MUXER, PLAYER];
const MUXER: &str = "HLSMUXER";
pub(super) const PLAYER: &str = "HLSSUB";
/// The most that a collector takes at once.
const STEP: Step = Step { units: 64, bytes: 256 << 10 };
/// The longest that a request waits for a stream's first segment.
pub(super) const HOLD: Duration = Duration::from_secs(10);

impl Hls {
    /// At most `clients` connections ask.
    pub(super) fn new(config: &conf::Hls, account: Account, clients: usize) -> Self {
        Self {
            settings: Mutex::new(Settings::of(config)),
            streams: config.streams,
            clients,
            account,
            state: Mutex::default(),
            unused: Mutex::default(),
            denied: Mutex::default(),
            stopped: AtomicBool::new(false),
            #[cfg(feature = "record")]
            store: config.store.0.clone().map(tidy::Tidy::new),
        }
    }

    /// Streams that are collected from here on are collected by `config`.
    pub(super) fn reload(&self, config: &conf::Hls) {
        *lock(&self.settings) = Settings::of(config);
    }

    /// The segments of `name`, for somebody at the address of `customer`.
    pub(super) fn ask(&self, server: &Server, name: &Name, customer: Option<u128>) -> Result<Arc<Entry>, Refusal> {
        let entry = self.collect(server, name, customer)?;
        lock(&entry.state).is_asked(customer);
        Ok(entry)
    }

    /// The segments of `name`, collected from now on if they were not before.
    fn collect(&self, server: &Server, name: &Name, customer: Option<u128>) -> Result<Arc<Entry>, Refusal> {
        let now = Instant::now();
        let mut entries = lock(&self.state);
        if let Some(entry) = entries.get(name).filter(|entry| !entry.is_dismissed()) {
            lock(&entry.state).asked = now;
            return Ok(entry.clone());
        }
        let Settings { rules, packing, .. } = *lock(&self.settings);
        // it keeps none of its own name out
        if let Some(gone) = entries.remove(name) {
            self.leave(name, &gone, &lock(&gone.state), rules.store);
        }
        if entries.len() >= self.streams {
            // a name that nobody publishes keeps no stream out
            entries.retain(|name, entry| lock(&entry.state).window.is_playable() || is_live(server, name));
        }
        if entries.len() >= self.streams && is_live(server, name) {
            self.give_way(server, &mut entries, name, customer);
        }
        if entries.len() >= self.streams {
            return Err(Refusal::Segments);
        }
        // only the collector knows which it will be, and no player sees it before
        let first = packing.unwrap_or(Packing::Ts);
        let (viewer, grant) = server.core.play(name, MUXER, packing::form(first))?;
        let (viewer, who) = (viewer.from_oldest().giving_way(None), grant.who.clone());
        let account = self.account.child(name.as_str(), self.account.limit());
        let numbers = Numbers::at(SystemTime::now()).max(*lock(&self.unused));
        let stream = name.clone();
        let id = who.to_string();
        let window = move |packing| {
            Window::new(stream.as_str(), Rules { packing, ..rules }, account.clone(), numbers).known_as(&id)
        };
        let state = State {
            who: who.clone(),
            begun: false,
            window: window(first),
            asked: now,
            askers: places::Askers::default(),
            live: now,
            ended: false,
            dismissed: false,
            waiting: Vec::new(),
            clients: self.clients,
            version: 0,
        };
        let entry = Arc::new(Entry {
            state: Mutex::new(state),
            task: Mutex::default(),
            #[cfg(feature = "record")]
            keeper: Mutex::default(),
            #[cfg(feature = "record")]
            folder: self.folder(server, name, rules.store),
        });
        log::debug!("{who} HLS waits for what is published");
        let window = Some(window).filter(|_| packing.is_none());
        let task = server.core.executor.spawn(collect(
            Arc::downgrade(&entry),
            (viewer, grant),
            window,
            server.core.flood.clone(),
        ));
        *lock(&entry.task) = Some(task);
        #[cfg(feature = "record")]
        if let Some(seat) = &entry.folder {
            let keep = store::keep(Arc::downgrade(&entry), who.clone(), seat.folder.clone());
            *lock(&entry.keeper) = Some(server.core.executor.spawn(keep));
        }
        entries.insert(name.clone(), entry.clone());
        self.share_out(server, &entries);
        Ok(entry)
    }

    /// Ends entries that nobody asks for, or that have no publisher any more; begins those that are to
    /// be there before anybody asks.
    pub(super) fn sweep(&self, server: &Server, now: Instant) {
        if self.stopped.load(Relaxed) {
            return;
        }
        let resume = server.core.config().streams.resume.0;
        let settings = *lock(&self.settings);
        let Settings { enable, on_demand, idle, .. } = settings;
        #[cfg(feature = "record")]
        self.tidy(server, settings.rules.store);
        let mut entries = lock(&self.state);
        entries.retain(|name, entry| {
            let mut state = lock(&entry.state);
            let published = is_live(server, name);
            if published {
                state.live = now;
            }
            let gone = now.saturating_duration_since(state.live) >= resume;
            if gone && !state.ended && state.begun {
                state.end();
                // the viewer goes, so that the stream can be forgotten
                lock(&entry.task).take();
            }
            let unasked = now.saturating_duration_since(state.asked);
            let unwatched = unasked >= idle && (on_demand || gone);
            let absent = unasked >= HOLD && !published && !state.window.is_playable();
            // a publisher that comes after the end begins a new playlist
            let restarted = state.ended && published;
            let keep = !(unwatched || absent || restarted || state.dismissed);
            if !keep {
                self.leave(name, entry, &state, settings.rules.store);
            }
            keep
        });
        self.share_out(server, &entries);
        drop(entries);
        if enable && !on_demand {
            self.begin_all(server);
        }
    }

    /// Begins streams that are live. A stream for which there is no place is told of once, and tried again.
    fn begin_all(&self, server: &Server) {
        let live: Vec<_> = server.core.hub.streams().into_iter().filter(|stream| stream.is_live()).collect();
        let mut denied = lock(&self.denied);
        denied.retain(|name| live.iter().any(|stream| stream.name() == name));
        for name in live.iter().map(|stream| stream.name()) {
            match self.collect(server, name, None) {
                Ok(_) => denied.retain(|one| one != name),
                Err(_) if denied.contains(name) => {}
                Err(why) => {
                    denied.push(name.clone());
                    let who = server.core.who(MUXER).of(name);
                    server.core.refused(why.label(), &who, format_args!("is refused HLS: {why}"));
                }
            }
        }
    }

    /// Sees to the log and the disk for an entry that goes. `delete` is the rule for streams by now.
    #[cfg_attr(not(feature = "record"), allow(unused_variables, reason = "segments are in memory alone"))]
    fn leave(&self, name: &Name, entry: &Entry, state: &State, delete: Option<Delete>) {
        if state.begun && state.who.told {
            log::info!("{} HLS ends", state.who);
        }
        let mut unused = lock(&self.unused);
        *unused = state.window.next_numbers().max(*unused);
        #[cfg(feature = "record")]
        if let (Some(seat), Some(store)) = (&entry.folder, &self.store) {
            let keeper = lock(&entry.keeper).take();
            let is_told = keeper.is_none_or(|keeper| keeper.is_finished());
            // as it was when the stream began, unless all is to be kept by now
            if seat.folder.is_cleared() && delete != Some(Delete::Never) {
                store.ends(name, seat.folder.delete);
            } else if !is_told && seat.folder.ward.is_used() {
                store.ends(name, Delete::Never);
            }
        }
    }

    /// The server ends. Streams whose segments go to a disk are over, as those are told who read
    /// them there.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Relaxed);
        for entry in lock(&self.state).values() {
            lock(&entry.task).take();
            #[cfg_attr(not(feature = "record"), allow(unused_mut, reason = "no disk is to have its end"))]
            let mut state = lock(&entry.state);
            #[cfg(feature = "record")]
            if lock(&entry.keeper).is_some() {
                state.end();
            }
            if state.begun && state.who.told {
                log::info!("{} HLS ends", state.who);
            }
        }
    }

    /// Whether a disk has yet to take the last of streams that are over.
    pub(super) fn is_storing(&self) -> bool {
        #[cfg(feature = "record")]
        return lock(&self.state).values().any(|entry| {
            let keeper = lock(&entry.keeper);
            keeper.as_ref().is_some_and(|keeper| !keeper.is_finished())
        });
        #[cfg(not(feature = "record"))]
        false
    }

    /// The folder for a stream's segments.
    #[cfg(feature = "record")]
    fn folder(&self, server: &Server, name: &Name, delete: Option<Delete>) -> Option<tidy::Seat> {
        Some(self.store.as_ref()?.begins(name, delete?, store::syncs(&server.core.config())))
    }

    /// The leftovers of streams are looked at beside all else.
    #[cfg(feature = "record")]
    fn tidy(&self, server: &Server, delete: Option<Delete>) {
        if let (Some(store), Some(delete)) = (&self.store, delete)
            && store.follow(delete, store::syncs(&server.core.config()))
        {
            server.core.executor.spawn(store.clone().run()).detach();
        }
    }

    /// The segments of a stream that is being collected.
    pub(super) fn find(&self, name: &Name, customer: Option<u128>) -> Option<Arc<Entry>> {
        let entry = lock(&self.state).get(name).cloned()?;
        lock(&entry.state).is_asked(customer);
        Some(entry)
    }

    /// Whether there is or will be something of a stream to play.
    pub(super) fn plays(&self, server: &Server, name: &Name) -> bool {
        is_live(server, name) || lock(&self.state).get(name).is_some_and(|entry| entry.is_playable())
    }

    /// Streams that have segments, and those whose first one is waited for.
    pub(super) fn streams(&self) -> usize {
        lock(&self.state).len()
    }
}

impl Entry {
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

    /// Whether there is a file of that name, or will be soon.
    #[cfg(feature = "record")]
    pub(super) fn has(&self, name: &str) -> bool {
        !matches!(lock(&self.state).window.file(name), Found::Never)
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
    #[cfg(feature = "record")]
    pub(super) fn is_stored(&self, name: &str) -> bool {
        lock(&self.state).window.is_stored(name)
    }

    /// The next file for the disk; `None` if it has all that there will ever be.
    #[cfg(feature = "record")]
    fn poll_unstored(&self, cx: &Context<'_>) -> Poll<Option<Unstored>> {
        let mut state = lock(&self.state);
        match state.window.unstored() {
            None if !state.ended => state.wait(cx),
            next => Poll::Ready(next),
        }
    }

    /// The disk has taken a file, or has not: the playlist that is to stand there now,
    /// unless more is to come before, and files that are to go.
    #[cfg(feature = "record")]
    fn stored(&self, name: Option<&String>) -> (Option<Bytes>, Vec<String>) {
        let mut state = lock(&self.state);
        if let Some(name) = name {
            state.window.stored(name);
        }
        let is_all = (name.is_some() || state.ended) && state.window.unstored().is_none();
        // one that finds no room now is written with the next segment
        let playlist = if is_all { state.window.stored_playlist().ok() } else { None };
        (playlist, state.window.take_gone())
    }

    /// Takes what the stream gives: `told` is whether the log is told of it.
    fn take(&self, units: &[Arc<Unit>], gap: bool, told: impl FnOnce() -> bool) {
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
    fn is_asked(&mut self, customer: Option<u128>) {
        self.asked = Instant::now();
        self.askers.see(customer, self.asked);
    }

    fn wait<T>(&mut self, cx: &Context<'_>) -> Poll<T> {
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
    fn end(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            self.window.end();
            self.wake();
        }
    }

    /// Nobody collects any more: requests that wait, or come again, begin anew.
    fn dismiss(&mut self) {
        self.dismissed = true;
        self.wake();
    }

    fn wake(&mut self) {
        self.version = self.window.version();
        self.waiting.drain(..).for_each(Waker::wake);
    }
}

/// Takes what the stream gives, until the entry is gone. If there is `window`, the tracks decide
/// the packing of segments, and it makes an empty window of that packing.
async fn collect(
    entry: Weak<Entry>,
    (mut viewer, _grant): (Viewer, Grant),
    window: Option<impl Fn(Packing) -> Window>,
    flood: Arc<Flood>,
) {
    let mut units = Vec::new();
    let mut chosen = None;
    if let Some(window) = window {
        let tracks = std::future::poll_fn(|cx| match viewer.poll_tracks(cx) {
            Poll::Pending if viewer.is_dismissed() => Poll::Ready(None),
            tracks => tracks.map(Some),
        });
        let Some(tracks) = tracks.await else { return dismiss(&entry) };
        let packing = packing::suited(&tracks);
        viewer.pack_as(packing::form(packing));
        let Some(entry) = entry.upgrade() else { return };
        lock(&entry.state).window = window(packing);
        chosen = Some((packing, tracks));
    }
    loop {
        // a new head is one of the units, and becomes a map
        let next = std::future::poll_fn(|cx| viewer.poll_next(cx, &mut units, STEP)).await;
        if matches!(next, Next::Dismissed(_)) {
            return dismiss(&entry);
        }
        let Some(entry) = entry.upgrade() else { return };
        let gap = viewer.take_gap();
        let told = || !viewer.stream().is_hushed() && flood.passes_session(Ipv4Addr::UNSPECIFIED.into());
        entry.take(&units, gap, told);
        viewer.sent(units.iter().map(|unit| unit.packed.len()).sum());
        units.clear();
        // the end of what was published is played from segments, after it
        viewer.stay();
        if let Some((packing, known)) = &mut chosen
            && !Arc::ptr_eq(known, viewer.tracks())
        {
            *known = viewer.tracks().clone();
            if packing::is_lost(*packing, known) {
                let mut state = lock(&entry.state);
                let level = if state.who.told { log::Level::Info } else { log::Level::Debug };
                log::log!(level, "{} HLS: its tracks are no longer those of MPEG-TS: a new playlist", state.who);
                return state.end();
            }
        }
        drop(entry);
        smol::future::yield_now().await;
    }
}

/// The collector is sent away: requests that wait, or come again, begin anew.
fn dismiss(entry: &Weak<Entry>) {
    if let Some(entry) = entry.upgrade() {
        lock(&entry.state).dismiss();
    }
}

fn is_live(server: &Server, name: &Name) -> bool {
    server.core.hub.find(name).is_some_and(|stream| stream.is_live())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
