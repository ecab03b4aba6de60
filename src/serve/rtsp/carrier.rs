//! The carrier of a conversation: the connection itself, or one that began with a request of HTTP.

#[cfg(feature = "http")]
mod http;
#[cfg(not(feature = "http"))]
#[path = "carrier/no_http.rs"]
mod http;

use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::net::{Close, Conn, Received};
use crate::proto::Machine;
use crate::proto::rtsp::{self, packet_header};
use http::HttpCarrier;
#[cfg(feature = "http")]
pub(in crate::serve) use http::Upgrade;
#[cfg(feature = "http")]
pub(super) use http::{Kept, MAX_KEPT};

/// The carrier for one client.
pub(super) enum Carrier {
    /// The connection itself.
    Plain,
    /// A WebSocket, or a tunnel.
    Http(HttpCarrier),
}

impl Carrier {
    /// The function that writes the bytes before a packet.
    pub(super) fn header(&self) -> fn(u8, usize, &mut Vec<u8>) {
        match self {
            Self::Plain => packet_header,
            Self::Http(carrier) => carrier.header(),
        }
    }

    /// The buffer of bytes to be sent between packets.
    pub(super) fn control<'a>(&'a mut self, machine: &'a mut rtsp::Server) -> &'a mut Vec<u8> {
        match self {
            Self::Plain => machine.transmit(),
            Self::Http(carrier) => carrier.control(machine),
        }
    }

    /// True if all bytes of `control` are sent, and there are more.
    pub(super) fn has_more(&mut self, machine: &mut rtsp::Server) -> bool {
        match self {
            Self::Plain => false,
            Self::Http(carrier) => carrier.has_more(machine),
        }
    }

    /// Sends the bytes between packets. Ready once all are sent: otherwise the part behind the first would wait for
    /// ever, because no later event sends it.
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        conn: &mut Conn,
        machine: &mut rtsp::Server,
        slow: Duration,
    ) -> Poll<Result<(), Close>> {
        loop {
            ready!(conn.poll_send(cx, self.control(machine), slow))?;
            if !self.has_more(machine) {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Reads once and passes the input to `input`, as `Conn::poll_read` does.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        conn: &mut Conn,
        most: usize,
        input: impl FnMut(&[u8]) -> Result<usize, Close>,
    ) -> Poll<Result<Received, Close>> {
        match self {
            Self::Plain => conn.poll_read(cx, most, input),
            Self::Http(carrier) => carrier.poll_read(cx, conn, most, input),
        }
    }
}
