//! Connections to servers that are asked again, in a build without TLS.

use std::sync::Arc;

use super::{Contact, Dialer, Download, Failure, Limits, Request, open};
use crate::net::HandshakeThrottle;

/// The way to believe a server: there is none.
pub(super) struct Seals;

impl Seals {
    pub(super) fn new(_: &str, _: bool, _: &Arc<HandshakeThrottle>) -> Self {
        Self
    }
}

impl Contact {
    pub(super) async fn dial(&self, request: &Request<'_>, limits: &Limits<'_>) -> Result<Download, Failure> {
        let Self { seals: Seals, gate, watch } = self;
        open(request, Dialer { gate, watch, sizes: Self::SIZES }, limits).await
    }
}
