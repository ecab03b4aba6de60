//! Answers, and what requests have in common.

use std::fmt;
use std::num::ParseIntError;
use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;

use super::page::Page;
use crate::budget::{Account, OverBudget};
use crate::media::Wall;
use crate::proto::http::Status;
use crate::serve::api::reply::{self, json, listed};
use crate::serve::http::{Answer, Exchange};
use crate::session::JsonText;
use crate::wire::{iso8601, percent_decode};

/// A refusal: `{"error":"TEXT"}`.
#[derive(Serialize)]
struct Refusal<'a> {
    error: &'a str,
}

/// The memory of an account, in bytes.
#[derive(Serialize)]
pub(super) struct Memory {
    used: usize,
    limit: usize,
    peak: usize,
}

/// A time in seconds, to the millisecond: a number of JSON.
pub(super) struct Seconds(pub Duration);

impl Memory {
    pub(super) fn of(account: &Account) -> Self {
        Self { used: account.used(), limit: account.limit(), peak: account.peak() }
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0.as_secs(), self.0.subsec_millis())
    }
}

/// The refusal for want of room.
const NO_ROOM: &str = "{\"error\":\"no room for that now\"}";

/// An answer that is an object.
pub(super) fn object(exchange: &Exchange, object: &impl Serialize) -> Answer {
    written(exchange, |text| text.value(object))
}

/// An answer that `write` writes.
pub(super) fn written(exchange: &Exchange, write: impl FnOnce(&mut JsonText<'_>) -> Result<(), OverBudget>) -> Answer {
    answer(exchange, Status::OK, write)
}

/// A page of a list: `{"total":3,"items":[...]}`.
pub(super) fn list<T>(
    exchange: &Exchange,
    items: Vec<T>,
    item: impl FnMut(&mut JsonText<'_>, T) -> Result<(), OverBudget>,
) -> Answer {
    list_of(exchange, items, Some, item)
}

/// The same by keys: `find` gives the item of a key that is on the page, unless it has gone meanwhile.
pub(super) fn list_of<K, T>(
    exchange: &Exchange,
    keys: Vec<K>,
    find: impl FnMut(K) -> Option<T>,
    item: impl FnMut(&mut JsonText<'_>, T) -> Result<(), OverBudget>,
) -> Answer {
    let page = match Page::asked(&exchange.request.query) {
        Ok(page) => page,
        Err(why) => return refuse(exchange, Status::BAD_REQUEST, why),
    };
    written(exchange, |text| {
        text.put(&format!("{{\"total\":{},\"items\":", keys.len()))?;
        text.array(page.of(keys).filter_map(find), item)?;
        text.put("}")
    })
}

/// A change is made, and there is nothing to say.
pub(super) fn done(exchange: &Exchange) -> Answer {
    written(exchange, |text| text.put("{}"))
}

/// A refusal, with its reason.
pub(super) fn refuse(exchange: &Exchange, status: Status, why: &str) -> Answer {
    answer(exchange, status, |text| text.value(&Refusal { error: why }))
}

/// There is no room for the answer just then.
pub(super) fn no_room(exchange: &Exchange) -> Answer {
    reply::no_room(NO_ROOM).with(listed(exchange)).into()
}

/// An answer with a status that `write` writes.
pub(super) fn answer(
    exchange: &Exchange,
    status: Status,
    write: impl FnOnce(&mut JsonText<'_>) -> Result<(), OverBudget>,
) -> Answer {
    match json(exchange, status, write) {
        Ok(reply) => reply.with(listed(exchange)).into(),
        Err(_) => no_room(exchange),
    }
}

/// A time of day by ISO 8601.
pub(super) fn time(Wall(since): Wall) -> String {
    iso8601(UNIX_EPOCH + since)
}

/// A rate in kilobits, of 1000 bits.
pub(super) fn kbps(bytes_per_second: u32) -> u64 {
    u64::from(bytes_per_second) * 8 / 1000
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
