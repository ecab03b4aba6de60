//! HTTP connections: live forms, WebSocket, HLS, metrics.

#[cfg(feature = "record")]
mod files;
#[cfg(fuzzing)]
pub(super) mod fuzz;
mod hls;
mod resource;
mod route;
mod transport;

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::Server;
#[cfg(feature = "rtsp")]
use super::rtsp::Carrier;
use bytes::Bytes;

use crate::conf::Config;
use crate::hub::{Dismissal, Unit};
use crate::media::Ticks;
use crate::net::{Close, Conn, Outlet, SOME, drive, poll_in_turns};
use crate::proto::Machine;
use crate::proto::http::{self, Event, Method, Request, Status};
use crate::session::{Sender, Tail, sent_away};
use crate::wire::percent_encode;
use transport::Transport;

/// Runs a connection to its end.
pub(super) fn serve(server: Arc<Server>, conn: Conn) {
    let executor = server.core.executor.clone();
    executor.spawn(run(Session::new(server, conn))).detach();
}

/// As `serve`, where every WebSocket carries RTSP.
#[cfg(feature = "rtsp")]
pub(super) fn serve_rtsp(server: Arc<Server>, conn: Conn) {
    let executor = server.core.executor.clone();
    executor.spawn(run(Session { carries_rtsp: true, ..Session::new(server, conn) })).detach();
}

async fn run(mut session: Session) {
    let why = std::future::poll_fn(|cx| session.poll(cx)).await;
    #[cfg(feature = "rtsp")]
    if let Some(carrier) = session.carrier.take() {
        return super::rtsp::carry(session.server, session.conn, carrier).await;
    }
    session.end(&why);
}

struct Session {
    server: Arc<Server>,
    /// As it was when the connection began.
    config: Arc<Config>,
    // its place is free before the peer learns that this is the end
    role: Role,
    /// The rest of a batch for a viewer that has closed.
    tail: Tail,
    conn: Conn,
    machine: http::Server,
    /// The client has said all that it will: what it asked for goes out all the same.
    said_all: bool,
    /// An answer was given: once it is sent, the wait for another request begins.
    answered: bool,
    /// The connection goes on as one of RTSP.
    #[cfg(feature = "rtsp")]
    carrier: Option<Carrier>,
    /// Every WebSocket does.
    #[cfg(feature = "rtsp")]
    carries_rtsp: bool,
}

enum Role {
    /// Between requests.
    Guest,
    /// Something of HLS is asked for that may not be there yet.
    Waiting(Box<hls::Waiting>),
    /// A body that others share, or that is paid for, is on its way out.
    Body { outlet: Outlet, keep_alive: bool },
    /// A file is being looked for.
    #[cfg(feature = "record")]
    Opening(Box<files::Opening>),
    /// A file is on its way out.
    #[cfg(feature = "record")]
    File(Box<files::Body>),
    /// A live form.
    Play(Box<Player>),
    /// Everything is said; what still comes is read and thrown away, so that
    /// the answer is not lost.
    Linger,
}

impl Role {
    /// Whether something is on its way that comes to an end.
    fn is_answering(&self) -> bool {
        !matches!(self, Self::Guest | Self::Play(_) | Self::Linger)
    }
}

struct Player {
    sender: Sender,
    transport: Transport,
}

/// A head is read in pieces of so many bytes, so that little of what follows it has to be
/// kept while it is answered.
const PIECE: usize = 1 << 10;
/// The time that a client may take to read the last answer.
const LINGER: Duration = Duration::from_secs(2);
const CORS: (&str, &str) = ("Access-Control-Allow-Origin", "*");
/// The header fields that scripts of other origins may read, beside an answer's type and body.
const EXPOSED: (&str, &str) = ("Access-Control-Expose-Headers", "Content-Length, Content-Range, Date");
const NO_CACHE: (&str, &str) = ("Cache-Control", "no-cache");
/// An answer would take more memory than is left for all.
const NO_ROOM: &str = "no room for that just now";
/// The header fields of every answer that is not a stream.
const FIELDS: [(&str, &str); 2] = [CORS, NO_CACHE];

/// The last item of a path as a reference relative to it, which holds behind a proxy that
/// serves all of this below a folder. RFC 3986 section 4.2: a colon would end a scheme.
fn beside(path: &str) -> String {
    format!("./{}", percent_encode(path.rsplit('/').next().unwrap_or_default()))
}

/// One block of bytes.
fn whole(bytes: Bytes) -> Outlet {
    let mut outlet = Outlet::default();
    outlet.fill(|units| units.push(Unit::whole(bytes, Ticks(0))));
    outlet
}

/// Writes the head of an answer whose body goes out from where it is: nothing of it is copied.
/// Gives what follows, and whether the connection goes on.
fn begin_body(machine: &mut http::Server, request: &Request, fields: &[(&str, &str)], body: Outlet) -> (Outlet, bool) {
    let length = body.len().to_string();
    let connection = if request.keep_alive { "keep-alive" } else { "close" };
    let mut all = vec![("Content-Length", length.as_str()), ("Connection", connection)];
    all.extend_from_slice(fields);
    machine.head(Status::OK, &all);
    let outlet = if request.method == Method::Head { Outlet::default() } else { body };
    (outlet, request.keep_alive)
}

impl Session {
    fn new(server: Arc<Server>, conn: Conn) -> Self {
        let config = server.core.config();
        conn.expect_input(config.connections.handshake.0);
        let machine = http::Server::new(config.http.max_head.0);
        Self {
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
            #[cfg(feature = "rtsp")]
            carries_rtsp: false,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Close> {
        poll_in_turns(cx, |cx| self.step(cx))
    }

    /// Sends what there is, then reads once; pending if neither is possible.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Close>> {
        let slow = self.config.viewers.slow.0;
        let Self { conn, machine, tail, .. } = self;
        ready!(tail.poll(cx, conn, slow))?;
        match &mut self.role {
            Role::Play(player) => {
                // the head goes first, then control frames between batches
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
            Role::Body { outlet, keep_alive } => {
                ready!(conn.poll_send(cx, machine.transmit(), slow))?;
                ready!(conn.poll_outlet(cx, outlet, slow, |_| {}))?;
                machine.done(*keep_alive);
                self.role = Role::Guest;
                self.next_request();
                return Poll::Ready(Ok(()));
            }
            Role::Waiting(waiting) => {
                if waiting.poll_dismissed(cx) {
                    return Poll::Ready(Err(sent_away(Dismissal::GaveWay)));
                }
                match waiting.poll_answer(cx, machine) {
                    Poll::Ready(Some((outlet, keep_alive))) => self.role = Role::Body { outlet, keep_alive },
                    Poll::Ready(None) => {
                        self.role = Role::Guest;
                        self.next_request();
                    }
                    Poll::Pending => return self.poll_input(cx),
                }
                return Poll::Ready(Ok(()));
            }
            #[cfg(feature = "record")]
            Role::Opening(opening) => {
                match opening.poll_answer(cx, machine) {
                    Poll::Ready(files::Outcome::Body(body)) => {
                        self.role = Role::File(Box::new(body));
                        return Poll::Ready(Ok(()));
                    }
                    #[cfg(feature = "record")]
                    Poll::Ready(files::Outcome::Text(outlet, keep_alive)) => {
                        self.role = Role::Body { outlet, keep_alive };
                    }
                    Poll::Ready(files::Outcome::Answered) => self.role = Role::Guest,
                    Poll::Ready(files::Outcome::Otherwise(request, resource)) => {
                        self.role = Role::Guest;
                        self.resource(request, resource);
                    }
                    Poll::Pending => return self.poll_input(cx),
                }
                if matches!(self.role, Role::Guest) {
                    self.next_request();
                }
                return Poll::Ready(Ok(()));
            }
            #[cfg(feature = "record")]
            Role::File(body) => {
                ready!(conn.poll_send(cx, machine.transmit(), slow))?;
                let is_late = body.is_late();
                let outlet = match body.poll_next(cx) {
                    Poll::Ready(next) => next.map_err(Close::from)?,
                    Poll::Pending if is_late => return self.poll_input(cx),
                    Poll::Pending => return Poll::Pending,
                };
                if !outlet.is_empty() {
                    return conn.poll_outlet(cx, outlet, slow, |_| {});
                }
                machine.done(body.keep_alive());
                self.role = Role::Guest;
                self.next_request();
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
            Role::Play(_) | Role::Linger => SOME,
            Role::Guest => SOME.min(conn.kept() + PIECE),
            _ if *said_all => return Poll::Pending,
            // the next request stays with the kernel until this one is answered
            _ if conn.kept() >= PIECE => return Poll::Pending,
            _ => PIECE,
        };
        let received = ready!(conn.poll_read(cx, most, |data| match role {
            Role::Play(player) => {
                let (used, goodbye) = player.transport.input(data)?;
                closed |= goodbye;
                Ok(used)
            }
            Role::Linger => Ok(data.len()),
            #[cfg(feature = "record")]
            Role::File(_) => Ok(0),
            _ => drive(machine, data, |_, news| {
                event = Some(news);
                Ok(())
            }),
        }))?;
        *said_all = received.end;
        if received.end && role.is_answering() {
            // RFC 9293 section 3.6: it may still receive; if not, the next write says so
            return Poll::Pending;
        }
        if received.end {
            return Poll::Ready(Err(if matches!(role, Role::Linger) { Close::Done } else { Close::Eof }));
        }
        if closed {
            // the closing handshake ends here. RFC 6455 section 7.1.1
            self.end_play(&Close::Eof);
        }
        match event {
            #[cfg(feature = "rtsp")]
            Some(Event::Request(request)) if self.is_for_rtsp(&request) => {
                return Poll::Ready(self.carry_rtsp(&request));
            }
            Some(Event::Request(request)) => self.respond(request),
            Some(Event::Bad(status)) => self.machine.answer(status, &FIELDS, status.1.as_bytes(), None),
            None => return Poll::Ready(Ok(())),
        }
        if matches!(self.role, Role::Guest) {
            self.next_request();
        }
        Poll::Ready(Ok(()))
    }

    /// A request has been answered: another may come, or stand there already.
    fn next_request(&mut self) {
        self.answered = true;
        self.conn.offer_again();
    }

    /// Whether the connection is to go on as one of RTSP: a WebSocket that asks for
    /// that, or one half of a tunnel.
    #[cfg(feature = "rtsp")]
    fn is_for_rtsp(&self, request: &Request) -> bool {
        let named = || request.protocols.split(',').any(|name| name.trim().eq_ignore_ascii_case("rtsp"));
        self.config.rtsp.enable
            && (request.tunnel.is_some() || self.carries_rtsp || request.websocket.is_some() && named())
    }

    /// Answers, and ends as a session of HTTP; or says why not.
    #[cfg(feature = "rtsp")]
    fn carry_rtsp(&mut self, request: &Request) -> Result<(), Close> {
        match Carrier::accept(request, &mut self.machine, &self.server, self.conn.peer()) {
            Ok(carrier) => {
                self.carrier = Some(carrier);
                self.conn.offer_again();
                Err(Close::Done)
            }
            Err(status) => {
                let fields = [CORS, ("Sec-WebSocket-Version", "13"), ("Upgrade", "websocket")];
                self.machine.answer(status, &fields, status.1.as_bytes(), Some(request));
                self.next_request();
                Ok(())
            }
        }
    }

    /// The viewer has got what there was for it, and says goodbye if it has a way to.
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

    fn end(&mut self, why: &Close) {
        self.log_end(why);
        self.server.core.counters.closed(why);
    }
}
