//! The carrier of RTSP in a build without it.

use std::sync::Arc;

use crate::net::Conn;
use crate::serve::Server;

/// The carrier of a conversation.
pub(in crate::serve) enum Carrier {}

/// Runs a connection that has begun as one of HTTP.
pub(super) async fn carry(_: Arc<Server>, _: Conn, carrier: Carrier) {
    match carrier {}
}
