//! Connections that wait for a stream without a publisher, and give way to viewers that play.

use std::cmp::Reverse;
use std::sync::Arc;
use std::task::Context;
use std::time::Instant;

use super::{EventKind, Hub, Name, Stream};

/// A connection that waits.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    /// The bits of its address; `None` if many clients share it.
    pub peer: Option<u128>,
    /// The start of the wait.
    pub since: Instant,
    /// The number that identifies it.
    pub number: u64,
}

/// A connection that waits for a stream without being a viewer; it may have to give way.
pub struct Guest {
    stream: Arc<Stream>,
    seat: usize,
}

/// The number of the connection that gives way first: the one that has waited longest, of the address with the most
/// connections.
pub fn first_to_go(waiting: &mut [Waiting]) -> Option<u64> {
    waiting.sort_unstable_by_key(|one| (one.peer, one.since));
    let of_one = waiting.chunk_by(|one, other| one.peer.is_some() && one.peer == other.peer);
    let longest = of_one.filter_map(|all| Some((all.len(), Reverse(all.first()?.since), all.first()?.number)));
    longest.max().map(|(_, _, number)| number)
}

impl Hub {
    /// Dismisses one connection that waits for a stream without a publisher; false if there is none. With `guests` it
    /// may be one that is no viewer.
    pub fn dismiss(&self, guests: bool) -> bool {
        let streams = self.streams();
        let mut waiting = Vec::new();
        for (at, stream) in (0..).zip(&streams) {
            let numbered = |one: Waiting| Waiting { number: at << u32::BITS | one.number, ..one };
            waiting.extend(stream.lock().waiting(guests).map(numbered));
        }
        let Some(number) = first_to_go(&mut waiting) else { return false };
        let (at, seat) = (number >> u32::BITS, number & u64::from(u32::MAX));
        let stream = usize::try_from(at).ok().and_then(|at| streams.get(at));
        let dismissed = stream.and_then(|stream| stream.lock().dismiss(usize::try_from(seat).ok()?));
        if dismissed == Some(true) {
            self.sessions.viewer_leaves();
        }
        dismissed.is_some()
    }

    /// Lets the caller wait for `name`, over a connection from `peer`, if a stream of that name exists; `None` if it is
    /// published.
    pub fn wait(&self, name: &Name, peer: Option<u128>) -> Option<Guest> {
        let stream = self.find(name).filter(|stream| !stream.is_live())?;
        let mut state = stream.lock();
        let is_first = !state.is_watched();
        let seat = state.seat(true);
        state.give_way(seat, peer);
        drop(state);
        if is_first {
            self.events.tell(name, EventKind::Watched);
        }
        Some(Guest { stream, seat })
    }
}

impl Guest {
    /// True if it has to go; wakes the task when that may have changed.
    pub fn poll_dismissed(&self, cx: &Context<'_>) -> bool {
        let mut state = self.stream.lock();
        state.wait(self.seat, false, cx);
        state.dismissal(self.seat).is_some()
    }

    /// True if the stream is published now; wakes the task once it is.
    pub fn poll_live(&self, cx: &Context<'_>) -> bool {
        let mut state = self.stream.lock();
        state.wait(self.seat, true, cx);
        state.publisher.is_some()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.stream.lock().leave(self.seat);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_one_who_has_waited_longest_of_those_who_have_most_goes_first() {
        let zero = Instant::now();
        let one = |peer: &str, since: u64, number| Waiting {
            peer: peer.parse::<u8>().ok().map(u128::from),
            since: zero + Duration::from_secs(since),
            number,
        };
        let mut waiting = vec![one("", 0, 1), one("1", 3, 2), one("2", 1, 3), one("1", 2, 4), one("", 1, 5)];
        let mut gone = Vec::new();
        while let Some(number) = first_to_go(&mut waiting) {
            waiting.retain(|one| one.number != number);
            gone.push(number);
        }
        // 1 has two; the others one each, and those without an address are nobody's
        assert_eq!(gone, [4, 1, 5, 3, 2]);
    }
}
