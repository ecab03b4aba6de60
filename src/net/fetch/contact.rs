//! A server that is asked again and again.

use std::sync::Arc;
use std::time::Instant;

use super::seals::Seals;
use super::{Download, Failure, Limits, Request};
use crate::net::{Gate, HandshakeThrottle, SocketSizes, Watch};

/// The connections to a server, one for each request, and whom to believe that it is the one.
pub struct Contact {
    pub(super) seals: Seals,
    pub(super) gate: Gate,
    pub(super) watch: Watch,
}

impl Contact {
    /// The socket buffers of a connection, in bytes.
    pub const SIZES: SocketSizes = SocketSizes { send: 8 << 10, receive: 8 << 10 };

    /// No connection yet, and never more than `most` at once. Under TLS the server is believed if the authorities in the
    /// file `ca` have signed for it, those of browsers where it is empty; with `insecure` always.
    pub fn new(ca: &str, insecure: bool, most: usize, throttle: &Arc<HandshakeThrottle>) -> Self {
        let seals = Seals::new(ca, insecure, throttle);
        Self { seals, gate: Gate::new(most), watch: Watch::default() }
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    /// There is no answer, or none within the limits.
    pub async fn open(&self, request: &Request<'_>, limits: &Limits<'_>) -> Result<Download, Failure> {
        self.watch.sweep(Instant::now());
        self.dial(request, limits).await
    }
}
