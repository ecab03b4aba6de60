//! RTSP over HTTP: a WebSocket, or one half of a tunnel.

use super::reply::{Answer, Body, CORS, Exchange, Reply};
use crate::conf::Config;
use crate::proto::http::Request;
pub(super) use crate::serve::rtsp::Upgrade;

/// True if the connection is to continue as one of RTSP.
pub(super) fn is_asked_for(config: &Config, request: &Request) -> bool {
    let is_named = || request.fields.has("sec-websocket-protocol", "rtsp");
    config.rtsp.enable && (request.tunnel().is_some() || request.websocket().is_some() && is_named())
}

/// Passes the connection on, or refuses it.
pub(super) fn accept(Exchange { server, peer, request, .. }: Exchange) -> Answer {
    match Upgrade::accept(&request, &server, peer) {
        Ok(upgrade) => upgrade.into(),
        Err(status) => Reply::new(status, Body::Text(status.1.into()))
            .with([CORS, ("Sec-WebSocket-Version", "13".into()), ("Upgrade", "websocket".into())])
            .into(),
    }
}
