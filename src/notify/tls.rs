//! Connections to receivers, under TLS or not.

use super::post::{Post, SIZES};
use crate::disk::{Lane, aside};
use crate::net::fetch::{Dialer, Download, Failure, Limits, Request, open};
use crate::net::{Close, Trust};

impl Post {
    /// Sends a request and waits for the head of its answer.
    pub(super) async fn open(&self, request: &Request<'_>, limits: &Limits<'_>) -> Result<Download, Failure> {
        let (trust, throttle) = (&self.trust().await?, &self.core.throttle);
        open(request, Dialer { gate: &self.gate, watch: &self.watch, sizes: SIZES, trust, throttle }, limits).await
    }

    async fn trust(&self) -> Result<Trust, Close> {
        let remedy = "; ca = FILE believes whom those in FILE have signed, and insecure = true anybody";
        let trust = match self.to.ca.as_str() {
            _ if self.to.insecure || !self.to.url.0.is_tls() => Trust::anybody(),
            "" => Trust::browsers(),
            file => {
                let file = file.to_string();
                aside(Lane::to(file.as_ref()), move || Trust::authorities(file.as_ref())).await
            }
        };
        trust.map(|trust| trust.or(remedy)).map_err(|error| Close::refused(error.to_string()))
    }
}
