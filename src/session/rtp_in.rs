//! The input of a publisher over RTSP: packets inside the connection, or over UDP.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::admit::Grant;
use super::core::Core;
use super::ingest::{Ingest, Loss};
use crate::budget::{Account, BlockMut, OverBudget};
use crate::conf::Config;
use crate::hub::Publisher;
use crate::media::Kind;
use crate::net::{Close, Conn, Pair, Seat, at_port, canonical};
use crate::proto::rtp::{self, Demux, ssrc};
use crate::proto::rtsp::sdp::Description;
use crate::proto::rtsp::{Lower, Status, Transport, packet_header};

/// The input of a publisher.
pub struct RtpIngest {
    /// The receiver of the frames.
    pub ingest: Ingest,
    demux: Demux,
    /// The path of each announced track; the number is `None` if the track cannot be received here.
    paths: Vec<(Option<usize>, MediaPath)>,
    patience: Duration,
    reported: Instant,
    /// Bytes that arrived over UDP and were not passed on.
    fresh: usize,
    /// True if it has begun.
    recording: bool,
    /// The number of meaningless bytes between packets, as last logged.
    noise: u32,
}

/// The path on which a track's packets arrive.
enum MediaPath {
    /// Not set up yet.
    None,
    Interleaved(u8, u8),
    Udp(Box<Udp>),
}

struct Udp {
    pair: Pair,
    peer: SocketAddr,
    /// The address for reports: the one that the client has announced, or that its own reports come from.
    reports_to: SocketAddr,
}

/// The time between receiver reports. RFC 3550 section 6.2.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);
/// The most packets of one track in a row before other connections get their turn.
const MAX_PACKETS: usize = 64;
/// The most tracks that are logged as not received.
const MAX_LOGGED: usize = 4;
/// The longest datagram, in bytes.
const DATAGRAM: usize = 9216;

thread_local! {
    static BUFFER: RefCell<[u8; DATAGRAM]> = const { RefCell::new([0; DATAGRAM]) };
}

/// The announced tracks, each with its number if it can be received.
pub type Tracks = (Demux, Vec<Option<usize>>);

/// The tracks that a description announces; `None` if none of them can be received here.
pub fn announced(description: &Description, config: &Config) -> Option<Tracks> {
    // inside the connection packets are never late
    let mut demux = Demux::new(config.streams.max_frame.0, Duration::ZERO);
    let numbers: Vec<_> = description.medias.iter().map(|media| demux.add(&media.formats)).collect();
    numbers.iter().any(Option::is_some).then_some((demux, numbers))
}

impl RtpIngest {
    /// The input of an admitted publisher, for the tracks that it has announced.
    pub fn new(admitted: (Publisher, Grant), (demux, numbers): Tracks, config: &Config) -> Self {
        let mut ingest = Ingest::new(admitted, config);
        ingest.begin_turn();
        let who = &ingest.grant.who;
        let most = if who.told { MAX_LOGGED } else { 0 };
        for number in (0..).zip(&numbers).filter_map(|(number, track)| track.is_none().then_some(number)).take(most) {
            let number: usize = number;
            log::warn!("{who} the description's track {number} has no place here and is passed over");
        }
        let paths = numbers.into_iter().map(|number| (number, MediaPath::None)).collect();
        Self {
            ingest,
            demux,
            paths,
            patience: config.rtsp.reorder.0,
            reported: Instant::now(),
            fresh: 0,
            recording: false,
            noise: 0,
        }
    }

    /// Chooses a path for a track.
    pub fn set_up(
        &mut self,
        track: usize,
        transports: &[Transport],
        core: &Core,
        config: &Config,
        (local, peer): (SocketAddr, SocketAddr),
        seat: Option<&Seat>,
    ) -> Result<Transport, Status> {
        let default = ((2 * track) as u8, (2 * track + 1) as u8);
        if track >= self.paths.len() {
            return Err(Status::NOT_FOUND);
        }
        for wanted in transports {
            let mut agreed = Transport { record: wanted.record, ..Transport::new(wanted.lower) };
            match wanted.lower {
                Lower::Tcp => {
                    let channels = wanted.interleaved.unwrap_or(default);
                    self.take(track, MediaPath::Interleaved(channels.0, channels.1));
                    agreed.interleaved = Some(channels);
                    return Ok(agreed);
                }
                Lower::Udp if config.rtsp.udp => {
                    let Some(client) = wanted.client_port else { continue };
                    let sizes = Core::publisher_sizes(config);
                    let Some(pair) = core.udp.pair(local, sizes, seat) else { continue };
                    (agreed.client_port, agreed.server_port) = (Some(client), Some((pair.port(), pair.port() + 1)));
                    let udp = Udp { pair, peer, reports_to: at_port(peer, client.1) };
                    self.take(track, MediaPath::Udp(Box::new(udp)));
                    return Ok(agreed);
                }
                _ => {}
            }
        }
        Err(Status::UNSUPPORTED_TRANSPORT)
    }

    /// Opens ports for a track that the peer is asked to send over UDP.
    pub fn open(&mut self, track: usize, conn: &Conn, core: &Core, config: &Config) -> Option<(u16, u16)> {
        let local = canonical(conn.local().ok()?);
        let peer = canonical(conn.peer());
        self.paths.get(track)?;
        let pair = core.udp.pair(local, Core::publisher_sizes(config), None)?;
        let ports = (pair.port(), pair.port() + 1);
        self.take(track, MediaPath::Udp(Box::new(Udp { pair, peer, reports_to: at_port(peer, 0) })));
        Some(ports)
    }

    /// Sets the path of a track. The list that reorders packets is in the plan with each pair of ports; inside a
    /// connection packets are never late.
    fn take(&mut self, track: usize, path: MediaPath) {
        let patience = if matches!(path, MediaPath::Udp(_)) { self.patience } else { Duration::ZERO };
        let Some((number, place)) = self.paths.get_mut(track) else { return };
        *place = path;
        if let Some(number) = *number {
            self.demux.set_patience(number, patience);
        }
    }

    /// Sets the path that was agreed with a server. Over UDP a first packet opens the way back through network address
    /// translation.
    pub fn agreed(&mut self, track: usize, transport: &Transport) {
        match (transport.lower, self.paths.get_mut(track)) {
            (Lower::Tcp, _) => {
                let (rtp, rtcp) = transport.interleaved.unwrap_or(((2 * track) as u8, (2 * track + 1) as u8));
                self.take(track, MediaPath::Interleaved(rtp, rtcp));
            }
            (_, Some((_, MediaPath::Udp(udp)))) => {
                let Some((rtp, rtcp)) = transport.server_port else { return };
                udp.reports_to = at_port(udp.peer, rtcp);
                udp.pair.send(&rtp::header(0, false, 0, 0, 0), at_port(udp.peer, rtp));
                let mut report = Vec::new();
                rtp::rtcp::write_receiver_report(&mut report, ssrc(Kind::Video), None);
                udp.pair.send_report(&report, udp.reports_to);
            }
            _ => {}
        }
    }

    /// Sets the timestamps at which these tracks begin, all at the same moment.
    pub fn begin_at(&mut self, begin: &[(usize, u32)]) {
        for (track, timestamp) in begin {
            if let Some((Some(number), _)) = self.paths.get(*track) {
                self.demux.begin_at(*number, *timestamp);
            }
        }
    }

    /// Begins, and announces the known tracks. After a pause they are announced already.
    pub fn record(&mut self) {
        if std::mem::replace(&mut self.recording, true) {
            return;
        }
        let Self { ingest, demux, .. } = self;
        demux.tracks().for_each(|track| ingest.track(track.clone()));
    }

    /// Reads a packet inside the connection.
    pub fn interleaved(&mut self, channel: u8, data: &Bytes, now: Instant) -> Result<(), Close> {
        if !self.recording {
            return Ok(()); // the client has not sent RECORD yet
        }
        match self.find(channel) {
            Some((number, false)) => self.rtp(number, data, now),
            Some((number, true)) => {
                self.demux.rtcp(number, now, data);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The track on a channel of the connection, and whether the channel is for reports.
    fn find(&self, channel: u8) -> Option<(usize, bool)> {
        self.paths.iter().find_map(|(number, path)| match path {
            MediaPath::Interleaved(rtp, _) if *rtp == channel => number.map(|number| (number, false)),
            MediaPath::Interleaved(_, rtcp) if *rtcp == channel => number.map(|number| (number, true)),
            _ => None,
        })
    }

    /// Counts a packet inside the connection that had no memory.
    pub fn lost(&mut self, channel: u8, refusal: OverBudget) {
        if let Some((number, _)) = self.find(channel) {
            self.ingest.lost(self.demux.kind(number), &Loss::OverBudget(refusal));
        }
    }

    /// Logs the number of bytes so far between packets that were neither a packet nor a message.
    pub fn hears_noise(&mut self, bytes: u32) {
        // logged when it has doubled, to limit the lines in the log
        if bytes > self.noise.saturating_mul(2) {
            self.noise = bytes;
            let level = if self.ingest.grant.who.told { log::Level::Warn } else { log::Level::Debug };
            let who = &self.ingest.grant.who;
            log::log!(level, "{who} bytes between packets are ignored, {bytes} so far");
        }
    }

    /// Receives packets over UDP, because a socket holds few, and passes them on when it is time. Ready when it is time
    /// to read the connection too.
    pub fn poll_turn(
        &mut self,
        cx: &mut Context<'_>,
        conn: &mut Conn,
        control: &mut Vec<u8>,
        core: &Core,
    ) -> Poll<Result<(), Close>> {
        let now = Instant::now();
        self.ingest.begin_turn();
        let begun = if self.recording { self.paths.len() } else { 0 };
        for at in 0..begun {
            self.fresh += self.receive(cx, at, now)?;
        }
        if self.demux.is_waiting() {
            self.flush(now)?;
            core.cadence.wake_next(cx);
        }
        if ready!(self.ingest.poll_turn(cx, core))? {
            conn.look_again();
        }
        match std::mem::take(&mut self.fresh) {
            0 => {}
            bytes => self.handed_over(conn, control, bytes, core, now),
        }
        Poll::Ready(Ok(()))
    }

    /// Receives the packets on one track's ports, and returns the number of bytes.
    fn receive(&mut self, cx: &mut Context<'_>, at: usize, now: Instant) -> Result<usize, Close> {
        let (mut bytes, mut look) = (0, true);
        for _ in 0..MAX_PACKETS {
            if self.ingest.is_spent() {
                break;
            }
            let Some((Some(number), MediaPath::Udp(udp))) = self.paths.get_mut(at) else { return Ok(bytes) };
            let number = *number;
            let packet = udp.next(self.ingest.publisher.account());
            // a report sent before the packet has arrived by now, and gives the time of its timestamp
            let report = if look { udp.next_report(self.ingest.publisher.account()) } else { None };
            report.iter().for_each(|report| self.demux.rtcp(number, now, report));
            look = packet.is_none();
            let Some((_, MediaPath::Udp(udp))) = self.paths.get_mut(at) else { return Ok(bytes) };
            match packet {
                Some(Ok(packet)) if packet.is_empty() => {}
                Some(Ok(packet)) => {
                    bytes += packet.len();
                    self.rtp(number, &packet, now)?;
                }
                Some(Err(refusal)) => self.ingest.lost(self.demux.kind(number), &Loss::OverBudget(refusal)),
                None if udp.pair.poll_readable(cx)?.is_pending() => return Ok(bytes),
                None => {}
            }
        }
        // there may be more, after other tasks had their turn
        cx.waker().wake_by_ref();
        Ok(bytes)
    }

    fn rtp(&mut self, number: usize, data: &Bytes, now: Instant) -> Result<(), Close> {
        let Self { ingest, demux, .. } = self;
        demux.moves().for_each(|(track, by)| ingest.publisher.shift(track, by));
        drain(ingest, now, |room, out| demux.rtp(number, now, data, room, out))
    }

    fn flush(&mut self, now: Instant) -> Result<(), Close> {
        let Self { ingest, demux, .. } = self;
        demux.moves().for_each(|(track, by)| ingest.publisher.shift(track, by));
        drain(ingest, now, |room, out| demux.flush(now, room, out))
    }

    /// Wakes the viewers after a read, and sends the publisher a receiver report when it is due.
    pub fn handed_over(&mut self, conn: &Conn, control: &mut Vec<u8>, bytes: usize, core: &Core, now: Instant) {
        self.ingest.handed_over(conn, bytes, core);
        if now.saturating_duration_since(self.reported) < REPORT_INTERVAL {
            return;
        }
        self.reported = now;
        for (number, path) in &self.paths {
            let Some(number) = *number else { continue };
            let mut report = Vec::new();
            self.demux.report(number, now, ssrc(Kind::Video) ^ number as u32, &mut report);
            match path {
                MediaPath::Interleaved(_, channel) => {
                    packet_header(*channel, report.len(), control);
                    control.extend_from_slice(&report);
                }
                MediaPath::Udp(udp) => udp.pair.send_report(&report, udp.reports_to),
                MediaPath::None => {}
            }
        }
    }
}

impl Udp {
    fn is_from(&self, from: SocketAddr) -> bool {
        at_port(canonical(from), self.peer.port()) == self.peer
    }

    /// The next report, if there is one. Reports from other addresses are skipped.
    fn next_report(&mut self, account: &Account) -> Option<Bytes> {
        BUFFER.with_borrow_mut(|buffer| {
            let (len, from) = self.pair.receive_report(buffer)?;
            if !self.is_from(from) {
                return None;
            }
            self.reports_to = from;
            BlockMut::copy(account, buffer.get(..len)?).ok()
        })
    }

    /// The next packet, if there is one; an empty one if it is from another address.
    fn next(&mut self, account: &Account) -> Option<Result<Bytes, OverBudget>> {
        BUFFER.with_borrow_mut(|buffer| {
            let (len, from) = self.pair.receive(buffer)?;
            let is_known = self.is_from(from);
            Some(if is_known { BlockMut::copy(account, buffer.get(..len)?) } else { Ok(Bytes::new()) })
        })
    }
}

/// Passes on the events of the demuxer.
fn drain(
    ingest: &mut Ingest,
    now: Instant,
    read: impl FnOnce(&dyn crate::budget::Room, &mut dyn FnMut(rtp::Event)),
) -> Result<(), Close> {
    let room = ingest.publisher.room();
    let mut done = Ok(());
    read(&room, &mut |event| match event {
        rtp::Event::Track(track) => ingest.track(track),
        rtp::Event::Frame(frame) => {
            if done.is_ok() {
                done = ingest.frame(frame, now);
            }
        }
        rtp::Event::Lost(kind, why) => ingest.lost(kind, &why.map_or(Loss::Missing, Loss::from)),
    });
    done
}

impl From<rtp::Error> for Loss {
    fn from(error: rtp::Error) -> Self {
        match error {
            rtp::Error::Malformed(what) => Self::Malformed(what),
            rtp::Error::TooLong => Self::TooLong,
            rtp::Error::OverBudget(refusal) => Self::OverBudget(refusal),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::hub::Name;
    use crate::proto::rtsp::sdp;

    const ONE_BIT_SIZES: &str = "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/44100/2\r\na=fmtp:97 mode=AAC-hbr;config=1210;\
         sizelength=1;indexlength=0;indexdeltalength=0\r\na=control:t0\r\n";

    const G711: &str = "m=audio 0 RTP/AVP 0\r\na=control:t\r\n";

    fn publishes(medias: &str) -> (Arc<Core>, RtpIngest) {
        let core =
            Core::new(Config::parse("test", "profile = \"box\"").unwrap(), crate::registry::costs(), Arc::default());
        let config = core.config();
        let admitted = core.publish(&Name::new("a").unwrap(), "RTSPPUB", Instant::now()).unwrap();
        let head = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\n";
        let description = sdp::Description::parse(&format!("{head}{medias}")).unwrap();
        let tracks = announced(&description, &config).unwrap();
        let ingest = RtpIngest::new(admitted, tracks, &config);
        (core, ingest)
    }

    fn choose(core: &Core, ingest: &mut RtpIngest, track: usize, transport: &str) {
        let local = SocketAddr::from(([127, 0, 0, 1], 0));
        let transports = Transport::parse_all(transport);
        ingest.set_up(track, &transports, core, &core.config(), (local, local), None).unwrap();
    }

    fn packet(sequence: u16, payload: &[u8]) -> Bytes {
        [&rtp::header(97, true, sequence, u32::from(sequence) * 160, 9), payload].concat().into()
    }

    #[test]
    fn others_get_their_turn_however_many_frames_few_bytes_are() {
        let (core, mut ingest) = publishes(ONE_BIT_SIZES);
        choose(&core, &mut ingest, 0, "RTP/AVP/TCP;unicast;interleaved=0-1;mode=record");
        ingest.record();
        let units = [&[1, 0][..], &[255; 32], &[0x21; 256]].concat();
        for sequence in 0..64 {
            ingest.interleaved(0, &packet(sequence, &units), Instant::now()).unwrap();
        }
        let publisher = &ingest.ingest.publisher;
        // each frame has one byte
        assert_eq!((publisher.moved(), publisher.stream().stats().traffic.lost), (4096, 64 * 256 - 4096));
    }

    #[test]
    fn packets_wait_for_late_ones_by_the_ways_alone_on_which_some_are_late() {
        let (udp, tcp) = ("RTP/AVP;unicast;client_port=4000-4001;mode=record", "RTP/AVP/TCP;interleaved=0-1");
        // the client changes from UDP to the connection, or back; a second track may use UDP, or none
        for (ways, waits) in [([udp, tcp], false), ([tcp, udp], true)] {
            let (core, mut ingest) = publishes(&G711.repeat(2));
            ways.iter().for_each(|way| choose(&core, &mut ingest, 0, way));
            choose(&core, &mut ingest, 1, "RTP/AVP/TCP;interleaved=2-3");
            ingest.record();
            for (number, track_waits) in [(1, false), (0, waits)] {
                for sequence in [1, 3, 5] {
                    ingest.rtp(number, &packet(sequence, &[0xd5]), Instant::now()).unwrap();
                }
                assert_eq!(ingest.demux.is_waiting(), track_waits, "{ways:?} {number}");
            }
            // one pair of ports has one list
            choose(&core, &mut ingest, 0, tcp);
            assert!(!ingest.demux.is_waiting(), "{ways:?}");
        }
    }
}
