//! Connections to servers that are asked again, under TLS or not.

use std::sync::Arc;

use super::{Contact, Dialer, Download, Failure, Limits, Request, open};
use crate::disk::{Lane, aside};
use crate::net::{Close, HandshakeThrottle, Trust};
use crate::proto::Url;

/// The way to believe a server.
pub(super) struct Seals {
    /// The file with the authorities to believe; empty for those of browsers.
    ca: String,
    /// Any certificate is believed.
    insecure: bool,
    throttle: Arc<HandshakeThrottle>,
}

impl Seals {
    pub(super) fn new(ca: &str, insecure: bool, throttle: &Arc<HandshakeThrottle>) -> Self {
        Self { ca: ca.into(), insecure, throttle: throttle.clone() }
    }

    async fn trust(&self, url: &Url) -> Result<Trust, Close> {
        let remedy = "; ca = FILE believes whom those in FILE have signed, and insecure = true anybody";
        let trust = match self.ca.as_str() {
            _ if self.insecure || !url.is_tls() => Trust::anybody(),
            "" => Trust::browsers(),
            file => {
                let file = file.to_string();
                aside(Lane::to(file.as_ref()), move || Trust::authorities(file.as_ref())).await
            }
        };
        trust.map(|trust| trust.or(remedy)).map_err(|error| Close::refused(error.to_string()))
    }
}

impl Contact {
    pub(super) async fn dial(&self, request: &Request<'_>, limits: &Limits<'_>) -> Result<Download, Failure> {
        let Self { seals, gate, watch } = self;
        let (trust, throttle) = (&seals.trust(request.url).await?, &*seals.throttle);
        open(request, Dialer { gate, watch, sizes: Self::SIZES, trust, throttle }, limits).await
    }
}
