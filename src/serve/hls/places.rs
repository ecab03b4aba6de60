//! The places of `hls.streams`: the customers that use them, and the stream that gives way if none is free.

use std::time::{Duration, Instant};

use super::super::Server;
use super::settings::Settings;
use super::streams::{Entries, Hls};
use super::{is_live, lock};
use crate::hub::Name;
use crate::net::goes_to;

/// The customers that request a stream, to know whether there is only one.
#[derive(Clone, Copy, Default)]
pub(super) struct Askers {
    /// The customer of the last request; `None` if its address is exempt.
    last: Option<u128>,
    at: Option<Instant>,
    /// The last request of another customer.
    others: Option<Instant>,
}

impl Askers {
    pub(super) fn see(&mut self, customer: Option<u128>, now: Instant) {
        if self.last != customer {
            self.others = self.at;
        }
        (self.last, self.at) = (customer, Some(now));
    }

    /// The only customer with requests within `absence`.
    fn only(&self, now: Instant, absence: Duration) -> Option<u128> {
        self.last.filter(|_| !is_past(self.at, now, absence) && is_past(self.others, now, absence))
    }
}

fn is_past(at: Option<Instant>, now: Instant, absence: Duration) -> bool {
    at.is_none_or(|at| now.saturating_duration_since(at) >= absence)
}

impl Hls {
    /// Lets one stream give way to `name`, which is published and requested by `customer`. It is a stream that has
    /// ended; or one without viewers that is not collected in advance; or one of a customer who has more than the part
    /// that `connections.per_peer` allows, counted by what it publishes and by what it alone watches.
    pub(super) fn give_way(&self, server: &Server, entries: &mut Entries, name: &Name, customer: Option<u128>) {
        let Settings { rules, on_demand, absence, .. } = *lock(&self.settings);
        let now = Instant::now();
        let peer = |name| server.core.hub.find(name).and_then(|stream| stream.publisher_peer());
        let most = server.core.config().per_peer_of_few(self.streams);
        let takers: Vec<_> =
            entries.iter().map(|(name, entry)| [peer(name), lock(&entry.state).askers.only(now, absence)]).collect();
        let others = [peer(name), customer];
        let ranked = entries.iter().zip(&takers).filter_map(|((name, entry), whose)| {
            let is_over = !is_live(server, name);
            let state = lock(&entry.state);
            let rank = match () {
                () if is_over => (0, Some(state.live)),
                () if on_demand && is_past(Some(state.asked), now, absence) => (1, Some(state.asked)),
                () if goes_to(&others, whose, &takers, most) => (2, state.askers.at),
                () => return None,
            };
            Some((rank, name))
        });
        let first = ranked.min_by_key(|(rank, _)| *rank).map(|(_, name)| name.clone());
        let Some(entry) = first.and_then(|name| entries.remove(&name)) else { return };
        let mut state = lock(&entry.state);
        self.leave(&entry, &state, rules.store);
        state.dismiss();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_alone_is_known_while_nobody_else_does() {
        let (zero, absence) = (Instant::now(), Duration::from_secs(30));
        let at = |seconds| zero + Duration::from_secs(seconds);
        let mut askers = Askers::default();
        assert_eq!(askers.only(zero, absence), None);
        askers.see(Some(1), at(0));
        askers.see(Some(1), at(5));
        assert_eq!((askers.only(at(5), absence), askers.only(at(35), absence)), (Some(1), None));
        askers.see(Some(2), at(6));
        askers.see(Some(2), at(34));
        assert_eq!((askers.only(at(34), absence), askers.only(at(35), absence)), (None, Some(2)));
        askers.see(None, at(36));
        assert_eq!(askers.only(at(36), absence), None, "nobody counts what that one has");
        askers.see(Some(2), at(37));
        assert_eq!(askers.only(at(37), absence), None);
    }
}
