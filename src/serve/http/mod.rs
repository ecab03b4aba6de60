//! HTTP connections: live forms, WebSocket, HLS, metrics.

mod ask;
#[cfg(feature = "record")]
mod files;
#[cfg(fuzzing)]
pub(super) mod fuzz;
mod hls;
mod live;
mod reply;
mod resource;
mod routes;
#[cfg(feature = "rtsp")]
mod rtsp;
mod session;
#[cfg(test)]
mod tests;
mod transport;

use std::sync::Arc;

use super::Server;
use crate::net::Conn;
use crate::wire::percent_encode;
pub(super) use reply::{Answer, Exchange, NO_ROOM, Reply};
use routes::{ROUTES, Route};
use session::Session;

/// Runs a connection to its end.
pub(crate) fn serve(server: Arc<Server>, conn: Conn) {
    serve_by(ROUTES, server, conn);
}

/// As `serve`, where every WebSocket carries RTSP.
#[cfg(feature = "rtsp")]
pub(crate) fn serve_rtsp(server: Arc<Server>, conn: Conn) {
    serve_by(routes::RTSP_ROUTES, server, conn);
}

fn serve_by(routes: &'static [Route], server: Arc<Server>, conn: Conn) {
    let core = server.core.clone();
    core.workers.spawn(Session::new(routes, server, conn).run());
}

/// The last item of a path as a reference relative to it, which holds behind a proxy that
/// serves all of this below a folder. RFC 3986 section 4.2: a colon would end a scheme.
fn beside(path: &str) -> String {
    format!("./{}", percent_encode(path.rsplit('/').next().unwrap_or_default()))
}
