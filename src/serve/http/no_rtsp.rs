//! RTSP over HTTP in a build without RTSP.

use std::sync::Arc;

use crate::net::Conn;
use crate::serve::Server;

/// The continuation of a connection that began with a request of HTTP.
pub(in crate::serve) enum Upgrade {}

impl Upgrade {
    pub(super) async fn run(self, _: Arc<Server>, _: Conn) {
        match self {}
    }
}
