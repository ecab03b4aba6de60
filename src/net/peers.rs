//! The limit of one address for each kind of shared place.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, Weak};

use super::Network;
use crate::budget::{Account, Lease};

/// The kinds of places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A connection.
    Connection,
    /// A stream to publish.
    Publisher,
    /// A place among the viewers.
    Viewer,
    /// A connection under TLS.
    Tls,
    /// A pair of UDP ports.
    Ports,
}

const CLAIMS: usize = 5;

/// The addresses that hold places.
#[derive(Clone, Debug)]
pub struct Peers(Arc<Table>);

#[derive(Debug)]
struct Table {
    bounds: RwLock<Bounds>,
    account: Account,
    rows: Mutex<HashMap<IpAddr, Row>>,
}

#[derive(Debug)]
struct Bounds {
    /// The most places of each kind for one address.
    most: [u32; CLAIMS],
    exempt: Vec<Network>,
}

#[derive(Debug)]
struct Row {
    taken: [u32; CLAIMS],
    _lease: Lease,
}

/// The bytes of one address: its row, twice because the table doubles as it grows.
pub const ROW: usize = 2 * (size_of::<Row>() + size_of::<IpAddr>() + 16);
/// The bytes of one address in the plan.
pub const ADDRESS: usize = 160;

const _: () = assert!(ROW <= ADDRESS, "the plan has room for what is counted of each address");

/// One place that an address holds; returned when dropped. Places of exempt addresses are not counted.
#[derive(Debug)]
pub struct Share(Option<(Peers, IpAddr, Claim)>);

/// The places that a connection holds for its address.
#[derive(Debug)]
pub struct Seat {
    connection: Share,
    /// The connection's latest place among publishers or viewers.
    role: Mutex<Weak<Share>>,
}

/// A connection's place among publishers or viewers; returned when its last use is dropped.
#[derive(Debug)]
pub struct Use {
    _share: Arc<Share>,
}

impl Peers {
    /// A table in which each address may hold `most` places of each kind.
    pub fn new(most: [usize; CLAIMS], exempt: Vec<Network>, account: Account) -> Self {
        let bounds = RwLock::new(Bounds::new(most, exempt));
        Self(Arc::new(Table { bounds, account, rows: Mutex::default() }))
    }

    /// Sets other bounds from here on. Places that are held stay held, and counted if they were.
    pub fn set_bounds(&self, most: [usize; CLAIMS], exempt: Vec<Network>) {
        *self.0.bounds.write().unwrap_or_else(PoisonError::into_inner) = Bounds::new(most, exempt);
    }

    /// The customer of an address: a network of 64 bits of IPv6 counts as one customer. `None` if the address is
    /// exempt: many clients share loopback, or a proxy.
    pub fn customer(&self, address: IpAddr) -> Option<IpAddr> {
        let address = address.to_canonical();
        let exempt = address.is_loopback() || self.bounds().exempt.iter().any(|one| one.contains(address));
        (!exempt).then_some(network(address))
    }

    /// Counts a connection from `address`; `None` if the address has as many as allowed.
    pub fn seat(&self, address: IpAddr) -> Option<Arc<Seat>> {
        let connection = match self.customer(address) {
            None => Share(None),
            Some(customer) => self.share(customer, Claim::Connection)?,
        };
        Some(Arc::new(Seat { connection, role: Mutex::default() }))
    }

    fn bounds(&self) -> RwLockReadGuard<'_, Bounds> {
        self.0.bounds.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn share(&self, customer: IpAddr, what: Claim) -> Option<Share> {
        self.take(customer, what).then(|| Share(Some((self.clone(), customer, what))))
    }

    fn take(&self, customer: IpAddr, what: Claim) -> bool {
        let Some(most) = self.bounds().most.get(what as usize).copied() else { return false };
        let Table { account, rows, .. } = &*self.0;
        let mut rows = lock(rows);
        let row = match rows.entry(customer) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let Ok(lease) = account.charge(ROW) else { return false };
                new.insert(Row { taken: [0; CLAIMS], _lease: lease })
            }
        };
        let taken = row.taken.get_mut(what as usize).filter(|taken| **taken < most);
        taken.map(|taken| *taken += 1).is_some()
    }

    fn give_back(&self, customer: IpAddr, what: Claim) {
        let mut rows = lock(&self.0.rows);
        let Some(row) = rows.get_mut(&customer) else { return };
        row.taken.iter_mut().skip(what as usize).take(1).for_each(|taken| *taken -= 1);
        if row.taken == [0; CLAIMS] {
            rows.remove(&customer);
        }
    }
}

impl Bounds {
    fn new(most: [usize; CLAIMS], exempt: Vec<Network>) -> Self {
        Self { most: most.map(|most| u32::try_from(most).unwrap_or(u32::MAX)), exempt }
    }
}

impl Seat {
    /// Takes a place among publishers or viewers; `None` if the limit of its address is reached. A connection that has
    /// a place of that kind shares it, and returns it with the last use.
    pub fn take(&self, what: Claim) -> Option<Use> {
        let mut role = lock(&self.role);
        let has = role.upgrade().filter(|share| share.is_of(what));
        let share = match has {
            Some(share) => share,
            None => Arc::new(self.also(what)?),
        };
        *role = Arc::downgrade(&share);
        Some(Use { _share: share })
    }

    /// The customer of the connection, as a number; `None` if its address is exempt.
    pub fn customer(&self) -> Option<u128> {
        self.connection.0.as_ref().map(|(_, customer, _)| bits(*customer))
    }

    /// Takes a further place for the connection; `None` if the limit of its address is reached.
    pub fn also(&self, what: Claim) -> Option<Share> {
        match &self.connection {
            Share(None) => Some(Share(None)),
            Share(Some((peers, customer, _))) => peers.share(*customer, what),
        }
    }
}

impl Share {
    fn is_of(&self, claim: Claim) -> bool {
        self.0.as_ref().is_some_and(|(_, _, what)| *what == claim)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Some((peers, customer, what)) = &self.0 {
            peers.give_back(*customer, *what);
        }
    }
}

/// The customers for whom a scarce place is taken: the publisher, and the client that asks.
pub type Takers = [Option<u128>; 2];

/// True if a place of `takers` is passed on to `others`, for whom none is free: one customer of `takers` has more than
/// `most` of `all`. A customer does not lose a place to itself.
pub fn goes_to(others: &Takers, takers: &Takers, all: &[Takers], most: usize) -> bool {
    let has = |one| all.iter().filter(|takers| takers.contains(&Some(one))).count();
    takers.iter().flatten().any(|one| !others.contains(&Some(*one)) && has(*one) > most)
}

/// The network of an address whose clients count as one: with IPv6 the first 64 bits.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address => address,
    }
}

/// An address as a number.
pub fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers() -> (Peers, Account) {
        let account = Account::root("peers", 8 * ROW);
        (Peers::new([3, 1, 2, 1, 2], vec!["192.0.2.9".parse().unwrap()], account.clone()), account)
    }

    fn seats(peers: &Peers, address: &str, count: usize) -> Vec<Arc<Seat>> {
        (0..count).filter_map(|_| peers.seat(address.parse().unwrap())).collect()
    }

    #[test]
    fn one_address_leaves_something_to_others() {
        let (peers, account) = peers();
        let one = seats(&peers, "192.0.2.1", 9);
        assert_eq!((one.len(), seats(&peers, "::ffff:192.0.2.1", 1).len()), (3, 0));
        assert_eq!(seats(&peers, "192.0.2.2", 9).len(), 3);
        let takes = |what| one.iter().filter_map(|seat| seat.take(what)).collect::<Vec<_>>();
        let (publish, play) = (takes(Claim::Publisher), takes(Claim::Viewer));
        assert_eq!((publish.len(), play.len()), (1, 2));
        assert!(one[2].take(Claim::Viewer).is_none());
        let twice = one[0].take(Claim::Viewer);
        assert!(twice.is_some(), "it has a place of that kind");
        drop(play);
        let others: Vec<_> = one[1..].iter().filter_map(|seat| seat.take(Claim::Viewer)).collect();
        assert_eq!(others.len(), 1, "the second use keeps the place");
        drop((twice, others, publish));
        let publish = takes(Claim::Publisher);
        assert_eq!((publish.len(), takes(Claim::Viewer).len()), (1, 2));
        drop(publish);
        let ports: Vec<_> = one.iter().filter_map(|seat| seat.also(Claim::Ports)).collect();
        assert_eq!((ports.len(), one.iter().filter(|seat| seat.also(Claim::Tls).is_some()).count()), (2, 3));
        drop(one);
        assert_eq!(account.used(), ROW, "what is not given back is counted");
        drop(ports);
        assert_eq!(account.used(), 0);
    }

    #[test]
    fn one_customer_gives_way_where_it_has_more_than_its_part_of_a_few_places() {
        let (one, two, three) = (Some(1), Some(2), Some(3));
        let all = [[one, one], [one, None], [None, one], [two, None]];
        let going = |others, most| all.map(|takers| goes_to(&others, &takers, &all, most));
        assert_eq!(going([three, None], 2), [true, true, true, false], "by either way");
        assert_eq!(going([None, None], 2), [true, true, true, false]);
        assert_eq!(going([two, three], 3), [false; 4]);
        assert_eq!(going([one, three], 2), [false; 4], "its own new one takes none of its own");
        assert_eq!(going([three, one], 2), [false; 4]);
        assert!(!goes_to(&[two, None], &[None; 2], &[[None; 2]; 9], 2), "nobody counts these");
    }

    #[test]
    fn a_network_of_ipv6_is_one_and_some_are_not_counted() {
        let (peers, account) = peers();
        let one: Vec<_> = (1..9).flat_map(|n| seats(&peers, &format!("2001:db8::{n}"), 1)).collect();
        let other = seats(&peers, "2001:db8:0:1::1", 1);
        assert_eq!((one.len(), other.len()), (3, 1));
        let exempt = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "192.0.2.9", "::ffff:192.0.2.9"];
        for address in exempt {
            let many = seats(&peers, address, 99);
            assert_eq!(many.iter().filter_map(|seat| seat.take(Claim::Publisher)).count(), 99, "{address}");
        }
        assert_eq!(account.used(), 2 * ROW);
    }

    #[test]
    fn other_bounds_hold_for_what_is_taken_from_then_on() {
        let (peers, account) = peers();
        let (one, proxy) = ("192.0.2.1", "192.0.2.9");
        let (mut before, exempt) = (seats(&peers, one, 9), seats(&peers, proxy, 9));
        peers.set_bounds([2, 1, 2, 1, 2], vec![one.parse().unwrap()]);
        assert_eq!((seats(&peers, one, 9).len(), seats(&peers, proxy, 9).len()), (9, 2));
        assert_eq!(exempt.iter().filter(|seat| seat.take(Claim::Publisher).is_some()).count(), 9, "as it was let in");
        peers.set_bounds([2, 1, 2, 1, 2], Vec::new());
        assert!(before.len() == 3 && seats(&peers, one, 1).is_empty(), "it has more than it may have now");
        before.truncate(1);
        assert_eq!(seats(&peers, one, 9).len(), 1);
        drop((before, exempt));
        assert_eq!(account.used(), 0);
    }

    #[test]
    fn addresses_without_number_are_bounded() {
        let (peers, account) = peers();
        let many: Vec<_> = (0..99).flat_map(|n| seats(&peers, &format!("192.0.2.1{n:02}"), 1)).collect();
        assert_eq!((many.len(), account.used()), (8, 8 * ROW));
    }
}
