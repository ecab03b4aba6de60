//! Limits on lines that a peer can cause without end: the first few are logged, and then the number of the rest, every
//! ten seconds.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The subject of lines in the log, which are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// All peers in this peer's network.
    Peer(IpAddr),
    /// Sessions of the server whose ids begin with this word: recordings, collectors of HLS, relays.
    Own(&'static str),
}

/// The recent lines of each kind and subject. Peers that share a slot share its limit, so that many addresses cannot
/// fill the log either. The server's own sessions share no slot: no peer can suppress lines about other sessions.
pub struct Flood {
    slots: Mutex<[Slot; SLOTS]>,
    /// One for each kind of line and word of ids.
    own: Mutex<Vec<Slot>>,
    /// The sessions of all peers.
    sessions: Mutex<Slot>,
}

#[derive(Clone, Copy)]
struct Slot {
    kind: &'static str,
    subject: Subject,
    since: Option<Instant>,
    seen: u32,
    left_out: u32,
    /// The last time that omitted lines were logged.
    logged: Option<Instant>,
    /// True if several subjects share it.
    shared: bool,
}

const SLOTS: usize = 64;
/// The time in which the first few lines are logged.
const WINDOW: Duration = Duration::from_secs(10);
const SESSIONS: &str = "sessions";
const PUSHES: &str = "pushes";
/// The number of sessions of one peer that are logged within that time.
const PER_PEER: u32 = 100;
/// The number of sessions of all peers that are logged within that time.
const PER_ALL_PEERS: u32 = 400;

impl Default for Flood {
    fn default() -> Self {
        let slot = Slot::new("", Subject::Own(""));
        Self { slots: Mutex::new([slot; SLOTS]), own: Mutex::default(), sessions: Mutex::new(slot) }
    }
}

impl Flood {
    /// True if a session of this subject is to be logged: each logs several lines, so all peers together are limited
    /// too.
    pub fn passes_session(&self, subject: Subject) -> bool {
        self.passes_one(SESSIONS, subject)
    }

    /// The same for a session that pushes the stream of `publisher` to another server.
    pub fn passes_push(&self, publisher: Subject) -> bool {
        self.passes_one(PUSHES, publisher)
    }

    fn passes_one(&self, kind: &'static str, subject: Subject) -> bool {
        let (subject, now) = (subject.network(), Instant::now());
        let among_all = || match subject {
            Subject::Peer(_) => lock(&self.sessions).passes(SESSIONS, subject, PER_ALL_PEERS, now),
            Subject::Own(_) => true,
        };
        self.passes_at(kind, subject, PER_PEER, now) && among_all()
    }

    /// True if a line of this kind about this subject is one of the first `few`.
    pub fn passes(&self, kind: &'static str, subject: Subject, few: u32) -> bool {
        self.passes_at(kind, subject.network(), few, Instant::now())
    }

    fn passes_at(&self, kind: &'static str, subject: Subject, few: u32, now: Instant) -> bool {
        if matches!(subject, Subject::Own(_)) {
            return self.passes_own(kind, subject, few, now);
        }
        let mut hasher = DefaultHasher::new();
        (kind, subject).hash(&mut hasher);
        let place = hasher.finish() % SLOTS as u64;
        let mut slots = lock(&self.slots);
        slots.get_mut(place as usize).is_none_or(|slot| slot.passes(kind, subject, few, now))
    }

    /// Kind and subject are words of the program, so there are few.
    fn passes_own(&self, kind: &'static str, subject: Subject, few: u32, now: Instant) -> bool {
        let mut own = lock(&self.own);
        if let Some(slot) = own.iter_mut().find(|slot| (slot.kind, slot.subject) == (kind, subject)) {
            return slot.passes(kind, subject, few, now);
        }
        let mut slot = Slot::new(kind, subject);
        let passes = slot.passes(kind, subject, few, now);
        own.push(slot);
        passes
    }

    /// Logs the numbers of omitted lines, for each subject at once and then once in each window.
    pub fn tell(&self) {
        self.tell_at(Instant::now());
    }

    /// Returns the number of lines logged.
    fn tell_at(&self, now: Instant) -> usize {
        let slots = lock(&self.slots).iter_mut().filter_map(|slot| slot.tell(now)).count();
        let own = lock(&self.own).iter_mut().filter_map(|slot| slot.tell(now)).count();
        slots + own + lock(&self.sessions).tell(now).iter().count()
    }
}

impl Slot {
    fn new(kind: &'static str, subject: Subject) -> Self {
        Self { kind, subject, since: None, seen: 0, left_out: 0, logged: None, shared: false }
    }

    fn passes(&mut self, kind: &'static str, subject: Subject, few: u32, now: Instant) -> bool {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= WINDOW) && self.left_out == 0 {
            *self = Self { kind, subject, since: Some(now), seen: 0, shared: false, ..*self };
        }
        self.shared |= self.kind != kind || self.subject != subject;
        self.seen = self.seen.saturating_add(1);
        let passes = self.seen <= few;
        self.left_out = self.left_out.saturating_add(u32::from(!passes));
        passes
    }

    fn tell(&mut self, now: Instant) -> Option<()> {
        if self.left_out == 0 || self.logged.is_some_and(|logged| now.saturating_duration_since(logged) < WINDOW) {
            return None;
        }
        self.logged = Some(now);
        let count = std::mem::take(&mut self.left_out);
        let others = if self.shared { " and others" } else { "" };
        let kind = self.kind;
        match self.subject {
            Subject::Own(word) => log::warn!("id={word} {count} more lines are left out ({kind})"),
            Subject::Peer(peer) => log::warn!("peer={peer}{others} {count} more lines are left out ({kind})"),
        }
        Some(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Subject {
    fn network(self) -> Self {
        match self {
            Self::Peer(peer) => Self::Peer(network(peer)),
            own @ Self::Own(_) => own,
        }
    }
}

/// The network of a peer: the first 64 bits of an IPv6 address, because a peer with one of its addresses has all 2^64.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: [u8; 4]) -> Subject {
        Subject::Peer(address.into())
    }

    #[test]
    fn the_first_few_of_each_are_said_and_the_rest_is_counted() {
        let flood = Flood::default();
        let (start, peer) = (Instant::now(), peer([192, 0, 2, 1]));
        let passed = |kind, peer, seconds| {
            let now = start + Duration::from_secs(seconds);
            (0..1000).filter(|_| flood.passes_at(kind, peer, 5, now)).count()
        };
        assert_eq!(passed("name", peer, 0), 5);
        assert_eq!(passed("name", peer, 11), 0, "the rest was not told yet");
        assert_eq!(lock(&flood.slots).iter().map(|slot| slot.left_out).sum::<u32>(), 1995);
        flood.tell_at(start + Duration::from_secs(11));
        assert_eq!(lock(&flood.slots).iter().map(|slot| slot.left_out).sum::<u32>(), 0);
        assert_eq!(passed("name", peer, 12), 5);
        let army = (0..=255).map(|n| passed("taken", self::peer([198, 51, 100, n]), 12)).sum::<usize>();
        assert!(army <= 5 * SLOTS, "{army}");
        let sessions = |n| (0..20).filter(|_| flood.passes_session(self::peer([203, 0, 113, n]))).count();
        assert!((0..=255).map(sessions).sum::<usize>() <= PER_ALL_PEERS as usize);
    }

    #[test]
    fn strangers_leave_our_own_sessions_their_lines() {
        let flood = Flood::default();
        for n in 0..=255 {
            (0..200).for_each(|_| _ = flood.passes_session(peer([198, 51, 100, n])));
        }
        let passed = |word| (0..1000).filter(|_| flood.passes_session(Subject::Own(word))).count();
        // they ask for ever new playlists of HLS, too
        assert_eq!(["HLSMUXER", "RECORD", "HLSMUXER"].map(passed), [100, 100, 0]);
        assert!(flood.passes("files", Subject::Own("RECORD"), 5), "another kind of line");
    }

    #[test]
    fn it_is_no_flood_to_tell_of_floods() {
        let (flood, start) = (Flood::default(), Instant::now());
        let mut lines = 0;
        for second in 0..100 {
            let now = start + Duration::from_secs(second);
            for n in 0..=255 {
                (0..9).for_each(|_| _ = flood.passes_at("name", peer([198, 51, 100, n]), 5, now));
            }
            lines += flood.tell_at(now);
            assert!(second > 0 || lines > SLOTS / 2, "each is told of at once");
        }
        assert!(lines <= 10 * SLOTS, "{lines}");
        assert!(lines > 9 * SLOTS / 2, "and again: {lines}");
    }

    #[test]
    fn a_network_of_ipv6_is_one_peer_and_mapped_ipv4_is_itself() {
        let parse = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(parse("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(parse("::ffff:192.0.2.1"), "192.0.2.1");
    }
}
