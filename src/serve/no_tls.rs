//! Ports in a build without TLS.

use std::sync::Arc;

use smol::Task;

use super::{Entrance, Error, Server};
use crate::conf::{Config, Port, Tls};
use crate::net::Conn;

/// Certificates and ports for TLS: none.
pub(super) struct TlsPorts(());

impl TlsPorts {
    pub(super) fn new(_: &Tls) -> Self {
        Self(())
    }

    /// True if there is a certificate.
    pub(super) fn has_identity(&self) -> bool {
        false
    }

    /// Keeps a port open.
    pub(super) fn hold(&self, _: &Port, task: Task<()>) {
        task.detach();
    }
}

impl Server {
    /// Serves a connection.
    pub(super) fn let_in(self: &Arc<Self>, conn: Conn, Entrance { row, .. }: Entrance) {
        (row.serve)(self.clone(), conn);
    }

    /// Uses the certificates of `config`: there are none.
    pub(super) async fn follow_certificates(self: &Arc<Self>, _: &Config) -> Result<(), Error> {
        Ok(())
    }

    /// Checks the certificates every few seconds: there are none.
    pub(super) fn watch_certificates(self: &Arc<Self>) {}
}
