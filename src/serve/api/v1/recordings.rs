//! Recordings: the streams that have any, the files of each, and what starts, stops and deletes them. No path is taken
//! from a client: files are those of `[[record]]` rules.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;

use super::reply::{busy, object, refuse, written};
use crate::conf::Record;
use crate::hub::{InvalidName, Name, matches};
use crate::proto::http::Status;
use crate::serve::api::lal::parameter;
use crate::serve::http::{Answer, Exchange};
use crate::session::{Doomed, Found, Kept, MOST_TOLD, Question, Switch, Told};
use crate::wire::{iso8601, percent_decode, percent_encode, unix_ms};

/// What is recorded of a stream.
#[derive(Serialize)]
struct Stream<'a> {
    name: &'a str,
    /// True if it is being recorded.
    recording: bool,
    /// True if it is recorded while it is published, by its rules and what was asked for.
    wanted: bool,
    files: usize,
    bytes: u64,
    /// The start of the first file, and the end of the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<String>,
}

/// A file.
#[derive(Serialize)]
struct File<'a> {
    file: &'a str,
    start: String,
    duration_s: f64,
    bytes: u64,
    /// True if it is being written.
    open: bool,
    /// None where recordings are not served.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

/// A time without gaps.
#[derive(Serialize)]
struct Range {
    start: String,
    duration_s: f64,
}

/// What a switch led to.
#[derive(Serialize)]
struct Switched<'a> {
    name: &'a str,
    recording: bool,
    wanted: bool,
}

/// What a deletion led to.
#[derive(Serialize)]
struct Deleted {
    deleted: usize,
    /// True if there are more, which another request deletes.
    more: bool,
}

const START: &str = "/api/v1/recordings/";
/// The kind of the ids of recordings.
const RECORDING: &str = "RECORD";
/// The longest time in milliseconds between two files that continue each other. A file's end is that of its last write,
/// up to a second behind the media.
const MAX_GAP: u64 = 2000;
const NO_ANSWER: &str = "the disks do not answer now";

/// `GET /api/v1/recordings`, `?after=NAME` for those after the first.
pub(in crate::serve) fn streams(exchange: Exchange) -> Answer {
    let after = parameter(&exchange.request.query, "after").unwrap_or_default();
    let question = Question::Streams(after.clone());
    exchange.ask_disks(question, Box::new(move |exchange, found| tell_streams(exchange, &after, found)))
}

fn tell_streams(exchange: &Exchange, after: &str, found: Option<Found>) -> Answer {
    let Some(found) = found else { return busy(exchange, NO_ANSWER) };
    let core = &exchange.server.core;
    let mut all = BTreeMap::new();
    for one in found.told {
        let sum = all.entry(one.stream.clone()).or_insert_with(|| Told { begun: u64::MAX, ..Told::default() });
        (sum.begun, sum.ended) = (sum.begun.min(one.begun), sum.ended.max(one.ended));
        (sum.bytes, sum.files) = (sum.bytes.saturating_add(one.bytes), sum.files + one.files);
    }
    let running = core.sessions().into_iter().filter(|(_, session, _)| session.id.kind == RECORDING);
    let running = running.map(|(_, session, _)| session.stream);
    let switched = core.recorded.switches.list().into_iter().map(|(name, _)| name);
    for name in running.chain(switched).filter(|name| name.as_str() > after) {
        all.entry(name.to_string()).or_default();
    }
    let next = all.keys().nth(MOST_TOLD - 1).filter(|_| all.len() > MOST_TOLD || found.total > MOST_TOLD).cloned();
    written(exchange, |text| {
        text.put(&format!("{{\"total\":{},\"items\":", all.len().min(MOST_TOLD)))?;
        text.array(all.iter().take(MOST_TOLD), |text, (name, sum)| {
            let (recording, wanted) = Name::new(name).map_or((false, false), |name| state(exchange, &name));
            let has = sum.files > 0;
            let (first, last) = (has.then(|| date(sum.begun)), has.then(|| date(sum.ended)));
            text.value(&Stream { name, recording, wanted, files: sum.files, bytes: sum.bytes, first, last })
        })?;
        text.put(&next.map_or("}".into(), |next| format!(",\"next\":\"{next}\"}}")))
    })
}

/// `GET /api/v1/recordings/NAME`, also those that began in a time: `?from=TIME&to=TIME`.
pub(in crate::serve) fn files(exchange: Exchange) -> Answer {
    let Some(Ok(stream)) = exchange.request.path.strip_prefix(START).map(Name::of_url) else {
        return refuse(&exchange, Status::NOT_FOUND, InvalidName::TEXT);
    };
    let time = |key| parameter(&exchange.request.query, key).map(|text| unix_ms(&text).ok_or(NO_TIME)).transpose();
    match (time("from"), time("to")) {
        (Ok(from), Ok(to)) => {
            let (from, to) = (from.unwrap_or(0), to.unwrap_or(u64::MAX));
            let question = Question::Files { stream: stream.clone(), from, to };
            exchange.ask_disks(question, Box::new(move |exchange, found| tell_files(exchange, &stream, found)))
        }
        (Err(why), _) | (_, Err(why)) => refuse(&exchange, Status::BAD_REQUEST, why),
    }
}

fn tell_files(exchange: &Exchange, stream: &Name, found: Option<Found>) -> Answer {
    let Some(Found { mut told, total, .. }) = found else { return busy(exchange, NO_ANSWER) };
    told.sort_by_key(|one| one.begun);
    let next = told.get(MOST_TOLD).map(|one| one.begun);
    told.truncate(MOST_TOLD);
    // those of one millisecond belong together
    let next = next.or_else(|| told.last().filter(|_| total > told.len()).map(|one| one.begun + 1));
    let (recording, wanted) = state(exchange, stream);
    let served = exchange.config.recording.http;
    written(exchange, |text| {
        text.put(&format!("{{\"name\":\"{stream}\",\"recording\":{recording},\"wanted\":{wanted},"))?;
        text.put(&format!("\"total\":{total},\"items\":"))?;
        text.array(&told, |text, one| {
            let url = served.then(|| format!("/record/{}", percent_encode(&one.file)));
            text.value(&File {
                file: one.file.rsplit('/').next().unwrap_or_default(),
                start: date(one.begun),
                duration_s: seconds(one.begun, one.ended),
                bytes: one.bytes,
                open: one.is_open,
                url,
            })
        })?;
        text.put(",\"ranges\":")?;
        let spans = spans(told.iter().map(|one| (one.begun, one.ended)));
        text.array(spans, |text, (from, to)| text.value(&Range { start: date(from), duration_s: seconds(from, to) }))?;
        text.put(&next.map_or("}".into(), |next| format!(",\"next\":\"{}\"}}", date(next))))
    })
}

/// `POST /api/v1/recordings/NAME/start` and `/stop`.
pub(in crate::serve) fn switch(exchange: Exchange) -> Answer {
    let parts = exchange.request.path.strip_prefix(START).and_then(|rest| rest.split_once('/'));
    let switch = match parts {
        Some((_, "start")) => Switch::On,
        Some((_, "stop")) => Switch::Off,
        _ => {
            return refuse(
                &exchange,
                Status::NOT_FOUND,
                "a recording is started by NAME/start and stopped by NAME/stop",
            );
        }
    };
    let Some(Ok(stream)) = parts.map(|(name, _)| Name::of_url(name)) else {
        return refuse(&exchange, Status::NOT_FOUND, InvalidName::TEXT);
    };
    let core = &exchange.server.core;
    if let Err(why) = core.recorded.switch(&core.config(), &stream, switch) {
        return refuse(&exchange, Status::CONFLICT, &why.to_string());
    }
    let words = if switch == Switch::On { "is to be recorded" } else { "is not to be recorded any more" };
    log::info!("stream={stream} {words}: the API says so, peer={}", exchange.peer);
    let (recording, wanted) = state(&exchange, &stream);
    object(&exchange, &Switched { name: stream.as_str(), recording, wanted })
}

/// `DELETE /api/v1/recordings/NAME/FILE`, or of all files that are complete and began before a time:
/// `DELETE /api/v1/recordings/NAME?before=TIME`.
pub(in crate::serve) fn delete(exchange: Exchange) -> Answer {
    let rest = exchange.request.path.strip_prefix(START).unwrap_or_default();
    let (name, file) = rest.split_once('/').map_or((rest, None), |(name, file)| (name, Some(file)));
    let Ok(stream) = Name::of_url(name) else { return refuse(&exchange, Status::NOT_FOUND, InvalidName::TEXT) };
    let doomed = match (file, parameter(&exchange.request.query, "before")) {
        (Some(file), None) => percent_decode(file).map(Doomed::File).ok_or(NO_FILE),
        (None, Some(before)) => unix_ms(&before).map(Doomed::Before).ok_or(NO_TIME),
        _ => Err("either a file is to be named, or ?before=TIME"),
    };
    match doomed {
        Ok(doomed) => {
            let question = Question::Delete(stream.clone(), doomed.clone());
            exchange
                .ask_disks(question, Box::new(move |exchange, found| tell_deleted(exchange, &stream, &doomed, found)))
        }
        Err(why) => refuse(&exchange, Status::BAD_REQUEST, why),
    }
}

const NO_FILE: &str = "there is no recording of that name";
const NO_TIME: &str = "a time is 2026-11-18T11:06:40Z, or a number of milliseconds since 1970";

fn tell_deleted(exchange: &Exchange, stream: &Name, doomed: &Doomed, found: Option<Found>) -> Answer {
    let Some(Found { total, kept, .. }) = found else { return busy(exchange, NO_ANSWER) };
    if total > 0 {
        log::info!("stream={stream}: recordings deleted by the API: {total}, peer={}", exchange.peer);
    }
    match kept {
        Some(Kept::Busy) => refuse(exchange, Status::CONFLICT, "the file is being written"),
        Some(Kept::Failed(why)) => refuse(exchange, Status::INTERNAL, &format!("the disk refuses it: {why}")),
        None if total == 0 && matches!(doomed, Doomed::File(_)) => refuse(exchange, Status::NOT_FOUND, NO_FILE),
        kept => object(exchange, &Deleted { deleted: total, more: kept.is_some() }),
    }
}

/// True if a stream is being recorded, and whether it is while it is published.
fn state(exchange: &Exchange, stream: &Name) -> (bool, bool) {
    let core = &exchange.server.core;
    let records = core.find_session(|one| one.id.kind == RECORDING && one.stream == *stream).is_some();
    let wants = |rule: &Record| matches(&rule.streams, stream.as_str()) && core.recorded.switches.wants(rule, stream);
    (records, core.config().record.iter().any(wants))
}

/// The times without gaps, of files in the order of their starts.
fn spans(files: impl Iterator<Item = (u64, u64)>) -> Vec<(u64, u64)> {
    let mut spans: Vec<(u64, u64)> = Vec::new();
    for (from, to) in files {
        match spans.last_mut().filter(|(_, end)| from <= end.saturating_add(MAX_GAP)) {
            Some((_, end)) => *end = to.max(*end),
            None => spans.push((from, to)),
        }
    }
    spans
}

fn date(ms: u64) -> String {
    iso8601(UNIX_EPOCH + Duration::from_millis(ms))
}

fn seconds(from: u64, to: u64) -> f64 {
    Duration::from_millis(to.saturating_sub(from)).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_continue_each_other_are_one_range() {
        let files = [(0, 10_000), (10_500, 20_000), (12_000, 15_000), (30_000, 31_000), (33_000, 40_000)];
        assert_eq!(spans(files.into_iter()), [(0, 20_000), (30_000, 40_000)]);
        assert_eq!(spans(std::iter::empty()), []);
    }
}
