//! Answers, and what requests have in common.

use std::num::ParseIntError;

use serde::Serialize;

use super::page::Page;
use crate::budget::OverBudget;
use crate::proto::http::Status;
use crate::serve::api::reply::json;
use crate::serve::http::{Answer, Exchange};
use crate::session::JsonText;
use crate::wire::percent_decode;

/// A refusal: `{"error":"TEXT"}`.
#[derive(Serialize)]
struct Refusal<'a> {
    error: &'a str,
}

/// An answer that is an object.
pub(super) fn object(exchange: &Exchange, object: &impl Serialize) -> Answer {
    json(exchange, Status::OK, |text| text.value(object)).into()
}

/// A page of a list: `{"total":3,"items":[...]}`.
pub(super) fn list<T>(
    exchange: &Exchange,
    items: Vec<T>,
    item: impl FnMut(&mut JsonText<'_>, T) -> Result<(), OverBudget>,
) -> Answer {
    let page = match Page::asked(&exchange.request.query) {
        Ok(page) => page,
        Err(why) => return refuse(exchange, Status::BAD_REQUEST, why),
    };
    let reply = json(exchange, Status::OK, |text| {
        text.put(&format!("{{\"total\":{},\"items\":", items.len()))?;
        text.array(page.of(items), item)?;
        text.put("}")
    });
    reply.into()
}

/// A change is made, and there is nothing to say.
pub(super) fn done(exchange: &Exchange) -> Answer {
    json(exchange, Status::OK, |text| text.put("{}")).into()
}

/// A refusal, with its reason.
pub(super) fn refuse(exchange: &Exchange, status: Status, why: &str) -> Answer {
    json(exchange, status, |text| text.value(&Refusal { error: why })).into()
}

/// A number of a query, if it is there.
pub(super) fn number(query: &str, name: &str) -> Result<Option<usize>, ParseIntError> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.parse()).transpose()
}

/// A refusal of what may be had soon.
pub(super) fn busy(exchange: &Exchange, why: &str) -> Answer {
    match refuse(exchange, Status::UNAVAILABLE, why) {
        Answer::Now(reply) => reply.retry_after(1).into(),
        other => other,
    }
}

/// The decoded rest of a path behind `start`, without `end`; `None` if it is empty or has a slash.
pub(super) fn item(exchange: &Exchange, start: &str, end: &str) -> Option<String> {
    let item = exchange.request.path.strip_prefix(start)?.strip_suffix(end)?;
    percent_decode(item).filter(|item| !item.is_empty() && !item.contains('/'))
}
