//! Addresses that the operator refuses for a while: whatever they ask for, over any protocol.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::budget::Key::Count;
use crate::conf::Cost;

/// The table of refused addresses.
pub struct Blacklist {
    /// The most rows.
    most: usize,
    rows: Mutex<BTreeMap<IpAddr, Instant>>,
    /// Counts changes, and wraps.
    edits: AtomicUsize,
}

/// The reason why an address is not added: the table is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyAddresses;

/// The bytes of a row, twice because nodes of the map are half empty at worst, and once more while it is listed.
const ROW: usize = 128;

const _: () = assert!(3 * size_of::<(IpAddr, Instant)>() <= ROW, "the plan has room for a row, and for listing it");

/// The rows.
pub static BLACKLIST: Cost = Cost {
    what: "refused addresses",
    keys: &[Count("api.blacklist")],
    count: |all| if all.api.enable { all.api.blacklist } else { 0 },
    user: |_| ROW,
    kernel: |_| 0,
};

impl Blacklist {
    /// A table of `most` rows.
    pub(super) fn new(most: usize) -> Self {
        Self { most, rows: Mutex::default(), edits: AtomicUsize::new(0) }
    }

    /// Refuses an address from now on for `time`.
    pub fn add(&self, address: IpAddr, time: Duration, now: Instant) -> Result<(), TooManyAddresses> {
        let address = address.to_canonical();
        let end = now.checked_add(time).ok_or(TooManyAddresses)?;
        let mut rows = self.lock(now);
        if rows.len() >= self.most && !rows.contains_key(&address) {
            return Err(TooManyAddresses);
        }
        rows.insert(address, end);
        self.edits.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Refuses an address no longer; false if it was not refused.
    pub fn remove(&self, address: IpAddr, now: Instant) -> bool {
        let is_removed = self.lock(now).remove(&address.to_canonical()).is_some();
        self.edits.fetch_add(usize::from(is_removed), Relaxed);
        is_removed
    }

    /// The number of changes.
    #[cfg(feature = "api")]
    pub(super) fn edits(&self) -> usize {
        self.edits.load(Relaxed)
    }

    /// True if an address is refused.
    pub fn has(&self, address: IpAddr, now: Instant) -> bool {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.get(&address.to_canonical()).is_some_and(|end| *end > now)
    }

    /// The refused addresses, and the time that is left of each.
    pub fn list(&self, now: Instant) -> Vec<(IpAddr, Duration)> {
        self.lock(now).iter().map(|(address, end)| (*address, end.saturating_duration_since(now))).collect()
    }

    /// The rows that have not ended.
    fn lock(&self, now: Instant) -> MutexGuard<'_, BTreeMap<IpAddr, Instant>> {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.retain(|_, end| *end > now);
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_refused_for_its_time_and_no_more_than_there_is_room_for() {
        let (list, now) = (Blacklist::new(2), Instant::now());
        let [one, two, three] = ["192.0.2.1", "2001:db8::1", "192.0.2.3"].map(|text| text.parse().unwrap());
        let second = Duration::from_secs(1);
        assert_eq!((list.add(one, second, now), list.add(two, 9 * second, now)), (Ok(()), Ok(())));
        assert_eq!(list.add(three, second, now), Err(TooManyAddresses));
        assert_eq!(list.add(one, 2 * second, now), Ok(()), "a row may change");
        assert!(list.has("::ffff:192.0.2.1".parse().unwrap(), now) && !list.has(three, now));
        assert_eq!(list.list(now), [(one, 2 * second), (two, 9 * second)]);
        let later = now + 2 * second;
        assert!(!list.has(one, later) && list.has(two, later));
        assert_eq!(list.add(three, second, later), Ok(()), "the place of one that is over");
        assert!(list.remove(three, later) && !list.remove(three, later));
    }
}
