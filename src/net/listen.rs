//! Listening sockets, and the gate that bounds how many connections there are.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::reactor::{Async, Timer};
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};

use super::{Conn, Peers, SocketSizes, Watch};
use crate::budget::{Greetings, Lease, OverBudget};

/// Lets in so many connections at once.
#[derive(Clone)]
pub struct Gate(Arc<Places>);

struct Places {
    open: AtomicUsize,
    limit: usize,
    /// The accounts for what they hold.
    greetings: Option<Greetings>,
    /// The last time that the system had no room for a connection.
    starved: Mutex<Option<Instant>>,
}

/// One connection's place; given back when dropped.
pub(super) struct Pass(Gate);

impl Gate {
    /// A gate for `limit` connections.
    pub fn new(limit: usize) -> Self {
        Self::make(limit, None)
    }

    /// The same gate, but what connections keep of their input is charged to `greetings`.
    pub fn charging(self, greetings: Greetings) -> Self {
        Self::make(self.0.limit, Some(greetings))
    }

    fn make(limit: usize, greetings: Option<Greetings>) -> Self {
        Self(Arc::new(Places { open: AtomicUsize::new(0), limit, greetings, starved: Mutex::default() }))
    }

    /// Connections that are open.
    pub fn open(&self) -> usize {
        self.0.open.load(Relaxed)
    }

    /// The next connection finds no room.
    pub fn is_full(&self) -> bool {
        self.open() >= self.0.limit
    }

    pub(super) fn enter(&self) -> Option<Pass> {
        let room = |open| (open < self.0.limit).then_some(open + 1);
        self.0.open.fetch_update(Relaxed, Relaxed, room).ok()?;
        Some(Pass(self.clone()))
    }

    /// The system has no room for a connection. True where it had for a while before: that
    /// is news, whichever of the ports it is that learns of it.
    fn starves(&self, now: Instant) -> bool {
        let before = self.0.starved.lock().unwrap_or_else(PoisonError::into_inner).replace(now);
        before.is_none_or(|before| now.saturating_duration_since(before) > CALM)
    }
}

impl Pass {
    /// Pays for so many bytes of input that its connection keeps.
    pub(super) fn charge(&self, bytes: usize) -> Result<Option<Lease>, OverBudget> {
        self.0.0.greetings.as_ref().map(|greetings| greetings.account_for(bytes).charge(bytes)).transpose()
    }
}

impl std::fmt::Debug for Pass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pass")
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, Relaxed);
    }
}

/// Listens on `address`. Connections inherit `sizes`; the receive buffer of publishers must be set here,
/// because the kernel settles how far the window may grow before it accepts a connection.
pub fn bind(address: SocketAddr, sizes: SocketSizes) -> io::Result<TcpListener> {
    let socket = take(address)?;
    socket.set_send_buffer_size(sizes.send)?;
    socket.set_recv_buffer_size(sizes.receive)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Whether `bind` would get its address now. Nothing listens there meanwhile: no connection comes, and
/// another program that wants the address in that moment gets it.
pub fn try_address(address: SocketAddr) -> io::Result<()> {
    take(address).map(drop)
}

fn take(address: SocketAddr) -> io::Result<Socket> {
    match take_of_family(address) {
        // a kernel without IPv6 has no [::], but may well have all addresses
        Err(_) if address.ip() == Ipv6Addr::UNSPECIFIED && !has_ipv6() => {
            take_of_family((Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        result => result,
    }
}

fn has_ipv6() -> bool {
    Socket::new(Domain::IPV6, Type::STREAM, None).is_ok()
}

fn take_of_family(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // one socket for both families, unless the system has only one
        let _ = socket.set_only_v6(false);
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Accepts for ever: `serve` gets what the gate lets in, `full` what it does not. Until it is
/// known what a connection is for, its buffers are of the sizes of a `guest`.
pub async fn accept_loop(
    listener: Async<TcpListener>,
    gate: Gate,
    peers: Peers,
    watch: Arc<Watch>,
    guest: SocketSizes,
    serve: impl Fn(Conn),
    full: impl Fn(&TcpStream, SocketAddr),
) {
    loop {
        let (socket, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            // the peer is gone already
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => {
                if gate.starves(Instant::now()) {
                    log::warn!("accept: {error}: connections wait until the system has room for them");
                }
                Timer::after(RETRY).await;
                continue;
            }
        };
        match watch.make_room(|| gate.enter().zip(peers.seat(peer.ip()))) {
            Some((pass, seat)) => {
                prepare(socket.get_ref());
                let mut conn = Conn::new(socket, peer, guest, &watch, pass);
                conn.sit(seat);
                serve(conn);
            }
            None => full(socket.get_ref(), peer),
        }
        // more may wait already, and more without end
        smol::future::yield_now().await;
    }
}

/// Sets the options of every connection's socket: TCP_NODELAY and keepalive.
pub(super) fn prepare(socket: &TcpStream) {
    let _ = socket.set_nodelay(true);
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 3);
    let _ = SockRef::from(socket).set_tcp_keepalive(&keepalive);
}

/// The pause before the next try where the system had no room.
const RETRY: Duration = Duration::from_millis(100);
/// After so long without a want of room the next is another.
const CALM: Duration = Duration::from_secs(60);
const BACKLOG: i32 = 512;
/// Finds peers that vanished while nothing was to be sent to them.
const KEEPALIVE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_want_of_room_is_news_once_for_all_ports() {
        let (gate, begun) = (Gate::new(1), Instant::now());
        let other_port = gate.clone();
        assert!(gate.starves(begun));
        for n in 1..1000 {
            let gate = if n % 2 == 0 { &gate } else { &other_port };
            assert!(!gate.starves(begun + n * RETRY), "{n}");
        }
        assert!(gate.starves(begun + 999 * RETRY + CALM + RETRY), "it is over, and comes again");
    }
}
