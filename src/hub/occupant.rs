//! A publisher's place in its stream.

use std::sync::Arc;
use std::task::{Context, Waker};

use super::Ticket;

/// The session that publishes.
pub(super) struct Occupant {
    /// The connection, as in the log.
    pub(super) who: Arc<str>,
    /// The bits of its address; `None` if many clients share it.
    pub(super) peer: Option<u128>,
    /// Wakes it when it is dismissed, and when the stream's first bytes are received.
    pub(super) waker: Option<Waker>,
    /// The session, if it is in the list.
    pub(super) ticket: Option<Ticket>,
    /// The bytes of its frames so far.
    pub(super) moved: u64,
    /// The operator has ended it.
    pub(super) kicked: bool,
}

impl Occupant {
    /// Stores the waker of its task.
    pub(super) fn wait(&mut self, cx: &Context<'_>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }
}
