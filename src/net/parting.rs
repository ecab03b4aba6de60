//! Connections that we have closed while the kernel still holds what was sent by them.
//!
//! The plan has the kernel's part of each connection, so one keeps its place until that is
//! free. To close a socket is not enough: the kernel goes on for minutes to offer the rest to
//! a peer that takes nothing.

use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_io::Async;
use socket2::SockRef;

use super::Seat;
use super::listen::Pass;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Parting(Mutex<Vec<Parted>>);

/// A connection's place among those that the plan and `connections.per_peer` allow.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) _pass: Pass,
    pub(super) seat: Option<Arc<Seat>>,
}

#[derive(Debug)]
struct Parted {
    socket: Arc<Async<TcpStream>>,
    until: Instant,
    _place: Place,
}

/// So long a peer may take for what was sent last.
const GRACE: Duration = Duration::from_secs(10);
/// A FIN takes one sequence number. RFC 9293 section 3.4.
const FIN: i32 = 1;

impl Parting {
    /// Closes a connection. One that is `cut` in the middle of what it was sent ends at once.
    pub(super) fn close(&self, socket: &Arc<Async<TcpStream>>, place: Place, cut: bool) {
        place.seat.iter().for_each(|seat| seat.leave());
        if cut {
            return reset(socket.get_ref());
        }
        if unsent(socket.get_ref()) > 0 {
            // all is sent, and its end
            let _ = socket.get_ref().shutdown(std::net::Shutdown::Write);
            self.lock().push(Parted { socket: socket.clone(), until: Instant::now() + GRACE, _place: place });
        }
    }

    /// Lets go of those that have arrived, and of those that took too long. Where `others` want their
    /// place, of which only the end has not arrived, too: Linux acknowledges a FIN 40 ms late.
    pub(super) fn sweep(&self, now: Instant, others: bool) {
        self.lock().retain(|parted| {
            let socket = parted.socket.get_ref();
            let unsent = unsent(socket);
            let goes = now >= parted.until || others && unsent <= FIN;
            if goes && unsent > 0 {
                reset(socket);
            }
            !goes && unsent > 0
        });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Parted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The kernel is to forget what it holds when the socket is closed.
fn reset(socket: &TcpStream) {
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}

/// Bytes that the peer has not acknowledged; nothing where the connection is over.
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
    // SAFETY: the number stands for a call that writes one int
    unsafe { ioctl(socket, Getter::<OUT_QUEUE, i32>::new()) }.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};
    use std::net::TcpListener;
    use std::task::{Context, Poll};

    use socket2::{Domain, Socket, Type};

    use super::super::{Conn, Gate, SocketSizes, Watch};
    use super::*;

    const SIZES: SocketSizes = SocketSizes { send: 32 << 10, receive: 8 << 10 };
    const LIMIT: Duration = Duration::from_secs(20);

    /// One that was sent so much, of which its peer has read nothing; its place, and its peer.
    fn parted(bytes: usize) -> (Gate, Watch, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        peer.set_recv_buffer_size(1).unwrap();
        peer.connect(&listener.local_addr().unwrap().into()).unwrap();
        let (socket, address) = listener.accept().unwrap();
        let (gate, watch) = (Gate::new(1), Watch::default());
        let mut conn = Conn::new(Async::new(socket).unwrap(), address, SIZES, &watch, gate.enter().unwrap());
        let mut data = vec![1; bytes];
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(!matches!(conn.poll_send(&mut cx, &mut data, LIMIT), Poll::Ready(Err(_))));
        drop(conn);
        (gate, watch, peer.into())
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
        watch.see_off(Instant::now());
        assert_eq!(gate.open(), 1, "the kernel holds it still");
        assert_eq!(read(peer).1.unwrap(), 16 << 10);
        let begun = Instant::now();
        while gate.open() > 0 {
            assert!(begun.elapsed() < LIMIT);
            std::thread::sleep(Duration::from_millis(1));
            watch.see_off(begun);
        }
    }

    #[test]
    fn a_peer_that_takes_nothing_loses_the_rest() {
        let (gate, watch, peer) = parted(16 << 10);
        watch.see_off(Instant::now() + GRACE);
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
