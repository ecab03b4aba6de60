//! The input of a connection under TLS.

use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::super::{Close, Fault};
use super::Conn;

/// The most reads in a row without plaintext, before other tasks get their turn.
const RECORDS: usize = 16;

impl Conn {
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
    pub(super) fn receive(&mut self) -> Result<Option<usize>, Close> {
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
}

/// A fault of the peer in TLS.
pub(super) fn fault(why: impl std::fmt::Display) -> Close {
    Close::Peer(Fault::Tls(why.to_string().into()))
}
