//! RTMP connections: publishers and players.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::Server;
use crate::conf::Config;
use crate::container::{Form, flv};
use crate::hub::Name;
use crate::net::{Close, Conn, FULL_READ, Outlet, Seat, SocketSizes, Via, canonical, drive, poll_in_turns, random};
use crate::proto::Machine;
use crate::proto::rtmp::{self, ALL_TRACKS, Event, LEGACY_HEVC, Limits, RTMP, Target};
use crate::session::{
    Action, Asker, Asking, Connection, Core, Entrant, Fact, FlvIn, Guest, Ingest, Leave, MAX_URL, Meeting, Refusal,
    Request, Sender, Tail, Who,
};

/// Runs a connection to its end.
pub(crate) fn serve(server: Arc<Server>, conn: Conn) {
    let core = server.core.clone();
    server.core.workers.spawn(async move {
        let mut session = Session::new(core, conn);
        let why = std::future::poll_fn(|cx| session.poll(cx)).await;
        session.end(&why);
    });
}

struct Session {
    // dropped first, so that its place is free before the peer sees the end
    body: Body,
    conn: Conn,
    machine: rtmp::Server,
}

/// The session without the connection and its machine.
struct Body {
    core: Arc<Core>,
    /// The configuration at the start of the connection.
    config: Arc<Config>,
    who: Who,
    peer: SocketAddr,
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
    /// Waits for the decision; until then its input is not read.
    Asks(Box<(Wish, Asking)>),
    Publish(Box<FlvIn>),
    /// It had a name, published nothing, and gave it up: clients that repeat this would keep others out.
    Barren,
    Play(Box<Sender>),
}

/// The prefix of ids.
pub(crate) const SESSION: &str = "RTMPPUBSUB";

/// A wish to publish, or to play in a form.
struct Wish {
    target: Target,
    form: Option<&'static Form>,
}

/// The most bytes of answers that may wait for the peer.
const MAX_ANSWERS: usize = 4 << 10;
/// The longest that a client may stay that was turned away.
const LEAVES: Duration = Duration::from_secs(2);
/// The size of a read of requests, small so that little of what follows one has to be kept during the decision.
const REQUEST_READ: usize = 2 << 10;

impl Session {
    fn new(core: Arc<Core>, mut conn: Conn) -> Self {
        let config = core.config();
        conn.expect_input(config.connections.handshake.0);
        conn.acknowledge_at_once(true);
        let limits = Limits { max_message: config.streams.max_frame.0, max_answers: MAX_ANSWERS };
        let seed = random::number();
        let greeting = core.greetings.messages();
        let machine = rtmp::Server::new(limits, seed, greeting);
        let who = core.who(SESSION).at(conn.peer()).under_tls(conn.is_under_tls());
        log::debug!("{who} connects");
        let (peer, tls, seat) = (canonical(conn.peer()), conn.is_under_tls(), conn.seat());
        let body = Body { core, config, who, peer, tls, seat, role: Role::Guest, tail: Tail::default() };
        Self { body, conn, machine }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Close> {
        poll_in_turns(cx, |cx| self.step(cx))
    }

    /// Sends what is due, then reads once; pending if neither is possible.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Close>> {
        let Self { body, conn, machine } = self;
        let slow = body.config.viewers.slow.0;
        if !body.tail.is_empty() {
            ready!(body.tail.poll(cx, conn, slow))?;
            conn.expect_input(body.config.connections.handshake.0);
        }
        match &mut body.role {
            Role::Play(sender) => {
                let idle = sender.poll(cx, conn, machine.transmit(), slow)?;
                if idle { self.poll_input(cx) } else { Poll::Ready(Ok(())) }
            }
            Role::Publish(flv_in) => {
                let _ = conn.poll_send(cx, machine.transmit(), slow)?;
                if ready!(flv_in.ingest.poll_turn(cx, &body.core))? {
                    conn.look_again();
                }
                self.poll_input(cx)
            }
            Role::Asks(asks) => {
                let _ = conn.poll_send(cx, machine.transmit(), slow)?;
                let Poll::Ready(answer) = Pin::new(&mut asks.1).poll(cx) else { return self.poll_input(cx) };
                let turn = body.decided(machine, answer, Instant::now());
                body.after(turn, conn);
                if matches!(body.role, Role::Publish(_)) {
                    // other publishers may wait for the name
                    conn.expect_input(body.config.publish.silence.0);
                }
                conn.offer_again();
                Poll::Ready(Ok(()))
            }
            Role::Guest | Role::Barren => {
                let _ = conn.poll_send(cx, machine.transmit(), slow)?;
                self.poll_input(cx)
            }
        }
    }

    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Close>> {
        let Self { body, conn, machine } = self;
        let most = match body.role {
            Role::Publish(_) | Role::Play(_) => FULL_READ,
            // the rest stays in the kernel until the decision
            Role::Asks(_) if conn.kept() >= REQUEST_READ => return Poll::Pending,
            Role::Asks(_) => REQUEST_READ,
            _ => conn.kept() + REQUEST_READ,
        };
        let mut turn = Turn::None;
        let received = ready!(conn.poll_read(cx, most, |data| {
            let now = Instant::now();
            // a player that stops keeps its place until its batch is sent: its next request waits
            if !body.tail.is_empty() || matches!(body.role, Role::Asks(_)) {
                return Ok(0);
            }
            drive(machine, data, |machine, event| {
                match body.on_event(machine, event, now)? {
                    Turn::None => {}
                    news => turn = news,
                }
                Ok(())
            })
        }))?;
        if received.end {
            return Poll::Ready(Err(Close::Eof));
        }
        body.after(turn, conn);
        if let Role::Publish(flv_in) = &mut body.role {
            flv_in.ingest.handed_over(conn, received.bytes, &body.core);
        }
        Poll::Ready(Ok(()))
    }

    fn end(&mut self, why: &Close) {
        self.body.log_end(why);
        self.body.core.counters.closed(why);
    }
}

/// The change that an event makes to the connection.
enum Turn {
    None,
    /// It waits for the decision.
    Asks,
    /// It was refused after the decision.
    Refused,
    /// It was turned away when it connected.
    Away,
    /// It publishes or plays, with these buffer sizes.
    Accepted(SocketSizes),
    /// It has stopped publishing or playing.
    Stopped,
}

impl Body {
    /// Acts on an event of the client.
    fn on_event(&mut self, machine: &mut rtmp::Server, event: Event, now: Instant) -> Result<Turn, Close> {
        match (event, &mut self.role) {
            (Event::Connect(url), _) => {
                if !self.meet(machine) {
                    return Ok(Turn::Away);
                }
                let (id, peer) = (self.who.id(), self.peer);
                let told = || Connection { id, peer, app: machine.app().into(), agent: machine.agent().into(), url };
                self.core.tell(|| Fact::Connects(told()));
            }
            (Event::Publish(_) | Event::Play(_), Role::Barren) => return Err(Close::Idle),
            (Event::Publish(target), _) => return Ok(self.ask(machine, Wish { target, form: None }, now)),
            (Event::Play(target), _) => {
                let form = Some(form(machine, &target.query));
                return Ok(self.ask(machine, Wish { target, form }, now));
            }
            (Event::Media { kind, timestamp, body }, Role::Publish(flv_in)) => {
                flv_in.media(kind, timestamp, &body, now)?;
            }
            (Event::Lost(kind, payload), Role::Publish(flv_in)) => flv_in.lost(kind, &payload),
            (Event::DataLost(payload), Role::Publish(flv_in)) => flv_in.data_lost(&payload),
            (Event::Data(body), Role::Publish(flv_in)) => {
                if let Some(info) = flv::clean(&body) {
                    flv_in.ingest.publisher.info(info);
                }
            }
            (Event::Stop, Role::Publish(_) | Role::Play(_)) => {
                self.log_end("by request");
                machine.charge_to(self.core.greetings.messages());
                let is_barren = matches!(&self.role, Role::Publish(flv_in) if flv_in.ingest.publisher.moved() == 0);
                let next = if is_barren { Role::Barren } else { Role::Guest };
                if let Role::Play(sender) = std::mem::replace(&mut self.role, next) {
                    self.tail = sender.into_tail();
                }
                return Ok(Turn::Stopped);
            }
            _ => {}
        }
        Ok(Turn::None)
    }

    fn after(&self, turn: Turn, conn: &mut Conn) {
        match turn {
            Turn::None => {}
            Turn::Asks => {
                // it may have published or played before
                conn.resize(Core::viewer_sizes(&self.config));
                conn.expect_input(Duration::ZERO);
                conn.acknowledge_at_once(true);
            }
            Turn::Refused => conn.expect_input(self.config.connections.handshake.0),
            Turn::Away => conn.expect_input(LEAVES),
            Turn::Accepted(sizes) => {
                conn.resize(sizes);
                conn.expect_input(Duration::ZERO);
                conn.acknowledge_at_once(false);
            }
            Turn::Stopped => {
                conn.resize(Core::viewer_sizes(&self.config));
                // nothing is read until the rest is sent
                let limit = if self.tail.is_empty() { self.config.connections.handshake.0 } else { Duration::ZERO };
                conn.expect_input(limit);
                conn.acknowledge_at_once(true);
                conn.offer_again();
            }
        }
    }

    /// Lets a client in that connects, or asks it to connect again with a user: `false`.
    fn meet(&self, machine: &mut rtmp::Server) -> bool {
        let guest = Guest {
            from: self.peer.ip(),
            app: machine.app(),
            agent: machine.agent(),
            credentials: machine.credentials(),
            login: machine.login(),
        };
        match self.core.meet(&guest) {
            Meeting::Welcome => true,
            Meeting::Known(credentials) => {
                machine.identify(credentials);
                true
            }
            Meeting::Again(why) => {
                machine.turn_away(&why);
                false
            }
        }
    }

    /// Asks for permission. The client is answered after the decision.
    fn ask(&mut self, machine: &mut rtmp::Server, wish: Wish, now: Instant) -> Turn {
        let asked = Name::of_url(&wish.target.name).map(|name| {
            let request = Request {
                action: wish.action(),
                protocol: "rtmp",
                form: wish.form.map(|form| form.name),
                tls: self.tls,
                name: Some(&name),
                app: &wish.target.app,
                query: &wish.target.query,
                peer: self.peer,
                via: Via::Network,
                credentials: machine.credentials(),
                agent: machine.agent(),
            };
            self.core.ask(&request).now()
        });
        match asked {
            Ok(Err(asking)) => {
                let Wish { target, form } = wish;
                self.role = Role::Asks(Box::new((Wish { target: target.cut(MAX_URL), form }, asking)));
                Turn::Asks
            }
            Ok(Ok(answer)) => self.answer(machine, &wish, answer, now).map_or(Turn::None, Turn::Accepted),
            Err(invalid) => self.answer(machine, &wish, Err(invalid.into()), now).map_or(Turn::None, Turn::Accepted),
        }
    }

    /// Acts on the decision.
    fn decided(&mut self, machine: &mut rtmp::Server, answer: Result<Leave, Refusal>, now: Instant) -> Turn {
        let Role::Asks(asks) = std::mem::replace(&mut self.role, Role::Guest) else { return Turn::None };
        self.answer(machine, &asks.0, answer, now).map_or(Turn::Refused, Turn::Accepted)
    }

    /// Answers the client's request, and logs a refusal. Returns the buffer sizes, unless it is refused.
    fn answer(
        &mut self,
        machine: &mut rtmp::Server,
        wish: &Wish,
        answer: Result<Leave, Refusal>,
        now: Instant,
    ) -> Option<SocketSizes> {
        let begun = answer.and_then(|leave| match wish.form {
            None => self.publish(machine, leave, &wish.target, now),
            Some(form) => self.play(leave, &wish.target, form),
        });
        match begun {
            Ok((role, sizes)) => {
                self.role = role;
                machine.accept();
                Some(sizes)
            }
            Err(why) => {
                let name: String = wish.target.name.chars().take(Name::MAX).collect();
                let stream = Name::new(&name).ok();
                self.core.refused(why.label(), &self.who, stream.as_ref(), format_args!("is refused {name:?}: {why}"));
                machine.refuse(why.in_rtmp(), &why.to_string());
                None
            }
        }
    }

    fn publish(
        &self,
        machine: &mut rtmp::Server,
        leave: Leave,
        target: &Target,
        now: Instant,
    ) -> Result<(Role, SocketSizes), Refusal> {
        let name = leave.to(Action::Publish)?.clone();
        let (publisher, mut grant) = self.core.admit_publisher(leave, &self.entrant(target), now)?;
        machine.charge_to(publisher.account().clone());
        grant.who.begins(&self.core.flood, &name, format_args!("publishes {name} (app {:?})", target.app));
        let config = self.core.config();
        let flv_in = FlvIn::new(Ingest::new((publisher, grant), &config));
        Ok((Role::Publish(Box::new(flv_in)), Core::publisher_sizes(&config)))
    }

    fn play(&self, leave: Leave, target: &Target, form: &'static Form) -> Result<(Role, SocketSizes), Refusal> {
        let name = leave.to(Action::Play)?.clone();
        let (viewer, mut grant) = self.core.admit_player(leave, &self.entrant(target), form)?;
        grant.who.begins(&self.core.flood, &name, format_args!("plays {name} as {}", form.name));
        let sender = Sender::new((viewer, grant), Outlet::default());
        Ok((Role::Play(Box::new(sender)), Core::viewer_sizes(&self.core.config())))
    }

    fn entrant<'a>(&'a self, target: &'a Target) -> Entrant<'a> {
        Entrant { asker: Asker::Session(&self.who), seat: self.seat.as_ref(), url: target }
    }

    fn log_end(&mut self, why: impl std::fmt::Display) {
        match &mut self.role {
            Role::Guest | Role::Asks(_) | Role::Barren => log::debug!("{} closed: {why}", self.who),
            Role::Publish(flv_in) => flv_in.ingest.ends(why),
            Role::Play(sender) => sender.ends(why),
        }
    }
}

impl Wish {
    fn action(&self) -> Action {
        if self.form.is_some() { Action::Play } else { Action::Publish }
    }
}

/// The form that a player can read: by its query, else by its capabilities.
fn form(machine: &rtmp::Server, query: &str) -> &'static Form {
    let caps = machine.caps();
    RTMP.wished(query).unwrap_or(match caps.reads(*b"hvc1") {
        false => &LEGACY_HEVC,
        true if caps.multitrack => &ALL_TRACKS,
        true => &RTMP,
    })
}
