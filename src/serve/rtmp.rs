//! RTMP connections: publishers and players.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::Server;
use crate::conf::Config;
use crate::container::{Form, flv};
use crate::hub::Name;
use crate::net::{ALL, Close, Conn, Outlet, Seat, SocketSizes, drive, poll_in_turns, random};
use crate::proto::Machine;
use crate::proto::rtmp::{self, ALL_TRACKS, Event, LEGACY_HEVC, Limits, RTMP, Target};
use crate::session::{Asker, Core, FlvIn, Ingest, Refusal, Request, Sender, Tail, Who};

/// Runs a connection to its end.
pub(crate) fn serve(server: Arc<Server>, conn: Conn) {
    let core = server.core.clone();
    let executor = core.executor.clone();
    let task = async move {
        let mut session = Session::new(core, conn);
        let why = std::future::poll_fn(|cx| session.poll(cx)).await;
        session.end(&why);
    };
    executor.spawn(task).detach();
}

struct Session {
    core: Arc<Core>,
    /// As it was when the connection began.
    config: Arc<Config>,
    // its place is free before the peer learns that this is the end
    role: Role,
    /// The rest of a batch for a player that has stopped.
    tail: Tail,
    conn: Conn,
    machine: rtmp::Server,
    who: Who,
}

enum Role {
    /// It has not asked for anything yet.
    Guest,
    Publish(Box<FlvIn>),
    /// It had a name, published nothing, and gave it up: clients that do so in turn would keep others out.
    Barren,
    Play(Box<Sender>),
}

/// The word that ids begin with.
pub(crate) const SESSION: &str = "RTMPPUBSUB";
/// The most bytes of answers that may wait for the peer.
const MAX_ANSWERS: usize = 4 << 10;

impl Session {
    fn new(core: Arc<Core>, mut conn: Conn) -> Self {
        let config = core.config();
        conn.expect_input(config.connections.handshake.0);
        conn.acknowledge_at_once(true);
        let limits = Limits { max_message: config.streams.max_frame.0, max_answers: MAX_ANSWERS };
        let seed = random::number();
        let greeting = core.greetings.messages();
        let machine = rtmp::Server::new(limits, seed, greeting);
        let who = core.who(SESSION).at(conn.peer());
        log::debug!("{who} connects");
        Self { core, config, conn, machine, who, role: Role::Guest, tail: Tail::default() }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Close> {
        poll_in_turns(cx, |cx| self.step(cx))
    }

    /// Sends what there is, then reads once; pending if neither is possible.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Close>> {
        let slow = self.config.viewers.slow.0;
        if !self.tail.is_empty() {
            ready!(self.tail.poll(cx, &mut self.conn, slow))?;
            self.conn.expect_input(self.config.connections.handshake.0);
        }
        match &mut self.role {
            Role::Play(sender) => {
                let idle = sender.poll(cx, &mut self.conn, self.machine.transmit(), slow)?;
                if idle { self.poll_input(cx) } else { Poll::Ready(Ok(())) }
            }
            Role::Publish(flv_in) => {
                let _ = self.conn.poll_send(cx, self.machine.transmit(), slow)?;
                if ready!(flv_in.ingest.poll_turn(cx, &self.core))? {
                    self.conn.look_again();
                }
                self.poll_input(cx)
            }
            Role::Guest | Role::Barren => {
                let _ = self.conn.poll_send(cx, self.machine.transmit(), slow)?;
                self.poll_input(cx)
            }
        }
    }

    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Close>> {
        let Self { core, config, conn, machine, role, who, tail } = self;
        let (now, seat) = (Instant::now(), conn.seat());
        let mut turn = Turn::None;
        let received = ready!(conn.poll_read(cx, ALL, |data| {
            // a player that stops keeps its place until it has all: until then its next request waits
            if !tail.is_empty() {
                return Ok(0);
            }
            drive(machine, data, |machine, event| {
                match on_event(core, machine, role, tail, who, event, (now, seat.as_ref()))? {
                    Turn::None => {}
                    news => turn = news,
                }
                Ok(())
            })
        }))?;
        if received.end {
            return Poll::Ready(Err(Close::Eof));
        }
        match turn {
            Turn::None => {}
            Turn::Accepted(sizes) => {
                conn.resize(sizes);
                conn.expect_input(Duration::ZERO);
                conn.acknowledge_at_once(false);
            }
            Turn::Stopped => {
                conn.resize(Core::viewer_sizes(config));
                // nothing is read before it has the rest
                conn.expect_input(if tail.is_empty() { config.connections.handshake.0 } else { Duration::ZERO });
                conn.acknowledge_at_once(true);
                conn.offer_again();
            }
        }
        if let Role::Publish(flv_in) = role {
            flv_in.ingest.handed_over(conn, received.bytes, core);
        }
        Poll::Ready(Ok(()))
    }

    fn end(&mut self, why: &Close) {
        self.role.log_end(&self.who, why);
        self.core.counters.closed(why);
    }
}

impl Role {
    fn log_end(&mut self, who: &Who, why: impl std::fmt::Display) {
        match self {
            Self::Guest | Self::Barren => log::debug!("{who} closed: {why}"),
            Self::Publish(flv_in) => flv_in.ingest.ends(why),
            Self::Play(sender) => sender.ends(why),
        }
    }
}

/// Acts on what the client did.
fn on_event(
    core: &Arc<Core>,
    machine: &mut rtmp::Server,
    role: &mut Role,
    tail: &mut Tail,
    who: &Who,
    event: Event,
    (now, seat): (Instant, Option<&Arc<Seat>>),
) -> Result<Turn, Close> {
    match (event, &mut *role) {
        (Event::Publish(_) | Event::Play(_), Role::Barren) => return Err(Close::Idle),
        (Event::Publish(target), _) => {
            let flv_in = publish(core, machine, who, &target, (now, seat));
            let accepted = flv_in.map(|flv_in| *role = Role::Publish(Box::new(flv_in)));
            return Ok(answer(core, machine, who, &target, accepted, Core::publisher_sizes(&core.config())));
        }
        (Event::Play(target), _) => {
            let sender = play(core, machine, who, &target, seat);
            let accepted = sender.map(|sender| *role = Role::Play(Box::new(sender)));
            return Ok(answer(core, machine, who, &target, accepted, Core::viewer_sizes(&core.config())));
        }
        (Event::Media { kind, timestamp, body }, Role::Publish(flv_in)) => flv_in.media(kind, timestamp, &body, now)?,
        (Event::Lost(kind, payload), Role::Publish(flv_in)) => flv_in.lost(kind, &payload),
        (Event::DataLost(payload), Role::Publish(flv_in)) => flv_in.data_lost(&payload),
        (Event::Data(body), Role::Publish(flv_in)) => {
            if let Some(info) = flv::clean(&body) {
                flv_in.ingest.publisher.info(info);
            }
        }
        (Event::Stop, Role::Publish(_) | Role::Play(_)) => {
            role.log_end(who, "by request");
            machine.charge_to(core.greetings.messages());
            let is_barren = matches!(role, Role::Publish(flv_in) if flv_in.ingest.publisher.moved() == 0);
            let next = if is_barren { Role::Barren } else { Role::Guest };
            if let Role::Play(sender) = std::mem::replace(role, next) {
                *tail = sender.into_tail();
            }
            return Ok(Turn::Stopped);
        }
        _ => {}
    }
    Ok(Turn::None)
}

fn publish(
    core: &Arc<Core>,
    machine: &mut rtmp::Server,
    who: &Who,
    target: &Target,
    (now, seat): (Instant, Option<&Arc<Seat>>),
) -> Result<FlvIn, Refusal> {
    let name = Name::of_url(&target.name)?;
    let request = Request { name: &name, asker: Asker::Session(who), seat, url: target };
    let (publisher, mut grant) = core.admit_publisher(&request, now)?;
    machine.charge_to(publisher.account().clone());
    grant.who.begins(&core.flood, &name, format_args!("publishes {name} (app {:?})", target.app));
    Ok(FlvIn::new(Ingest::new((publisher, grant), &core.config())))
}

fn play(
    core: &Arc<Core>,
    machine: &mut rtmp::Server,
    who: &Who,
    target: &Target,
    seat: Option<&Arc<Seat>>,
) -> Result<Sender, Refusal> {
    let name = Name::of_url(&target.name)?;
    let form = form(machine, &target.query);
    let request = Request { name: &name, asker: Asker::Session(who), seat, url: target };
    let (viewer, mut grant) = core.admit_player(&request, form)?;
    grant.who.begins(&core.flood, &name, format_args!("plays {name} as {}", form.name));
    Ok(Sender::new((viewer, grant), Outlet::default()))
}

/// The form that a player can read: what it asks for, else what it says it knows.
fn form(machine: &rtmp::Server, query: &str) -> &'static Form {
    let caps = machine.caps();
    RTMP.wished(query).unwrap_or(match caps.reads(*b"hvc1") {
        false => &LEGACY_HEVC,
        true if caps.multitrack => &ALL_TRACKS,
        true => &RTMP,
    })
}

/// Tells the client what became of its request, and the log if it was refused.
fn answer(
    core: &Core,
    machine: &mut rtmp::Server,
    who: &Who,
    target: &Target,
    result: Result<(), Refusal>,
    sizes: SocketSizes,
) -> Turn {
    let Err(why) = result else {
        machine.accept();
        return Turn::Accepted(sizes);
    };
    let name: String = target.name.chars().take(Name::MAX).collect();
    core.refused(why.label(), who, format_args!("is refused {name:?}: {why}"));
    machine.refuse(why.in_rtmp(), &why.to_string());
    Turn::None
}

/// The change that an event makes to the connection.
enum Turn {
    None,
    /// It publishes or plays, and its socket's buffers are to be of these sizes.
    Accepted(SocketSizes),
    /// It does neither any more.
    Stopped,
}
