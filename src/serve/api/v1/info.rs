//! The server.

use std::time::UNIX_EPOCH;

use serde::Serialize;

use super::reply::object;
use crate::media::Wall;
use crate::serve::http::{Answer, Exchange};
use crate::session::time_of_day;
use crate::wire::iso8601;

/// The server.
#[derive(Serialize)]
struct Info<'a> {
    version: &'static str,
    server_id: &'a str,
    started: String,
    uptime_s: u64,
    profile: &'static str,
    streams: usize,
    sessions: usize,
}

/// `GET /api/v1/info`.
pub(in crate::serve) fn tell(exchange: Exchange) -> Answer {
    let core = &exchange.server.core;
    let Wall(started) = core.started;
    let info = Info {
        version: env!("CARGO_PKG_VERSION"),
        server_id: &exchange.config.server_id,
        started: iso8601(UNIX_EPOCH + started),
        uptime_s: time_of_day().0.saturating_sub(started).as_secs(),
        profile: exchange.config.profile.name(),
        streams: core.hub.streams().iter().filter(|stream| stream.is_used()).count(),
        sessions: core.sessions().len(),
    };
    object(&exchange, &info)
}
