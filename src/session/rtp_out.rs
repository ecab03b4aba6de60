//! The output of a stream to a peer as RTP: inside the connection, or over UDP.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::reactor::Timer;

use super::admit::Grant;
use super::sender;
use crate::hub::{Name, Next, Step, Ticket, Unit, Viewer};
use crate::media::{Hz, Kind, Ticks, Tracks};
use crate::net::{
    BATCH, CHANNELS, Close, Conn, Datagrams, Framing, Outlet, Outward, PacketFraming, Pair, at_port, canonical,
    poll_in_turns,
};
use crate::proto::rtp::{Format, channel, offers, timestamp};
use crate::proto::rtsp::CONTROL;
use crate::proto::rtsp::sdp::{self, Offer};

/// A viewer, and what is being sent to it.
pub struct RtpSender {
    viewer: Viewer,
    /// The leave to play, and the session.
    pub grant: Grant,
    /// The stream's tracks when they were offered.
    tracks: Arc<Tracks>,
    offers: Vec<(Kind, Format)>,
    /// The paths of video and of audio.
    paths: [MediaPath; 2],
    outlet: Outlet,
    datagrams: Datagrams,
    /// The pause after a burst of datagrams.
    pause: Option<Timer>,
}

/// The path on which a track's packets are sent.
pub enum MediaPath {
    /// Not sent.
    None,
    /// On these channels of the connection.
    Interleaved(u8, u8),
    /// From a pair of ports to the peer's.
    Udp {
        /// The server's ports.
        pair: Pair,
        /// The destination of packets.
        rtp: SocketAddr,
        /// The destination of reports.
        rtcp: SocketAddr,
    },
}

/// The most bytes in one burst of datagrams, and the pause after it: a viewer that begins is sent a whole group of
/// pictures.
const BURST: usize = 32 << 10;
const PAUSE: Duration = Duration::from_millis(2);
/// The most reports that are read in a row.
const MAX_REPORTS: usize = 64;
const UDP_STEP: Step = Step { units: 32, bytes: BURST };

impl RtpSender {
    /// An output without an offer yet.
    pub fn new((viewer, grant): (Viewer, Grant)) -> Self {
        Self {
            viewer,
            grant,
            tracks: Arc::default(),
            offers: Vec::new(),
            paths: [MediaPath::None, MediaPath::None],
            outlet: Outlet::default(),
            datagrams: Datagrams::default(),
            pause: None,
        }
    }

    /// Its stream.
    pub fn name(&self) -> &Name {
        self.viewer.stream().name()
    }

    /// The number of bytes sent.
    pub fn moved(&self) -> u64 {
        self.viewer.moved()
    }

    /// Logs the reason why it ends.
    pub fn ends(&mut self, why: impl std::fmt::Display) {
        let Self { viewer, grant, .. } = self;
        grant.who.ends(format_args!("stops playing {}: {why}", viewer.stream().name()), viewer.moved());
    }

    /// Removes the viewer; what is partly sent remains to be finished.
    pub fn into_tail(self) -> sender::Tail {
        sender::Tail::new(self.viewer, self.outlet, self.grant)
    }

    /// Ready once the stream is published and its tracks are known.
    pub fn poll_offers(&mut self, cx: &Context<'_>) -> Poll<&[(Kind, Format)]> {
        if let Poll::Ready(tracks) = self.viewer.poll_described(cx) {
            self.offers = offers(&tracks);
            self.tracks = tracks;
            return Poll::Ready(&self.offers);
        }
        Poll::Pending
    }

    /// The offered tracks in the order of their numbers.
    pub fn offers(&self) -> &[(Kind, Format)] {
        &self.offers
    }

    /// The offer, as a session description from `local`.
    pub fn description(&self, local: IpAddr) -> String {
        let controls: Vec<_> = (0..self.offers.len()).map(|number| format!("{CONTROL}{number}")).collect();
        let offers = self.offers.iter().zip(&controls);
        let offers: Vec<_> = offers.map(|((kind, format), control)| Offer { format, kind: *kind, control }).collect();
        sdp::write(self.name().as_str(), &local.to_canonical().to_string(), &offers)
    }

    /// Sets the path of the packets of a kind.
    pub fn set_path(&mut self, kind: Kind, path: MediaPath) {
        let [video, audio] = &mut self.paths;
        *(if kind == Kind::Video { video } else { audio }) = path;
    }

    /// Resets all paths.
    pub fn forget_paths(&mut self) {
        self.paths = [MediaPath::None, MediaPath::None];
        self.outlet = Outlet::default();
        self.viewer.let_go();
        self.datagrams = Datagrams::default();
    }

    fn path(&self, kind: Kind) -> &MediaPath {
        let [video, audio] = &self.paths;
        if kind == Kind::Video { video } else { audio }
    }

    /// True if packets are sent inside the connection.
    pub fn is_over_tcp(&self) -> bool {
        self.paths.iter().any(|path| matches!(path, MediaPath::Interleaved(..)))
    }

    /// True if packets are sent over UDP.
    pub fn is_over_udp(&self) -> bool {
        self.paths.iter().any(|path| matches!(path, MediaPath::Udp { .. }))
    }

    /// Takes the first packets, if there are any, and returns the start of each track: its number, and its sequence
    /// number and timestamp where they are known. All begin at the time of the first unit. `header` writes the bytes
    /// before a packet inside the connection.
    pub fn start(
        &mut self,
        cx: &Context<'_>,
        header: fn(u8, usize, &mut Vec<u8>),
    ) -> Vec<(usize, Option<u16>, Option<u32>)> {
        let Self { viewer, outlet, datagrams, paths, .. } = self;
        if paths.iter().any(|path| matches!(path, MediaPath::Udp { .. })) {
            let _ = datagrams.fill(|units| viewer.poll_next(cx, units, UDP_STEP));
            return self.info(self.datagrams.units());
        }
        if outlet.is_empty() {
            let mut channels = [None; CHANNELS];
            for (slots, path) in channels.chunks_mut(2).zip(paths) {
                if let (MediaPath::Interleaved(rtp, rtcp), [first, second]) = (path, slots) {
                    (*first, *second) = (Some(*rtp), Some(*rtcp));
                }
            }
            *outlet = Outlet::new(Framing::Piece(PacketFraming { channels, header }));
            let _ = outlet.fill(|units| viewer.poll_next(cx, units, BATCH));
        }
        self.info(self.outlet.units())
    }

    fn info(&self, units: &[Arc<Unit>]) -> Vec<(usize, Option<u16>, Option<u32>)> {
        let at = units.first().map(|unit| unit.at);
        let wanted =
            self.offers.iter().enumerate().filter(|(_, (kind, _))| !matches!(self.path(*kind), MediaPath::None));
        let begin = |(number, (kind, format)): (usize, &(Kind, Format))| {
            let mut pieces = units.iter().flat_map(|unit| unit.packed.pieces());
            let first = pieces.find(|piece| piece.channel() == channel(*kind));
            let sequence = first.and_then(|piece| piece.head.bytes().get(2..4)?.first_chunk().copied());
            let time = at.map(|at: Ticks| timestamp(*kind, at.rescale(Hz::MS, format.clock)));
            (number, sequence.map(u16::from_be_bytes), time)
        };
        wanted.map(begin).collect()
    }

    /// Pauses; what is partly sent is still finished.
    pub fn pause(&mut self) {
        self.viewer.rewind();
        self.datagrams = Datagrams::default();
    }

    /// True if all units taken are sent.
    pub fn is_idle(&self) -> bool {
        self.is_between_packets() && self.datagrams.is_empty()
    }

    /// True if no packet is partly sent on the connection.
    pub fn is_between_packets(&self) -> bool {
        self.outlet.is_empty()
    }

    /// Finishes what is partly sent; ready when that is done.
    pub fn poll_rest(&mut self, cx: &mut Context<'_>, conn: &mut Conn, slow: Duration) -> Poll<Result<(), Close>> {
        if self.is_between_packets() {
            return Poll::Ready(Ok(()));
        }
        sender::poll_rest(&mut self.viewer, &mut self.outlet, cx, conn, slow)
    }

    /// Fails if the viewer has to be closed: memory is needed for others, or the operator ends it.
    pub fn must_go(&mut self, cx: &Context<'_>) -> Result<(), Close> {
        if self.is_between_packets() {
            return Ok(());
        }
        sender::must_go(&mut self.viewer, &mut self.outlet, cx)
    }

    /// Sends control bytes between packets, and packets as the stream provides them. False when another turn is due.
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        conn: &mut Conn,
        control: &mut Vec<u8>,
        slow: Duration,
    ) -> Result<bool, Close> {
        let idle = if self.is_over_udp() {
            let _ = conn.poll_send(cx, control, slow)?;
            self.poll_datagrams(cx)?
        } else {
            sender::send(&mut self.viewer, &mut self.outlet, cx, conn, control, slow)?
        };
        self.check_description()?;
        Ok(idle)
    }

    /// Sends datagrams for ever, without a connection.
    pub fn poll_alone(&mut self, cx: &mut Context<'_>) -> Poll<Close> {
        poll_in_turns(cx, |cx| {
            let idle = self.poll_datagrams(cx)?;
            self.check_description()?;
            if idle { Poll::Pending } else { Poll::Ready(Ok(())) }
        })
    }

    /// Sends datagrams, in bursts that fit the receiver's buffer.
    fn poll_datagrams(&mut self, cx: &mut Context<'_>) -> Result<bool, Close> {
        let Self { viewer, datagrams, paths: [video, audio], pause, .. } = self;
        if let Some(timer) = pause {
            if Pin::new(timer).poll(cx).is_pending() {
                return Ok(true);
            }
            *pause = None;
        }
        if datagrams.is_empty() {
            match datagrams.fill(|units| viewer.poll_next(cx, units, UDP_STEP)) {
                Poll::Ready(Next::Dismissed(why)) => return Err(sender::sent_away(why)),
                Poll::Ready(_) => {}
                Poll::Pending => return Ok(true),
            }
        }
        let mut bytes = 0;
        let sent = datagrams.poll_send(cx, [video.outward(), audio.outward()], BURST, |part| bytes += part);
        viewer.sent(bytes);
        if bytes >= BURST {
            *pause = Some(Timer::after(PAUSE));
        }
        Ok(sent.is_pending() || viewer.is_waiting() && pause.is_none())
    }

    /// Marks the viewer as sent to by that session, which sends to many.
    pub fn listens_to(&self, cast: Ticket) {
        self.viewer.listens_to(cast);
    }

    /// Ready once the viewer is dismissed, with the reason.
    pub fn poll_dismissed(&self, cx: &Context<'_>) -> Poll<Close> {
        self.viewer.poll_dismissed(cx).map(sender::sent_away)
    }

    /// True if the peer has sent a report since the last call.
    pub fn is_reported(&self) -> bool {
        let [video, audio] = [&self.paths[0], &self.paths[1]].map(MediaPath::take_reports);
        video || audio
    }

    /// Fails if the description that was sent is no longer correct.
    fn check_description(&mut self) -> Result<(), Close> {
        if Arc::ptr_eq(self.viewer.tracks(), &self.tracks) {
            return Ok(());
        }
        self.tracks = self.viewer.tracks().clone();
        let now = offers(&self.tracks);
        let packing = |(kind, format): &(Kind, Format)| {
            // parameter sets are sent with the pictures
            let fmtp = if *kind == Kind::Video { Vec::new() } else { format.fmtp.clone() };
            (*kind, format.payload_type, format.clock, format.channels, fmtp)
        };
        let holds = |offer: &(Kind, Format)| now.iter().any(|new| packing(new) == packing(offer));
        let mut wanted = self.offers.iter().filter(|(kind, _)| !matches!(self.path(*kind), MediaPath::None));
        // a stream without tracks waits for its publisher
        if self.tracks.is_empty() || wanted.all(holds) {
            return Ok(());
        }
        Err(Close::refused("the stream has other tracks than were described"))
    }
}

impl MediaPath {
    fn outward(&self) -> Option<Outward<'_>> {
        match self {
            Self::Udp { pair, rtp, rtcp } => Some(Outward { pair, rtp: *rtp, rtcp: *rtcp }),
            _ => None,
        }
    }

    fn take_reports(&self) -> bool {
        let Self::Udp { pair, rtcp, .. } = self else { return false };
        let mut buffer = [0; 64];
        let mut heard = false;
        // any host may send more than can be read
        for (_, from) in std::iter::from_fn(|| pair.receive_report(&mut buffer)).take(MAX_REPORTS) {
            heard |= at_port(canonical(from), rtcp.port()) == *rtcp;
        }
        heard
    }
}
