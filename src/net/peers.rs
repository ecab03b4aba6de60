//! The part that one address may take of what there is for all.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::budget::{Account, Lease};

/// The things that can be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A connection.
    Connection,
    /// A stream to publish.
    Publisher,
    /// A place among the viewers.
    Viewer,
}

const CLAIMS: usize = 3;

/// The addresses that have taken something.
#[derive(Clone, Debug)]
pub struct Peers(Arc<Table>);

#[derive(Debug)]
struct Table {
    /// The most of each that one address may take.
    most: [usize; CLAIMS],
    exempt: Vec<IpAddr>,
    account: Account,
    rows: Mutex<HashMap<IpAddr, Row>>,
}

#[derive(Debug)]
struct Row {
    taken: [usize; CLAIMS],
    _lease: Lease,
}

/// The cost of one address: its row, twice over while the table grows.
pub const ROW: usize = 2 * (size_of::<Row>() + size_of::<IpAddr>() + 16);

/// A connection's part of what its address has; given back when dropped.
#[derive(Debug)]
pub struct Seat {
    /// Nobody counts what those have that are exempt.
    counted: Option<(Peers, IpAddr)>,
    role: Mutex<Option<Claim>>,
}

impl Peers {
    /// One address may take so many connections, publishers and viewers.
    pub fn new(most: [usize; CLAIMS], exempt: Vec<IpAddr>, account: Account) -> Self {
        Self(Arc::new(Table { most, exempt, account, rows: Mutex::default() }))
    }

    /// The customer that an address stands for: with IPv6 a network of 64 bits is one customer's.
    /// `None` if it is exempt: many come by way of loopback, or of a proxy.
    pub fn customer(&self, address: IpAddr) -> Option<IpAddr> {
        let address = address.to_canonical();
        let exempt = address.is_loopback() || self.0.exempt.iter().any(|one| one.to_canonical() == address);
        (!exempt).then_some(match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        })
    }

    /// A connection comes from `address`; `None` if it has as many as it may have.
    pub fn seat(&self, address: IpAddr) -> Option<Arc<Seat>> {
        let customer = self.customer(address);
        if let Some(customer) = customer {
            self.take(customer, Claim::Connection).then_some(())?;
        }
        let counted = customer.map(|customer| (self.clone(), customer));
        Some(Arc::new(Seat { counted, role: Mutex::default() }))
    }

    fn take(&self, customer: IpAddr, what: Claim) -> bool {
        let Table { most, account, rows, .. } = &*self.0;
        let mut rows = lock(rows);
        let row = match rows.entry(customer) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let Ok(lease) = account.charge(ROW) else { return false };
                new.insert(Row { taken: [0; CLAIMS], _lease: lease })
            }
        };
        let Some(most) = most.get(what as usize) else { return false };
        let taken = row.taken.get_mut(what as usize).filter(|taken| **taken < *most);
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

impl Seat {
    /// The connection is to publish or to play, and nothing else from then on; false if its
    /// address may not.
    pub fn take(&self, what: Claim) -> bool {
        self.leave();
        let taken = self.counted.as_ref().is_none_or(|(peers, customer)| peers.take(*customer, what));
        *lock(&self.role) = taken.then_some(what);
        taken
    }

    /// It does neither any more.
    pub fn leave(&self) {
        let role = lock(&self.role).take();
        if let (Some((peers, customer)), Some(role)) = (&self.counted, role) {
            peers.give_back(*customer, role);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
        if let Some((peers, customer)) = &self.counted {
            peers.give_back(*customer, Claim::Connection);
        }
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
        (Peers::new([3, 1, 2], vec!["192.0.2.9".parse().unwrap()], account.clone()), account)
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
        let takes = |what| one.iter().filter(|seat| seat.take(what)).count();
        assert_eq!((takes(Claim::Publisher), takes(Claim::Viewer)), (1, 2));
        assert!(one[2].take(Claim::Publisher), "who plays now does not publish");
        drop(one);
        assert_eq!(account.used(), 0);
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
            assert_eq!(many.iter().filter(|seat| seat.take(Claim::Publisher)).count(), 99, "{address}");
        }
        assert_eq!(account.used(), 2 * ROW);
    }

    #[test]
    fn addresses_without_number_are_bounded() {
        let (peers, account) = peers();
        let many: Vec<_> = (0..99).flat_map(|n| seats(&peers, &format!("192.0.2.1{n:02}"), 1)).collect();
        assert_eq!((many.len(), account.used()), (8, 8 * ROW));
    }
}
