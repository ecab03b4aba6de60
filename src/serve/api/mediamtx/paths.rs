//! Paths: the streams, and the names that are pulled and not there yet.

use std::collections::BTreeSet;

use serde::Serialize;

use super::config::ALL;
use super::kinds::Kind;
use super::reply::{Written, list, name_in, refuse, time, written};
use super::sources::Sources;
use super::tracks;
use crate::hub::{Name, Stream, Traffic};
use crate::media::Wall;
use crate::proto::http::Status;
use crate::serve::http::{Answer, Exchange};
use crate::session::{Core, JsonText, Part, Session};

/// A path without its tracks and readers. It has three words for having a publisher, of which `ready` is the oldest, and
/// two for its bytes.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Path<'a> {
    name: &'a str,
    conf_name: &'a str,
    ready: bool,
    ready_time: Option<&'a str>,
    available: bool,
    available_time: Option<&'a str>,
    online: bool,
    online_time: Option<&'a str>,
    source: Option<End<'a>>,
    inbound_bytes: u64,
    outbound_bytes: u64,
    inbound_frames_in_error: u64,
    bytes_received: u64,
    bytes_sent: u64,
}

/// A session that publishes or plays. One of the server itself has no id.
#[derive(Serialize)]
struct End<'a> {
    r#type: &'a str,
    id: &'a str,
}

/// The publisher of a stream: the time at which it began, its kind and its id.
struct Input {
    since: Wall,
    role: Option<&'static str>,
    id: String,
}

/// The words for sessions that pull, by the beginnings of their ids. What has no word, such as a file, is no source.
const PULLS: [(&str, &str); 2] = [("RTMPPULL", "rtmpSource"), ("RTSPPULL", "rtspSource")];

/// `GET /v3/paths/list`.
pub(in crate::serve) fn tell(exchange: Exchange) -> Answer {
    let core = &exchange.server.core;
    let sources = Sources::of(&exchange);
    let streams = core.hub.streams().into_iter().filter(|stream| stream.is_used());
    let mut names: BTreeSet<Name> = streams.map(|stream| stream.name().clone()).collect();
    names.extend(sources.all().map(|pull| pull.name.clone()));
    list(&exchange, &mut |list| names.iter().try_for_each(|name| list.item(|text| write(text, core, &sources, name))))
}

/// `GET /v3/paths/get/NAME`.
pub(in crate::serve) fn get(exchange: Exchange) -> Answer {
    let core = &exchange.server.core;
    let sources = Sources::of(&exchange);
    let is_there = |name: &Name| core.hub.find(name).is_some_and(|stream| stream.is_used()) || sources.has(name);
    match name_in(&exchange, "/v3/paths/get/").filter(is_there) {
        Some(name) => written(&exchange, &mut |text| write(text, core, &sources, &name)),
        None => refuse(&exchange, Status::NOT_FOUND, "path not found"),
    }
}

/// Writes a path; of a stream that is not there the name alone is known.
fn write(text: &mut JsonText<'_>, core: &Core, sources: &Sources, name: &Name) -> Written {
    let stream = core.hub.find(name);
    let stream = stream.as_deref();
    let input = stream.and_then(|stream| Input::of(core, stream));
    let since = input.as_ref().map(|input| time(input.since));
    let traffic = stream.map_or_else(Traffic::default, |stream| stream.stats().traffic);
    let (is_live, since) = (input.is_some(), since.as_deref());
    text.open(&Path {
        name: name.as_str(),
        conf_name: if sources.has(name) { name.as_str() } else { ALL },
        ready: is_live,
        ready_time: since,
        available: is_live,
        available_time: since,
        online: is_live,
        online_time: since,
        source: input.as_ref().and_then(|input| Some(End { r#type: input.role?, id: &input.id })),
        inbound_bytes: traffic.bytes_in,
        outbound_bytes: traffic.bytes_out,
        inbound_frames_in_error: traffic.lost,
        bytes_received: traffic.bytes_in,
        bytes_sent: traffic.bytes_out,
    })?;
    let tracks = stream.filter(|_| is_live).map(Stream::tracks).unwrap_or_default();
    text.put(",\"tracks\":")?;
    text.array(tracks.iter(), |text, track| text.value(&tracks::codec(track)))?;
    text.put(",\"tracks2\":")?;
    text.array(tracks.iter(), |text, track| text.put(&tracks::json(track)))?;
    text.put(",\"readers\":[")?;
    stream.map_or(Ok(()), |stream| readers(text, core, stream))?;
    text.put("]}")
}

/// Writes the sessions that play.
fn readers(text: &mut JsonText<'_>, core: &Core, stream: &Stream) -> Written {
    let mut comma = "";
    core.visit_sessions(stream, |session, _| {
        let Some(kind) = Kind::of(session).filter(|_| session.part != Part::Publishes) else { return Ok(()) };
        text.put(std::mem::replace(&mut comma, ","))?;
        text.value(&End { r#type: kind.role, id: &kind.id(core, session).to_string() })
    })
}

impl Input {
    fn of(core: &Core, stream: &Stream) -> Option<Self> {
        let mut input = None;
        // the error ends the visit: the publisher comes first
        let _ = core.visit_sessions(stream, |session, _| {
            input = (session.part == Part::Publishes).then(|| Self::from(core, session));
            Err(())
        });
        input
    }

    fn from(core: &Core, session: &Session) -> Self {
        let (role, id) = match Kind::of(session) {
            Some(kind) => (Some(kind.role), kind.id(core, session).to_string()),
            None => (PULLS.iter().find(|(id, _)| *id == session.id.kind).map(|(_, word)| *word), String::new()),
        };
        Self { since: session.since, role, id }
    }
}
