//! A player over RTSP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::super::Server;
use super::carrier::Carrier;
use super::multicast::{Listener, MulticastGroup};
use crate::conf::Config;
use crate::hub::Name;
use crate::net::{Close, Conn, Deadline, Seat, at_port};
use crate::proto::rtp::ssrc;
use crate::proto::rtsp::{self, Lower, Status, Transport};
use crate::session::{Core, MediaPath, Refusal, RtpSender, Tail};

/// The session of a player.
pub(super) struct PlaySession {
    sender: RtpSender,
    local: SocketAddr,
    peer: SocketAddr,
    /// Its share of the limits of its address.
    seat: Option<Arc<Seat>>,
    state: State,
    /// Set if it listens to a group.
    cast: Option<Listener>,
    /// The time of the last check for reports, and the wait for the next while the stream has no frames.
    looked: Option<Instant>,
    look: Deadline,
}

/// The time between two checks for reports.
const REPORT_CHECK: Duration = Duration::from_secs(1);

/// A request that is held until the stream has begun.
pub(super) enum Held {
    Describe,
    Setup(usize, Vec<Transport>),
}

enum State {
    /// A request is held since that time, and until the deadline.
    Held(Held, Instant, Deadline),
    /// The held request was refused.
    Over,
    /// Tracks are being set up, or the player is paused.
    Ready,
    /// PLAY waits for the first packets, because the answer contains their numbers.
    Starting,
    /// PLAY is answered: the answer is sent before the packets.
    Answered,
    Playing,
}

impl PlaySession {
    pub(super) fn new(
        sender: RtpSender,
        held: Held,
        (local, peer): (SocketAddr, SocketAddr),
        seat: Option<Arc<Seat>>,
    ) -> Self {
        let state = State::Held(held, Instant::now(), Deadline::default());
        Self { sender, local, peer, seat, state, cast: None, looked: None, look: Deadline::default() }
    }

    pub(super) fn name(&self) -> &Name {
        self.sender.name()
    }

    pub(super) fn log_end(&mut self, why: &Close) {
        self.sender.ends(why);
    }

    /// Ends the viewer; the batch that is partly sent remains to be finished.
    pub(super) fn into_tail(self) -> Tail {
        self.sender.into_tail()
    }

    /// True if the held request was refused.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// True if the tracks are known.
    pub(super) fn is_described(&self) -> bool {
        !self.sender.offers().is_empty()
    }

    /// Sends what is due. False when another turn is due.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        conn: &mut Conn,
        carrier: &mut Carrier,
        machine: &mut rtsp::Server,
        server: &Arc<Server>,
        config: &Config,
    ) -> Result<bool, Close> {
        let slow = config.viewers.slow.0;
        let takes_nothing = match self.state {
            State::Held(..) | State::Ready | State::Starting => true,
            State::Playing => self.cast.is_some(),
            State::Answered | State::Over => false,
        };
        if takes_nothing && let Poll::Ready(why) = self.sender.poll_dismissed(cx) {
            return Err(why);
        }
        match &mut self.state {
            State::Held(..) => {
                // answers to earlier requests do not wait for it
                let _ = carrier.poll_send(cx, conn, machine, slow)?;
                let answered = self.poll_held(cx, machine, server, config).is_ready();
                if answered {
                    conn.expect_input(config.connections.handshake.0);
                    conn.offer_again();
                }
                Ok(!answered)
            }
            State::Ready | State::Over => {
                if self.sender.poll_rest(cx, conn, slow)?.is_ready() {
                    let _ = carrier.poll_send(cx, conn, machine, slow)?;
                }
                Ok(true)
            }
            State::Starting => {
                // the rest of a packet that PAUSE interrupted is sent first
                if self.sender.poll_rest(cx, conn, slow)?.is_pending() {
                    return Ok(true);
                }
                let info = if self.cast.is_some() { Vec::new() } else { self.sender.start(cx, carrier.header()) };
                machine.playing(&info);
                self.state = State::Answered;
                let way = match self.cast {
                    Some(_) => "multicast",
                    None if self.sender.is_over_udp() => "UDP",
                    None => "TCP",
                };
                let name = self.name().clone();
                if !self.sender.grant.who.has_begun() {
                    self.sender.grant.who.begins(&server.core.flood, &name, format_args!("plays {name} over {way}"));
                }
                conn.offer_again();
                Ok(false)
            }
            State::Answered => {
                if carrier.poll_send(cx, conn, machine, slow)?.is_pending() {
                    // the first packets wait for the answer
                    return self.sender.must_go(cx).map(|()| true);
                }
                conn.offer_again();
                self.state = State::Playing;
                Ok(false)
            }
            State::Playing => {
                if let Some(listener) = &mut self.cast {
                    let _ = carrier.poll_send(cx, conn, machine, slow)?;
                    return match listener.poll_over(cx) {
                        Poll::Ready(()) => Err(Close::refused("the stream is no longer sent to the group")),
                        Poll::Pending => Ok(true),
                    };
                }
                if self.sender.is_over_udp() {
                    self.look_for_reports(cx, conn, config);
                }
                let idle = self.sender.poll(cx, conn, carrier.control(machine), slow)?;
                Ok(idle && !(self.sender.is_between_packets() && carrier.has_more(machine)))
            }
        }
    }

    /// Extends the deadline if the player has sent reports. While the stream has no frames, the task is woken for that
    /// before the deadline.
    fn look_for_reports(&mut self, cx: &mut Context<'_>, conn: &Conn, config: &Config) {
        let now = Instant::now();
        if self.looked.is_some_and(|looked| now.saturating_duration_since(looked) < REPORT_CHECK) {
            return;
        }
        self.looked = Some(now);
        if self.sender.is_reported() {
            conn.expect_input(patience(config));
        }
        let _ = self.look.poll(cx, now.checked_add(config.rtsp.timeout.0 / 2));
    }

    /// Answers a held request once the stream has begun, or has not in time.
    fn poll_held(
        &mut self,
        cx: &mut Context<'_>,
        machine: &mut rtsp::Server,
        server: &Arc<Server>,
        config: &Config,
    ) -> Poll<()> {
        let State::Held(_, since, deadline) = &mut self.state else { return Poll::Ready(()) };
        let is_late = deadline.poll(cx, since.checked_add(config.rtsp.hold.0)).is_ready();
        if let Poll::Ready(offers) = self.sender.poll_offers(cx) {
            let nothing = offers.is_empty();
            let held = std::mem::replace(&mut self.state, if nothing { State::Over } else { State::Ready });
            match held {
                _ if nothing => {
                    let said = format_args!("is refused {:?}: RTSP carries no track of it", self.name().as_str());
                    server.core.refused(Refusal::Codec.label(), &self.sender.grant.who, None, said);
                    machine.refuse(Refusal::Codec.in_rtsp());
                }
                State::Held(Held::Setup(track, transports), ..) => {
                    self.answer_setup(machine, track, &transports, server, config);
                }
                _ => machine.described(&self.sender.description(self.local.ip())),
            }
            return Poll::Ready(());
        }
        if !is_late {
            return Poll::Pending;
        }
        server.core.refused("absent", &self.sender.grant.who, None, format_args!("waited in vain for {}", self.name()));
        machine.refuse(Status::NOT_FOUND);
        self.state = State::Over;
        Poll::Ready(())
    }

    /// Chooses the transport of a track and answers.
    pub(super) fn answer_setup(
        &mut self,
        machine: &mut rtsp::Server,
        track: usize,
        transports: &[Transport],
        server: &Arc<Server>,
        config: &Config,
    ) {
        match self.set_up(track, transports, server, config) {
            Ok(transport) => machine.set_up(&transport),
            Err(status) => machine.refuse(status),
        }
    }

    fn set_up(
        &mut self,
        track: usize,
        transports: &[Transport],
        server: &Arc<Server>,
        config: &Config,
    ) -> Result<Transport, Status> {
        let kind = self.sender.offers().get(track).map(|(kind, _)| *kind).ok_or(Status::NOT_FOUND)?;
        // a client that received nothing by one transport tries another for all tracks
        let other = |wanted: &Transport| match wanted.lower {
            Lower::Tcp => self.sender.is_over_udp() || self.cast.is_some(),
            Lower::Udp => self.sender.is_over_tcp() || self.cast.is_some(),
            Lower::Multicast => self.sender.is_over_tcp() || self.sender.is_over_udp(),
        };
        if transports.iter().all(other) {
            self.sender.forget_paths();
            self.cast = None;
        }
        for wanted in transports {
            let mut agreed = Transport { ssrc: Some(ssrc(kind)), ..Transport::new(wanted.lower) };
            let way = match wanted.lower {
                Lower::Tcp if !self.sender.is_over_udp() && self.cast.is_none() => {
                    let channels = wanted.interleaved.unwrap_or(((2 * track) as u8, (2 * track + 1) as u8));
                    agreed.interleaved = Some(channels);
                    MediaPath::Interleaved(channels.0, channels.1)
                }
                Lower::Multicast if !self.sender.is_over_udp() && !self.sender.is_over_tcp() => {
                    let seat = self.seat.as_deref();
                    let ends = (self.local, self.peer);
                    let Some(cast) = MulticastGroup::join(server, config, self.name(), ends, seat) else {
                        continue;
                    };
                    agreed.port = cast.ports(kind);
                    agreed.destination = Some(cast.to.0.to_string());
                    agreed.ttl = Some(cast.to.1);
                    self.sender.listens_to(cast.ticket);
                    self.cast = Some(Listener::new(cast));
                    return Ok(agreed);
                }
                Lower::Udp if config.rtsp.udp && !self.sender.is_over_tcp() && self.cast.is_none() => {
                    let Some(client) = wanted.client_port else { continue };
                    let sizes = Core::viewer_sizes(config);
                    let Some(mut pair) = server.core.udp.pair(self.local, sizes, self.seat.as_deref()) else {
                        continue;
                    };
                    (agreed.client_port, agreed.server_port) = (Some(client), Some((pair.port(), pair.port() + 1)));
                    let [rtp, rtcp] = [client.0, client.1].map(|port| at_port(self.peer, port));
                    if pair.connect(rtp).is_err() {
                        continue;
                    }
                    MediaPath::Udp { pair, rtp, rtcp }
                }
                _ => continue,
            };
            self.sender.set_path(kind, way);
            return Ok(agreed);
        }
        Err(Status::UNSUPPORTED_TRANSPORT)
    }

    /// True if an answer has to be sent before the next request.
    pub(super) fn is_answering(&self) -> bool {
        matches!(self.state, State::Starting | State::Answered)
    }

    /// Starts after PLAY.
    pub(super) fn play(&mut self) {
        self.state = State::Starting;
        self.looked = None;
    }

    /// The longest time without input from the client while it plays. Zero, for no limit, inside the connection: the
    /// packets that it receives show that it is there.
    pub(super) fn patience(&self, config: &Config) -> Duration {
        if self.sender.is_over_udp() || self.cast.is_some() { patience(config) } else { Duration::ZERO }
    }

    /// Extends the deadline after input from the client.
    pub(super) fn heard(&self, conn: &Conn, config: &Config) {
        match self.state {
            State::Playing => conn.expect_input(self.patience(config)),
            State::Ready => conn.expect_input(patience(config)),
            _ => {}
        }
    }

    /// Pauses: what is partly sent is still finished.
    pub(super) fn pause(&mut self) {
        self.sender.pause();
        self.state = State::Ready;
    }
}

/// The time without input after which a session over UDP ends. Clients send at half the timeout; some are late.
fn patience(config: &Config) -> Duration {
    config.rtsp.timeout.0 * 3 / 2
}
