//! Views of the list of sessions that copy no more of it than one answer needs.

use std::sync::Arc;

use super::core::Core;
use super::list::{Listed, Part, Session};
use super::rates::Flow;
use crate::budget::{Lease, OverBudget};
use crate::hub::{Progress, SessionId, Stream, Ticket, Waits};

/// Items that are paid for while they are there.
#[derive(Debug)]
pub struct Charged<T> {
    /// The items.
    pub items: Vec<T>,
    /// Their memory.
    pub lease: Lease,
}

/// A session with what it has moved, and its state.
#[derive(Clone, Debug)]
pub struct SessionState {
    /// The session.
    pub session: Session,
    /// The bytes that it has moved, and its bit rate.
    pub flow: Flow,
    /// Its state; that of the beginning if it has left its stream already.
    pub progress: Progress,
}

/// The sessions of a stream in short.
#[derive(Clone, Debug, Default)]
pub struct Company {
    /// The session that publishes.
    pub publisher: Option<Session>,
    /// The sessions that play it to others: those with a peer, and pushes.
    pub viewers: usize,
    /// True if it is written to files.
    pub is_recorded: bool,
}

/// The beginning of the ids of recordings.
const RECORD: &str = "RECORD";
/// The end of the ids of pushes.
const PUSH: &str = "PUSH";

impl Core {
    /// The number of sessions.
    pub fn session_count(&self) -> usize {
        self.list.lock().all.len()
    }

    /// The ids and tickets of the sessions that fit, by id. They are charged to the account for answers.
    ///
    /// # Errors
    /// There is no room for them.
    pub fn sessions_by_id(&self, fits: impl Fn(&Session) -> bool) -> Result<Charged<(SessionId, Ticket)>, OverBudget> {
        let entries = self.list.lock();
        let fitting = || entries.all.iter().filter(|(_, one)| fits(&one.session));
        let mut keys = self.charged(fitting().count())?;
        keys.items.extend(fitting().map(|(ticket, one)| (one.session.id, *ticket)));
        drop(entries);
        keys.items.sort_unstable();
        Ok(keys)
    }

    /// The streams that somebody publishes or plays, by name. The list is charged to the account for answers.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn streams_by_name(&self) -> Result<Charged<Arc<Stream>>, OverBudget> {
        let mut list = self.charged(self.hub.known())?;
        list.items.extend(self.hub.streams().into_iter().filter(|stream| stream.is_used()));
        list.items.sort_unstable_by(|one, other| one.name().cmp(other.name()));
        Ok(list)
    }

    fn charged<T>(&self, count: usize) -> Result<Charged<T>, OverBudget> {
        let bytes = count.saturating_mul(size_of::<T>());
        let lease = self.greetings.account_for(bytes).charge(bytes)?;
        Ok(Charged { items: Vec::with_capacity(count), lease })
    }

    /// The session of that ticket.
    pub fn session(&self, ticket: Ticket) -> Option<SessionState> {
        let Listed { session, sent, rate } = self.list.lock().all.get(&ticket).cloned()?;
        let stream = self.hub.find(&session.stream);
        let progress = match sent {
            None => stream.and_then(|stream| stream.progress(ticket)).unwrap_or_default(),
            Some(bytes) => {
                let is_live = stream.is_some_and(|stream| stream.is_live());
                let waits = || if is_live { Waits::Start } else { Waits::Publisher };
                Progress { bytes, waits: (bytes == 0).then(waits), ..Progress::default() }
            }
        };
        Some(SessionState { flow: rate.flow(progress.bytes), session, progress })
    }

    /// The sessions of a stream in short.
    pub fn company(&self, stream: &Stream) -> Company {
        let publisher = stream.publisher();
        let entries = self.list.lock();
        let mut company = Company {
            publisher: publisher.and_then(|one| Some(entries.all.get(&one)?.session.clone())),
            ..Company::default()
        };
        let plays = |one: &&Session| one.stream == *stream.name() && one.part != Part::Publishes;
        for one in entries.all.values().map(|one| &one.session).filter(plays) {
            company.viewers += usize::from(one.peer.is_some() || one.id.kind.ends_with(PUSH));
            company.is_recorded |= one.id.kind == RECORD;
        }
        company
    }
}
