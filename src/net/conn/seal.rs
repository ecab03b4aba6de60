//! The beginning of TLS on a connection.

use std::future::poll_fn;
use std::time::Duration;

use super::super::tls::{HandshakeThrottle, Identity, Tls, Trust};
use super::super::{Claim, Close, Gate};
use super::Conn;
use super::sealed::fault;

/// The most that a client sends in a handshake, in bytes.
const MAX_HELLO: usize = 12 << 10;
/// The most that a server sends in a handshake, in bytes; most of it are certificates.
const MAX_FLIGHT: usize = 48 << 10;
const PER_PEER: &str = "its address has as much of tls.max as connections.per_peer leaves it";

impl Conn {
    /// Continues under TLS, as the server, after a handshake within `limit`; `gate` bounds the number of such
    /// connections.
    pub async fn sealed(
        self,
        identity: &Identity,
        gate: &Gate,
        throttle: &HandshakeThrottle,
        limit: Duration,
    ) -> Result<Self, Close> {
        let share = self.seat.as_ref().map(|seat| seat.also(Claim::Tls).ok_or_else(|| Close::refused(PER_PEER)));
        let pass = gate.enter().ok_or_else(|| Close::refused("tls.max is reached"))?;
        let tls = Tls::server(identity, pass, share.transpose()?).map_err(fault)?;
        self.handshake(tls, MAX_HELLO, throttle, limit).await
    }

    /// Continues under TLS, as the client of `host`, after a handshake within `limit`.
    pub async fn sealed_to(
        self,
        trust: &Trust,
        host: &str,
        throttle: &HandshakeThrottle,
        limit: Duration,
    ) -> Result<Self, Close> {
        let tls = Tls::client(trust, host).map_err(|error| Close::refused(error.to_string()))?;
        self.handshake(tls, MAX_FLIGHT, throttle, limit).await
    }

    /// Does the handshake, for which the peer may send `most` bytes.
    async fn handshake(
        mut self,
        tls: Tls,
        most: usize,
        throttle: &HandshakeThrottle,
        limit: Duration,
    ) -> Result<Self, Close> {
        self.expect_input(limit);
        let mut taken = 0;
        self.tls = Some(Box::new(tls));
        loop {
            poll_fn(|cx| self.poll_flush(cx, limit)).await?;
            if self.tls.as_ref().is_none_or(|tls| !tls.is_handshaking()) {
                return Ok(self);
            }
            poll_fn(|cx| self.poll_arrival(cx)).await?;
            match throttle.step(|| self.receive()).await? {
                Some(0) => return Err(self.watch.verdict().unwrap_or(Close::Eof)),
                bytes => taken += bytes.unwrap_or(0),
            }
            if taken > most {
                return Err(fault("a handshake that is too long"));
            }
        }
    }
}
