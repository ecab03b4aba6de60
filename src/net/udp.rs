//! UDP: pairs of ports for RTP and RTCP, and datagrams made of shared units.

use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::reactor::Async;
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sendmmsg};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::{CHANNELS, Claim, Seat, Share, SocketSizes, at_port};
use crate::hub::Unit;

/// The range of ports, and the number of pairs in use.
#[derive(Debug)]
pub struct Ports {
    first: u16,
    last: u16,
    search: Mutex<Search>,
    open: Arc<AtomicUsize>,
    limit: usize,
}

/// The state of the search for ports.
#[derive(Debug)]
struct Search {
    /// The port at which the next search begins.
    next: u16,
    /// The tries within the window that followed a taken port, and the start of the window.
    again: u16,
    since: Option<Instant>,
}

/// Two sockets on neighbouring ports, the first of them even. RFC 3550 section 11.
#[derive(Debug)]
pub struct Pair {
    rtp: Async<UdpSocket>,
    rtcp: UdpSocket,
    port: u16,
    /// RTP is sent to one peer only: the kernel finds the route once, not for each packet.
    connected: bool,
    _place: Place,
    /// The place of its address.
    _share: Option<Share>,
}

/// A pair's place among those that may be open; returned when dropped.
#[derive(Debug)]
struct Place(Arc<AtomicUsize>);

/// The bytes of two UDP sockets, and of the list that reorders packets.
pub const PORT_PAIR: usize = 20 << 10;

/// The most tries within [`WINDOW`] that follow a taken port. If other programs hold all ports, each try fails, and
/// clients may ask at any rate. The first try of each request does not count.
const MAX_RETRIES: u16 = 512;
const WINDOW: Duration = Duration::from_secs(1);

impl Ports {
    /// At most `limit` pairs of the ports from `first`, which is even, to `last`.
    pub fn new(first: u16, last: u16, limit: usize) -> Self {
        let search = Mutex::new(Search { next: first, again: 0, since: None });
        Self { first, last, search, open: Arc::default(), limit }
    }

    /// The number of open pairs.
    pub fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// A free pair on the host of `local`, counted for the address of `seat` if there is one. `None` if no pair is
    /// free, or the limit of the address is reached.
    pub fn pair(&self, local: SocketAddr, sizes: SocketSizes, seat: Option<&Seat>) -> Option<Pair> {
        let share = match seat {
            Some(seat) => Some(seat.also(Claim::Ports)?),
            None => None,
        };
        let room = |open| (open < self.limit).then_some(open + 1);
        self.open.fetch_update(Relaxed, Relaxed, room).ok()?;
        let place = Place(self.open.clone());
        let (port, rtp, rtcp) = self.find(|port| {
            let rtp = bind(at_port(local, port), sizes)?;
            let rtcp = bind(at_port(local, port + 1), REPORTS)?;
            Ok((port, Async::new(rtp)?, rtcp))
        })?;
        Some(Pair { rtp, rtcp, port, connected: false, _place: place, _share: share })
    }

    /// The next free pair of the range; `take` tries its even port. Another port is tried only if one is taken: any
    /// other error concerns the address.
    fn find<T>(&self, mut take: impl FnMut(u16) -> io::Result<T>) -> Option<T> {
        let mut found = take(self.advance(false)?);
        for _ in 1..(self.last - self.first).div_ceil(2) {
            match found {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => found = take(self.advance(true)?),
                _ => break,
            }
        }
        found.ok()
    }

    /// Returns the next even port of the range; `None` if it is a further try (`again`), after a taken port, and the
    /// limit of those is reached.
    fn advance(&self, again: bool) -> Option<u16> {
        let mut search = self.search.lock().unwrap_or_else(PoisonError::into_inner);
        if again {
            let now = Instant::now();
            if search.since.is_none_or(|since| now.saturating_duration_since(since) >= WINDOW) {
                (search.since, search.again) = (Some(now), 0);
            }
            search.again = search.again.checked_add(1).filter(|count| *count <= MAX_RETRIES)?;
        }
        let next = search.next.checked_add(2).filter(|next| *next < self.last).unwrap_or(self.first);
        Some(std::mem::replace(&mut search.next, next))
    }
}

/// Buffer sizes of a socket for reports only.
const REPORTS: SocketSizes = SocketSizes { send: 2 << 10, receive: 4 << 10 };

fn bind(address: SocketAddr, sizes: SocketSizes) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_send_buffer_size(sizes.send)?;
    socket.set_recv_buffer_size(sizes.receive)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

impl Pair {
    /// The even port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ready when an RTP packet can be received; RTCP is read along with RTP.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.rtp.poll_readable(cx)
    }

    /// The next RTP packet and its sender; `None` if there is none.
    pub fn receive(&self, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
        receive(self.rtp.get_ref(), buffer)
    }

    /// The next RTCP packet and its sender; `None` if there is none.
    pub fn receive_report(&self, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
        receive(&self.rtcp, buffer)
    }

    /// Restricts RTP to `peer`.
    pub fn connect(&mut self, peer: SocketAddr) -> io::Result<()> {
        self.rtp.get_ref().connect(peer)?;
        self.connected = true;
        Ok(())
    }

    /// Sends packets to groups through the interface of `local`, across `ttl` routers.
    pub fn send_to_groups(&self, local: Ipv4Addr, ttl: u8) -> io::Result<()> {
        for socket in [SockRef::from(self.rtp.get_ref()), SockRef::from(&self.rtcp)] {
            socket.set_multicast_if_v4(&local)?;
            socket.set_multicast_ttl_v4(ttl.into())?;
        }
        Ok(())
    }

    /// Sends an RTP packet; a failure counts as a packet lost on the network.
    pub fn send(&self, data: &[u8], to: SocketAddr) {
        let _ = self.rtp.get_ref().send_to(data, to);
    }

    /// Sends an RTCP packet.
    pub fn send_report(&self, data: &[u8], to: SocketAddr) {
        let _ = self.rtcp.send_to(data, to);
    }
}

/// The next datagram, if there is one. One error is skipped: it reports an earlier datagram of this socket.
fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
    match socket.recv_from(buffer) {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => socket.recv_from(buffer).ok(),
        received => received.ok(),
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Units that are being sent to a receiver: every piece is a datagram.
#[derive(Default)]
pub struct Datagrams {
    units: Vec<Arc<Unit>>,
    /// The number of sent pieces of each channel. Channels are sent separately, so that a system call sends many
    /// datagrams.
    done: [usize; CHANNELS],
    /// The number of unsent pieces of each channel, counted when the batch is filled.
    left: [usize; CHANNELS],
}

/// The ports from which the datagrams of a track are sent, and their destinations.
#[derive(Clone, Copy)]
pub struct Outward<'a> {
    /// The local ports.
    pub pair: &'a Pair,
    /// The destination of RTP.
    pub rtp: SocketAddr,
    /// The destination of RTCP.
    pub rtcp: SocketAddr,
}

/// The most datagrams in one system call.
const MAX_BATCH: usize = 32;
/// The order in which channels are sent. Reports go first: they give the timestamps for the packets.
const ORDER: [u8; CHANNELS] = [1, 3, 0, 2];
/// The header and the body of each datagram in one system call.
type Row<'a> = [[IoSlice<'a>; 2]; MAX_BATCH];

impl Datagrams {
    /// True if everything was sent.
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// The units of the batch.
    pub fn units(&self) -> &[Arc<Unit>] {
        &self.units
    }

    /// Fills an empty batch: `fill` appends units.
    pub fn fill<T>(&mut self, fill: impl FnOnce(&mut Vec<Arc<Unit>>) -> T) -> T {
        let filled = fill(&mut self.units);
        self.count();
        filled
    }

    fn count(&mut self) {
        self.left = [0; CHANNELS];
        for piece in self.units.iter().flat_map(|unit| unit.packed.pieces()) {
            self.left.iter_mut().skip(piece.channel().into()).take(1).for_each(|left| *left += 1);
        }
        self.left.iter_mut().zip(self.done).for_each(|(left, done)| *left = left.saturating_sub(done));
    }

    /// Sends the batch, but little more than `burst` bytes: packets of channels 0 and 1 by the first way, those of 2
    /// and 3 by the second. Packets without a way are dropped. Ready once the batch or the burst is sent; `sent` is
    /// called with the length of every part.
    pub fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        ways: [Option<Outward<'_>>; 2],
        mut burst: usize,
        mut sent: impl FnMut(usize),
    ) -> Poll<()> {
        let mut refused = false;
        while let Some((channel, count)) = self.next_batch() {
            let way = ways.get(usize::from(channel) / 2).copied().flatten();
            let gone = match way {
                None => Ok((count, 0)),
                Some(way) if channel % 2 == 0 => {
                    let to = Some(way.rtp).filter(|_| !way.pair.connected);
                    self.send_batch(way.pair.rtp.get_ref(), to, channel)
                }
                Some(way) => self.send_batch(&way.pair.rtcp, Some(way.rtcp), channel),
            };
            match (gone, way) {
                (Ok((pieces, bytes)), _) => {
                    self.done(channel, pieces.max(1));
                    sent(bytes);
                    burst = burst.saturating_sub(bytes);
                    if burst == 0 {
                        return Poll::Ready(());
                    }
                }
                (Err(error), Some(way)) if error.kind() == io::ErrorKind::WouldBlock && channel % 2 == 0 => {
                    if way.pair.rtp.poll_writable(cx).is_pending() {
                        return Poll::Pending;
                    }
                }
                // the error reports an earlier packet: none of these was sent
                (Err(error), Some(_)) if error.kind() == io::ErrorKind::ConnectionRefused && !refused => refused = true,
                // nothing listens there, or the network is down: the packets count as lost
                (Err(_), _) => self.done(channel, count),
            }
        }
        self.units.clear();
        (self.done, self.left) = Default::default();
        Poll::Ready(())
    }

    fn done(&mut self, channel: u8, pieces: usize) {
        let counts = self.done.iter_mut().zip(&mut self.left).nth(channel.into());
        if let Some((done, left)) = counts {
            *done += pieces;
            *left = left.saturating_sub(pieces);
        }
    }

    /// A channel with unsent pieces, and their number in one call.
    fn next_batch(&self) -> Option<(u8, usize)> {
        let left = |channel: u8| self.left.get(usize::from(channel)).copied().unwrap_or_default();
        ORDER.into_iter().find(|channel| left(*channel) > 0).map(|channel| (channel, left(channel).min(MAX_BATCH)))
    }

    /// Gathers the next pieces of a channel for one call, and returns their number. The loops are plain because a program
    /// that is optimized for size makes a call for each adapter of a chain and each piece.
    fn gather<'a>(&'a self, channel: u8, row: &mut Row<'a>) -> usize {
        let mut done = self.done.get(usize::from(channel)).copied().unwrap_or_default();
        let mut count = 0;
        for unit in &self.units {
            for piece in unit.packed.pieces() {
                if piece.channel() != channel {
                    continue;
                }
                if done > 0 {
                    done -= 1;
                    continue;
                }
                let Some(slot) = row.get_mut(count) else { return count };
                *slot = [IoSlice::new(piece.head.bytes()), IoSlice::new(&piece.body)];
                count += 1;
            }
        }
        count
    }

    /// Sends the next pieces of a channel with one system call, `to` an address unless the socket is connected.
    /// Returns the number of datagrams sent, and their bytes.
    fn send_batch(&self, socket: &UdpSocket, to: Option<SocketAddr>, channel: u8) -> io::Result<(usize, usize)> {
        let mut row = [[IoSlice::new(&[]); 2]; MAX_BATCH];
        let count = self.gather(channel, &mut row);
        let row = row.get(..count).unwrap_or_default();
        let mut controls = [(); MAX_BATCH].map(|()| SendAncillaryBuffer::default());
        let to = to.map(SocketAddrAny::from);
        let datagrams = row.iter().zip(&mut controls).map(|(slices, control)| match &to {
            Some(to) => MMsgHdr::new_with_addr(to, slices, control),
            None => MMsgHdr::new(slices, control),
        });
        let mut datagrams: Vec<_> = datagrams.collect();
        let gone = sendmmsg(socket, &mut datagrams, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?;
        let bytes = row.iter().take(gone).flatten().map(|slice| slice.len()).sum();
        Ok((gone, bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use bytes::Bytes;

    use super::*;
    use crate::container::{Packed, Piece};
    use crate::media::Ticks;

    const HERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

    #[test]
    fn pairs_are_even_and_odd_limited_and_given_back() {
        let ports = Ports::new(41_000, 41_999, 2);
        let sizes = SocketSizes { send: 8192, receive: 8192 };
        let one = ports.pair(HERE, sizes, None).unwrap();
        let two = ports.pair(HERE, sizes, None).unwrap();
        assert!(one.port().is_multiple_of(2) && two.port().is_multiple_of(2) && one.port() != two.port());
        assert!(ports.pair(HERE, sizes, None).is_none());
        drop(one);
        assert_eq!(ports.open(), 1);
        assert!(ports.pair(HERE, sizes, None).is_some());
    }

    #[test]
    fn ports_that_others_have_are_passed_over() {
        let taken = UdpSocket::bind(HERE).unwrap();
        let port = taken.local_addr().unwrap().port() & !1;
        let ports = Ports::new(port, port.saturating_add(200), 9);
        let pair = ports.pair(HERE, SocketSizes { send: 8192, receive: 8192 }, None).unwrap();
        assert_ne!(pair.port(), port);
    }

    #[test]
    fn only_a_port_that_is_taken_is_followed_by_another() {
        let ports = Ports::new(41_000, 41_999, 9);
        let tries = |searches: usize, kind: io::ErrorKind| {
            let mut tries = 0;
            for _ in 0..searches {
                let taken: Option<()> = ports.find(|_| {
                    tries += 1;
                    Err(kind.into())
                });
                assert!(taken.is_none());
            }
            tries
        };
        assert_eq!(tries(9, io::ErrorKind::AddrNotAvailable), 9);
        assert!(tries(1, io::ErrorKind::AddrInUse) >= 500, "one of them may be free");
        let started = Instant::now();
        let tried = tries(10_000, io::ErrorKind::AddrInUse);
        let seconds = started.elapsed().as_secs() as usize + 1;
        assert!(tried <= 10_000 + seconds * MAX_RETRIES as usize, "{tried}");
    }

    #[test]
    fn reports_go_before_the_packets_whose_place_they_tell() {
        let [first, rest @ ..] = [0, 1, 2, 3].map(|channel| Piece::new(b"1", Bytes::new()).on_channel(channel));
        let unit = Arc::new(Unit::new(Packed::new(first, rest.into()), Ticks(0), true, false));
        let mut datagrams = Datagrams::default();
        datagrams.fill(|units| units.push(unit));
        let order = std::iter::from_fn(|| {
            let (channel, count) = datagrams.next_batch()?;
            datagrams.done(channel, count);
            Some(channel)
        });
        assert_eq!(order.collect::<Vec<_>>(), [1, 3, 0, 2]);
    }

    #[test]
    fn every_packet_of_a_channel_goes_once_and_in_order() {
        let packet = |number: u8, channel| Piece::new(&[number], Bytes::new()).on_channel(channel);
        let unit = |number: u8| {
            let rest = vec![packet(number, 2), packet(number + 1, 0)];
            Arc::new(Unit::new(Packed::new(packet(number, 0), rest), Ticks(0), true, false))
        };
        let mut datagrams = Datagrams::default();
        datagrams.fill(|units| units.extend((0..80).step_by(2).map(unit)));
        let mut sent: [Vec<u8>; CHANNELS] = Default::default();
        while let Some((channel, count)) = datagrams.next_batch() {
            let mut row = [[IoSlice::new(&[]); 2]; MAX_BATCH];
            assert_eq!(datagrams.gather(channel, &mut row), count);
            // the system takes fewer than it is given
            let gone = count.div_ceil(2);
            sent[usize::from(channel)].extend(row.iter().take(gone).map(|[head, _]| head[0]));
            datagrams.done(channel, gone);
        }
        assert_eq!(sent, [(0..80).collect(), vec![], (0..80).step_by(2).collect(), vec![]]);
    }
}
