//! Players of HLS: each is many requests, which a number in their URLs ties together.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::budget::{Account, Lease};
use crate::hub::{Name, Refused, Waiting, first_to_go};
use crate::net::{Close, Peers, bits, random};
use crate::session::{Flood, Who};

/// All players that are known.
pub struct HlsSessions {
    most: usize,
    /// As many of them as one address may have.
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
    bytes: u64,
    _lease: Lease,
}

/// The cost of one of them: its entry, twice over while the table grows, and its name.
const SESSION: usize = 2 * (size_of::<HlsSession>() + 16) + 64;

impl HlsSessions {
    /// At most `most` at once, `per_peer` of one address, charged to `account`.
    pub fn new(most: usize, per_peer: usize, account: Account) -> Self {
        Self { most, per_peer: per_peer.into(), account, sessions: Mutex::default() }
    }

    /// One address may have so many from here on; those that it has it keeps.
    pub fn set_per_peer(&self, per_peer: usize) {
        self.per_peer.store(per_peer, Relaxed);
    }

    /// Begins a session of `name`: its number, which nobody can guess. If there is no place and `name` `plays`,
    /// a session of a stream that does not gives way.
    pub fn enter(
        &self,
        flood: &Flood,
        peers: &Peers,
        name: &Name,
        mut who: Who,
        plays: &dyn Fn(&Name) -> bool,
    ) -> Result<u64, Refused> {
        let mut sessions = self.lock();
        let customer = who.ip().and_then(|ip| peers.customer(ip)).map(bits);
        let same = |session: &HlsSession| customer.is_some() && session.customer == customer;
        let has_most = sessions.values().filter(|session| same(session)).count() >= self.per_peer.load(Relaxed);
        if has_most || sessions.len() >= self.most {
            let refused = if has_most { Refused::Peer } else { Refused::Viewers };
            let may_go = |session: &HlsSession| (same(session) || !has_most) && !plays(&session.name);
            let waiting = sessions
                .iter()
                .filter(|(_, session)| plays(name) && may_go(session))
                .map(|(number, session)| Waiting { peer: session.customer, since: session.since, number: *number });
            let mut gone = first_to_go(&mut waiting.collect::<Vec<_>>()).and_then(|number| sessions.remove(&number));
            let HlsSession { who, name, bytes, .. } = gone.as_mut().ok_or(refused)?;
            who.ends(format_args!("stops playing {name}: nobody publishes it, and others need the place"), *bytes);
        }
        let lease = self.account.charge(SESSION).map_err(|_| Refused::Viewers)?;
        let now = Instant::now();
        let number = random::number();
        who.begins(flood, name, format_args!("plays {name} as hls"));
        sessions.insert(
            number,
            HlsSession { who, name: name.clone(), customer, since: now, seen: now, bytes: 0, _lease: lease },
        );
        Ok(number)
    }

    /// The one of that number is still there, and is sent `bytes`; false if there is none,
    /// or it watches something else.
    pub fn see(&self, number: u64, name: &Name, bytes: usize) -> bool {
        let mut sessions = self.lock();
        let Some(session) = sessions.get_mut(&number).filter(|session| session.name == *name) else { return false };
        session.seen = Instant::now();
        session.bytes += bytes as u64;
        true
    }

    /// Forgets players that have not asked for anything for `limit`.
    pub fn sweep(&self, now: Instant, limit: Duration) {
        self.lock().retain(|_, session| {
            let stays = now.saturating_duration_since(session.seen) < limit;
            if !stays {
                session.who.ends(format_args!("stops playing {}: idle", session.name), session.bytes);
            }
            stays
        });
    }

    /// The server ends, and so do all.
    pub fn stop(&self) {
        for (_, mut session) in self.lock().drain() {
            session.who.ends(format_args!("stops playing {}: {}", session.name, Close::Shutdown), session.bytes);
        }
    }

    /// The number of them.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, HlsSession>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Ids;

    #[test]
    fn seats_are_bounded_paid_for_and_given_up() {
        let account = Account::root("hls", 1 << 20);
        let sessions = HlsSessions::new(2, 2, account.clone());
        let (name, other) = (Name::new("a").unwrap(), Name::new("b").unwrap());
        let (ids, flood, peers) =
            (Ids::default(), Flood::default(), Peers::new(Default::default(), Vec::new(), account.clone()));
        let enter = || sessions.enter(&flood, &peers, &name, ids.who("HLSSUB"), &|_| true);
        let (one, two) = (enter().unwrap(), enter().unwrap());
        assert_eq!((enter(), one == two), (Err(Refused::Viewers), false));
        assert!(sessions.see(one, &name, 10) && !sessions.see(one, &other, 10) && !sessions.see(!one, &name, 10));
        sessions.sweep(Instant::now() + Duration::from_secs(9), Duration::from_secs(10));
        assert_eq!(sessions.len(), 2);
        sessions.sweep(Instant::now() + Duration::from_secs(11), Duration::from_secs(10));
        assert_eq!((sessions.len(), account.used()), (0, 0));
        let poor = HlsSessions::new(9, 9, Account::root("hls", 0));
        assert_eq!(poor.enter(&flood, &peers, &name, ids.who("HLSSUB"), &|_| true), Err(Refused::Viewers));
    }

    #[test]
    fn one_address_leaves_seats_to_others() {
        let account = Account::root("hls", 1 << 20);
        let (sessions, name) = (HlsSessions::new(4, 3, account.clone()), Name::new("a").unwrap());
        let (ids, flood, peers) =
            (Ids::default(), Flood::default(), Peers::new(Default::default(), Vec::new(), account));
        let enter = |peer: &str| {
            let who = ids.who("HLSSUB").at(peer.parse().unwrap());
            sessions.enter(&flood, &peers, &name, who, &|_| true).err()
        };
        let many = [(); 4].map(|()| enter("192.0.2.1:1"));
        assert_eq!(many, [None, None, None, Some(Refused::Peer)]);
        assert_eq!(enter("192.0.2.2:1"), None);
    }

    #[test]
    fn who_waits_for_what_nobody_publishes_gives_way_to_who_plays() {
        let account = Account::root("hls", 1 << 20);
        let sessions = HlsSessions::new(4, 3, account.clone());
        let (ids, flood, peers) =
            (Ids::default(), Flood::default(), Peers::new(Default::default(), Vec::new(), account));
        let enter = |name: &str, peer: &str| {
            let who = ids.who("HLSSUB").at(peer.parse().unwrap());
            let plays = |name: &Name| name.as_str().starts_with("live");
            sessions.enter(&flood, &peers, &Name::new(name).unwrap(), who, &plays)
        };
        let (one, two) = ("192.0.2.1:1", "192.0.2.2:1");
        let waiting = [enter("x", two), enter("x", one), enter("y", one), enter("z", one)].map(Result::unwrap);
        assert_eq!(enter("absent", two), Err(Refused::Viewers), "it would wait as well");
        assert_eq!(enter("absent", one), Err(Refused::Peer));
        let is_there = |at: usize, name: &str| sessions.see(waiting[at], &Name::new(name).unwrap(), 0);
        enter("live1", two).unwrap();
        assert!(is_there(0, "x") && !is_there(1, "x"), "the longest of those who have most");
        enter("live2", one).unwrap();
        assert!(is_there(0, "x") && !is_there(2, "y") && is_there(3, "z"));
        enter("live3", one).unwrap();
        enter("live4", two).unwrap();
        assert_eq!(sessions.len(), 4);
        assert_eq!(enter("live5", two), Err(Refused::Viewers), "all of them play");
    }
}
