//! Lines that a peer can cause without end: the first few are said, and of the rest how
//! many there were, once a second.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The lines of each kind and peer lately. Those who share a place share its limit, so that an
/// army of addresses fills no log either.
pub(crate) struct Flood(Mutex<[Slot; SLOTS]>);

#[derive(Clone, Copy)]
struct Slot {
    kind: &'static str,
    peer: IpAddr,
    since: Option<Instant>,
    seen: u32,
    left_out: u32,
    /// Others share it.
    shared: bool,
}

const SLOTS: usize = 64;
/// The first few in such a time are said.
const WINDOW: Duration = Duration::from_secs(10);

impl Default for Flood {
    fn default() -> Self {
        let peer = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let slot = Slot { kind: "", peer, since: None, seen: 0, left_out: 0, shared: false };
        Self(Mutex::new([slot; SLOTS]))
    }
}

impl Flood {
    /// Whether a line of this kind about this peer is one of the first `few`.
    pub(super) fn passes(&self, kind: &'static str, peer: IpAddr, few: u32) -> bool {
        self.passes_at(kind, network(peer), few, Instant::now())
    }

    fn passes_at(&self, kind: &'static str, peer: IpAddr, few: u32, now: Instant) -> bool {
        let mut hasher = DefaultHasher::new();
        (kind, peer).hash(&mut hasher);
        let place = hasher.finish() % SLOTS as u64;
        let mut slots = self.lock();
        let Some(slot) = slots.get_mut(place as usize) else { return true };
        if slot.since.is_none_or(|since| now.saturating_duration_since(since) >= WINDOW) && slot.left_out == 0 {
            *slot = Slot { kind, peer, since: Some(now), seen: 0, left_out: 0, shared: false };
        }
        slot.shared |= slot.kind != kind || slot.peer != peer;
        slot.seen = slot.seen.saturating_add(1);
        let passes = slot.seen <= few;
        slot.left_out = slot.left_out.saturating_add(u32::from(!passes));
        passes
    }

    /// Tells what was left out since the last time.
    pub(super) fn tell(&self) {
        for slot in self.lock().iter_mut() {
            let count = std::mem::take(&mut slot.left_out);
            if count > 0 {
                let others = if slot.shared { " and others" } else { "" };
                log::warn!("peer={}{others} {count} more lines are left out ({})", slot.peer, slot.kind);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, [Slot; SLOTS]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever has one address of IPv6 has 2^64.
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

    #[test]
    fn the_first_few_of_each_are_said_and_the_rest_is_counted() {
        let flood = Flood::default();
        let (start, peer) = (Instant::now(), IpAddr::from([192, 0, 2, 1]));
        let passed = |kind, peer, seconds| {
            let now = start + Duration::from_secs(seconds);
            (0..1000).filter(|_| flood.passes_at(kind, peer, 5, now)).count()
        };
        assert_eq!(passed("name", peer, 0), 5);
        assert_eq!(passed("name", peer, 11), 0, "the rest was not told yet");
        assert_eq!(flood.lock().iter().map(|slot| slot.left_out).sum::<u32>(), 1995);
        flood.tell();
        assert_eq!(flood.lock().iter().map(|slot| slot.left_out).sum::<u32>(), 0);
        assert_eq!(passed("name", peer, 12), 5);
        let army = (0..=255).map(|n| passed("taken", IpAddr::from([198, 51, 100, n]), 12)).sum::<usize>();
        assert!(army <= 5 * SLOTS, "{army}");
    }

    #[test]
    fn a_network_of_ipv6_is_one_peer_and_mapped_ipv4_is_itself() {
        let parse = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(parse("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(parse("::ffff:192.0.2.1"), "192.0.2.1");
    }
}
