//! Sessions: their names in the log (`id=RTMPPUBSUB1`), and their tickets in streams.

use std::fmt;
use std::task::Waker;

use super::hold::Dismissal;
use super::stream::{State, Waiter};
use super::{SessionStats, Stream, Waits};

/// The name of a session in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionId {
    /// The word that all sessions of one kind begin with: lal's, where it has one.
    pub kind: &'static str,
    /// Counted from 1 for each kind.
    pub number: u32,
}

/// The number by which a session is found while it publishes or plays, unique during that time. A session has two while
/// the rest of its previous stream is still sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u32);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "id={}{}", self.kind, self.number)
    }
}

impl SessionId {
    /// The id alone: `RTMPPUBSUB1`.
    pub fn text(&self) -> String {
        format!("{}{}", self.kind, self.number)
    }

    /// True if a text is this id, as in `RTMPPUBSUB1`.
    pub fn is_written(&self, text: &str) -> bool {
        text == self.text()
    }
}

impl Stream {
    /// The listed sessions that publish and play the stream at this moment.
    pub fn sessions(&self) -> Vec<SessionStats> {
        let state = self.lock();
        let publisher = state.publisher.iter().filter_map(|one| Some((one.ticket?, one.moved, None)));
        let viewers = state.viewers.iter().filter_map(|one| Some((one.ticket?, one.moved, state.waits(one))));
        publisher.chain(viewers).map(|(ticket, bytes, waits)| SessionStats { ticket, bytes, waits }).collect()
    }

    /// Ends a session that publishes or plays the stream; false if none has that ticket. The session ends itself when
    /// it runs next.
    pub fn kick(&self, ticket: Ticket) -> bool {
        let mut state = self.lock();
        if let Some(occupant) = state.publisher.as_mut().filter(|occupant| occupant.ticket == Some(ticket)) {
            occupant.kicked = true;
            occupant.waker.iter().for_each(Waker::wake_by_ref);
            return true;
        }
        let Some(waiter) = state.viewers.iter_mut().find(|one| one.ticket == Some(ticket)) else { return false };
        waiter.dismissed.get_or_insert(Dismissal::Kicked);
        waiter.waker.iter().for_each(Waker::wake_by_ref);
        true
    }
}

impl State {
    /// The event that a viewer, or the session that sends for it, waits for.
    pub(super) fn waits(&self, viewer: &Waiter) -> Option<Waits> {
        let sent_to = viewer.listens_to.and_then(|cast| self.viewers.iter().find(|one| one.ticket == Some(cast)));
        let one = sent_to.unwrap_or(viewer);
        match self.publisher {
            None if one.next >= self.ring.head() => Some(Waits::Publisher),
            _ => (!one.began).then_some(Waits::Start),
        }
    }
}
