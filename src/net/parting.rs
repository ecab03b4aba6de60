//! Connections that this server has closed while the kernel still holds unsent bytes of them.
//!
//! The plan includes the kernel's memory of each connection, so a connection keeps its place until that is free. To
//! close a socket is not enough: the kernel tries for minutes to send the rest to a peer that reads nothing.

use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::reactor::Async;
use socket2::SockRef;

use super::Seat;
use super::listen::Pass;

/// All connections that are closed and not yet gone.
#[derive(Debug, Default)]
pub(super) struct Parting(Mutex<Crowd>);

#[derive(Debug, Default)]
struct Crowd {
    all: Vec<Parted>,
    /// No sweep for new connections before this time.
    next_sweep: Option<Instant>,
}

/// A connection's place among those that the plan and `connections.per_peer` allow.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) _pass: Pass,
    pub(super) _seat: Option<Arc<Seat>>,
}

#[derive(Debug)]
struct Parted {
    socket: Arc<Async<TcpStream>>,
    until: Instant,
    _place: Place,
}

/// The longest time that a peer may take to receive the last bytes.
const GRACE: Duration = Duration::from_secs(10);
/// A sweep for new connections happens at most once in this time for each connection in the list: two system calls for
/// each take a part of that, whatever the number of refused connections.
const SWEEP_PER_CONNECTION: Duration = Duration::from_micros(100);
/// A FIN takes one sequence number. RFC 9293 section 3.4.
const FIN: i32 = 1;

impl Parting {
    /// Closes a connection. If it is `cut` in the middle of a unit, it ends at once.
    pub(super) fn close(&self, socket: &Arc<Async<TcpStream>>, place: Place, cut: bool) {
        if cut {
            return reset(socket.get_ref());
        }
        if unsent(socket.get_ref()) > 0 {
            // the peer still receives all bytes and the end
            let _ = socket.get_ref().shutdown(std::net::Shutdown::Write);
            self.lock().all.push(Parted { socket: socket.clone(), until: Instant::now() + GRACE, _place: place });
        }
    }

    /// Removes connections whose bytes have arrived, and those that took too long.
    pub(super) fn sweep(&self, now: Instant) {
        self.lock().sweep(now, false);
    }

    /// Also removes connections of which only the FIN is not acknowledged, because new connections need their place:
    /// Linux acknowledges a FIN 40 ms late.
    pub(super) fn sweep_for_new(&self, now: Instant) {
        let mut crowd = self.lock();
        if crowd.next_sweep.is_none_or(|next_sweep| now >= next_sweep) {
            crowd.next_sweep = now
                .checked_add(SWEEP_PER_CONNECTION.saturating_mul(u32::try_from(crowd.all.len()).unwrap_or(u32::MAX)));
            crowd.sweep(now, true);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Crowd> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Crowd {
    fn sweep(&mut self, now: Instant, others: bool) {
        self.all.retain(|parted| {
            let socket = parted.socket.get_ref();
            let unsent = unsent(socket);
            let goes = now >= parted.until || others && unsent <= FIN;
            if goes && unsent > 0 {
                reset(socket);
            }
            !goes && unsent > 0
        });
    }
}

/// Makes the kernel discard what it holds when the socket is closed.
fn reset(socket: &TcpStream) {
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}

/// The bytes that the peer has not acknowledged; 0 if the connection is over.
fn unsent(socket: &TcpStream) -> i32 {
    if socket.peer_addr().is_err() { 0 } else { queued(socket) }
}

#[allow(unsafe_code, reason = "no crate has this call; the kernel writes the number that it is given room for")]
fn queued(socket: &TcpStream) -> i32 {
    use rustix::ioctl::{Getter, Opcode, ioctl};
    /// SIOCOUTQ, which is TIOCOUTQ.
    const OUT_QUEUE: Opcode = if cfg!(any(target_arch = "mips", target_arch = "mips64")) {
        0x7472
    } else if cfg!(any(target_arch = "powerpc", target_arch = "powerpc64", target_arch = "sparc64")) {
        0x4004_7473
    } else {
        0x5411
    };
    // the number is that of a call that writes one int
    unsafe { ioctl(socket, Getter::<OUT_QUEUE, i32>::new()) }.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read, Write};
    use std::net::TcpListener;
    use std::task::{Context, Poll};

    use socket2::{Domain, Socket, Type};

    use super::super::{Client, Conn, Gate, SocketSizes, Watch, dial};
    use super::*;

    const SIZES: SocketSizes = SocketSizes { send: 32 << 10, receive: 8 << 10 };
    const LIMIT: Duration = Duration::from_secs(20);

    /// A peer with a small receive buffer, and its connection.
    fn connected() -> (TcpStream, Async<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        peer.set_recv_buffer_size(1).unwrap();
        peer.connect(&listener.local_addr().unwrap().into()).unwrap();
        (peer.into(), Async::new(listener.accept().unwrap().0).unwrap())
    }

    /// A closed connection with `bytes` sent, of which its peer has read nothing; its gate, watch and peer.
    fn parted(bytes: usize) -> (Gate, Watch, TcpStream) {
        let (peer, socket) = connected();
        let (gate, watch, address) = (Gate::new(1), Watch::default(), socket.get_ref().peer_addr().unwrap());
        let mut conn = Conn::new(socket, Client::at(address), SIZES, &watch, gate.enter().unwrap());
        let mut data = vec![1; bytes];
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(!matches!(conn.poll_send(&mut cx, &mut data, LIMIT), Poll::Ready(Err(_))));
        drop(conn);
        (gate, watch, peer)
    }

    fn read(mut peer: TcpStream) -> (usize, io::Result<usize>) {
        peer.set_read_timeout(Some(LIMIT)).unwrap();
        let mut data = Vec::new();
        let end = peer.read_to_end(&mut data);
        (data.len(), end)
    }

    #[test]
    fn a_place_is_given_back_when_all_has_arrived() {
        let (gate, watch, peer) = parted(16 << 10);
        watch.make_room(|| None::<()>);
        assert_eq!(gate.open(), 1, "the kernel holds it still");
        assert_eq!(read(peer).1.unwrap(), 16 << 10);
        let begun = Instant::now();
        while gate.open() > 0 {
            assert!(begun.elapsed() < LIMIT);
            std::thread::sleep(Duration::from_millis(1));
            watch.make_room(|| None::<()>);
        }
    }

    #[test]
    fn who_dials_gets_the_place_of_one_that_has_ended() {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.set_recv_buffer_size(1).unwrap();
        listener.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(8).unwrap();
        let listener = TcpListener::from(listener);
        let port = listener.local_addr().unwrap().port();
        let (gate, watch) = (Gate::new(1), Watch::default());
        let dialled = || smol::block_on(dial(("127.0.0.1", port), SIZES, &gate, &watch, LIMIT));
        let mut conn = dialled().unwrap();
        let (peer, _) = listener.accept().unwrap();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(!matches!(conn.poll_send(&mut cx, &mut vec![1; 16 << 10], LIMIT), Poll::Ready(Err(_))));
        drop(conn);
        assert_eq!(dialled().err().unwrap().to_string(), "connections.spare is reached", "the kernel holds it still");
        assert_eq!(read(peer).1.unwrap(), 16 << 10);
        let begun = Instant::now();
        while dialled().is_err() {
            assert!(begun.elapsed() < LIMIT);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn those_who_are_refused_have_each_looked_at_but_so_often() {
        let (gate, parting, now) = (Gate::new(3), Parting::default(), Instant::now());
        let part = |_| {
            let (peer, socket) = connected();
            assert_eq!(socket.get_ref().write(&[1; 16 << 10]).unwrap(), 16 << 10);
            let socket = Arc::new(socket);
            parting.close(&socket, Place { _pass: gate.enter().unwrap(), _seat: None }, false);
            (peer, socket)
        };
        let parted: Vec<_> = (0..3).map(part).collect();
        parting.sweep_for_new(now);
        assert_eq!(gate.open(), 3, "the kernel holds them still");
        for (mut peer, socket) in parted {
            peer.read_to_end(&mut Vec::new()).unwrap();
            while unsent(socket.get_ref()) > FIN {
                assert!(now.elapsed() < LIMIT);
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        (0..3).for_each(|refused| parting.sweep_for_new(now + refused * SWEEP_PER_CONNECTION));
        assert_eq!(gate.open(), 3, "they were looked at too often");
        parting.sweep_for_new(now + 3 * SWEEP_PER_CONNECTION);
        assert_eq!(gate.open(), 0);
    }

    #[test]
    fn a_peer_that_takes_nothing_loses_the_rest() {
        let (gate, watch, peer) = parted(16 << 10);
        watch.sweep(Instant::now() + GRACE);
        assert_eq!(gate.open(), 0);
        let (bytes, end) = read(peer);
        assert!(bytes < 16 << 10);
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }

    #[test]
    fn what_was_cut_ends_at_once() {
        let (gate, _watch, peer) = parted(1 << 20);
        assert_eq!(gate.open(), 0);
        assert_eq!(read(peer).1.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }

    #[test]
    fn what_has_arrived_leaves_nothing_behind() {
        let (gate, _watch, peer) = parted(100);
        assert_eq!((gate.open(), read(peer).1.unwrap()), (0, 100));
    }
}
