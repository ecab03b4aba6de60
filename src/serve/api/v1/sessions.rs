//! Sessions: who publishes and plays, the server's own included.

use std::borrow::Cow;

use serde::Serialize;

use super::reply::{Seconds, done, item, kbps, list_of, no_room, refuse, time, written};
use crate::budget::OverBudget;
use crate::hub::{Progress, Ticket, Waits};
use crate::proto::MASK;
use crate::proto::http::Status;
use crate::serve::api::lal::parameter;
use crate::serve::http::{Answer, Exchange};
use crate::session::{Charged, Core, Flow, JsonText, Part, Session, SessionState};

/// A session.
#[derive(Serialize)]
pub(super) struct Told<'a> {
    id: String,
    stream: &'a str,
    /// `publish`, `play`, `pull`, `push` or `record`.
    action: &'static str,
    protocol: &'static str,
    /// The form in which it plays.
    #[serde(skip_serializing_if = "Option::is_none")]
    form: Option<&'static str>,
    /// None for those of the server itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    /// Its query is masked, as it may be a password.
    url: Cow<'a, str>,
    since: String,
    /// The bytes of media that it has moved.
    bytes: u64,
    kbps: u64,
    /// The event that it waits for: `publisher` or `start`.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits: Option<&'static str>,
    /// The number of times that it was too slow and went on at a key frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    skips: Option<u32>,
}

/// The protocols by the beginnings of ids.
const PROTOCOLS: [(&str, &str); 8] = [
    ("RTMP", "rtmp"),
    ("RTSP", "rtsp"),
    ("FLV", "http"),
    ("TS", "http"),
    ("MP4", "http"),
    ("HLS", "hls"),
    ("FILE", "file"),
    ("RECORD", "file"),
];
/// The protocol of others: a program that has the server inside.
const INSIDE: &str = "program";

/// The actions of relays and recordings, by the ends of ids.
const ACTIONS: [(&str, &str); 3] = [("PULL", "pull"), ("PUSH", "push"), ("RECORD", "record")];

/// The session that a request names is not there.
const NONE: &str = "there is no session of that id";

/// `GET /api/v1/sessions`, also of one stream: `?stream=NAME`.
pub(in crate::serve) fn tell(exchange: Exchange) -> Answer {
    let core = &exchange.server.core;
    let stream = parameter(&exchange.request.query, "stream");
    let fits = |one: &Session| stream.as_ref().is_none_or(|name| one.stream.as_str() == name);
    let Ok(Charged { items, lease: _lease }) = core.sessions_by_id(fits) else { return no_room(&exchange) };
    list_of(&exchange, items, |(_, ticket)| core.session(ticket), |text, one| write(text, &one))
}

/// `GET /api/v1/sessions/ID`.
pub(in crate::serve) fn tell_one(exchange: Exchange) -> Answer {
    let core = &exchange.server.core;
    match asked(&exchange, core).and_then(|(_, ticket)| core.session(ticket)) {
        Some(session) => written(&exchange, |text| write(text, &session)),
        None => refuse(&exchange, Status::NOT_FOUND, NONE),
    }
}

/// `DELETE /api/v1/sessions/ID`: ends it.
pub(in crate::serve) fn end(exchange: Exchange) -> Answer {
    let core = &exchange.server.core;
    match asked(&exchange, core).filter(|(_, ticket)| core.kick(*ticket)) {
        Some((id, _)) => {
            log::info!("id={id} is ended by the API, peer={}", exchange.peer);
            done(&exchange)
        }
        None => refuse(&exchange, Status::NOT_FOUND, NONE),
    }
}

/// The id that a path names, if it is that of a session.
fn asked(exchange: &Exchange, core: &Core) -> Option<(String, Ticket)> {
    let id = item(exchange, "/api/v1/sessions/", "")?;
    let ticket = core.find_session(|one| one.id.is_written(&id))?;
    Some((id, ticket))
}

/// Writes a session.
fn write(text: &mut JsonText<'_>, one: &SessionState) -> Result<(), OverBudget> {
    text.open(&Told::of(one))?;
    if one.session.part != Part::Publishes {
        text.put(&format!(",\"behind_s\":{}", Seconds(one.progress.behind)))?;
    }
    text.put("}")
}

impl<'a> Told<'a> {
    /// A session that begins, or has ended when it had moved `bytes`.
    pub(super) fn with(session: &'a Session, bytes: u64) -> Self {
        Self::of_parts(session, Flow::default(), &Progress { bytes, ..Progress::default() })
    }

    fn of(SessionState { session, flow, progress }: &'a SessionState) -> Self {
        Self::of_parts(session, *flow, progress)
    }

    fn of_parts(session: &'a Session, flow: Flow, progress: &Progress) -> Self {
        let kind = session.id.kind;
        let (usual, form) = match session.part {
            Part::Publishes => ("publish", None),
            Part::Plays(form) => ("play", Some(form)),
        };
        let known = |rows: &[(&str, &'static str)], fits: &dyn Fn(&str) -> bool| {
            rows.iter().find(|(word, _)| fits(word)).map(|(_, told)| *told)
        };
        Self {
            id: session.id.text(),
            stream: session.stream.as_str(),
            action: known(&ACTIONS, &|end| kind.ends_with(end)).unwrap_or(usual),
            protocol: known(&PROTOCOLS, &|start| kind.starts_with(start)).unwrap_or(INSIDE),
            form,
            peer: session.peer.map(|peer| peer.to_string()),
            url: without_query(&session.url),
            since: time(session.since),
            bytes: progress.bytes,
            kbps: kbps(flow.per_second),
            waits: progress.waits.map(|waits| match waits {
                Waits::Publisher => "publisher",
                Waits::Start => "start",
            }),
            skips: form.map(|_| progress.skips),
        }
    }
}

/// A URL with a mask for its query.
pub(super) fn without_query(url: &str) -> Cow<'_, str> {
    url.split_once('?').map_or(url.into(), |(path, _)| format!("{path}?{MASK}").into())
}
