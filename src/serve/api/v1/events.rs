//! Events: what happens here, and the state of the streams each second, as server-sent events or over WebSocket.

mod facts;
mod machine;
mod readers;
mod state;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::reply::refuse;
use crate::budget::{Account, OverBudget};
use crate::proto::http::Status;
use crate::reactor::Timer;
use crate::serve::api::lal::parse;
use crate::serve::http::{Answer, Exchange, Message, Source, Told};
use crate::session::{Core, JsonText, Missed, NewsReader};
use facts::Wanted;
pub(in crate::serve) use readers::Readers;
pub(crate) use readers::{NEWS, READERS};
use readers::{Place, READER, TEXT};
use state::State;

/// One who reads events.
struct Reader {
    core: Arc<Core>,
    /// For the messages.
    account: Account,
    boot: u32,
    news: NewsReader,
    wanted: Wanted,
    state: Option<Clocked>,
    _place: Place,
}

/// The state, and when it is due. `None`: the page is hidden.
struct Clocked {
    state: State,
    due: Option<Timer>,
}

/// What a client says over WebSocket.
#[derive(Deserialize)]
struct Said {
    /// True if nobody sees the page: the state can wait.
    hidden: bool,
}

const _: () = assert!(2 * size_of::<Reader>() <= READER, "the plan has room for a reader, and what it is sent by");

/// The time between two states.
const INTERVAL: Duration = Duration::from_secs(1);
/// More events were told than are kept.
const LOST: &str = "lost";

/// `GET /api/v1/events`: `?only=publish,segment` for some facts, `?state=1` for the state of the streams too.
pub(in crate::serve) fn listen(exchange: Exchange) -> Answer {
    let query = &exchange.request.query;
    let Ok(wanted) = Wanted::asked(query) else {
        return refuse(&exchange, Status::BAD_REQUEST, facts::WRONG);
    };
    let Some(place) = exchange.server.readers.enter(exchange.config.api_events()) else {
        return refuse(&exchange, Status::UNAVAILABLE, "api.events clients read events already");
    };
    let core = exchange.server.core.clone();
    let has_state = query.split('&').any(|pair| pair == "state=1");
    let state = has_state.then(|| Clocked { state: State::default(), due: Some(Timer::after(Duration::ZERO)) });
    let account = core.total.child("events", TEXT);
    let mut news = core.observe(readers::kept_facts(&exchange.config));
    let boot = exchange.server.readers.boot;
    if let Some(last) = exchange.request.fields.get("last-event-id") {
        // what another run of the server told is gone
        news.resume(last_number(last, boot).unwrap_or(u32::MAX));
    }
    Told::answer(&exchange, Box::new(Reader { core, account, boot, news, wanted, state, _place: place }))
}

/// The number of an event of this run of the server.
fn last_number(id: &str, boot: u32) -> Option<u32> {
    let (run, number) = id.split_once('-')?;
    u32::from_str_radix(run, 16).ok().filter(|run| *run == boot)?;
    number.parse().ok()
}

impl Source for Reader {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Message> {
        while let Poll::Ready(next) = self.news.poll_next(cx) {
            let id = format!("{:08x}-{}", self.boot, self.news.number());
            let told = match next {
                Ok(fact) => {
                    self.wanted.name(&fact).map(|name| (name, self.json(name, &id, |text| facts::write(text, &fact))))
                }
                Err(missed) => Some((LOST, self.lost(&id, missed))),
            };
            match told {
                Some((name, Ok(message))) => {
                    return Poll::Ready(Message { name, id: Some(id), json: message.finish() });
                }
                // a path of more than the account has
                Some((_, Err(_))) => log::debug!("an event is too long: {id}"),
                None => {}
            }
        }
        self.poll_state(cx)
    }

    fn hear(&mut self, text: &[u8]) {
        if let (Some(Said { hidden }), Some(clocked)) = (parse::<Said>(text), &mut self.state) {
            match (hidden, clocked.due.is_some()) {
                (true, _) => clocked.due = None,
                (false, false) => clocked.due = Some(Timer::after(Duration::ZERO)),
                (false, true) => {}
            }
        }
    }
}

impl Reader {
    /// An event with what `write` adds to it.
    fn json<'a>(
        &'a self,
        name: &str,
        id: &str,
        write: impl FnOnce(&mut JsonText<'a>) -> Result<(), OverBudget>,
    ) -> Result<JsonText<'a>, OverBudget> {
        let mut text = JsonText::new(&self.account);
        text.put(&format!("{{\"event\":\"{name}\",\"id\":\"{id}\""))?;
        write(&mut text)?;
        text.put("}")?;
        Ok(text)
    }

    fn lost<'a>(&'a self, id: &str, Missed(count): Missed) -> Result<JsonText<'a>, OverBudget> {
        self.json(LOST, id, |text| text.put(&format!(",\"count\":{count}")))
    }

    fn poll_state(&mut self, cx: &mut Context<'_>) -> Poll<Message> {
        let Some(Clocked { state, due: Some(due) }) = &mut self.state else { return Poll::Pending };
        while Pin::new(&mut *due).poll(cx).is_ready() {
            let changes = state.changes(&self.core, &self.account, Instant::now());
            let has_more = changes.as_ref().is_some_and(|changes| changes.has_more);
            *due = Timer::after(if has_more { Duration::ZERO } else { INTERVAL });
            if let Some(changes) = changes {
                return Poll::Ready(Message { name: state::NAME, id: None, json: changes.json });
            }
        }
        Poll::Pending
    }
}
