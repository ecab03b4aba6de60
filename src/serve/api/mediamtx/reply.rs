//! Answers: objects, pages of lists, `{"status":"ok"}`, and errors.

use std::time::UNIX_EPOCH;

use serde::Serialize;

use crate::budget::OverBudget;
use crate::hub::Name;
use crate::media::Wall;
use crate::proto::http::Status;
use crate::serve::api::lal::parameter;
use crate::serve::api::reply::{json, listed, no_room};
use crate::serve::http::{Answer, Exchange};
use crate::session::JsonText;
use crate::wire::{iso8601, percent_decode};

/// The result of a function that writes a part of an answer.
pub(super) type Written = Result<(), OverBudget>;

/// The end of a request that changes something, or an error.
#[derive(Serialize)]
struct Outcome<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

/// The server.
#[derive(Serialize)]
struct Info {
    version: &'static str,
    started: String,
}

/// A list of which one page is written: `{"items":[...],"itemCount":3,"pageCount":1}`.
pub(super) struct List<'t, 'r> {
    text: &'t mut JsonText<'r>,
    page: Page,
    items: usize,
    is_empty: bool,
}

/// A page: `?page=0&itemsPerPage=100`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Page {
    number: usize,
    len: usize,
}

/// The refusal for want of room.
const NO_ROOM: &str = "{\"status\":\"error\",\"error\":\"no room for that now\"}";
/// The items of a page where the client says no number, and the most: who asks for more gets more pages.
const USUAL: usize = 100;
const MOST: usize = 1000;

/// An answer that is an object.
pub(super) fn object(exchange: &Exchange, object: &impl Serialize) -> Answer {
    written(exchange, &mut |text| text.value(object))
}

/// An answer that `write` writes.
pub(super) fn written(exchange: &Exchange, write: &mut dyn FnMut(&mut JsonText<'_>) -> Written) -> Answer {
    answer(exchange, Status::OK, write)
}

/// An answer with a status. It is one function for all of them, which keeps the program small.
fn answer(exchange: &Exchange, status: Status, write: &mut dyn FnMut(&mut JsonText<'_>) -> Written) -> Answer {
    json(exchange, status, write).unwrap_or_else(|_| no_room(NO_ROOM)).with(listed(exchange)).into()
}

/// A page of a list, to which `fill` gives all items.
pub(super) fn list(exchange: &Exchange, fill: &mut dyn FnMut(&mut List<'_, '_>) -> Written) -> Answer {
    let Some(page) = Page::asked(&exchange.request.query) else {
        return refuse(
            exchange,
            Status::BAD_REQUEST,
            "page or itemsPerPage is not a number, or there are none per page",
        );
    };
    written(exchange, &mut |text| {
        text.put("{\"items\":[")?;
        let mut list = List { text, page, items: 0, is_empty: true };
        fill(&mut list)?;
        let items = list.items;
        text.put(&format!("],\"itemCount\":{items},\"pageCount\":{}}}", items.div_ceil(page.len)))
    })
}

/// `GET /v3/info`.
pub(in crate::serve) fn info(exchange: Exchange) -> Answer {
    let version = concat!("v", env!("CARGO_PKG_VERSION"));
    object(&exchange, &Info { version, started: time(exchange.server.core.started) })
}

/// A change is made.
pub(super) fn done(exchange: &Exchange) -> Answer {
    object(exchange, &Outcome { status: "ok", error: None })
}

/// An error, with its reason.
pub(super) fn refuse(exchange: &Exchange, status: Status, why: &str) -> Answer {
    answer(exchange, status, &mut |text| text.value(&Outcome { status: "error", error: Some(why) }))
}

/// The answer to a path that there is not.
pub(in crate::serve) fn nothing(exchange: Exchange) -> Answer {
    refuse(&exchange, Status::NOT_FOUND, "there is no such path in the API")
}

/// The stream that a path names behind `start`: by the last item, since a stream has one name in all folders.
pub(super) fn name_in(exchange: &Exchange, start: &str) -> Option<Name> {
    let path = percent_decode(exchange.request.path.strip_prefix(start)?)?;
    Name::new(path.rsplit('/').next()?).ok()
}

/// A time of day.
pub(super) fn time(Wall(at): Wall) -> String {
    iso8601(UNIX_EPOCH + at)
}

impl List<'_, '_> {
    /// The next item, which `write` writes if it is on the page.
    pub(super) fn item(&mut self, write: impl FnOnce(&mut JsonText<'_>) -> Written) -> Written {
        let at = self.items;
        self.items += 1;
        if at / self.page.len != self.page.number {
            return Ok(());
        }
        if !std::mem::replace(&mut self.is_empty, false) {
            self.text.put(",")?;
        }
        write(self.text)
    }
}

impl Page {
    /// The page that a query asks for; `None` if it cannot be one.
    fn asked(query: &str) -> Option<Self> {
        let number = |name, usual| parameter(query, name).map_or(Some(usual), |text| text.parse().ok());
        let (number, len) = (number("page", 0)?, number("itemsPerPage", USUAL)?.min(MOST));
        (len > 0).then_some(Self { number, len })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_asked_for_by_mediamtx_words() {
        let page = |number, len| Some(Page { number, len });
        assert_eq!(Page::asked(""), page(0, 100));
        assert_eq!(Page::asked("page=2&itemsPerPage=7"), page(2, 7));
        assert_eq!(Page::asked("itemsPerPage=2147483647"), page(0, 1000));
        assert_eq!(Page::asked("page=&itemsPerPage="), page(0, 100));
        for wrong in ["page=-1", "page=x", "itemsPerPage=0", "itemsPerPage=99999999999999999999"] {
            assert_eq!(Page::asked(wrong), None, "{wrong}");
        }
    }
}
