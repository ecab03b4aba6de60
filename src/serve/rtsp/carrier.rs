//! The carrier of a conversation: the connection itself, a WebSocket, or a tunnel through HTTP.

use std::task::{Context, Poll, ready};
use std::time::Duration;

#[cfg(feature = "http")]
use super::tunnel::{Get, Post};
#[cfg(feature = "http")]
use crate::budget::Lease;
#[cfg(feature = "http")]
use crate::net::drive;
use crate::net::{Close, Conn, Received};
use crate::proto::Machine;
use crate::proto::rtsp::{self, packet_header};
#[cfg(feature = "http")]
use crate::proto::{Error, http, ws};

/// The carrier for one client.
pub(crate) enum Carrier {
    Plain,
    /// Every answer and every packet is a message.
    #[cfg(feature = "http")]
    WebSocket(Box<Socket>),
    /// Answers and packets are sent here, requests arrive on another connection.
    #[cfg(feature = "http")]
    Tunnel(Box<Get>),
    /// The connection of those requests.
    #[cfg(feature = "http")]
    Post(Box<Post>),
}

/// A WebSocket.
#[cfg(feature = "http")]
pub(crate) struct Socket {
    machine: ws::Server,
    out: Vec<u8>,
    kept: Kept,
}

/// Input that a carrier has decoded and that could not be used yet.
#[cfg(feature = "http")]
#[derive(Default)]
pub(super) struct Kept {
    pub(super) bytes: Vec<u8>,
    paid: Option<Lease>,
    /// The bytes of the conversation that were used before these.
    used: u64,
}

/// The most bytes that are kept.
#[cfg(feature = "http")]
pub(super) const MAX_KEPT: usize = 16 << 10;

impl Carrier {
    /// Accepts a request to carry RTSP from here on.
    #[cfg(feature = "http")]
    pub(crate) fn accept(
        request: &http::Request,
        server: &super::Server,
        peer: std::net::SocketAddr,
    ) -> Result<Self, http::Status> {
        if let Some(cookie) = request.tunnel() {
            return match request.method {
                http::Method::Get => Get::open(cookie, server, peer.ip()).map(|get| Self::Tunnel(Box::new(get))),
                http::Method::Post => Post::open(cookie, server, peer.ip()).map(|post| Self::Post(Box::new(post))),
                _ => Err(http::Status::METHOD_NOT_ALLOWED),
            };
        }
        #[cfg(feature = "http")]
        if let Some(key) = request.websocket() {
            return Ok(Self::WebSocket(Box::new(Socket::open(key?, request))));
        }
        Err(http::Status::UPGRADE_REQUIRED)
    }

    /// The function that writes the bytes before a packet.
    pub(super) fn header(&self) -> fn(u8, usize, &mut Vec<u8>) {
        match self {
            #[cfg(feature = "http")]
            Self::WebSocket(_) => |channel, len, out| {
                ws::binary_header(len + 4, out);
                packet_header(channel, len, out);
            },
            _ => packet_header,
        }
    }

    /// The buffer of bytes to be sent between packets.
    pub(super) fn control<'a>(&'a mut self, machine: &'a mut rtsp::Server) -> &'a mut Vec<u8> {
        match self {
            #[cfg(feature = "http")]
            Self::WebSocket(socket) => {
                // further answers stay in the machine, whose limit counts them
                if socket.out.is_empty() {
                    let answers = machine.transmit();
                    if !answers.is_empty() {
                        ws::binary_header(answers.len(), &mut socket.out);
                        socket.out.append(answers);
                    }
                    socket.out.append(socket.machine.transmit());
                }
                &mut socket.out
            }
            #[cfg(feature = "http")]
            Self::Tunnel(get) => get.control(machine.transmit()),
            _ => machine.transmit(),
        }
    }

    /// Whether all bytes of `control` are sent, and there are more.
    #[cfg_attr(not(feature = "http"), allow(unused_variables))]
    pub(super) fn has_more(&mut self, machine: &mut rtsp::Server) -> bool {
        match self {
            #[cfg(feature = "http")]
            Self::WebSocket(socket) => {
                let waits = !machine.transmit().is_empty() || !socket.machine.transmit().is_empty();
                socket.out.is_empty() && waits
            }
            #[cfg(feature = "http")]
            Self::Tunnel(get) => get.is_sent() && !machine.transmit().is_empty(),
            _ => false,
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
            #[cfg(feature = "http")]
            Self::WebSocket(socket) => socket.poll_read(cx, conn, most, input),
            #[cfg(feature = "http")]
            Self::Tunnel(get) => get.poll_read(cx, conn, input),
            _ => conn.poll_read(cx, most, input),
        }
    }
}

#[cfg(feature = "http")]
impl Kept {
    /// Passes the kept bytes to `input`, and returns the number used. A fault is returned with its position in the
    /// carried bytes.
    pub(super) fn feed(&mut self, input: &mut impl FnMut(&[u8]) -> Result<usize, Close>) -> Result<usize, Close> {
        let mut at = 0;
        while let Some(rest) = self.bytes.get(at..).filter(|rest| !rest.is_empty()) {
            match input(rest).map_err(|why| why.found_at(self.used + at as u64))? {
                0 => break,
                used => at += used,
            }
        }
        self.bytes.drain(..at);
        self.used += at as u64;
        Ok(at)
    }

    /// Charges the remaining bytes, and shrinks the buffer to them.
    pub(super) fn settle(&mut self, conn: &Conn) -> Result<(), Close> {
        if self.bytes.len() > MAX_KEPT {
            return Err(Error::malformed("a message without end").into());
        }
        self.bytes.shrink_to_fit();
        self.paid = None;
        self.paid = conn.pay(self.bytes.len())?;
        Ok(())
    }
}

#[cfg(feature = "http")]
impl Socket {
    fn open(key: &str, request: &http::Request) -> Self {
        let accept = ws::Server::accept(key);
        let mut fields =
            vec![("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept.as_str())];
        let mut asked = ws::subprotocols(&request.fields);
        let agreed = asked.clone().find(|name| name.eq_ignore_ascii_case("rtsp")).or_else(|| asked.next());
        fields.extend(agreed.map(|name| ("Sec-WebSocket-Protocol", name)));
        let out = http::head(http::Status::SWITCHING_PROTOCOLS, &fields);
        Self { machine: ws::Server::with_data(), out, kept: Kept::default() }
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        conn: &mut Conn,
        most: usize,
        mut input: impl FnMut(&[u8]) -> Result<usize, Close>,
    ) -> Poll<Result<Received, Close>> {
        let Self { machine, kept, .. } = self;
        let used = kept.feed(&mut input)?;
        if used > 0 {
            kept.settle(conn)?;
            return Poll::Ready(Ok(Received { bytes: used, end: false }));
        }
        let received = ready!(conn.poll_read(cx, most, |data| {
            drive(machine, data, |_, event| match event {
                ws::Event::Data(part) => {
                    kept.bytes.extend_from_slice(&part);
                    kept.feed(&mut input).map(|_| ())
                }
                ws::Event::Close => Err(Close::Eof),
            })
        }))?;
        kept.settle(conn)?;
        Poll::Ready(Ok(received))
    }
}
