//! Recordings: the files of each stream by the times at which they begin, and what deletes one.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::reply::{Written, done, list, name_in, refuse, time, written};
use crate::conf::{Config, Start};
use crate::hub::{Name, matches};
use crate::media::Wall;
use crate::proto::http::Status;
use crate::serve::api::lal::parameter;
use crate::serve::http::{Answer, Exchange};
use crate::session::{Doomed, Found, JsonText, Kept, Question, recorded_stream};
use crate::wire::unix_ms;

/// A recording of a stream.
#[derive(Serialize)]
struct Segment {
    start: String,
}

const NO_NAME: &str = "invalid path name";
const NO_TIME: &str = "a time is not written as 2026-11-18T11:06:40Z";
const NO_ANSWER: &str = "the disks do not answer now";

/// True if a stream is recorded while it is published.
pub(super) fn is_recorded(config: &Config, name: &str) -> bool {
    config.record.iter().any(|rule| rule.start == Start::Always && matches(&rule.streams, name))
}

/// `GET /v3/recordings/list`: the newest of all streams.
pub(in crate::serve) fn tell(exchange: Exchange) -> Answer {
    exchange.ask_disks(Question::Newest(String::new()), Box::new(tell_newest))
}

fn tell_newest(exchange: &Exchange, found: Option<Found>) -> Answer {
    let Some(found) = found else { return refuse(exchange, Status::UNAVAILABLE, NO_ANSWER) };
    let mut begun = BTreeMap::<Name, Vec<u64>>::new();
    for one in found.told {
        let name = recorded_stream(&one.file);
        name.into_iter().for_each(|name| begun.entry(name).or_default().push(one.begun));
    }
    begun.values_mut().for_each(|starts| starts.sort_unstable());
    list(exchange, &mut |list| begun.iter().try_for_each(|(name, starts)| list.item(|text| write(text, name, starts))))
}

/// `GET /v3/recordings/get/NAME`: the earliest of a stream, also those that began in a time, `?from=TIME&to=TIME`.
pub(in crate::serve) fn get(exchange: Exchange) -> Answer {
    let Some(stream) = name_in(&exchange, "/v3/recordings/get/") else {
        return refuse(&exchange, Status::BAD_REQUEST, NO_NAME);
    };
    let time = |key, usual| parameter(&exchange.request.query, key).map_or(Some(usual), |text| unix_ms(&text));
    let (Some(from), Some(to)) = (time("from", 0), time("to", u64::MAX)) else {
        return refuse(&exchange, Status::BAD_REQUEST, NO_TIME);
    };
    let question = Question::Files { stream: stream.clone(), from, to };
    exchange.ask_disks(question, Box::new(move |exchange, found| tell_files(exchange, &stream, found)))
}

fn tell_files(exchange: &Exchange, stream: &Name, found: Option<Found>) -> Answer {
    let Some(found) = found else { return refuse(exchange, Status::UNAVAILABLE, NO_ANSWER) };
    let mut starts: Vec<_> = found.told.iter().map(|one| one.begun).collect();
    starts.sort_unstable();
    written(exchange, &mut |text| write(text, stream, &starts))
}

/// `DELETE /v3/recordings/deletesegment?path=NAME&start=TIME`.
pub(in crate::serve) fn delete(exchange: Exchange) -> Answer {
    let asked = |key| parameter(&exchange.request.query, key).unwrap_or_default();
    let path = asked("path");
    let Ok(stream) = Name::new(path.rsplit('/').next().unwrap_or_default()) else {
        return refuse(&exchange, Status::BAD_REQUEST, NO_NAME);
    };
    let Some(start) = unix_ms(&asked("start")) else { return refuse(&exchange, Status::BAD_REQUEST, NO_TIME) };
    let question = Question::Delete(stream.clone(), Doomed::At(start));
    exchange.ask_disks(question, Box::new(move |exchange, found| tell_deleted(exchange, &stream, found)))
}

fn tell_deleted(exchange: &Exchange, stream: &Name, found: Option<Found>) -> Answer {
    let Some(Found { total, kept, .. }) = found else { return refuse(exchange, Status::UNAVAILABLE, NO_ANSWER) };
    if total > 0 {
        log::info!("stream={stream}: recordings deleted by the API: {total}, peer={}", exchange.peer);
    }
    match kept {
        Some(Kept::Busy) => refuse(exchange, Status::CONFLICT, "the segment is being written"),
        Some(Kept::Failed(why)) => refuse(exchange, Status::INTERNAL, &format!("the disk refuses it: {why}")),
        None | Some(Kept::More) if total == 0 => refuse(exchange, Status::NOT_FOUND, "no segment begins at that time"),
        None | Some(Kept::More) => done(exchange),
    }
}

/// Writes the recordings of a stream.
fn write(text: &mut JsonText<'_>, name: &Name, starts: &[u64]) -> Written {
    text.put(&format!("{{\"name\":\"{name}\",\"segments\":"))?;
    text.array(starts, |text, at| text.value(&Segment { start: time(Wall(Duration::from_millis(*at))) }))?;
    text.put("}")
}
