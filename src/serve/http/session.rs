//! One HTTP connection: requests and answers in turn.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::live::Player;
use super::reply::{Answer, Body, Exchange, Pending, Reply, Source};
use super::routes::{self, Route};
use crate::conf::Config;
use crate::net::{Close, Conn, SHORT_READ, drive, poll_in_turns};
use crate::proto::Machine;
use crate::proto::http::{self, Event, Request};
use crate::serve::Server;
#[cfg(feature = "rtsp")]
use crate::serve::rtsp::{Carrier, carry};
use crate::session::{Core, Tail};

/// A connection.
pub(super) struct Session {
    routes: &'static [Route],
    server: Arc<Server>,
    /// The configuration at the start of the connection.
    config: Arc<Config>,
    // dropped first, so that its place is free before the peer sees the end
    role: Role,
    /// The rest of a batch for a viewer that has closed.
    tail: Tail,
    conn: Conn,
    machine: http::Server,
    /// Whether the client has closed its sending side: it still gets its answer.
    said_all: bool,
    /// Whether an answer was given: once it is sent, the wait for the next request begins.
    answered: bool,
    /// The connection goes on as one of RTSP.
    #[cfg(feature = "rtsp")]
    carrier: Option<Carrier>,
}

enum Role {
    /// Between requests.
    Guest,
    /// Waits for the decision about a live form.
    Deciding(Pending),
    /// Waits for an answer.
    Waiting(Pending),
    /// Sends the body of an answer.
    Sending(Source),
    /// A live form.
    Play(Box<Player>),
    /// All is sent; further input is read and dropped, so that the answer is not lost.
    Linger,
}

/// The size of a read within a head, small so that little of what follows it has to be kept while it is answered.
const HEAD_READ: usize = 1 << 10;
/// The longest time for the client to read the last answer.
const LINGER: Duration = Duration::from_secs(2);

impl Role {
    /// Whether an answer of finite length is due.
    fn is_answering(&self) -> bool {
        matches!(self, Self::Waiting(_) | Self::Sending(_))
    }
}

impl Session {
    pub(super) fn new(routes: &'static [Route], server: Arc<Server>, conn: Conn) -> Self {
        let config = server.core.config();
        conn.expect_input(config.connections.handshake.0);
        let machine = http::Server::new(config.http.max_head.0);
        Self {
            routes,
            server,
            config,
            conn,
            machine,
            role: Role::Guest,
            tail: Tail::default(),
            said_all: false,
            answered: false,
            #[cfg(feature = "rtsp")]
            carrier: None,
        }
    }

    /// Runs the connection to its end.
    pub(super) async fn run(mut self) {
        let why = std::future::poll_fn(|cx| poll_in_turns(cx, |cx| self.step(cx))).await;
        #[cfg(feature = "rtsp")]
        if let Some(carrier) = self.carrier.take() {
            return carry(self.server, self.conn, carrier).await;
        }
        self.log_end(&why);
        self.server.core.counters.closed(&why);
    }

    /// Sends what is due, then reads once; pending if neither is possible.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Close>> {
        let slow = self.config.viewers.slow.0;
        let Self { conn, machine, tail, .. } = self;
        ready!(tail.poll(cx, conn, slow))?;
        match &mut self.role {
            Role::Play(player) => {
                // the head is sent first, then control frames between batches
                ready!(conn.poll_send(cx, machine.transmit(), slow))?;
                let control = player.transport.control(machine.transmit());
                let idle = player.sender.poll(cx, conn, control, slow);
                if matches!(idle, Err(Close::Changed)) {
                    player.transport.close();
                    self.end_play(&Close::Changed);
                    return Poll::Ready(Ok(()));
                }
                if !idle? {
                    return Poll::Ready(Ok(()));
                }
            }
            Role::Deciding(pending) | Role::Waiting(pending) => match pending.as_mut().poll(cx) {
                Poll::Ready(answer) => return Poll::Ready(self.give(answer?)),
                Poll::Pending => {}
            },
            Role::Sending(source) => {
                ready!(conn.poll_send(cx, machine.transmit(), slow))?;
                let is_late = source.is_late();
                let outlet = match source.poll_next(cx) {
                    Poll::Ready(next) => next?,
                    Poll::Pending if is_late => return self.poll_input(cx),
                    Poll::Pending => return Poll::Pending,
                };
                if !outlet.is_empty() {
                    return conn.poll_outlet(cx, outlet, slow, |_| {});
                }
                self.answered();
                return Poll::Ready(Ok(()));
            }
            Role::Guest | Role::Linger => {
                ready!(conn.poll_send(cx, machine.transmit(), slow))?;
                if std::mem::take(&mut self.answered) {
                    conn.expect_input(self.config.http.keep_alive.0);
                }
                if machine.is_closed() && matches!(self.role, Role::Guest) {
                    conn.finish();
                    conn.expect_input(LINGER);
                    self.role = Role::Linger;
                }
            }
        }
        self.poll_input(cx)
    }

    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Close>> {
        let Self { conn, machine, role, said_all, .. } = self;
        let mut event = None;
        let mut closed = false;
        let most = match role {
            Role::Play(_) | Role::Linger => SHORT_READ,
            Role::Guest => SHORT_READ.min(conn.kept() + HEAD_READ),
            _ if *said_all => return Poll::Pending,
            // the next request stays in the kernel until this one is answered
            _ if conn.kept() >= HEAD_READ => return Poll::Pending,
            _ => HEAD_READ,
        };
        let received = ready!(conn.poll_read(cx, most, |data| match role {
            Role::Play(player) => {
                let (used, goodbye) = player.transport.input(data)?;
                closed |= goodbye;
                Ok(used)
            }
            Role::Linger => Ok(data.len()),
            _ => drive(machine, data, |_, news| {
                event = Some(news);
                Ok(())
            }),
        }))?;
        *said_all = received.end;
        if received.end && role.is_answering() {
            // RFC 9293 section 3.6: the peer may still receive; if not, the next write fails
            return Poll::Pending;
        }
        if received.end {
            return Poll::Ready(Err(if matches!(role, Role::Linger) { Close::Done } else { Close::Eof }));
        }
        if closed {
            // the closing handshake ends here. RFC 6455 section 7.1.1
            self.end_play(&Close::Eof);
        }
        Poll::Ready(match event {
            Some(Event::Request(request)) => self.respond(request),
            Some(Event::Bad(status)) => self.give(Reply::from(status).into()),
            None => Ok(()),
        })
    }

    /// Passes a request to the handler of its route, once its body is read.
    fn respond(&mut self, request: Request) -> Result<(), Close> {
        let Self { server, config, conn, machine, .. } = self;
        conn.expect_input(Duration::ZERO);
        let route = match routes::find(self.routes, config, &request) {
            Ok(route) => route,
            Err(allow) => return self.give(allow.reply(request.method).into()),
        };
        match machine.read_body(request, route.body, &server.core.greetings) {
            Ok(Some(request)) => {
                let (server, config) = (server.clone(), config.clone());
                let (seat, peer, tls) = (conn.seat(), conn.peer(), conn.is_under_tls());
                let exchange = Exchange { server, config, seat, peer, tls, request, leave: None };
                self.give(match route.wish.map(|wish| wish(&exchange.request)) {
                    Some(wish) => exchange.ask(wish, |exchange, _| (route.handler)(exchange)),
                    None => (route.handler)(exchange),
                })
            }
            Ok(None) => {
                // a part of the body may be kept already
                conn.offer_again();
                conn.expect_input(config.connections.handshake.0);
                Ok(())
            }
            Err(status) => self.give(Reply::from(status).into()),
        }
    }

    /// Acts on an answer; an error ends the connection, or passes it on.
    fn give(&mut self, answer: Answer) -> Result<(), Close> {
        match answer {
            Answer::Now(reply) => self.reply(reply),
            Answer::Later(pending) => self.role = Role::Waiting(pending),
            Answer::Decided(pending) => self.role = Role::Deciding(pending),
            #[cfg(feature = "rtsp")]
            Answer::Carry(carrier) => {
                self.carrier = Some(carrier);
                self.conn.offer_again();
                return Err(Close::Done);
            }
        }
        Ok(())
    }

    fn reply(&mut self, Reply { status, fields, body }: Reply) {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_ref())).collect();
        let follows = self.machine.begin(status, &fields, body.extent(status));
        match body {
            Body::Source(source) if follows => self.role = Role::Sending(source),
            Body::Stream(player) => {
                self.conn.resize(Core::viewer_sizes(&self.config));
                self.role = Role::Play(player);
                // the first frames of a WebSocket may be kept already
                self.conn.offer_again();
            }
            Body::Text(text) if follows => {
                self.machine.transmit().extend_from_slice(text.as_bytes());
                self.answered();
            }
            Body::Text(_) | Body::Source(_) | Body::Nothing | Body::NoStream => self.answered(),
        }
    }

    /// A request was answered: another may follow, or be kept already.
    fn answered(&mut self) {
        self.machine.done();
        self.role = Role::Guest;
        self.answered = true;
        self.conn.offer_again();
    }

    /// Ends the viewer, with a close frame if its transport has one.
    fn end_play(&mut self, why: &Close) {
        self.log_end(why);
        if let Role::Play(mut player) = std::mem::replace(&mut self.role, Role::Guest) {
            let goodbye = std::mem::take(player.transport.control(self.machine.transmit()));
            *self.machine.transmit() = goodbye;
            self.tail = player.sender.into_tail();
        }
    }

    fn log_end(&mut self, why: &Close) {
        if let Role::Play(player) = &mut self.role {
            player.sender.ends(why);
        }
    }
}
