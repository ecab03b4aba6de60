//! A connection under TLS.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::super::tls::{HandshakeThrottle, Identity, Tls, Trust};
use super::super::{Claim, Close, Fault, Gate};
use super::Conn;

/// The most that a client sends in a handshake, in bytes.
const MAX_HELLO: usize = 12 << 10;
/// The most that a server sends in a handshake, in bytes; most of it are certificates.
const MAX_FLIGHT: usize = 48 << 10;
/// The most reads in a row without plaintext, before other tasks get their turn.
const RECORDS: usize = 16;

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
                return Err(fault("a handshake without end"));
            }
        }
    }

    /// Like `poll_socket`, for input under TLS.
    pub(super) fn poll_sealed(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, Close>> {
        for _ in 0..RECORDS {
            let Some(tls) = &mut self.tls else { return Poll::Ready(Ok(0)) };
            match tls.read(buffer) {
                Ok(0) => return Poll::Ready(self.watch.verdict().map_or(Ok(0), Err)),
                Ok(bytes) => return Poll::Ready(Ok(bytes)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(self.why(error))),
            }
            // answers to requests within TLS, such as a key update
            while tls.is_full() && tls.send(&mut self.socket.get_ref()).is_ok() {}
            if self.blocked && !tls.is_full() {
                self.blocked = false;
                self.watch.expect_output(Duration::ZERO);
            }
            ready!(self.poll_arrival(cx))?;
            self.receive()?;
        }
        // records may be empty, and other tasks get their turn
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads once and returns the number of bytes, or `None` if the socket has none yet.
    fn receive(&mut self) -> Result<Option<usize>, Close> {
        let Some(tls) = &mut self.tls else { return Ok(Some(0)) };
        match tls.receive(self.socket.get_ref()) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.drained = true;
                Ok(None)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(fault(error)),
            Err(error) => Err(self.why(error)),
        }
    }

    /// Sends the peer the end of TLS, so that it does not see a cut.
    pub(super) fn say_goodbye(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.close(self.socket.get_ref());
        }
    }
}

fn fault(why: impl std::fmt::Display) -> Close {
    Close::Peer(Fault::Tls(why.to_string().into()))
}
