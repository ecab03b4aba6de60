//! RTSP connections: publishers and players.

mod ask;
mod carrier;
mod multicast;
mod play;
#[cfg(test)]
mod tests;
#[cfg(feature = "http")]
mod tunnel;
#[cfg(fuzzing)]
pub use tunnel::decoded;

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::Server;
use crate::conf::Config;
use crate::hub::Name;
use crate::net::{Close, Conn, FULL_READ, SHORT_READ, Seat, canonical, drive, poll_in_turns, random};
use crate::proto::rtsp::auth::Challenger;
use crate::proto::rtsp::{self, Event, Limits, Status};
use crate::proto::{Machine, Target};
use crate::session::{Core, Refusal, RtpIngest, Tail, Who, announced};
use ask::{Asks, Encodings, Wish};
use carrier::Carrier;
#[cfg(feature = "http")]
pub(super) use carrier::Upgrade;
pub(super) use multicast::MulticastGroups;
use play::{Held, PlaySession};
#[cfg(feature = "http")]
pub(super) use tunnel::Tunnels;

/// Runs a connection to its end.
pub(crate) fn serve(server: Arc<Server>, conn: Conn) {
    let core = server.core.clone();
    core.workers.spawn(run(server, conn, Carrier::Plain));
}

/// Runs a connection that may have begun as another protocol.
async fn run(server: Arc<Server>, conn: Conn, carrier: Carrier) {
    let mut session = Session::new(server, conn, carrier);
    let why = std::future::poll_fn(|cx| session.poll(cx)).await;
    session.end(&why);
}

struct Session {
    // dropped first, so that its place is free before the peer sees the end
    body: Body,
    conn: Conn,
    carrier: Carrier,
    machine: rtsp::Server,
}

/// The session without the connection and its machine.
struct Body {
    server: Arc<Server>,
    /// The configuration at the start of the connection.
    config: Arc<Config>,
    who: Who,
    /// The addresses of the peer and of the server.
    peer: SocketAddr,
    local: SocketAddr,
    tls: bool,
    /// Its share of the limits of its address.
    seat: Option<Arc<Seat>>,
    role: Role,
    /// The rest of a batch for a player that has stopped.
    tail: Tail,
}

enum Role {
    /// No request yet.
    Guest,
    /// Waits for the decision.
    Asks(Box<Asks>),
    Publish(Box<RtpIngest>),
    Play(Box<PlaySession>),
    /// It has sent TEARDOWN.
    Gone,
}

/// The prefixes of ids: of publishers, of players, of connections whose role is not known yet, and of multicasts.
pub(crate) const SESSIONS: [&str; 4] = [PUBLISHER, PLAYER, COMMANDS, CAST];
const PUBLISHER: &str = "RTSPPUB";
const PLAYER: &str = "RTSPSUB";
const COMMANDS: &str = "RTSPSRVCMD";
const CAST: &str = "RTSPCAST";
/// The longest message: a session description of many tracks is some 4 KiB.
const MAX_MESSAGE: usize = 12 << 10;
/// The most bytes of answers that may wait for the peer before further requests have to wait: the plan has little for
/// each connection, and no client needs to send so many requests ahead.
const MAX_ANSWERS: usize = 2 << 10;
/// The size of a read of requests, small so that few of them have to be kept while answers wait.
const REQUEST_READ: usize = 1 << 10;

impl Session {
    fn new(server: Arc<Server>, conn: Conn, carrier: Carrier) -> Self {
        let config = server.core.config();
        conn.expect_input(config.connections.handshake.0);
        let timeout = u32::try_from(config.rtsp.timeout.0.as_secs()).unwrap_or(u32::MAX);
        let limits = Limits { max_message: MAX_MESSAGE, max_answers: MAX_ANSWERS, timeout };
        let greeting = server.core.greetings.messages();
        let session = random::bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect();
        let machine = rtsp::Server::new(limits, Challenger::new(random::bytes()), session, greeting);
        let peer = canonical(conn.peer());
        let local = conn.local().map_or(peer, canonical);
        let who = server.core.who(COMMANDS).at(conn.peer()).under_tls(conn.is_under_tls());
        log::debug!("{who} connects");
        let (tls, seat) = (conn.is_under_tls(), conn.seat());
        let body = Body { server, config, who, peer, local, tls, seat, role: Role::Guest, tail: Tail::default() };
        Self { conn, carrier, machine, body }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Close> {
        poll_in_turns(cx, |cx| self.step(cx)).map(|why| {
            // the answer with the error is sent, if the socket accepts it at once
            let _ = self.carrier.poll_send(cx, &mut self.conn, &mut self.machine, Duration::ZERO);
            why
        })
    }

    /// Sends what is due, then reads once; pending if neither is possible.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Close>> {
        let Self { conn, carrier, machine, body } = self;
        let slow = body.config.viewers.slow.0;
        ready!(body.tail.poll(cx, conn, slow))?;
        let was_full = machine.is_full();
        match &mut body.role {
            Role::Play(play) => {
                if !play.poll(cx, conn, carrier, machine, &body.server, &body.config)? {
                    return Poll::Ready(Ok(()));
                }
                if play.is_over() {
                    body.role = Role::Guest;
                } else if play.is_answering() {
                    return Poll::Pending; // the next request waits for the answer
                }
            }
            Role::Publish(publish) => {
                let _ = carrier.poll_send(cx, conn, machine, slow)?;
                ready!(publish.poll_turn(cx, conn, machine.transmit(), &body.server.core))?;
            }
            Role::Asks(asks) => {
                let _ = carrier.poll_send(cx, conn, machine, slow)?;
                if let Poll::Ready(answer) = asks.poll_answer(cx) {
                    let turn = body.decided(machine, answer, Instant::now())?;
                    body.after(turn, conn);
                    conn.offer_again();
                    return Poll::Ready(Ok(()));
                }
            }
            Role::Guest => {
                let _ = carrier.poll_send(cx, conn, machine, slow)?;
            }
            Role::Gone => {
                ready!(carrier.poll_send(cx, conn, machine, slow))?;
                return Poll::Ready(Err(Close::Done));
            }
        }
        if was_full {
            if machine.is_full() {
                return Poll::Pending; // the next request waits until the answers are sent
            }
            conn.offer_again();
        }
        self.poll_input(cx)
    }

    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Close>> {
        let Self { conn, carrier, machine, body } = self;
        let now = Instant::now();
        let most = match body.role {
            Role::Publish(_) => FULL_READ,
            // the rest stays in the kernel until the decision
            Role::Asks(_) if conn.kept() >= REQUEST_READ => return Poll::Pending,
            _ => SHORT_READ.min(conn.kept() + REQUEST_READ),
        };
        let mut turn = Turn::None;
        let received = ready!(carrier.poll_read(cx, conn, most, |data| {
            drive(machine, data, |machine, event| {
                turn = turn.or(body.on_event(machine, event, now)?);
                Ok(())
            })
        }))?;
        if received.end {
            return Poll::Ready(Err(Close::Eof));
        }
        body.after(turn, conn);
        if let (Turn::None, Role::Play(play)) = (turn, &body.role) {
            play.heard(conn, &body.config);
        }
        if let Role::Publish(publish) = &mut body.role {
            publish.hears_noise(machine.noise());
            publish.handed_over(conn, machine.transmit(), received.bytes, &body.server.core, now);
        }
        Poll::Ready(Ok(()))
    }

    fn end(&mut self, why: &Close) {
        self.body.log_end(why);
        self.body.server.core.counters.closed(why);
    }
}

/// The change that an event makes to the connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    None,
    /// It has sent a request, and its deadline for the next one begins.
    Guest,
    /// It waits for the server.
    Held,
    Publishes,
    Plays,
    /// It has paused, and keeps its session alive.
    Pauses,
}

impl Turn {
    fn or(self, later: Self) -> Self {
        if later == Self::None { self } else { later }
    }
}

impl Body {
    /// Acts on an event of the client.
    fn on_event(&mut self, machine: &mut rtsp::Server, event: Event, now: Instant) -> Result<Turn, Close> {
        match (event, &mut self.role) {
            // packets and requests after TEARDOWN are ignored
            (Event::Packet { .. } | Event::Lost { .. }, Role::Gone) => {}
            (_, Role::Gone) => machine.refuse(Status::METHOD_NOT_VALID),
            (Event::Describe(target), _) => return self.ask(machine, target, Wish::Play(Held::Describe), now),
            (Event::Announce(target, description), Role::Guest) => {
                let tracks = announced(&description, &self.config).ok_or_else(|| Encodings::of(&description));
                return self.ask(machine, target, Wish::Publish(tracks), now);
            }
            (Event::Setup { track, transports, .. }, Role::Publish(publish)) => {
                let (ends, seat) = ((self.local, self.peer), self.seat.as_deref());
                match publish.set_up(track, &transports, &self.server.core, &self.config, ends, seat) {
                    Ok(transport) => machine.set_up(&transport),
                    Err(status) => machine.refuse(status),
                }
            }
            (Event::Setup { track, transports, .. }, Role::Play(play)) if play.is_described() => {
                play.answer_setup(machine, track, &transports, &self.server, &self.config);
                return Ok(Turn::Guest);
            }
            (Event::Setup { target, track, transports }, _) => {
                return self.ask(machine, target, Wish::Play(Held::Setup(track, transports)), now);
            }
            (Event::Record, Role::Publish(publish)) => {
                publish.record();
                machine.accept();
                return Ok(Turn::Publishes);
            }
            (Event::Play, Role::Play(play)) => {
                play.play();
                return Ok(Turn::Plays);
            }
            (Event::Pause, Role::Play(play)) => {
                play.pause();
                machine.accept();
                return Ok(Turn::Pauses);
            }
            // its packets may continue; if not, it is treated as a silent publisher
            (Event::Pause, Role::Publish(_)) => machine.accept(),
            (Event::Packet { channel, data }, Role::Publish(publish)) => publish.interleaved(channel, &data, now)?,
            (Event::Packet { .. }, _) => {}
            (Event::Lost { channel, refusal }, Role::Publish(publish)) => publish.lost(channel, refusal),
            (Event::Lost { .. }, _) => {}
            (Event::Teardown, _) => {
                machine.accept();
                machine.charge_to(self.server.core.greetings.messages());
                self.log_end(&Close::Done);
                if let Role::Play(play) = std::mem::replace(&mut self.role, Role::Gone) {
                    self.tail = play.into_tail();
                }
            }
            _ => machine.refuse(Status::METHOD_NOT_VALID),
        }
        Ok(Turn::None)
    }

    fn after(&self, turn: Turn, conn: &mut Conn) {
        match turn {
            Turn::None => {}
            Turn::Guest => conn.expect_input(self.config.connections.handshake.0),
            Turn::Held => conn.expect_input(Duration::ZERO),
            Turn::Pauses => {
                if let Role::Play(play) = &self.role {
                    play.heard(conn, &self.config);
                }
            }
            // no request extends the time for the first frame: other publishers may wait for the name
            Turn::Publishes => conn.resize(Core::publisher_sizes(&self.config)),
            Turn::Plays => {
                conn.resize(Core::viewer_sizes(&self.config));
                let patience = match &self.role {
                    Role::Play(play) => play.patience(&self.config),
                    _ => Duration::ZERO,
                };
                conn.expect_input(patience);
            }
        }
    }

    /// Gives the connection the id of its role in the log.
    fn name_as(&mut self, kind: &'static str) {
        let who = self.who.turns(&self.server.core, kind);
        log::debug!("{} is now {who}", self.who);
        self.who = who;
    }

    fn refused(&self, target: &Target, why: Refusal, more: &str) {
        let name: String = target.name.chars().take(Name::MAX).collect();
        let (stream, said) = (Name::new(&name).ok(), format_args!("is refused {name:?}: {why}{more}"));
        self.server.core.refused(why.label(), &self.who, stream.as_ref(), said);
    }

    fn log_end(&mut self, why: &Close) {
        match &mut self.role {
            Role::Publish(publish) => publish.ingest.ends(why),
            Role::Play(play) => play.log_end(why),
            Role::Guest | Role::Asks(_) | Role::Gone => log::debug!("{} closed: {why}", self.who),
        }
    }
}
