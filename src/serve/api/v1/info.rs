//! The server.

use serde::Serialize;

use super::reply::{object, time};
use crate::conf::FEATURES;
use crate::serve::http::{Answer, Exchange};
use crate::session::time_of_day;

/// The server.
#[derive(Serialize)]
struct Info<'a> {
    version: &'static str,
    /// The features that were compiled in.
    features: Vec<&'static str>,
    server_id: &'a str,
    /// Differs at each start.
    boot_id: String,
    started: String,
    uptime_s: u64,
    profile: &'static str,
    /// The threads that run connections.
    threads: usize,
    streams: usize,
    sessions: usize,
}

/// `GET /api/v1/info`.
pub(in crate::serve) fn tell(exchange: Exchange) -> Answer {
    let core = &exchange.server.core;
    let info = Info {
        version: env!("CARGO_PKG_VERSION"),
        features: FEATURES.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect(),
        server_id: &exchange.config.server_id,
        boot_id: format!("{:016x}", core.boot),
        started: time(core.started),
        uptime_s: time_of_day().0.saturating_sub(core.started.0).as_secs(),
        profile: exchange.config.profile.name(),
        threads: exchange.config.connection_threads(),
        streams: core.hub.streams().iter().filter(|stream| stream.is_used()).count(),
        sessions: core.session_count(),
    };
    object(&exchange, &info)
}
