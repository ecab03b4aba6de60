//! One who plays by RTSP: packets inside the connection, or over UDP.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::super::{Server, live};
use crate::conf::Config;
use crate::hub::{Name, Unit, Viewer};
use crate::media::{Hz, Kind, Ticks, Tracks};
use crate::net::{BATCH, CHANNELS, Close, Conn, Datagrams, Framing, Outlet, Outward, PacketFraming, Pair};
use crate::proto::Machine;
use crate::proto::rtp::{Format, channel, offers, ssrc};
use crate::proto::rtsp::sdp::{self, Offer};
use crate::proto::rtsp::{self, CONTROL, Lower, Status, Transport, packet_header};

/// A player's side.
pub(super) struct View {
    id: String,
    viewer: Viewer,
    local: IpAddr,
    peer: IpAddr,
    state: State,
    /// What the stream's tracks were when they were offered.
    tracks: Arc<Tracks>,
    offers: Vec<(Kind, Format)>,
    ways: [Way; 2],
    outlet: Outlet,
    datagrams: Datagrams,
}

/// What a client waits for until the stream has begun.
pub(super) enum Held {
    Describe,
    Setup(usize, Vec<Transport>),
}

enum State {
    /// A request is held since then.
    Held(Held, Instant),
    /// It was refused.
    Over,
    /// Tracks are being set up, or PAUSE was asked for.
    Ready,
    /// PLAY waits for the first packets, so that it can tell their numbers.
    Starting,
    /// PLAY is answered: the answer goes before the packets.
    Answered,
    Playing,
}

/// How a track's packets go.
enum Way {
    None,
    Interleaved(u8, u8),
    Udp { pair: Pair, rtp: SocketAddr, rtcp: SocketAddr },
}

impl View {
    pub(super) fn new(viewer: Viewer, id: &str, held: Held, (local, peer): (IpAddr, IpAddr)) -> Self {
        Self {
            id: id.into(),
            viewer,
            local,
            peer,
            state: State::Held(held, Instant::now()),
            tracks: Arc::default(),
            offers: Vec::new(),
            ways: [Way::None, Way::None],
            outlet: Outlet::default(),
            datagrams: Datagrams::default(),
        }
    }

    pub(super) fn name(&self) -> &Name {
        self.viewer.stream().name()
    }

    /// The viewer goes; what it was being sent stays to be finished.
    pub(super) fn into_tail(self) -> Outlet {
        self.outlet
    }

    /// Whether it was refused what it waited for.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Whether it knows the tracks.
    pub(super) fn is_described(&self) -> bool {
        !self.offers.is_empty()
    }

    /// Sends what there is. False when another turn is due.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        conn: &mut Conn,
        machine: &mut rtsp::Server,
        server: &Server,
        config: &Config,
    ) -> Result<bool, Close> {
        let slow = config.viewers.slow.0;
        match &mut self.state {
            State::Held(..) => {
                let answered = self.poll_held(cx, machine, server, config).is_ready();
                if answered {
                    conn.expect_input(config.connections.handshake.0);
                    conn.offer_again();
                }
                Ok(!answered)
            }
            State::Ready | State::Over => {
                if conn.poll_outlet(cx, &mut self.outlet, slow, |_| {})?.is_ready() {
                    let _ = conn.poll_send(cx, machine.transmit(), slow)?;
                }
                Ok(true)
            }
            State::Starting => {
                self.start(cx, machine);
                conn.offer_again();
                Ok(false)
            }
            State::Answered => {
                if conn.poll_send(cx, machine.transmit(), slow)?.is_pending() {
                    return Ok(true);
                }
                self.state = State::Playing;
                Ok(false)
            }
            State::Playing => self.poll_playing(cx, conn, machine, config),
        }
    }

    /// Answers a held request once there is something to see, or none came in time.
    fn poll_held(
        &mut self,
        cx: &mut Context<'_>,
        machine: &mut rtsp::Server,
        server: &Server,
        config: &Config,
    ) -> Poll<()> {
        let State::Held(_, since) = &self.state else { return Poll::Ready(()) };
        if let Poll::Ready(tracks) = self.viewer.poll_tracks(cx) {
            self.offers = offers(&tracks);
            self.tracks = tracks;
            let held = std::mem::replace(&mut self.state, State::Ready);
            match held {
                State::Held(..) if self.offers.is_empty() => {
                    machine.refuse(Status::UNSUPPORTED_MEDIA_TYPE);
                    self.state = State::Over;
                }
                State::Held(Held::Describe, _) => machine.described(&self.description()),
                State::Held(Held::Setup(track, transports), _) => {
                    self.answer_setup(machine, track, &transports, server, config);
                }
                _ => {}
            }
            return Poll::Ready(());
        }
        if since.elapsed() < config.rtsp.hold.0 {
            ready!(server.beat.poll_after(cx, server.beat.number()));
        }
        log::info!("[{}] waited in vain for {}", self.id, self.name());
        machine.refuse(Status::NOT_FOUND);
        self.state = State::Over;
        Poll::Ready(())
    }

    fn description(&self) -> String {
        let controls: Vec<_> = (0..self.offers.len()).map(|number| format!("{CONTROL}{number}")).collect();
        let offers = self.offers.iter().zip(&controls);
        let offers: Vec<_> = offers.map(|((kind, format), control)| Offer { format, kind: *kind, control }).collect();
        sdp::write(self.name().as_str(), &self.local.to_string(), &offers)
    }

    /// Chooses a way for a track and answers.
    pub(super) fn answer_setup(
        &mut self,
        machine: &mut rtsp::Server,
        track: usize,
        transports: &[Transport],
        server: &Server,
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
        server: &Server,
        config: &Config,
    ) -> Result<Transport, Status> {
        let (kind, _) = self.offers.get(track).ok_or(Status::NOT_FOUND)?;
        let over_tcp = self.ways.iter().any(|way| matches!(way, Way::Interleaved(..)));
        let over_udp = self.ways.iter().any(|way| matches!(way, Way::Udp { .. }));
        for wanted in transports {
            let mut agreed = Transport { ssrc: Some(ssrc(*kind)), ..Transport::new(wanted.lower) };
            let way = match wanted.lower {
                Lower::Tcp if !over_udp => {
                    let channels = wanted.interleaved.unwrap_or(((2 * track) as u8, (2 * track + 1) as u8));
                    agreed.interleaved = Some(channels);
                    Way::Interleaved(channels.0, channels.1)
                }
                Lower::Udp if config.rtsp.udp && !over_tcp => {
                    let Some(client) = wanted.client_port else { continue };
                    let Some(pair) = server.udp.pair(self.local, Server::viewer_sizes(config)) else { continue };
                    (agreed.client_port, agreed.server_port) = (Some(client), Some((pair.port(), pair.port() + 1)));
                    let [rtp, rtcp] = [client.0, client.1].map(|port| SocketAddr::new(self.peer, port));
                    Way::Udp { pair, rtp, rtcp }
                }
                _ => continue,
            };
            if let Some(slot) = self.ways.get_mut(usize::from(channel(*kind)) / 2) {
                *slot = way;
            }
            return Ok(agreed);
        }
        Err(Status::UNSUPPORTED_TRANSPORT)
    }

    /// PLAY was asked for.
    pub(super) fn play(&mut self) {
        self.state = State::Starting;
    }

    /// PAUSE was asked for: what is on its way goes on.
    pub(super) fn pause(&mut self) {
        self.viewer.rewind();
        self.datagrams = Datagrams::default();
        self.state = State::Ready;
    }

    /// Takes the first packets, if there are any, and answers PLAY.
    fn start(&mut self, cx: &mut Context<'_>, machine: &mut rtsp::Server) {
        let viewer = &mut self.viewer;
        let udp = self.ways.iter().any(|way| matches!(way, Way::Udp { .. }));
        let units = if udp {
            let _ = self.datagrams.fill(|units| viewer.poll_next(cx, units, BATCH));
            self.datagrams.units()
        } else {
            if self.outlet.is_empty() {
                let mut channels = [None; CHANNELS];
                for (slots, way) in channels.chunks_mut(2).zip(&self.ways) {
                    if let (Way::Interleaved(rtp, rtcp), [first, second]) = (way, slots) {
                        (*first, *second) = (Some(*rtp), Some(*rtcp));
                    }
                }
                self.outlet = Outlet::new(Framing::Piece(PacketFraming { channels, header: packet_header }));
                let _ = self.outlet.fill(|units| viewer.poll_next(cx, units, BATCH));
            }
            self.outlet.units()
        };
        let info = self.info(units);
        machine.playing(&info);
        self.state = State::Answered;
        log::info!("[{}] plays {} over {}", self.id, self.name(), if udp { "UDP" } else { "TCP" });
    }

    /// Where the tracks that were set up begin: all at the time of the first unit.
    fn info(&self, units: &[Arc<Unit>]) -> Vec<(usize, Option<u16>, Option<u32>)> {
        let at = units.first().map(|unit| unit.at);
        let wanted =
            self.offers.iter().enumerate().filter(|(_, (kind, _))| {
                !matches!(self.ways.get(usize::from(channel(*kind)) / 2), None | Some(Way::None))
            });
        wanted
            .map(|(number, (kind, format))| {
                let mut pieces = units.iter().flat_map(|unit| unit.packed.pieces());
                let first = pieces.find(|piece| piece.channel() == channel(*kind));
                let sequence = first.and_then(|piece| piece.head.bytes().get(2..4)?.first_chunk().copied());
                let time = at.map(|at: Ticks| at.rescale(Hz::MS, format.clock).0 as u32);
                (number, sequence.map(u16::from_be_bytes), time)
            })
            .collect()
    }

    fn poll_playing(
        &mut self,
        cx: &mut Context<'_>,
        conn: &mut Conn,
        machine: &mut rtsp::Server,
        config: &Config,
    ) -> Result<bool, Close> {
        let slow = config.viewers.slow.0;
        let idle = if self.ways.iter().any(|way| matches!(way, Way::Udp { .. })) {
            let _ = conn.poll_send(cx, machine.transmit(), slow)?;
            self.poll_datagrams(cx, conn, config)
        } else {
            live::send(&mut self.viewer, &mut self.outlet, cx, conn, machine.transmit(), slow)?
        };
        if !Arc::ptr_eq(self.viewer.tracks(), &self.tracks) {
            self.look_at_tracks()?;
        }
        Ok(idle)
    }

    fn poll_datagrams(&mut self, cx: &mut Context<'_>, conn: &Conn, config: &Config) -> bool {
        let Self { viewer, datagrams, ways, .. } = self;
        if datagrams.is_empty() && datagrams.fill(|units| viewer.poll_next(cx, units, BATCH)).is_pending() {
            return true;
        }
        if ways.iter().any(Way::has_reports) {
            conn.expect_input(patience(config));
        }
        let outward = [&ways[0], &ways[1]].map(Way::outward);
        datagrams.poll_send(cx, outward, |bytes| viewer.sent(bytes)).is_pending()
    }

    /// The stream has other tracks: goes on if what was described still holds.
    fn look_at_tracks(&mut self) -> Result<(), Close> {
        self.tracks = self.viewer.tracks().clone();
        let now = offers(&self.tracks);
        let same = |(kind, old): &(Kind, Format)| {
            now.iter().any(|(other, new)| {
                let packing = |format: &Format| {
                    // parameter sets travel with the pictures
                    let fmtp = if *kind == Kind::Video { Vec::new() } else { format.fmtp.clone() };
                    (format.payload_type, format.clock, format.channels, fmtp)
                };
                other == kind && packing(old) == packing(new)
            })
        };
        let wanted = |kind: Kind| !matches!(self.ways.get(usize::from(channel(kind)) / 2), None | Some(Way::None));
        // a stream without tracks is one that waits for its publisher
        if self.tracks.is_empty() || self.offers.iter().filter(|(kind, _)| wanted(*kind)).all(same) {
            return Ok(());
        }
        Err(Close::Refused("the stream has other tracks than were described".into()))
    }
}

/// A session over UDP is heard of at half its timeout; some clients are late.
pub(super) fn patience(config: &Config) -> Duration {
    config.rtsp.timeout.0 * 3 / 2
}

impl Way {
    fn outward(&self) -> Option<Outward<'_>> {
        match self {
            Self::Udp { pair, rtp, rtcp } => Some(Outward { pair, rtp: *rtp, rtcp: *rtcp }),
            _ => None,
        }
    }

    /// Whether the client has reported since the last look.
    fn has_reports(&self) -> bool {
        let Self::Udp { pair, rtcp, .. } = self else { return false };
        let mut buffer = [0; 64];
        let mut heard = false;
        while let Some((_, from)) = pair.receive_report(&mut buffer) {
            heard |= from.ip().to_canonical() == rtcp.ip();
        }
        heard
    }
}
