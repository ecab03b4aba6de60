//! The streams with segments: they begin at the first request, or in advance, and end without requests.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

use super::super::Server;
use super::collector::{self, Source};
use super::disk::Disk;
use super::entry::{Entry, State};
use super::sessions::HlsSessions;
use super::settings::Settings;
use super::{MAX_WAIT, MUXER, is_live, lock, packing};
use crate::budget::Account;
use crate::conf::Config;
use crate::hls::{Delete, Numbers, Packing, Rules, Window};
use crate::hub::Name;
use crate::session::Refusal;

/// All streams with segments.
pub(in crate::serve) struct Hls {
    pub(super) settings: Mutex<Settings>,
    /// The most streams at once.
    pub(super) streams: usize,
    clients: usize,
    pub(super) account: Account,
    state: Mutex<Entries>,
    /// The first numbers that no earlier playlist has used.
    unused: Mutex<Numbers>,
    /// Live streams that are to be collected in advance, but have no place.
    denied: Mutex<Vec<Name>>,
    /// The sessions of players.
    pub(in crate::serve) sessions: HlsSessions,
    /// Tells if the server stops.
    stopped: AtomicBool,
    /// The folders of streams, if segments are stored on a disk.
    disk: Disk,
}

pub(super) type Entries = HashMap<Name, Arc<Entry>>;

impl Hls {
    /// The segments and sessions are charged to `account`.
    pub(in crate::serve) fn new(config: &Config, account: &Account) -> Self {
        let most = config.viewers.max;
        Self {
            settings: Mutex::new(Settings::of(&config.hls)),
            streams: config.hls.streams,
            clients: config.max_connections(),
            account: account.clone(),
            state: Mutex::default(),
            unused: Mutex::default(),
            denied: Mutex::default(),
            sessions: HlsSessions::new(most, config.per_peer(most), account.clone()),
            stopped: AtomicBool::new(false),
            disk: Disk::new(&config.hls),
        }
    }

    /// Sets the configuration of streams and sessions that begin from here on.
    pub(in crate::serve) fn reload(&self, config: &Config) {
        *lock(&self.settings) = Settings::of(&config.hls);
        self.sessions.set_per_peer(config.per_peer(config.viewers.max));
    }

    /// Does the work of every second.
    pub(in crate::serve) fn tick(&self, server: &Server, now: Instant) {
        self.sweep(server, now);
        self.sessions.sweep(now, server.core.config().hls.session_timeout.0);
    }

    /// The segments of `name`, for a request from the address of `customer`.
    pub(super) fn ask(&self, server: &Server, name: &Name, customer: Option<u128>) -> Result<Arc<Entry>, Refusal> {
        let entry = self.collect(server, name, customer)?;
        entry.is_asked(customer);
        Ok(entry)
    }

    /// The segments of a stream that is being collected.
    pub(super) fn find(&self, name: &Name, customer: Option<u128>) -> Option<Arc<Entry>> {
        let entry = lock(&self.state).get(name).cloned()?;
        entry.is_asked(customer);
        Some(entry)
    }

    /// True if a stream can be played, or will be.
    pub(super) fn plays(&self, server: &Server, name: &Name) -> bool {
        is_live(server, name) || lock(&self.state).get(name).is_some_and(|entry| entry.is_playable())
    }

    /// The number of streams with segments, including those that wait for the first.
    pub(in crate::serve) fn streams(&self) -> usize {
        lock(&self.state).len()
    }

    /// The segments of `name`, collected from now on if they were not before.
    fn collect(&self, server: &Server, name: &Name, customer: Option<u128>) -> Result<Arc<Entry>, Refusal> {
        let mut entries = lock(&self.state);
        if let Some(entry) = entries.get(name).filter(|entry| !entry.is_dismissed()) {
            lock(&entry.state).asked = Instant::now();
            return Ok(entry.clone());
        }
        // a dismissed collector does not count against its own name
        if let Some(gone) = entries.remove(name) {
            self.leave(&gone, &lock(&gone.state), lock(&self.settings).rules.store);
        }
        if entries.len() >= self.streams {
            // names without a publisher do not keep streams out
            entries.retain(|name, entry| entry.is_playable() || is_live(server, name));
        }
        if entries.len() >= self.streams && is_live(server, name) {
            self.give_way(server, &mut entries, name, customer);
        }
        if entries.len() >= self.streams {
            return Err(Refusal::Segments);
        }
        let entry = self.begin(server, name)?;
        entries.insert(name.clone(), entry.clone());
        self.share_out(server, &entries);
        Ok(entry)
    }

    /// Starts to collect the segments of `name`.
    fn begin(&self, server: &Server, name: &Name) -> Result<Arc<Entry>, Refusal> {
        let Settings { rules, packing, .. } = *lock(&self.settings);
        // only the collector learns the final packing, and no player sees this one
        let first = packing.unwrap_or(Packing::Ts);
        let (viewer, grant) = server.core.play(name, MUXER, packing::form(first))?;
        let (viewer, who) = (viewer.from_oldest().giving_way(None), grant.who.clone());
        let account = self.account.child(name.as_str(), self.account.limit());
        let numbers = Numbers::at(SystemTime::now()).max(*lock(&self.unused));
        let (stream, id) = (name.clone(), who.to_string());
        let window = move |packing| {
            Window::new(stream.as_str(), Rules { packing, ..rules }, account.clone(), numbers).known_as(&id)
        };
        let state = State::new(who.clone(), window(first), self.clients);
        let entry = Arc::new(Entry::new(state, self.disk.begins(server, name, rules.store)));
        log::debug!("{who} HLS waits for what is published");
        let source = Source { viewer, _grant: grant, window: Some(window).filter(|_| packing.is_none()) };
        let collecting =
            collector::collect(Arc::downgrade(&entry), source, (server.core.flood.clone(), server.core.teller()));
        *lock(&entry.task) = Some(server.core.executor.spawn(collecting));
        if let Some(shelf) = &entry.shelf {
            shelf.keep(server, &entry, who);
        }
        Ok(entry)
    }

    /// Ends entries without requests or without a publisher; starts those that are collected in advance.
    fn sweep(&self, server: &Server, now: Instant) {
        if self.stopped.load(Relaxed) {
            return;
        }
        let resume = server.core.config().streams.resume.0;
        let settings = *lock(&self.settings);
        let Settings { enable, on_demand, idle, .. } = settings;
        self.disk.tidy(server, settings.rules.store);
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
                // without the viewer the stream can be removed
                lock(&entry.task).take();
            }
            let unasked = now.saturating_duration_since(state.asked);
            let unwatched = unasked >= idle && (on_demand || gone);
            let absent = unasked >= MAX_WAIT && !published && !state.window.is_playable();
            // a publisher after the end needs a new playlist
            let restarted = state.ended && published;
            let keep = !(unwatched || absent || restarted || state.dismissed);
            if !keep {
                self.leave(entry, &state, settings.rules.store);
            }
            keep
        });
        self.share_out(server, &entries);
        drop(entries);
        if enable && !on_demand {
            self.begin_all(server);
        }
    }

    /// Starts live streams. A stream without a place is logged once, and tried again.
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
                    server.core.refused(why.label(), &who, None, format_args!("is refused HLS: {why}"));
                }
            }
        }
    }

    /// Logs the end of an entry, and leaves its folder. `delete` is the present rule for streams.
    pub(super) fn leave(&self, entry: &Entry, state: &State, delete: Option<Delete>) {
        state.tell_end();
        let mut unused = lock(&self.unused);
        *unused = state.window.next_numbers().max(*unused);
        if let Some(shelf) = &entry.shelf {
            shelf.leave(delete);
        }
    }

    /// Stops. Streams whose segments are stored on a disk end, so that readers of the disk see the end.
    pub(in crate::serve) fn stop(&self) {
        self.stopped.store(true, Relaxed);
        for entry in lock(&self.state).values() {
            lock(&entry.task).take();
            let mut state = lock(&entry.state);
            if entry.shelf.as_ref().is_some_and(|shelf| shelf.is_kept()) {
                state.end();
            }
            state.tell_end();
        }
        self.sessions.stop();
    }

    /// True if files of ended streams are not on the disk yet.
    pub(in crate::serve) fn is_storing(&self) -> bool {
        let entries = lock(&self.state);
        entries.values().filter_map(|entry| entry.shelf.as_ref()).any(|shelf| shelf.is_storing())
    }
}
