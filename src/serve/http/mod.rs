//! HTTP connections: live forms, WebSocket, files; the table of routes has the answers of other rooms.

mod ask;
#[cfg(feature = "record")]
mod files;
#[cfg(not(feature = "record"))]
#[path = "no_files.rs"]
mod files;
mod forwarded;
#[cfg(fuzzing)]
pub(super) mod fuzz;
mod guard;
mod live;
mod reply;
mod routes;
#[cfg(feature = "rtsp")]
mod rtsp;
#[cfg(not(feature = "rtsp"))]
#[path = "no_rtsp.rs"]
mod rtsp;
mod session;
mod stream;
#[cfg(test)]
mod tests;
#[cfg(feature = "api")]
mod told;
#[cfg(not(feature = "api"))]
#[path = "no_told.rs"]
mod told;
mod transport;

use std::sync::Arc;

use super::Server;
use crate::net::Conn;
use crate::proto::http::Status;
use crate::wire::{percent_decode, percent_encode};
#[cfg(feature = "api")]
pub(super) use ask::LOGIN;
pub(super) use ask::Wish;
#[cfg(feature = "record")]
pub(super) use files::Lookup;
#[cfg(feature = "record")]
pub(crate) use files::REQUESTS;
#[cfg(feature = "api")]
pub(super) use reply::Field;
pub(super) use reply::{Answer, Body, CORS, EXPOSED, Exchange, NO_CACHE, NO_ROOM, Reply};
use routes::Table;
use session::Session;
#[cfg(feature = "api")]
pub(super) use told::{Message, Source, Told};

/// Runs a connection to its end.
pub(crate) fn serve(server: Arc<Server>, conn: Conn) {
    serve_by(&routes::ROUTES, server, conn);
}

/// Like `serve`, on a port where every WebSocket carries RTSP.
#[cfg(feature = "rtsp")]
pub(crate) fn serve_rtsp(server: Arc<Server>, conn: Conn) {
    serve_by(&routes::RTSP_ROUTES, server, conn);
}

/// Like `serve`, on the port of the API.
#[cfg(feature = "api")]
pub(crate) fn serve_api(server: Arc<Server>, conn: Conn) {
    serve_by(&routes::API_ROUTES, server, conn);
}

fn serve_by(routes: &'static Table, server: Arc<Server>, conn: Conn) {
    let core = server.core.clone();
    core.workers.spawn(Session::new(routes, server, conn).run());
}

/// The last item of a path as a relative reference, which is valid behind a proxy that serves all of this below a
/// folder. RFC 3986 section 4.2: a colon would end a scheme.
pub(super) fn beside(path: &str) -> String {
    format!("./{}", percent_encode(path.rsplit('/').next().unwrap_or_default()))
}

/// The items of a path, after its first slash.
pub(super) fn decoded(path: &str) -> Result<Vec<String>, Status> {
    path.split('/').skip(1).map(percent_decode).collect::<Option<_>>().ok_or(Status::BAD_REQUEST)
}
