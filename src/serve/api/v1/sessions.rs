//! Sessions: who publishes and plays.

use std::time::UNIX_EPOCH;

use serde::Serialize;

use super::reply::{done, item, list, refuse};
use crate::hub::{SessionStats, Waits};
use crate::media::Wall;
use crate::proto::http::Status;
use crate::serve::api::lal::parameter;
use crate::serve::http::{Answer, Exchange};
use crate::session::{Part, Session};
use crate::wire::iso8601;

/// A session.
#[derive(Serialize)]
struct Told<'a> {
    id: String,
    stream: &'a str,
    /// `publish` or `play`.
    action: &'static str,
    /// The form in which it plays.
    #[serde(skip_serializing_if = "Option::is_none")]
    form: Option<&'static str>,
    /// None for those of the server itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    url: &'a str,
    since: String,
    /// The bytes of media that it has moved.
    bytes: u64,
    /// What it waits for: `publisher` or `start`.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits: Option<&'static str>,
}

/// `GET /api/v1/sessions`, also of one stream: `?stream=NAME`.
pub(in crate::serve) fn tell(exchange: Exchange) -> Answer {
    let mut sessions = exchange.server.core.sessions();
    if let Some(stream) = parameter(&exchange.request.query, "stream") {
        sessions.retain(|(_, session, _)| session.stream.as_str() == stream);
    }
    list(&exchange, sessions, |text, (_, session, stats)| text.value(&Told::of(&session, stats)))
}

/// `DELETE /api/v1/sessions/ID`: ends it.
pub(in crate::serve) fn end(exchange: Exchange) -> Answer {
    let core = &exchange.server.core;
    let id = item(&exchange, "/api/v1/sessions/", "");
    let is_it = |id: &str| core.find_session(|one| one.id.is_written(id)).is_some_and(|ticket| core.kick(ticket));
    match id.filter(|id| is_it(id)) {
        Some(id) => {
            log::info!("id={id} is ended by the API, peer={}", exchange.peer);
            done(&exchange)
        }
        None => refuse(&exchange, Status::NOT_FOUND, "there is no session of that id"),
    }
}

impl<'a> Told<'a> {
    fn of(session: &'a Session, stats: Option<SessionStats>) -> Self {
        let (action, form) = match session.part {
            Part::Publishes => ("publish", None),
            Part::Plays(form) => ("play", Some(form)),
        };
        let Wall(since) = session.since;
        let waits = stats.and_then(|stats| stats.waits).map(|waits| match waits {
            Waits::Publisher => "publisher",
            Waits::Start => "start",
        });
        Self {
            id: session.id.text(),
            stream: session.stream.as_str(),
            action,
            form,
            peer: session.peer.map(|peer| peer.to_string()),
            url: &session.url,
            since: iso8601(UNIX_EPOCH + since),
            bytes: stats.map_or(0, |stats| stats.bytes),
            waits,
        }
    }
}
