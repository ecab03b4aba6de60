//! Requests that ask the disks about their recordings.

use smol::future::or;

use super::{Answer, Close, Exchange, Lease, MAX_LIST_WAIT, Reply, Status, Timer, size_of_future};
use crate::session::{Found, Question};

/// Makes the answer of what the disks say; of `None` if they are too busy.
pub(in crate::serve) type Tell = Box<dyn FnOnce(&Exchange, Option<Found>) -> Answer + Send>;

impl Exchange {
    /// Asks the disks about their recordings; `then` makes the answer.
    pub(in crate::serve) fn ask_disks(mut self, question: Question, then: Tell) -> Answer {
        match self.pay(size_of_future(asked), 1) {
            Ok(lease) => Answer::later(asked((self, question, then, lease))),
            Err(_) => Reply::from(Status::UNAVAILABLE).into(),
        }
    }
}

async fn asked((exchange, question, then, _lease): (Exchange, Question, Tell, Lease)) -> Result<Answer, Close> {
    let recorded = exchange.server.core.recorded.clone();
    if !recorded.has_list() {
        return Ok(then(&exchange, Some(Found::default())));
    }
    // a client that has left cannot be noticed here, and would block others
    let late = async {
        Timer::after(MAX_LIST_WAIT).await;
        None
    };
    let found = or(recorded.ask(&question), late).await;
    Ok(then(&exchange, found.map(|(found, _)| found)))
}
