//! The list of sessions that publish and play, by which each can be ended. Readers of the news learn of each
//! beginning and each end here, in the order of the list.

use std::collections::{BTreeMap, btree_map};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::core::{Core, time_of_day};
use super::news::{Fact, News, NewsReader, SessionNews};
use super::rates::Rate;
use super::who::Who;
use crate::budget::Key::Count;
use crate::conf::Cost;
use crate::hub::{Name, SessionId, SessionStats, Ticket, Waits};
use crate::media::Wall;

/// All sessions that were admitted and have not ended.
#[derive(Clone, Default)]
pub struct Sessions {
    entries: Arc<Mutex<Entries>>,
    /// Told of beginnings and ends while the list is locked, so that both have one order.
    pub(super) news: Arc<News>,
}

#[derive(Default)]
pub(super) struct Entries {
    pub(super) all: BTreeMap<Ticket, Listed>,
    /// The number of the last session.
    last: u32,
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its name in the log.
    pub id: SessionId,
    /// Its stream.
    pub stream: Name,
    /// Its part in the stream.
    pub part: Part,
    /// The URL of its request, or of the server's own: at most `MAX_URL` bytes of it.
    pub url: Box<str>,
    /// The address of its peer; `None` for sessions of the server itself.
    pub peer: Option<SocketAddr>,
    /// True if its peer's connection is under TLS; false for HTTP, whose sessions may use several.
    pub tls: bool,
    /// The time of day of its admission.
    pub since: Wall,
}

#[derive(Clone)]
pub(super) struct Listed {
    pub(super) session: Session,
    /// The bytes sent to it; `None` if its stream counts them.
    pub(super) sent: Option<u64>,
    pub(super) rate: Rate,
}

impl Listed {
    /// True if it publishes the stream.
    fn publishes(&self, stream: &Name) -> bool {
        self.session.stream == *stream && self.session.part == Part::Publishes
    }

    /// True if it plays the stream to somebody. Recordings and the collectors of HLS do not.
    fn plays(&self, stream: &Name) -> bool {
        self.session.stream == *stream && self.session.part != Part::Publishes && self.session.peer.is_some()
    }
}

/// The part of a session in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It publishes.
    Publishes,
    /// It plays in the form of this name.
    Plays(&'static str),
}

/// The most bytes of a URL that are kept.
pub const MAX_URL: usize = 128;

/// The bytes of an entry, with its URL.
const SESSION: usize = 512;

/// The list: of connections that publish and play, of multicasts, which have two pairs of ports each, and of players of
/// HLS, which use many connections.
pub(super) static SESSIONS: Cost = Cost {
    what: "sessions",
    keys: &[Count("streams.max"), Count("viewers.max"), Count("rtsp.udp_pairs")],
    count: |all| {
        let multicasts = all.udp_pairs() / 2;
        all.streams.max.saturating_add(all.viewers.max).saturating_add(multicasts).saturating_add(all.hls_sessions())
    },
    user: |_| SESSION,
    kernel: |_| 0,
};

const _: () = assert!(
    2 * (size_of::<Listed>() + size_of::<Ticket>()) + MAX_URL + size_of::<SessionStats>() <= SESSION,
    "the plan has room for a session, for the free places of the map, and for its row when its stream is visited"
);

/// An entry, which is removed with its session.
pub struct Entry {
    list: Sessions,
    ticket: Ticket,
    /// The bytes of media that its session has moved, once that is known.
    moved: u64,
}

impl Sessions {
    /// Adds a session.
    pub(super) fn enter(&self, who: &Who, stream: &Name, part: Part, url: &dyn fmt::Display) -> Entry {
        self.add(who, stream, part, url, None)
    }

    fn add(&self, who: &Who, stream: &Name, part: Part, url: &dyn fmt::Display, sent: Option<u64>) -> Entry {
        let (url, peer, tls) = (bounded(url), who.peer(), who.tls);
        let session = Session { id: who.id(), stream: stream.clone(), part, url, peer, tls, since: time_of_day() };
        let mut entries = self.lock();
        let begins = self.news.is_read().then(|| session.clone());
        let ticket = entries.add(Listed { session, sent, rate: Rate::default() });
        match begins {
            Some(session) => self.news.tell(|| Fact::Begins(entries.news(session, 0))),
            None => self.news.pass(),
        }
        drop(entries);
        Entry { list: self.clone(), ticket, moved: 0 }
    }

    /// Removes a session, which has moved `bytes` unless the list has counted them; false if it was removed before.
    fn remove(&self, entries: &mut Entries, ticket: Ticket, bytes: u64) -> bool {
        let Some(Listed { session, sent, .. }) = entries.all.remove(&ticket) else { return false };
        self.news.tell(|| Fact::Ends(entries.news(session, sent.unwrap_or(bytes))));
        true
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    /// Adds a session under a new number.
    fn add(&mut self, one: Listed) -> Ticket {
        loop {
            self.last = self.last.wrapping_add(1);
            // a session that is still here after the numbers have wrapped keeps its own
            if let btree_map::Entry::Vacant(free) = self.all.entry(Ticket(self.last)) {
                free.insert(one);
                return Ticket(self.last);
            }
        }
    }

    /// A session that begins or ends, with the present state of its stream.
    fn news(&self, session: Session, bytes: u64) -> SessionNews {
        let has_publisher = self.all.values().any(|one| one.publishes(&session.stream));
        let has_player = self.all.values().any(|one| one.plays(&session.stream));
        SessionNews { session, has_publisher, has_player, bytes }
    }
}

impl Entry {
    /// Its ticket.
    pub(super) fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// Sets the bytes of media that its session has moved.
    pub(super) fn moved(&mut self, bytes: u64) {
        self.moved = bytes;
    }

    /// Counts bytes sent to its session; false if the operator has ended it.
    pub fn sent(&self, bytes: usize) -> bool {
        let mut entries = self.list.lock();
        let sent = entries.all.get_mut(&self.ticket).and_then(|one| one.sent.as_mut());
        sent.map(|sent| *sent = sent.saturating_add(bytes as u64)).is_some()
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.list.remove(&mut self.list.lock(), self.ticket, self.moved);
    }
}

impl Core {
    /// The sessions that publish and play, relays and recordings included, by ticket. Each has the statistics of its
    /// stream, unless it has left that already. Players of HLS are included with `hls.sessions`.
    pub fn sessions(&self) -> Vec<(Ticket, Session, Option<SessionStats>)> {
        let all = self.list.lock().all.clone();
        let streams = self.hub.streams();
        let mut stats: BTreeMap<_, _> =
            streams.iter().flat_map(|stream| stream.sessions()).map(|stats| (stats.ticket, stats)).collect();
        let is_live = |name: &Name| streams.iter().any(|stream| stream.name() == name && stream.is_live());
        let known = |(ticket, Listed { session, sent, .. })| {
            let waits = || if is_live(&session.stream) { Waits::Start } else { Waits::Publisher };
            let apart = sent.map(|bytes| SessionStats { ticket, bytes, waits: (bytes == 0).then(waits) });
            (ticket, session, apart.or_else(|| stats.remove(&ticket)))
        };
        all.into_iter().map(known).collect()
    }

    /// Lists a session that its stream does not know, because it plays by many requests. It was ended if its entry no
    /// longer counts bytes.
    #[cfg(feature = "http")]
    pub fn enter(&self, who: &Who, stream: &Name, form: &'static str, url: &dyn fmt::Display) -> Entry {
        self.list.add(who, stream, Part::Plays(form), url, Some(0))
    }

    /// True if the session of that id publishes.
    pub fn publishes(&self, id: SessionId) -> bool {
        self.list.lock().all.values().any(|one| one.session.id == id && one.session.part == Part::Publishes)
    }

    /// The id of a session.
    pub fn session_id(&self, ticket: Ticket) -> Option<SessionId> {
        self.list.lock().all.get(&ticket).map(|one| one.session.id)
    }

    /// The first session that fits.
    pub fn find_session(&self, is_it: impl Fn(&Session) -> bool) -> Option<Ticket> {
        let entries = self.list.lock();
        entries.all.iter().find(|(_, one)| is_it(&one.session)).map(|(ticket, _)| *ticket)
    }

    /// A reader of the facts that sessions make from here on, of which at least `kept` wait for it.
    pub fn news(&self, kept: usize) -> NewsReader {
        self.list.news.reader(kept)
    }

    /// The same for a reader that may be slow: it takes no room from those of `news`.
    pub fn observe(&self, kept: usize) -> NewsReader {
        self.list.news.observer(kept)
    }

    /// Tells those who read the news a fact.
    pub fn tell(&self, fact: impl FnOnce() -> Fact) {
        self.list.news.tell(fact);
    }

    /// The ring of facts, for code that has no core.
    pub fn teller(&self) -> Arc<News> {
        self.list.news.clone()
    }

    /// Removes all sessions from the list, because the server ends: those that read the news learn of the end of each.
    pub fn dismiss_all(&self) {
        let moved: BTreeMap<_, _> = self.sessions().into_iter().map(|(ticket, _, stats)| (ticket, stats)).collect();
        let mut entries = self.list.lock();
        while let Some(ticket) = entries.all.keys().next().copied() {
            let bytes = moved.get(&ticket).copied().flatten().map_or(0, |stats| stats.bytes);
            self.list.remove(&mut entries, ticket, bytes);
        }
    }

    /// Ends a session; false if none has that ticket. Its peer may return, and a relay does after its pause. A player
    /// of HLS is refused from then on. A recording gives its place to others, and starts again with the next publisher
    /// of its stream.
    pub fn kick(&self, ticket: Ticket) -> bool {
        let mut entries = self.list.lock();
        let Some(one) = entries.all.get(&ticket) else { return false };
        if one.sent.is_some() {
            return self.list.remove(&mut entries, ticket, 0);
        }
        let name = one.session.stream.clone();
        drop(entries);
        self.hub.find(&name).is_some_and(|stream| stream.kick(ticket))
    }
}

/// The first bytes of a text.
fn bounded(text: &dyn fmt::Display) -> Box<str> {
    struct Bounded(String);
    impl fmt::Write for Bounded {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            let room = MAX_URL - self.0.len();
            let end = part.floor_char_boundary(room);
            self.0.push_str(part.get(..end).unwrap_or_default());
            if end < part.len() { Err(fmt::Error) } else { Ok(()) }
        }
    }
    let mut bounded = Bounded(String::new());
    // an error means that there was no room for the rest
    let _ = fmt::write(&mut bounded, format_args!("{text}"));
    bounded.0.into()
}

#[cfg(all(test, feature = "http"))]
mod tests;
