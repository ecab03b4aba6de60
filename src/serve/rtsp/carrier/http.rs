//! The carriers that begin with a request of HTTP: a WebSocket, or a tunnel.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::super::tunnel::{Get, Post};
use super::super::{Server, run};
use super::Carrier;
use crate::budget::Lease;
use crate::net::{Close, Conn, Received, drive};
use crate::proto::rtsp::{self, packet_header};
use crate::proto::{Error, Machine, http, ws};

/// The continuation of a connection that began with a request of HTTP.
pub(in crate::serve) enum Upgrade {
    /// A conversation.
    Carrier(HttpCarrier),
    /// The requests of a conversation whose answers are sent on another connection.
    Post(Box<Post>),
}

/// A carrier that is a connection of HTTP.
pub(in crate::serve) enum HttpCarrier {
    /// Every answer and every packet is a message.
    WebSocket(Box<Socket>),
    /// Answers and packets are sent here, requests arrive on another connection.
    Tunnel(Box<Get>),
}

/// A WebSocket.
pub(in crate::serve) struct Socket {
    machine: ws::Server,
    out: Vec<u8>,
    kept: Kept,
}

/// Input that a carrier has decoded and that could not be used yet.
#[derive(Default)]
pub(in crate::serve::rtsp) struct Kept {
    pub(in crate::serve::rtsp) bytes: Vec<u8>,
    paid: Option<Lease>,
    /// The bytes of the conversation that were used before these.
    used: u64,
}

/// The most bytes that are kept.
pub(in crate::serve::rtsp) const MAX_KEPT: usize = 16 << 10;

impl Upgrade {
    /// Accepts a request to carry RTSP from here on.
    pub(in crate::serve) fn accept(
        request: &http::Request,
        server: &Server,
        peer: SocketAddr,
    ) -> Result<Self, http::Status> {
        if let Some(cookie) = request.tunnel() {
            return match request.method {
                http::Method::Get => {
                    Get::open(cookie, server, peer.ip()).map(|get| Self::Carrier(HttpCarrier::Tunnel(Box::new(get))))
                }
                http::Method::Post => Post::open(cookie, server, peer.ip()).map(|post| Self::Post(Box::new(post))),
                _ => Err(http::Status::METHOD_NOT_ALLOWED),
            };
        }
        match request.websocket() {
            Some(key) => Ok(Self::Carrier(HttpCarrier::WebSocket(Box::new(Socket::open(key?, request))))),
            None => Err(http::Status::UPGRADE_REQUIRED),
        }
    }

    /// Runs the connection to its end.
    pub(in crate::serve) async fn run(self, server: Arc<Server>, conn: Conn) {
        match self {
            Self::Carrier(carrier) => run(server, conn, carrier.into()).await,
            Self::Post(post) => post.run(server, conn).await,
        }
    }
}

impl From<HttpCarrier> for Carrier {
    fn from(carrier: HttpCarrier) -> Self {
        Self::Http(carrier)
    }
}

impl HttpCarrier {
    /// As `Carrier::header`.
    pub(super) fn header(&self) -> fn(u8, usize, &mut Vec<u8>) {
        match self {
            Self::WebSocket(_) => |channel, len, out| {
                ws::binary_header(len + 4, out);
                packet_header(channel, len, out);
            },
            Self::Tunnel(_) => packet_header,
        }
    }

    /// As `Carrier::control`.
    pub(super) fn control<'a>(&'a mut self, machine: &'a mut rtsp::Server) -> &'a mut Vec<u8> {
        match self {
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
            Self::Tunnel(get) => get.control(machine.transmit()),
        }
    }

    /// As `Carrier::has_more`.
    pub(super) fn has_more(&mut self, machine: &mut rtsp::Server) -> bool {
        match self {
            Self::WebSocket(socket) => {
                let waits = !machine.transmit().is_empty() || !socket.machine.transmit().is_empty();
                socket.out.is_empty() && waits
            }
            Self::Tunnel(get) => get.is_sent() && !machine.transmit().is_empty(),
        }
    }

    /// As `Carrier::poll_read`.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        conn: &mut Conn,
        most: usize,
        input: impl FnMut(&[u8]) -> Result<usize, Close>,
    ) -> Poll<Result<Received, Close>> {
        match self {
            Self::WebSocket(socket) => socket.poll_read(cx, conn, most, input),
            Self::Tunnel(get) => get.poll_read(cx, conn, input),
        }
    }
}

impl Kept {
    /// Passes the kept bytes to `input`, and returns the number used. A fault is returned with its position in the
    /// carried bytes.
    pub(in crate::serve::rtsp) fn feed(
        &mut self,
        input: &mut impl FnMut(&[u8]) -> Result<usize, Close>,
    ) -> Result<usize, Close> {
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
    pub(in crate::serve::rtsp) fn settle(&mut self, conn: &Conn) -> Result<(), Close> {
        if self.bytes.len() > MAX_KEPT {
            return Err(Error::malformed("a message that is too long").into());
        }
        self.bytes.shrink_to_fit();
        self.paid = None;
        self.paid = conn.pay(self.bytes.len())?;
        Ok(())
    }
}

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
