//! The list of sessions that publish and play, by which each can be ended. Whoever reads the news learns of each
//! beginning and each end here, in the order of the list.

use std::collections::{BTreeMap, btree_map};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::core::{Core, time_of_day};
use super::news::{Fact, News, NewsReader, Visit};
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
    /// Whether it publishes the stream.
    fn publishes(&self, stream: &Name) -> bool {
        self.session.stream == *stream && self.session.part == Part::Publishes
    }

    /// Whether it plays the stream to somebody. Recordings and the collectors of HLS do not.
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
        let (url, peer) = (bounded(url), who.peer());
        let session = Session { id: who.id(), stream: stream.clone(), part, url, peer, since: time_of_day() };
        let mut entries = self.lock();
        let begins = self.news.is_read().then(|| session.clone());
        let ticket = entries.add(Listed { session, sent, rate: Rate::default() });
        if let Some(session) = begins {
            self.news.tell(|| Fact::Begins(entries.visit(session, 0)));
        }
        drop(entries);
        Entry { list: self.clone(), ticket, moved: 0 }
    }

    /// Removes a session, which has moved `bytes` unless the list has counted them; false if it was removed before.
    fn remove(&self, entries: &mut Entries, ticket: Ticket, bytes: u64) -> bool {
        let Some(Listed { session, sent, .. }) = entries.all.remove(&ticket) else { return false };
        self.news.tell(|| Fact::Ends(entries.visit(session, sent.unwrap_or(bytes))));
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
    fn visit(&self, session: Session, bytes: u64) -> Visit {
        let has_publisher = self.all.values().any(|one| one.publishes(&session.stream));
        let has_player = self.all.values().any(|one| one.plays(&session.stream));
        Visit { session, has_publisher, has_player, bytes }
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

    /// Whether the session of that id publishes.
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

    /// Tells those who read the news a fact.
    pub fn tell(&self, fact: impl FnOnce() -> Fact) {
        self.list.news.tell(fact);
    }

    /// What tells facts where the core is not at hand.
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
mod tests {
    use std::task::{Context, Poll, Waker};
    use std::time::Instant;

    use bytes::Bytes;

    use super::*;
    use crate::conf::Config;
    use crate::container::FLV;
    use crate::hub::{Dismissal, Next, Pressed, Step};
    use crate::media::{Codec, Frame, Hz, Kind, Params, Ticks, Track};
    use crate::session::{Action, Asker, Entrant, Ingest, Leave};

    #[test]
    fn a_url_is_kept_as_far_as_there_is_room() {
        assert_eq!(&*bounded(&"/live/a.flv?k=1"), "/live/a.flv?k=1");
        let long = "é".repeat(MAX_URL);
        assert_eq!(bounded(&format_args!("a{long}")).len(), MAX_URL - 1);
    }

    #[test]
    fn sessions_are_listed_until_they_end_and_can_be_ended_one_by_one() {
        let core =
            Core::new(Config::parse("test", "profile = \"tiny\"\n").unwrap(), crate::registry::costs(), Arc::default());
        let (name, cx) = (Name::new("a").unwrap(), Context::from_waker(Waker::noop()));
        let peer: SocketAddr = "192.0.2.1:9".parse().unwrap();
        let entrant = |kind| Entrant { asker: Asker::Guest(kind, Some(peer)), seat: None, url: &"/live/a?secret" };
        let publish = || {
            let leave = Leave::own(Action::Publish, &name);
            core.admit_publisher(leave, &entrant("RTMPPUBSUB"), Instant::now())
        };
        let play = |kind| core.admit_player(Leave::own(Action::Play, &name), &entrant(kind), &FLV).ok().unwrap();
        let (publisher, grant) = publish().ok().unwrap();
        let mut viewers: Vec<_> = (0..2).map(|_| play("FLVPUBSUB")).collect();
        let ids = |core: &Core| core.sessions().iter().map(|(_, one, _)| one.id.to_string()).collect::<Vec<_>>();
        assert_eq!(ids(&core), ["id=RTMPPUBSUB1", "id=FLVPUBSUB1", "id=FLVPUBSUB2"]);
        let (ticket, first, stats) = core.sessions().swap_remove(1);
        assert_eq!((&first.stream, first.part, &*first.url), (&name, Part::Plays(FLV.name), "/live/a?secret"));
        assert_eq!(
            (first.peer, stats),
            (Some(peer), Some(SessionStats { ticket, bytes: 0, waits: Some(Waits::Start) }))
        );

        // a player that is sending a batch is notified too
        let (mut sends, leave) = play("TSPUBSUB");
        assert_eq!(sends.poll_pressed(&cx, Instant::now()), Ok(Pressed::No));
        assert!(core.kick(core.sessions().last().unwrap().0));
        assert_eq!(sends.poll_pressed(&cx, Instant::now()), Err(Dismissal::Kicked));
        drop((sends, leave));

        let mut next = |at: usize| viewers[at].0.poll_next(&cx, &mut Vec::new(), Step { units: 8, bytes: 1 << 10 });
        assert_eq!(next(0), Poll::Pending);
        assert!(core.kick(ticket));
        assert_eq!((next(0), next(1)), (Poll::Ready(Next::Dismissed(Dismissal::Kicked)), Poll::Pending));
        drop(viewers.remove(0));
        assert!(!core.kick(ticket), "it is gone");

        assert!(core.kick(grant.ticket()));
        let config = core.config();
        let mut publisher = Ingest::new((publisher, grant), &config);
        let Poll::Ready(Err(why)) = publisher.poll_turn(&cx, &core) else { panic!("it goes on") };
        assert_eq!((why.label(), why.to_string()), ("kicked", "kicked: the operator has ended it".into()));
        drop(publisher);
        assert_eq!(ids(&core), ["id=FLVPUBSUB2"]);
        assert!(publish().is_ok(), "its name is free");
    }

    #[test]
    fn a_session_that_plays_again_while_its_rest_is_sent_is_found_by_either_number() {
        let core =
            Core::new(Config::parse("test", "profile = \"tiny\"\n").unwrap(), crate::registry::costs(), Arc::default());
        let (name, who) = (Name::new("a").unwrap(), core.who("RTMPPUBSUB"));
        let entrant = Entrant { asker: Asker::Session(&who), seat: None, url: &"/live/a" };
        let play = || core.admit_player(Leave::own(Action::Play, &name), &entrant, &FLV).ok().unwrap();
        let [(before, rest), (mut now, grant)] = [(); 2].map(|()| play());
        assert!(core.kick(grant.ticket()));
        assert_eq!((before.is_dismissed(), now.is_dismissed()), (false, true), "it is the one that was meant");
        drop((before, rest));
        assert_eq!(core.sessions().len(), 1, "the end of the one before is not its own");
        assert!(core.kick(grant.ticket()));
        now = play().0;
        assert!(!now.is_dismissed());
    }

    #[test]
    fn each_session_that_begins_ends_once_in_the_news() {
        let text = "profile = \"tiny\"\npublish.conflict = \"replace\"\n";
        let core = Core::new(Config::parse("test", text).unwrap(), crate::registry::costs(), Arc::default());
        let (name, cx) = (Name::new("a").unwrap(), Context::from_waker(Waker::noop()));
        let mut news = core.news(64);
        let mut told = || {
            let facts = std::iter::from_fn(|| match news.poll_next(&cx) {
                Poll::Ready(fact) => Some(fact.unwrap()),
                Poll::Pending => None,
            });
            let words = |fact: Arc<Fact>| match &*fact {
                Fact::Begins(one) => format!("+{} {} {}", one.session.id.kind, one.has_publisher, one.has_player),
                Fact::Ends(one) => {
                    format!("-{} {} {} {}", one.session.id.kind, one.has_publisher, one.has_player, one.bytes)
                }
                other => panic!("{other:?}"),
            };
            facts.map(words).collect::<Vec<_>>()
        };
        let muxer = core.play(&name, "HLSMUXER", &FLV).ok().unwrap();
        assert_eq!(told(), ["+HLSMUXER false false"]);
        let peer = Some("192.0.2.1:9".parse().unwrap());
        let entrant = Entrant { asker: Asker::Guest("FLVPUBSUB", peer), seat: None, url: &"" };
        let player = core.admit_player(Leave::own(Action::Play, &name), &entrant, &FLV).ok().unwrap();
        let mut first = core.publish(&name, "RTMPPUBSUB", Instant::now()).ok().unwrap();
        let second = core.publish(&name, "RTSPPUB", Instant::now()).ok().unwrap();
        assert_eq!(told(), ["+FLVPUBSUB false true", "+RTMPPUBSUB true true", "+RTSPPUB true true"]);
        first.1.who.ends(format_args!("stops"), 7);
        drop(first);
        assert_eq!(told(), ["-RTMPPUBSUB true true 7"], "it was replaced, and the stream has a publisher");
        let entry = core.enter(&core.who("HLSSUB"), &name, "hls", &"");
        assert!(entry.sent(9) && core.kick(entry.ticket()));
        drop(entry);
        assert_eq!(told(), ["+HLSSUB true true", "-HLSSUB true true 9"]);
        core.dismiss_all();
        drop((muxer, player, second));
        assert_eq!(told(), ["-HLSMUXER true true 0", "-FLVPUBSUB true false 0", "-RTSPPUB false false 0"]);
    }

    #[test]
    fn who_listens_to_a_group_waits_for_what_is_sent_to_it() {
        let core =
            Core::new(Config::parse("test", "profile = \"tiny\"\n").unwrap(), crate::registry::costs(), Arc::default());
        let (name, cx) = (Name::new("a").unwrap(), Context::from_waker(Waker::noop()));
        let (viewer, listener) = core.play(&name, "RTSPSUB", &FLV).ok().unwrap();
        let leave = Leave::own(Action::Play, &name);
        let (mut cast, grant) = core.admit_cast(leave, "RTSPCAST", &FLV).ok().unwrap();
        viewer.listens_to(grant.ticket());
        let waits = || {
            let all = core.sessions();
            let one = all.iter().find(|(ticket, ..)| *ticket == listener.ticket());
            one.and_then(|(_, _, stats)| stats.map(|stats| stats.waits)).unwrap()
        };
        assert_eq!(waits(), Some(Waits::Publisher));
        let (mut publisher, _leave) = core.publish(&name, "RTSPPUB", Instant::now()).ok().unwrap();
        assert_eq!(waits(), Some(Waits::Start));
        let params = Params { record: Bytes::from_static(&[0x12, 0x10]), ..Params::default() };
        publisher.track(Track { id: 0, codec: Codec::Aac, clock: Hz::MS, params });
        publisher.complete();
        for at in 0..2 {
            let data = publisher.paid(&[7; 80]).unwrap();
            let frame = Frame { dts: Ticks(at), cts: 0, kind: Kind::Audio, track: 0, key: true, data };
            publisher.publish(frame, Instant::now()).unwrap();
            let next = cast.poll_next(&cx, &mut Vec::new(), Step { units: 8, bytes: 1 << 10 });
            assert_eq!(next, Poll::Ready(Next::Units));
        }
        assert_eq!(waits(), None, "it is sent frames");
    }
}
