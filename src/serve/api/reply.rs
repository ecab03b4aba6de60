//! Answers in JSON, whose text is charged before it is there.

use std::cell::Cell;

use crate::budget::{BlockMut, Greetings, OverBudget, Room};
use crate::hub::Unit;
use crate::lal::{Outcome, Text};
use crate::media::Ticks;
use crate::net::Outlet;
use crate::proto::http::Status;
use crate::serve::http::{Answer, Body, CORS, Exchange, Field, NO_CACHE, NO_ROOM, Reply};

/// The fields of lal's answers that pages of other origins look at.
const OPEN: [Field; 3] = [
    CORS,
    ("Access-Control-Allow-Credentials", std::borrow::Cow::Borrowed("true")),
    ("Access-Control-Allow-Headers", std::borrow::Cow::Borrowed("Content-Type")),
];
/// The server, in lal's answers: clients may look for the version.
const SERVER: Field = ("Server", std::borrow::Cow::Borrowed("lal0.37.4"));
/// The type of all answers, as lal writes it.
const JSON: &str = "application/json";

/// The memory of one answer: that of its connection as long as it is short, else the part for long answers.
struct AnswerRoom<'a> {
    greetings: &'a Greetings,
    taken: Cell<usize>,
}

impl Room for AnswerRoom<'_> {
    fn block(&self, capacity: usize) -> Result<BlockMut, OverBudget> {
        let taken = self.taken.get().saturating_add(capacity);
        let block = BlockMut::new(self.greetings.account_for(taken), capacity)?;
        self.taken.set(taken);
        Ok(block)
    }
}

/// Answers with what `write` writes, which everybody may read who may ask for it.
pub(super) fn told(exchange: &Exchange, write: impl FnOnce(&mut Text<'_>) -> Result<(), OverBudget>) -> Answer {
    written(exchange, write).with(OPEN).into()
}

/// Answers to a change: pages of other sites read it if they are listed.
pub(super) fn changed(exchange: &Exchange, json: &str) -> Answer {
    let origin = exchange.listed_origin().map(|origin| [origin, ("Vary", "Origin".into())]);
    written(exchange, |text| text.put(json)).with(origin.into_iter().flatten()).into()
}

/// Answers to a change with an outcome alone.
pub(super) fn outcome(exchange: &Exchange, outcome: &Outcome) -> Answer {
    changed(exchange, &outcome.alone())
}

fn written(exchange: &Exchange, write: impl FnOnce(&mut Text<'_>) -> Result<(), OverBudget>) -> Reply {
    let room = AnswerRoom { greetings: &exchange.server.core.greetings, taken: Cell::new(0) };
    let mut text = Text::new(&room);
    if write(&mut text).is_err() {
        return Reply::new(Status::UNAVAILABLE, Body::Text(NO_ROOM.into())).retry_after(1);
    }
    let mut outlet = Outlet::default();
    outlet.fill(|units| units.extend(text.finish().into_iter().map(|block| Unit::whole(block, Ticks(0)))));
    Reply::blocks(JSON, outlet).with([SERVER, NO_CACHE])
}
