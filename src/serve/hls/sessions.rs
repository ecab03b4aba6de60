//! Players of HLS: each uses many requests, which are connected by a number in their URLs.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::budget::{Account, Lease};
use crate::hub::{Name, Refused, Waiting, first_to_go};
use crate::net::{Close, bits, random};
use crate::session::{Action, Core, Entry, Leave, Refusal, Who};

/// All known players.
pub struct HlsSessions {
    most: usize,
    /// The most of them from one address.
    per_peer: AtomicUsize,
    account: Account,
    sessions: Mutex<HashMap<u64, HlsSession>>,
}

struct HlsSession {
    who: Who,
    name: Name,
    customer: Option<u128>,
    since: Instant,
    seen: Instant,
    /// The last time that bytes were sent to it.
    fed: Option<Instant>,
    /// The number of its requests that wait.
    waiting: u32,
    bytes: u64,
    entry: Entry,
    _lease: Lease,
}

/// The time since the last bytes within which a session counts as playing. Its stream may have no publisher: there are
/// lists of segments on a disk.
const PLAY_TIME: Duration = Duration::from_secs(30);
/// The bytes of a session: its entry, twice because the table doubles as it grows, and its name.
const SESSION: usize = 2 * (size_of::<HlsSession>() + 16) + 64;

impl HlsSessions {
    /// At most `most` at once and `per_peer` from one address, charged to `account`.
    pub fn new(most: usize, per_peer: usize, account: Account) -> Self {
        Self { most, per_peer: per_peer.into(), account, sessions: Mutex::default() }
    }

    /// Sets the limit of one address; sessions above it stay.
    pub fn set_per_peer(&self, per_peer: usize) {
        self.per_peer.store(per_peer, Relaxed);
    }

    /// Starts a session with a `leave`, and returns its number, which cannot be guessed. If there is no place and its
    /// stream `plays`, a session of a stream that does not gives way.
    pub fn enter(
        &self,
        core: &Core,
        leave: Leave,
        mut who: Who,
        url: &dyn Display,
        plays: &dyn Fn(&Name) -> bool,
    ) -> Result<u64, Refusal> {
        let name = leave.to(Action::Play)?;
        let mut sessions = self.lock();
        let now = Instant::now();
        let customer = who.ip().and_then(|ip| core.peers.customer(ip)).map(bits);
        let same = |session: &HlsSession| customer.is_some() && session.customer == customer;
        let has_most = sessions.values().filter(|session| same(session)).count() >= self.per_peer.load(Relaxed);
        if has_most || sessions.len() >= self.most {
            let refused = if has_most { Refused::Peer } else { Refused::Viewers };
            let may_go =
                |session: &HlsSession| (same(session) || !has_most) && !session.is_fed(now) && !plays(&session.name);
            let waiting = sessions
                .iter()
                .filter(|(_, session)| plays(name) && may_go(session))
                .map(|(number, session)| Waiting { peer: session.customer, since: session.since, number: *number });
            let mut gone = first_to_go(&mut waiting.collect::<Vec<_>>()).and_then(|number| sessions.remove(&number));
            let gone = gone.as_mut().ok_or(refused)?;
            gone.ends(&"nobody publishes it, and others need the place");
        }
        let lease = self.account.charge(SESSION).map_err(|_| Refused::Viewers)?;
        let number = random::number();
        who.begins(&core.flood, name, format_args!("plays {name} as hls"));
        let (entry, name) = (core.enter(&who, name, "hls", url), name.clone());
        let session = HlsSession {
            who,
            name,
            customer,
            since: now,
            seen: now,
            fed: None,
            waiting: 0,
            bytes: 0,
            entry,
            _lease: lease,
        };
        sessions.insert(number, session);
        Ok(number)
    }

    /// Notes that the session is used and sent `bytes`; false if there is none, it plays another stream, or the
    /// operator has ended it.
    pub fn see(&self, number: u64, name: &Name, bytes: usize) -> bool {
        let mut sessions = self.lock();
        let Some(session) = sessions.get_mut(&number).filter(|session| session.name == *name) else { return false };
        session.seen = Instant::now();
        session.bytes += bytes as u64;
        if bytes > 0 {
            session.fed = Some(session.seen);
        }
        if session.entry.sent(bytes) {
            return true;
        }
        session.ends(&Close::Kicked);
        sessions.remove(&number);
        false
    }

    /// A request of the session waits: the session is not idle meanwhile.
    pub fn waits(&self, number: u64) {
        if let Some(session) = self.lock().get_mut(&number) {
            session.waiting += 1;
        }
    }

    /// The request no longer waits.
    pub fn waited(&self, number: u64) {
        if let Some(session) = self.lock().get_mut(&number) {
            session.waiting = session.waiting.saturating_sub(1);
            session.seen = Instant::now();
        }
    }

    /// Removes sessions without a request for `limit`, and those that the operator has ended.
    pub fn sweep(&self, now: Instant, limit: Duration) {
        self.lock().retain(|_, session| {
            let is_idle = session.waiting == 0 && now.saturating_duration_since(session.seen) >= limit;
            let why = match session.entry.sent(0) {
                true if is_idle => Close::Idle,
                true => return true,
                false => Close::Kicked,
            };
            session.ends(&why);
            false
        });
    }

    /// Ends all sessions, because the server ends.
    pub fn stop(&self) {
        for (_, mut session) in self.lock().drain() {
            session.ends(&Close::Shutdown);
        }
    }

    /// The number of sessions.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, HlsSession>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HlsSession {
    fn is_fed(&self, now: Instant) -> bool {
        self.fed.is_some_and(|at| now.saturating_duration_since(at) < PLAY_TIME)
    }

    fn ends(&mut self, why: &dyn Display) {
        self.who.ends(format_args!("stops playing {}: {why}", self.name), self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::Config;
    use crate::hub::Waits;
    use crate::session::{Action, Part};
    use std::sync::Arc;

    fn leave(name: &Name) -> Leave {
        Leave::own(Action::Play, name)
    }

    fn core() -> Arc<Core> {
        Core::new(Config::parse("test", "profile = \"tiny\"\n").unwrap(), crate::registry::costs(), Arc::default())
    }

    #[test]
    fn each_is_listed_and_can_be_ended() {
        let (core, sessions) = (core(), HlsSessions::new(2, 2, Account::root("hls", 1 << 20)));
        let (name, peer) = (Name::new("a").unwrap(), "192.0.2.1:9".parse().unwrap());
        let enter = || sessions.enter(&core, leave(&name), core.who("HLSSUB").at(peer), &"/hls/a.m3u8?k=1", &|_| true);
        let numbers = [(); 2].map(|()| enter().unwrap());
        let listed = || core.sessions();
        let (ticket, first, stats) = listed().swap_remove(0);
        assert_eq!((first.id.kind, &first.stream, first.part), ("HLSSUB", &name, Part::Plays("hls")));
        assert_eq!((&*first.url, first.peer), ("/hls/a.m3u8?k=1", Some(peer)));
        assert_eq!(stats.map(|stats| (stats.bytes, stats.waits)), Some((0, Some(Waits::Publisher))));
        assert!(sessions.see(numbers[0], &name, 1000));
        let known = |at: usize| listed()[at].2.map(|stats| (stats.bytes, stats.waits));
        assert_eq!((known(0), known(1)), (Some((1000, None)), Some((0, Some(Waits::Publisher)))));
        assert!(core.kick(ticket) && !core.kick(ticket));
        assert_eq!((listed().len(), sessions.see(numbers[0], &name, 0), sessions.len()), (1, false, 1));
        // a session without further requests ends as well
        assert!(core.kick(listed()[0].0));
        sessions.sweep(Instant::now(), Duration::from_secs(10));
        assert_eq!((listed().len(), sessions.len()), (0, 0));
        let again = enter().unwrap();
        assert!(sessions.see(again, &name, 0) && listed().len() == 1);
        sessions.stop();
        assert_eq!(listed().len(), 0);
    }

    #[test]
    fn seats_are_bounded_paid_for_and_given_up() {
        let account = Account::root("hls", 1 << 20);
        let sessions = HlsSessions::new(2, 2, account.clone());
        let (name, other) = (Name::new("a").unwrap(), Name::new("b").unwrap());
        let core = core();
        let enter = || sessions.enter(&core, leave(&name), core.who("HLSSUB"), &"", &|_| true);
        let (one, two) = (enter().unwrap(), enter().unwrap());
        assert_eq!((enter(), one == two), (Err(Refused::Viewers.into()), false));
        assert!(sessions.see(one, &name, 10) && !sessions.see(one, &other, 10) && !sessions.see(!one, &name, 10));
        sessions.sweep(Instant::now() + Duration::from_secs(9), Duration::from_secs(10));
        assert_eq!(sessions.len(), 2);
        sessions.sweep(Instant::now() + Duration::from_secs(11), Duration::from_secs(10));
        assert_eq!((sessions.len(), account.used()), (0, 0));
        let poor = HlsSessions::new(9, 9, Account::root("hls", 0));
        assert_eq!(poor.enter(&core, leave(&name), core.who("HLSSUB"), &"", &|_| true), Err(Refused::Viewers.into()));
    }

    #[test]
    fn one_that_waits_for_an_answer_is_not_idle() {
        let (core, sessions) = (core(), HlsSessions::new(2, 2, Account::root("hls", 1 << 20)));
        let (name, limit) = (Name::new("a").unwrap(), Duration::from_secs(3));
        let number = sessions.enter(&core, leave(&name), core.who("HLSSUB"), &"", &|_| true).unwrap();
        let sweep = |seconds| {
            sessions.sweep(Instant::now() + Duration::from_secs(seconds), limit);
            sessions.len()
        };
        (0..2).for_each(|_| sessions.waits(number));
        assert_eq!(sweep(10), 1);
        sessions.waited(number);
        assert_eq!(sweep(10), 1, "the other waits still");
        sessions.waited(number);
        assert_eq!((sweep(2), sweep(4)), (1, 0));
        sessions.waited(number);
    }

    #[test]
    fn who_is_sent_what_a_disk_has_does_not_give_way() {
        let (core, sessions) = (core(), HlsSessions::new(2, 2, Account::root("hls", 1 << 20)));
        let enter = |name: &str| {
            let plays = |name: &Name| name.as_str().starts_with("live");
            sessions.enter(&core, leave(&Name::new(name).unwrap()), core.who("HLSSUB"), &"", &plays)
        };
        let (waiting, playing, over) = (enter("x").unwrap(), enter("over").unwrap(), Name::new("over").unwrap());
        assert!(sessions.see(playing, &over, 1000));
        enter("live1").unwrap();
        assert!(sessions.see(playing, &over, 0) && !sessions.see(waiting, &Name::new("x").unwrap(), 0));
        assert_eq!(enter("live2"), Err(Refused::Viewers.into()));
    }

    #[test]
    fn one_address_leaves_seats_to_others() {
        let account = Account::root("hls", 1 << 20);
        let (core, sessions, name) = (core(), HlsSessions::new(4, 3, account), Name::new("a").unwrap());
        let enter = |peer: &str| {
            let who = core.who("HLSSUB").at(peer.parse().unwrap());
            sessions.enter(&core, leave(&name), who, &"", &|_| true).err()
        };
        let many = [(); 4].map(|()| enter("192.0.2.1:1"));
        assert_eq!(many, [None, None, None, Some(Refused::Peer.into())]);
        assert_eq!(enter("192.0.2.2:1"), None);
    }

    #[test]
    fn who_waits_for_what_nobody_publishes_gives_way_to_who_plays() {
        let account = Account::root("hls", 1 << 20);
        let (core, sessions) = (core(), HlsSessions::new(4, 3, account));
        let enter = |name: &str, peer: &str| {
            let who = core.who("HLSSUB").at(peer.parse().unwrap());
            let plays = |name: &Name| name.as_str().starts_with("live");
            sessions.enter(&core, leave(&Name::new(name).unwrap()), who, &"", &plays)
        };
        let (one, two) = ("192.0.2.1:1", "192.0.2.2:1");
        let waiting = [enter("x", two), enter("x", one), enter("y", one), enter("z", one)].map(Result::unwrap);
        assert_eq!(enter("absent", two), Err(Refused::Viewers.into()), "it would wait as well");
        assert_eq!(enter("absent", one), Err(Refused::Peer.into()));
        let is_there = |at: usize, name: &str| sessions.see(waiting[at], &Name::new(name).unwrap(), 0);
        enter("live1", two).unwrap();
        assert!(is_there(0, "x") && !is_there(1, "x"), "the longest of those who have most");
        enter("live2", one).unwrap();
        assert!(is_there(0, "x") && !is_there(2, "y") && is_there(3, "z"));
        enter("live3", one).unwrap();
        enter("live4", two).unwrap();
        assert_eq!(sessions.len(), 4);
        assert_eq!(enter("live5", two), Err(Refused::Viewers.into()), "all of them play");
    }
}
