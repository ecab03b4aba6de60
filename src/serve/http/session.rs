//! One HTTP connection: requests and answers in turn.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::reply::{Answer, Body, Exchange, HalfClosed, Pending, Reply};
use super::routes::{self, Table};
use super::rtsp::Upgrade;
use super::stream::{Stream, Turn};
use super::{forwarded, guard};
use crate::conf::Config;
use crate::net::{Client, Close, Conn, SHORT_READ, drive, poll_in_turns};
use crate::proto::Machine;
use crate::proto::http::{self, Event, Extent, Request};
use crate::serve::Server;
use crate::session::{Core, Tail};

/// A connection.
pub(super) struct Session {
    routes: &'static Table,
    server: Arc<Server>,
    /// The configuration at the start of the connection.
    config: Arc<Config>,
    // dropped first, so that its place is free before the peer sees the end
    role: Role,
    /// The rest of a batch for a viewer that has closed.
    tail: Tail,
    conn: Conn,
    machine: http::Server,
    /// True if the client has closed its sending side: it still gets its answer.
    said_all: bool,
    /// True if an answer was given: once it is sent, the wait for the next request begins.
    answered: bool,
}

enum Role {
    /// Waits for a request, or after the last answer for the end: further input is read and dropped, so that the answer
    /// is not lost.
    Waiting,
    /// Waits for an answer.
    Answering(Pending),
    /// Sends the rest of an answer.
    Streaming(Stream),
    /// Goes on as a connection of RTSP.
    Upgraded(Upgrade),
}

/// The size of a read within a head, small so that little of what follows it has to be kept while it is answered.
const HEAD_READ: usize = 1 << 10;
/// The longest time for the client to read the last answer.
const LINGER: Duration = Duration::from_secs(2);

impl Role {
    /// True if a client that has closed its sending side gets something: an answer of finite length.
    fn outlasts_input(&self) -> bool {
        match self {
            Self::Answering(pending) => pending.half_closed == HalfClosed::Answered,
            Self::Streaming(stream) => matches!(stream.extent(), Extent::Bytes(_)),
            Self::Waiting | Self::Upgraded(_) => false,
        }
    }
}

impl Session {
    pub(super) fn new(routes: &'static Table, server: Arc<Server>, conn: Conn) -> Self {
        let config = server.core.config();
        conn.expect_input(config.connections.handshake.0);
        let machine = http::Server::new(config.http.max_head.0);
        Self {
            routes,
            server,
            config,
            conn,
            machine,
            role: Role::Waiting,
            tail: Tail::default(),
            said_all: false,
            answered: false,
        }
    }

    /// Runs the connection to its end.
    pub(super) async fn run(mut self) {
        let why = std::future::poll_fn(|cx| poll_in_turns(cx, |cx| self.step(cx))).await;
        match self.role {
            Role::Upgraded(upgrade) => return upgrade.run(self.server, self.conn).await,
            Role::Streaming(ref mut stream) => stream.ends(&why),
            Role::Waiting | Role::Answering(_) => {}
        }
        self.server.core.counters.closed(&why);
    }

    /// Sends what is due, then reads once; pending if neither is possible.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Close>> {
        let slow = self.config.viewers.slow.0;
        let Self { conn, machine, tail, .. } = self;
        ready!(tail.poll(cx, conn, slow))?;
        match &mut self.role {
            Role::Waiting => {
                ready!(conn.poll_send(cx, machine.transmit(), slow))?;
                if std::mem::take(&mut self.answered) {
                    self.await_input();
                }
            }
            Role::Answering(pending) => {
                if let Poll::Ready(answer) = pending.poll(cx) {
                    self.give(answer?);
                    return Poll::Ready(Ok(()));
                }
            }
            Role::Streaming(stream) => {
                ready!(conn.poll_send(cx, machine.transmit(), slow))?;
                match ready!(stream.poll(cx, conn, machine.transmit(), slow))? {
                    Turn::Again => return Poll::Ready(Ok(())),
                    Turn::Waits => {}
                    Turn::Over(why) => {
                        self.end_stream(&why);
                        return Poll::Ready(Ok(()));
                    }
                }
            }
            Role::Upgraded(_) => return Poll::Ready(Err(Close::Done)),
        }
        self.poll_input(cx)
    }

    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Close>> {
        let Self { conn, machine, role, said_all, .. } = self;
        let mut event = None;
        let mut closed = false;
        let most = match role {
            // there is no further request
            _ if machine.is_closed() => SHORT_READ,
            Role::Waiting => SHORT_READ.min(conn.kept() + HEAD_READ),
            _ if *said_all => return Poll::Pending,
            // the next request stays in the kernel until this one is answered
            _ if conn.kept() >= HEAD_READ => return Poll::Pending,
            _ => HEAD_READ,
        };
        let received = ready!(conn.poll_read(cx, most, |data| match role {
            Role::Streaming(stream @ (Stream::Live(_) | Stream::Told(_))) => {
                let (used, goodbye) = stream.input(data)?;
                closed |= goodbye;
                Ok(used)
            }
            _ => drive(machine, data, |_, news| {
                event = Some(news);
                Ok(())
            }),
        }))?;
        *said_all = received.end;
        if received.end && role.outlasts_input() {
            // RFC 9293 section 3.6: the peer may still receive; if not, the next write fails
            return Poll::Pending;
        }
        if received.end {
            let is_last = matches!(role, Role::Waiting) && machine.is_closed();
            return Poll::Ready(Err(if is_last { Close::Done } else { Close::Eof }));
        }
        if closed {
            // the closing handshake ends here. RFC 6455 section 7.1.1
            self.end_stream(&Close::Eof);
        }
        match event {
            Some(Event::Request(request)) => self.respond(request),
            Some(Event::Bad(status)) => self.give(Reply::from(status).into()),
            None => {}
        }
        Poll::Ready(Ok(()))
    }

    /// Passes a request to the handler of its route, once its body is read.
    fn respond(&mut self, request: Request) {
        let Self { server, config, conn, machine, .. } = self;
        conn.expect_input(Duration::ZERO);
        let client = forwarded::client(config, conn.hop(), &request);
        if let Err(why) = guard::check(self.routes, config, client, &request) {
            return self.give(Reply::from(why).into());
        }
        if let Err(why) = forwarded::take_for(server, conn, client) {
            return self.give(Reply::from(why).into());
        }
        let route = match routes::find(self.routes, config, &request) {
            Ok(route) => route,
            Err(allow) => return self.give(allow.reply(request.method).into()),
        };
        if let Err(why) = guard::check_row(self.routes, route, server, client.address, &request) {
            return self.give(Reply::from(why).into());
        }
        match machine.read_body(request, route.body, &server.core.greetings) {
            Ok(Some(request)) => {
                let (server, config) = (server.clone(), config.clone());
                let (seat, Client { address: peer, via }, tls) = (conn.seat(), client, conn.is_under_tls());
                let exchange = Exchange { server, config, seat, peer, via, tls, request, leave: None };
                self.give(match route.wish.map(|wish| wish(&exchange.request)) {
                    Some(wish) => exchange.ask(wish, |exchange, _| (route.handler)(exchange)),
                    None => (route.handler)(exchange),
                })
            }
            Ok(None) => {
                // a part of the body may be kept already
                conn.offer_again();
                conn.expect_input(config.connections.handshake.0);
            }
            Err(status) => self.give(Reply::from(status).into()),
        }
    }

    /// Acts on an answer.
    fn give(&mut self, answer: Answer) {
        match answer {
            Answer::Now(reply) => self.reply(reply),
            Answer::Later(pending) => self.role = Role::Answering(pending),
            Answer::Upgrade(upgrade) => {
                self.role = Role::Upgraded(upgrade);
                self.conn.offer_again();
            }
        }
    }

    fn reply(&mut self, Reply { status, fields, body }: Reply) {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_ref())).collect();
        let follows = self.machine.begin(status, &fields, body.extent());
        match body {
            Body::Stream(stream) if follows => {
                if let Stream::Live(_) = stream {
                    self.conn.resize(Core::viewer_sizes(&self.config));
                }
                if let Stream::Live(_) | Stream::Told(_) = stream {
                    // the first frames of a WebSocket may be kept already
                    self.conn.offer_again();
                }
                self.role = Role::Streaming(stream);
            }
            Body::Text(text) if follows => {
                self.machine.transmit().extend_from_slice(text.as_bytes());
                self.answered();
            }
            Body::Text(_) | Body::Stream(_) | Body::Nothing | Body::NoStream => self.answered(),
        }
    }

    /// Ends what is being sent, a WebSocket with a close frame.
    fn end_stream(&mut self, why: &Close) {
        if let Role::Streaming(mut stream) = std::mem::replace(&mut self.role, Role::Waiting) {
            stream.ends(why);
            self.tail = stream.into_tail(self.machine.transmit());
        }
        self.answered();
    }

    /// A request was answered: another may follow, or be kept already.
    fn answered(&mut self) {
        self.machine.done();
        self.role = Role::Waiting;
        self.answered = true;
        self.conn.offer_again();
    }

    /// An answer is sent: another request has to come in time, or after the last answer the client's end.
    fn await_input(&mut self) {
        if self.machine.is_closed() {
            self.conn.finish();
            self.conn.expect_input(LINGER);
        } else {
            self.conn.expect_input(self.config.http.keep_alive.0);
        }
    }
}
