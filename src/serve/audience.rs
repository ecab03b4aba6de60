//! Who watches HLS: a player is many requests, which a number in their URLs ties together.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::budget::{Account, Lease};
use crate::hub::{Name, Refused, Waiting, first_to_go};
use crate::net::{Peers, bits, random};
use crate::session::{Flood, Who};

/// All that are known.
pub(super) struct Audience {
    most: usize,
    /// As many of them as one address may have.
    per_peer: usize,
    account: Account,
    seats: Mutex<HashMap<u64, Seat>>,
}

struct Seat {
    who: Who,
    name: Name,
    customer: Option<u128>,
    since: Instant,
    seen: Instant,
    bytes: u64,
    _lease: Lease,
}

/// What one of them costs: its entry, twice over while the table grows, and its name.
const SEAT: usize = 2 * (size_of::<Seat>() + 16) + 64;

impl Audience {
    /// At most `most` at once, `per_peer` of one address, charged to `account`.
    pub(super) fn new(most: usize, per_peer: usize, account: Account) -> Self {
        Self { most, per_peer, account, seats: Mutex::default() }
    }

    /// Somebody begins to watch `name`: its number, which nobody can guess. If that `plays`, one who waits for
    /// what does not gives way where there is no place.
    pub(super) fn enter(
        &self,
        flood: &Flood,
        peers: &Peers,
        name: &Name,
        mut who: Who,
        plays: &dyn Fn(&Name) -> bool,
    ) -> Result<u64, Refused> {
        let mut seats = self.lock();
        let customer = who.ip().and_then(|ip| peers.customer(ip)).map(bits);
        let same = |seat: &Seat| customer.is_some() && seat.customer == customer;
        let has_most = seats.values().filter(|seat| same(seat)).count() >= self.per_peer;
        if has_most || seats.len() >= self.most {
            let refused = if has_most { Refused::Peer } else { Refused::Viewers };
            let may_go = |seat: &Seat| (same(seat) || !has_most) && !plays(&seat.name);
            let waiting = seats.iter().filter(|(_, seat)| plays(name) && may_go(seat)).map(|(number, seat)| Waiting {
                peer: seat.customer,
                since: seat.since,
                number: *number,
            });
            let mut gone = first_to_go(&mut waiting.collect::<Vec<_>>()).and_then(|number| seats.remove(&number));
            let Seat { who, name, bytes, .. } = gone.as_mut().ok_or(refused)?;
            who.ends(format_args!("stops playing {name}: nobody publishes it, and others need the place"), *bytes);
        }
        let lease = self.account.charge(SEAT).map_err(|_| Refused::Viewers)?;
        let now = Instant::now();
        let number = random::number();
        who.begins(flood, name, format_args!("plays {name} as hls"));
        seats
            .insert(number, Seat { who, name: name.clone(), customer, since: now, seen: now, bytes: 0, _lease: lease });
        Ok(number)
    }

    /// The one of that number is still there, and is sent `bytes`; false if there is none,
    /// or it watches something else.
    pub(super) fn see(&self, number: u64, name: &Name, bytes: usize) -> bool {
        let mut seats = self.lock();
        let Some(seat) = seats.get_mut(&number).filter(|seat| seat.name == *name) else { return false };
        seat.seen = Instant::now();
        seat.bytes += bytes as u64;
        true
    }

    /// Forgets those who have not asked for anything for `limit`.
    pub(super) fn sweep(&self, now: Instant, limit: Duration) {
        self.lock().retain(|_, seat| {
            let stays = now.saturating_duration_since(seat.seen) < limit;
            if !stays {
                seat.who.ends(format_args!("stops playing {}: idle", seat.name), seat.bytes);
            }
            stays
        });
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Seat>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Ids;

    #[test]
    fn seats_are_bounded_paid_for_and_given_up() {
        let account = Account::root("hls", 1 << 20);
        let audience = Audience::new(2, 2, account.clone());
        let (name, other) = (Name::new("a").unwrap(), Name::new("b").unwrap());
        let (ids, flood, peers) =
            (Ids::default(), Flood::default(), Peers::new(Default::default(), Vec::new(), account.clone()));
        let enter = || audience.enter(&flood, &peers, &name, ids.who("HLSSUB"), &|_| true);
        let (one, two) = (enter().unwrap(), enter().unwrap());
        assert_eq!((enter(), one == two), (Err(Refused::Viewers), false));
        assert!(audience.see(one, &name, 10) && !audience.see(one, &other, 10) && !audience.see(!one, &name, 10));
        audience.sweep(Instant::now() + Duration::from_secs(9), Duration::from_secs(10));
        assert_eq!(audience.len(), 2);
        audience.sweep(Instant::now() + Duration::from_secs(11), Duration::from_secs(10));
        assert_eq!((audience.len(), account.used()), (0, 0));
        let poor = Audience::new(9, 9, Account::root("hls", 0));
        assert_eq!(poor.enter(&flood, &peers, &name, ids.who("HLSSUB"), &|_| true), Err(Refused::Viewers));
    }

    #[test]
    fn one_address_leaves_seats_to_others() {
        let account = Account::root("hls", 1 << 20);
        let (audience, name) = (Audience::new(4, 3, account.clone()), Name::new("a").unwrap());
        let (ids, flood, peers) =
            (Ids::default(), Flood::default(), Peers::new(Default::default(), Vec::new(), account));
        let enter = |peer: &str| {
            let who = ids.who("HLSSUB").at(peer.parse().unwrap());
            audience.enter(&flood, &peers, &name, who, &|_| true).err()
        };
        let many = [(); 4].map(|()| enter("192.0.2.1:1"));
        assert_eq!(many, [None, None, None, Some(Refused::Peer)]);
        assert_eq!(enter("192.0.2.2:1"), None);
    }

    #[test]
    fn who_waits_for_what_nobody_publishes_gives_way_to_who_plays() {
        let account = Account::root("hls", 1 << 20);
        let audience = Audience::new(4, 3, account.clone());
        let (ids, flood, peers) =
            (Ids::default(), Flood::default(), Peers::new(Default::default(), Vec::new(), account));
        let enter = |name: &str, peer: &str| {
            let who = ids.who("HLSSUB").at(peer.parse().unwrap());
            let plays = |name: &Name| name.as_str().starts_with("live");
            audience.enter(&flood, &peers, &Name::new(name).unwrap(), who, &plays)
        };
        let (one, two) = ("192.0.2.1:1", "192.0.2.2:1");
        let waiting = [enter("x", two), enter("x", one), enter("y", one), enter("z", one)].map(Result::unwrap);
        assert_eq!(enter("absent", two), Err(Refused::Viewers), "it would wait as well");
        assert_eq!(enter("absent", one), Err(Refused::Peer));
        let is_there = |at: usize, name: &str| audience.see(waiting[at], &Name::new(name).unwrap(), 0);
        enter("live1", two).unwrap();
        assert!(is_there(0, "x") && !is_there(1, "x"), "the longest of those who have most");
        enter("live2", one).unwrap();
        assert!(is_there(0, "x") && !is_there(2, "y") && is_there(3, "z"));
        enter("live3", one).unwrap();
        enter("live4", two).unwrap();
        assert_eq!(audience.len(), 4);
        assert_eq!(enter("live5", two), Err(Refused::Viewers), "all of them play");
    }
}
