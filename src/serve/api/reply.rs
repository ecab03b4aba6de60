//! Answers in JSON, whose text is charged before it is there.

use crate::budget::OverBudget;
use crate::lal::Outcome;
use crate::proto::http::Status;
use crate::serve::http::{Answer, Body, Exchange, Field, NO_CACHE, NO_ROOM, Reply};
use crate::session::JsonText;

/// The server, in lal's answers and in place of ours: clients may look for the version.
const SERVER: Field = ("Server", std::borrow::Cow::Borrowed("lal0.37.4"));
/// The type of all answers, as lal writes it.
const JSON: &str = "application/json";

/// The type of a function that writes an answer.
type Written = Result<(), OverBudget>;

/// Answers with what `write` writes, in the name of lal. Pages of other sites read it if they are listed.
pub(super) fn told(exchange: &Exchange, write: impl FnOnce(&mut JsonText<'_>) -> Written) -> Answer {
    let reply = json(exchange, Status::OK, write);
    reply.unwrap_or_else(|_| no_room(NO_ROOM)).with([SERVER]).with(listed(exchange)).into()
}

/// Answers with a text, in the name of lal.
pub(super) fn said(exchange: &Exchange, json: &str) -> Answer {
    told(exchange, |text| text.put(json))
}

/// Answers with an outcome of lal alone.
pub(super) fn outcome(exchange: &Exchange, outcome: &Outcome) -> Answer {
    said(exchange, &outcome.alone())
}

/// An answer that `write` writes.
///
/// # Errors
/// There is no room for it.
pub(super) fn json(
    exchange: &Exchange,
    status: Status,
    write: impl FnOnce(&mut JsonText<'_>) -> Written,
) -> Result<Reply, OverBudget> {
    let mut write = Some(write);
    finished(exchange, status, &mut |text| write.take().map_or(Ok(()), |write| write(text)))
}

/// The same for all functions that write: it is there once in the program.
#[inline(never)]
fn finished(
    exchange: &Exchange,
    status: Status,
    write: &mut dyn FnMut(&mut JsonText<'_>) -> Written,
) -> Result<Reply, OverBudget> {
    let room = exchange.room();
    let mut text = JsonText::new(&room);
    write(&mut text)?;
    Ok(Reply { status, ..Reply::pieces(JSON, text.finish()) }.with([NO_CACHE]))
}

/// A refusal for want of room, which costs none.
pub(super) fn no_room(text: &'static str) -> Reply {
    Reply::new(Status::UNAVAILABLE, Body::Text(text.into())).retry_after(1)
}

/// The fields that let a page of another site read the answer, if it is listed.
pub(super) fn listed(exchange: &Exchange) -> impl Iterator<Item = Field> {
    let origin = exchange.listed_origin().map(|origin| [origin, ("Vary", "Origin".into())]);
    origin.into_iter().flatten()
}
