//! Listening sockets, and the gate that bounds the number of connections.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::reactor::{Async, Timer};
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};

use super::{Client, Conn, Peers, SocketSizes, Watch};
use crate::budget::{Greetings, Lease, OverBudget};

/// A limit on the number of open connections.
#[derive(Clone)]
pub struct Gate(Arc<Places>);

struct Places {
    open: AtomicUsize,
    limit: usize,
    /// The accounts for input that connections keep.
    greetings: Option<Greetings>,
    /// The last time that the system had no resources for a connection.
    starved: Mutex<Option<Instant>>,
}

/// The place of one connection; returned when dropped.
pub(super) struct Pass(Gate);

impl Gate {
    /// A gate for `limit` connections.
    pub fn new(limit: usize) -> Self {
        Self::make(limit, None)
    }

    /// The same gate, but input that connections keep is charged to `greetings`.
    pub fn charging(self, greetings: Greetings) -> Self {
        Self::make(self.0.limit, Some(greetings))
    }

    fn make(limit: usize, greetings: Option<Greetings>) -> Self {
        Self(Arc::new(Places { open: AtomicUsize::new(0), limit, greetings, starved: Mutex::default() }))
    }

    /// The number of open connections.
    pub fn open(&self) -> usize {
        self.0.open.load(Relaxed)
    }

    /// True if the next connection finds no place.
    pub fn is_full(&self) -> bool {
        self.open() >= self.0.limit
    }

    pub(super) fn enter(&self) -> Option<Pass> {
        let room = |open| (open < self.0.limit).then_some(open + 1);
        self.0.open.fetch_update(Relaxed, Relaxed, room).ok()?;
        Some(Pass(self.clone()))
    }

    /// Notes that the system has no resources for a connection. True if that is to be logged: no port has noted it for
    /// [`LOG_AFTER`].
    fn note_exhaustion(&self, now: Instant) -> bool {
        let before = self.0.starved.lock().unwrap_or_else(PoisonError::into_inner).replace(now);
        before.is_none_or(|before| now.saturating_duration_since(before) > LOG_AFTER)
    }
}

impl Pass {
    /// Charges `bytes` of input that the connection keeps.
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

/// Listens on `address`. Connections inherit `sizes`. The receive buffer of publishers must be set here, because the
/// kernel fixes the largest window before it accepts a connection.
pub fn bind(address: SocketAddr, sizes: SocketSizes) -> io::Result<TcpListener> {
    let socket = bind_socket(address)?;
    socket.set_send_buffer_size(sizes.send)?;
    socket.set_recv_buffer_size(sizes.receive)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Tells if `bind` would get its address now. Nothing listens there meanwhile: no connection arrives, and another
/// program may take the address.
pub fn try_address(address: SocketAddr) -> io::Result<()> {
    bind_socket(address).map(drop)
}

fn bind_socket(address: SocketAddr) -> io::Result<Socket> {
    match bind_of_family(address) {
        // a kernel without IPv6 does not know [::], but can listen on all addresses of IPv4
        Err(_) if address.ip() == Ipv6Addr::UNSPECIFIED && !has_ipv6() => {
            bind_of_family((Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        result => result,
    }
}

fn has_ipv6() -> bool {
    Socket::new(Domain::IPV6, Type::STREAM, None).is_ok()
}

fn bind_of_family(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // one socket for both families, unless the system has only one
        let _ = socket.set_only_v6(false);
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Accepts for ever: `serve` receives the connections that the gate admits, `full` the others. Connections have the
/// buffer sizes `guest` until their purpose is known.
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
            // the peer has closed already
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => {
                if gate.note_exhaustion(Instant::now()) {
                    log::warn!("accept: {error}: connections wait until the system has room for them");
                }
                Timer::after(RETRY).await;
                continue;
            }
        };
        match watch.make_room(|| gate.enter().zip(peers.seat(peer.ip()))) {
            Some((pass, seat)) => {
                prepare(socket.get_ref());
                let mut conn = Conn::new(socket, Client::at(peer), guest, &watch, pass);
                conn.sit(seat);
                serve(conn);
            }
            None => full(socket.get_ref(), peer),
        }
        // more connections may wait, without end
        smol::future::yield_now().await;
    }
}

/// Sets the options of every connection's socket: TCP_NODELAY and keepalive.
pub(super) fn prepare(socket: &TcpStream) {
    let _ = socket.set_nodelay(true);
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 3);
    let _ = SockRef::from(socket).set_tcp_keepalive(&keepalive);
}

/// The pause before the next try after the system had no resources.
pub(super) const RETRY: Duration = Duration::from_millis(100);
/// The time without a failure after which the next one is logged again.
const LOG_AFTER: Duration = Duration::from_secs(60);
const BACKLOG: i32 = 512;
/// The time after which a silent connection is probed, to find peers that vanished.
const KEEPALIVE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_want_of_room_is_news_once_for_all_ports() {
        let (gate, begun) = (Gate::new(1), Instant::now());
        let other_port = gate.clone();
        assert!(gate.note_exhaustion(begun));
        for n in 1..1000 {
            let gate = if n % 2 == 0 { &gate } else { &other_port };
            assert!(!gate.note_exhaustion(begun + n * RETRY), "{n}");
        }
        assert!(gate.note_exhaustion(begun + 999 * RETRY + LOG_AFTER + RETRY), "it is over, and comes again");
    }
}
