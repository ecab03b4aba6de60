//! Connections to receivers in a build without TLS.

use super::post::{Post, SIZES};
use crate::net::fetch::{Dialer, Download, Failure, Limits, Request, open};

impl Post {
    /// Sends a request and waits for the head of its answer.
    pub(super) async fn open(&self, request: &Request<'_>, limits: &Limits<'_>) -> Result<Download, Failure> {
        open(request, Dialer { gate: &self.gate, watch: &self.watch, sizes: SIZES }, limits).await
    }
}
