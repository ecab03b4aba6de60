//! Addresses that try passwords: each may be wrong a few times a minute.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::conf::{Config, Cost};
use crate::net::network;

/// The addresses that were wrong lately; a network of 64 bits of IPv6 counts as one.
#[derive(Debug, Default)]
pub(super) struct Failures(Vec<Row>);

#[derive(Debug)]
struct Row {
    network: IpAddr,
    since: Instant,
    count: u8,
}

/// The failures that an address has within [`MINUTE`].
const MOST: u8 = 5;
const MINUTE: Duration = Duration::from_secs(60);
/// The addresses that are remembered: beyond that, the one that failed longest ago is forgotten.
const ADDRESSES: usize = 256;

/// The table of these addresses.
pub static FAILURES: Cost = Cost {
    what: "wrong passwords: addresses",
    keys: &[],
    count: |all: &Config| if all.access.is_empty() { 0 } else { ADDRESSES },
    user: |_| size_of::<Row>(),
    kernel: |_| 0,
};

impl Failures {
    /// Tells if an address has been wrong too often.
    pub(super) fn is_shut(&self, address: IpAddr, now: Instant) -> bool {
        let network = network(address);
        self.0.iter().any(|row| row.network == network && row.count >= MOST && now < row.since + MINUTE)
    }

    /// Counts a failure.
    pub(super) fn add(&mut self, address: IpAddr, now: Instant) {
        let network = network(address);
        self.0.retain(|row| now < row.since + MINUTE);
        if let Some(row) = self.0.iter_mut().find(|row| row.network == network) {
            row.count = row.count.saturating_add(1);
            return;
        }
        if self.0.len() >= ADDRESSES
            && let Some(oldest) = self.0.iter().enumerate().min_by_key(|(_, row)| row.since).map(|(at, _)| at)
        {
            self.0.swap_remove(oldest);
        }
        self.0.reserve_exact(ADDRESSES.saturating_sub(self.0.len()));
        self.0.push(Row { network, since: now, count: 1 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_shut_out_after_five_failures_for_the_rest_of_the_minute() {
        let (mut failures, one, start) = (Failures::default(), address("192.0.2.1"), Instant::now());
        for at in 0..MOST {
            assert!(!failures.is_shut(one, start));
            failures.add(one, start + Duration::from_secs(at.into()));
        }
        let last = start + MINUTE - Duration::from_millis(1);
        assert!(failures.is_shut(one, last) && failures.is_shut(address("::ffff:192.0.2.1"), last));
        assert!(!failures.is_shut(address("192.0.2.2"), last) && !failures.is_shut(one, start + MINUTE));
    }

    #[test]
    fn networks_of_ipv6_count_as_one_and_the_table_does_not_grow() {
        let (mut failures, start) = (Failures::default(), Instant::now());
        (0..5).for_each(|at| failures.add(address(&format!("2001:db8::{at}")), start));
        assert!(
            failures.is_shut(address("2001:db8::9"), start) && !failures.is_shut(address("2001:db8:0:1::9"), start)
        );
        for at in 0..ADDRESSES as u32 {
            failures.add(IpAddr::V4((0x0a00_0000 + at).into()), start + Duration::from_millis(1));
        }
        assert_eq!((failures.0.len(), failures.0.capacity()), (ADDRESSES, ADDRESSES));
        assert!(!failures.is_shut(address("2001:db8::9"), start), "it failed longest ago");
    }
}
