//! Recordings: the files of each stream by the times at which they begin.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use smol::future::or;

use super::reply::{Written, list, name_in, refuse, time, written};
use crate::conf::Config;
use crate::hub::{Name, matches};
use crate::media::Wall;
use crate::proto::http::Status;
use crate::reactor::Timer;
use crate::serve::http::{Answer, Exchange, NO_ROOM};
use crate::session::{JsonText, recorded_stream};

/// A recording of a stream.
#[derive(Serialize)]
struct Segment {
    start: String,
}

/// The recordings of streams: when each began, in milliseconds since 1970, the oldest first.
type Begun = BTreeMap<Name, Vec<u64>>;

/// What makes an answer of them.
type Then = Box<dyn FnOnce(&Exchange, Begun) -> Answer + Send>;

/// The longest wait for the disks.
const MAX_WAIT: Duration = Duration::from_secs(15);

/// Whether a stream is recorded.
pub(super) fn is_recorded(config: &Config, name: &str) -> bool {
    config.record.iter().any(|rule| matches(&rule.streams, name))
}

/// `GET /v3/recordings/list`.
pub(in crate::serve) fn tell(exchange: Exchange) -> Answer {
    let tell = |exchange: &Exchange, begun: Begun| {
        list(exchange, &mut |list| {
            begun.iter().try_for_each(|(name, starts)| list.item(|text| write(text, name, starts)))
        })
    };
    of_disks(exchange, String::new(), Box::new(tell))
}

/// `GET /v3/recordings/get/NAME`.
pub(in crate::serve) fn get(exchange: Exchange) -> Answer {
    let Some(name) = name_in(&exchange, "/v3/recordings/get/") else {
        return refuse(&exchange, Status::BAD_REQUEST, "invalid path name");
    };
    let query = format!("stream={name}");
    let tell = move |exchange: &Exchange, begun: Begun| {
        let starts = begun.get(&name).map_or(&[][..], |starts| starts);
        written(exchange, &mut |text| write(text, &name, starts))
    };
    of_disks(exchange, query, Box::new(tell))
}

/// Answers with the newest recordings that fit a question to the disks.
fn of_disks(exchange: Exchange, query: String, then: Then) -> Answer {
    let size = exchange.request.size();
    let Ok(paid) = exchange.server.core.greetings.account_for(size).charge(size) else {
        return refuse(&exchange, Status::UNAVAILABLE, NO_ROOM);
    };
    Answer::later(async move {
        let recorded = exchange.server.core.recorded.clone();
        // a client that has left cannot be noticed here, and would block others
        let late = async {
            Timer::after(MAX_WAIT).await;
            None
        };
        let told = match recorded.has_list() {
            true => or(recorded.newest(&query), late).await.map(|(told, _)| told),
            false => Some(Vec::new()),
        };
        let Some(told) = told else {
            return Ok(refuse(&exchange, Status::UNAVAILABLE, "the disks do not answer now"));
        };
        let mut begun = Begun::new();
        for one in told.iter().rev() {
            let name = recorded_stream(&one.file);
            name.into_iter().for_each(|name| begun.entry(name).or_default().push(one.begun));
        }
        let answer = then(&exchange, begun);
        drop(paid);
        Ok(answer)
    })
}

/// Writes the recordings of a stream.
fn write(text: &mut JsonText<'_>, name: &Name, starts: &[u64]) -> Written {
    text.put(&format!("{{\"name\":\"{name}\",\"segments\":"))?;
    text.array(starts, |text, at| text.value(&Segment { start: time(Wall(Duration::from_millis(*at))) }))?;
    text.put("}")
}
