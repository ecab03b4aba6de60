//! RTMP connections: publishers and players.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::Server;
use super::intake::{Intake, Loss};
use super::live::{Live, Tail};
use super::may_be;
use super::who::{Kind as SessionKind, Who};
use crate::conf::{Config, MESSAGES};
use crate::container::{Form, flv};
use crate::hub::{Name, Refused};
use crate::media::{Kind, Unwrap};
use crate::net::{ALL, Claim, Close, Conn, Outlet, Seat, SocketSizes, poll_in_turns, random};
use crate::proto::Machine;
use crate::proto::rtmp::{self, Event, FORMS, Limits, Payload, Refusal, Target};

/// Runs a connection to its end.
pub(super) fn serve(server: Arc<Server>, conn: Conn) {
    let executor = server.executor.clone();
    let task = async move {
        let mut session = Session::new(server, conn);
        let why = std::future::poll_fn(|cx| session.poll(cx)).await;
        session.end(&why);
    };
    executor.spawn(task).detach();
}

struct Session {
    server: Arc<Server>,
    /// As it was when the connection began.
    config: Arc<Config>,
    conn: Conn,
    machine: rtmp::Server,
    who: Who,
    role: Role,
    /// The rest of a batch for a player that has stopped.
    tail: Tail,
}

enum Role {
    /// It has not asked for anything yet.
    Guest,
    Publish(Box<Ingest>),
    Play(Box<Live>),
}

/// A publisher's side.
pub(crate) struct Ingest {
    pub(crate) intake: Intake,
    demux: flv::Demux,
    clock: Unwrap,
}

/// The most bytes of answers that may wait for the peer.
const MAX_ANSWERS: usize = 4 << 10;

impl Session {
    fn new(server: Arc<Server>, mut conn: Conn) -> Self {
        let config = server.config();
        conn.expect_input(config.connections.handshake.0);
        conn.acknowledge_at_once(true);
        let limits = Limits { max_message: config.streams.max_frame.0, max_answers: MAX_ANSWERS };
        let seed = random::number();
        let greeting = server.greetings.child("greeting", MESSAGES);
        let machine = rtmp::Server::new(limits, seed, greeting);
        let who = server.who(SessionKind::RtmpPubSub).at(conn.peer());
        log::debug!("{who} connects");
        Self { server, config, conn, machine, who, role: Role::Guest, tail: Tail::default() }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Close> {
        poll_in_turns(cx, |cx| self.step(cx))
    }

    /// Sends what there is, then reads once; pending if neither is possible.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Close>> {
        let slow = self.config.viewers.slow.0;
        ready!(self.tail.poll(cx, &mut self.conn, slow))?;
        match &mut self.role {
            Role::Play(live) => {
                let idle = live.poll(cx, &mut self.conn, self.machine.transmit(), slow)?;
                if idle { self.poll_input(cx) } else { Poll::Ready(Ok(())) }
            }
            Role::Publish(ingest) => {
                let _ = self.conn.poll_send(cx, self.machine.transmit(), slow)?;
                if ready!(ingest.intake.poll_turn(cx, &self.server))? {
                    self.conn.look_again();
                }
                self.poll_input(cx)
            }
            Role::Guest => {
                let _ = self.conn.poll_send(cx, self.machine.transmit(), slow)?;
                self.poll_input(cx)
            }
        }
    }

    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Close>> {
        let Self { server, config, conn, machine, role, who, tail } = self;
        let (now, seat) = (Instant::now(), conn.seat());
        let mut turn = Turn::None;
        let received = ready!(conn.poll_read(cx, ALL, |data| {
            let used = machine.input(data).map_err(|error| Close::Peer(error.to_string()))?;
            while let Some(event) = machine.event() {
                match on_event(server, machine, role, tail, who, event, (now, seat.as_deref()))? {
                    Turn::None => {}
                    news => turn = news,
                }
            }
            Ok(used)
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
                conn.resize(Server::viewer_sizes(config));
                conn.expect_input(config.connections.handshake.0);
                conn.acknowledge_at_once(true);
            }
        }
        if let Role::Publish(ingest) = role {
            ingest.intake.handed_over(conn, received.bytes, server);
        }
        Poll::Ready(Ok(()))
    }

    fn end(&mut self, why: &Close) {
        self.role.log_end(&mut self.who, why);
        self.server.tally.closed(why);
    }
}

impl Role {
    fn log_end(&self, who: &mut Who, why: impl std::fmt::Display) {
        match self {
            Self::Guest => log::debug!("{who} closed: {why}"),
            Self::Publish(ingest) => {
                let publisher = &ingest.intake.publisher;
                who.ends(format_args!("stops publishing {}: {why}", publisher.stream().name()), publisher.moved());
            }
            Self::Play(live) => who.ends(format_args!("stops playing {}: {why}", live.name()), live.moved()),
        }
    }
}

/// Acts on what the client did.
fn on_event(
    server: &Arc<Server>,
    machine: &mut rtmp::Server,
    role: &mut Role,
    tail: &mut Tail,
    who: &mut Who,
    event: Event,
    (now, seat): (Instant, Option<&Seat>),
) -> Result<Turn, Close> {
    match (event, &mut *role) {
        (Event::Publish(target), _) => {
            let ingest = publish(server, machine, who, &target, (now, seat));
            let accepted = ingest.map(|ingest| *role = Role::Publish(Box::new(ingest)));
            return Ok(answer(server, machine, who, &target, accepted, Server::publisher_sizes(&server.config())));
        }
        (Event::Play(target), _) => {
            let live = play(server, machine, who, &target, seat);
            let accepted = live.map(|live| *role = Role::Play(Box::new(live)));
            return Ok(answer(server, machine, who, &target, accepted, Server::viewer_sizes(&server.config())));
        }
        (Event::Media { kind, timestamp, body }, Role::Publish(ingest)) => ingest.media(kind, timestamp, &body, now)?,
        (Event::Lost(kind, payload), Role::Publish(ingest)) => ingest.lost(kind, &payload),
        (Event::DataLost(payload), Role::Publish(ingest)) => ingest.data_lost(&payload),
        (Event::Data(body), Role::Publish(ingest)) => {
            if let Some(info) = flv::clean(&body) {
                ingest.intake.publisher.info(info);
            }
        }
        (Event::Stop, Role::Publish(_) | Role::Play(_)) => {
            role.log_end(who, "by request");
            seat.iter().for_each(|seat| seat.leave());
            machine.charge_to(server.greetings.child("greeting", MESSAGES));
            if let Role::Play(live) = std::mem::replace(role, Role::Guest)
                && tail.is_empty()
            {
                *tail = live.into_tail();
            }
            return Ok(Turn::Stopped);
        }
        _ => {}
    }
    Ok(Turn::None)
}

fn publish(
    server: &Arc<Server>,
    machine: &mut rtmp::Server,
    who: &mut Who,
    target: &Target,
    (now, seat): (Instant, Option<&Seat>),
) -> Result<Ingest, Objection> {
    let name = Name::of_url(&target.name).map_err(|_| Objection::BadName)?;
    let as_who = who.clone().of(&name).to_string();
    let publisher = may_be(seat, Claim::Publisher, || server.hub.publish(&name, &as_who, now))?;
    machine.charge_to(publisher.account().clone());
    who.begins(&server.flood, &name, format_args!("publishes {name} (app {:?})", target.app));
    Ok(Ingest::new(Intake::new(publisher, &server.config(), who)))
}

fn play(
    server: &Arc<Server>,
    machine: &mut rtmp::Server,
    who: &mut Who,
    target: &Target,
    seat: Option<&Seat>,
) -> Result<Live, Objection> {
    let name = Name::of_url(&target.name).map_err(|_| Objection::BadName)?;
    let form = form(machine, &target.query);
    let viewer = may_be(seat, Claim::Viewer, || server.hub.play(&name, form))?;
    let viewer = viewer.giving_way(seat.and_then(Seat::customer));
    who.begins(&server.flood, &name, format_args!("plays {name} as {}", form.name));
    Ok(Live::new(viewer, Outlet::default()))
}

/// The form that a player can read: what it asks for, else what it says it knows.
fn form(machine: &rtmp::Server, query: &str) -> &'static Form {
    let [plain, legacy_hevc, all_tracks] = &FORMS;
    let caps = machine.caps();
    match super::live::wish(query) {
        super::live::Wish::LegacyHevc => legacy_hevc,
        super::live::Wish::AllTracks => all_tracks,
        super::live::Wish::None if !caps.reads(*b"hvc1") => legacy_hevc,
        super::live::Wish::None if caps.multitrack => all_tracks,
        super::live::Wish::None => plain,
    }
}

/// Tells the client what became of its request, and the log if it was refused.
fn answer(
    server: &Server,
    machine: &mut rtmp::Server,
    who: &Who,
    target: &Target,
    result: Result<(), Objection>,
    sizes: SocketSizes,
) -> Turn {
    let Err(why) = result else {
        machine.accept();
        return Turn::Accepted(sizes);
    };
    let (refusal, label) = why.code();
    let name: String = target.name.chars().take(Name::MAX).collect();
    server.refused(label, who, format_args!("is refused {name:?}: {why}"));
    machine.refuse(refusal, &why.to_string());
    Turn::None
}

/// What an event means for the connection.
enum Turn {
    None,
    /// It publishes or plays, and its socket's buffers are to be of these sizes.
    Accepted(SocketSizes),
    /// It does neither any more.
    Stopped,
}

/// What can be said against a request.
enum Objection {
    BadName,
    Hub(Refused),
}

impl Objection {
    /// In RTMP's words and in those of the metrics.
    fn code(&self) -> (Refusal, &'static str) {
        match self {
            Self::BadName => (Refusal::BadName, "name"),
            Self::Hub(refused @ Refused::Taken) => (Refusal::BadName, refused.label()),
            Self::Hub(refused) => (Refusal::Full, refused.label()),
        }
    }
}

impl Ingest {
    pub(crate) fn new(intake: Intake) -> Self {
        Self { intake, demux: flv::Demux::default(), clock: Unwrap::default() }
    }

    pub(crate) fn media(&mut self, kind: Kind, timestamp: u32, body: &bytes::Bytes, now: Instant) -> Result<(), Close> {
        let dts = self.clock.next(timestamp);
        self.intake.active = true;
        let Self { intake, demux, .. } = self;
        let account = intake.publisher.account().clone();
        let mut taken = Ok(());
        let read = demux.tag(kind, dts, body, &account, |event| {
            if taken.is_ok() {
                taken = intake.take(event, now);
            }
        });
        // a bad payload loses a frame, not the connection
        if let Err(error) = read {
            intake.lost(kind, &error.into());
        }
        taken
    }

    pub(crate) fn lost(&mut self, kind: Kind, payload: &Payload) {
        match payload {
            Payload::Bytes(_) => {}
            Payload::TooLong => self.intake.lost(kind, &Loss::TooLong),
            Payload::OverBudget(refusal) => self.intake.lost(kind, &Loss::OverBudget(*refusal)),
        }
    }

    /// Metadata and cue points are not needed to play what is published.
    pub(crate) fn data_lost(&mut self, payload: &Payload) {
        match payload {
            Payload::Bytes(_) => {}
            Payload::TooLong => self.intake.data_lost(&"it is longer than 16 KiB"),
            Payload::OverBudget(refusal) => self.intake.data_lost(refusal),
        }
    }
}

impl From<Refused> for Objection {
    fn from(refused: Refused) -> Self {
        Self::Hub(refused)
    }
}

impl std::fmt::Display for Objection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::BadName => crate::hub::InvalidName.fmt(f),
            Self::Hub(refused) => refused.fmt(f),
        }
    }
}
