//! Outgoing connections.

use std::error::Error;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;
use std::{fmt, io};

use crate::reactor::{Async, Timer};
use smol::future::or;
use socket2::{Domain, Socket, Type};

use super::listen::prepare;
use super::{Client, Conn, Gate, SocketSizes, Watch};
use crate::disk::{BlockingPool, Lane, Use};

/// The reason why no connection was made.
#[derive(Debug)]
pub enum Unreached {
    /// The name has no address.
    Name(io::Error),
    /// No address answers, or there is no place for a connection.
    Address(io::Error),
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Name(error) | Self::Address(error)) = self;
        error.fmt(f)
    }
}

impl Error for Unreached {}

/// Connects to `host`, within `limit` for each of its addresses. The connection takes a place in `gate`, as incoming
/// connections do.
pub async fn dial(
    (host, port): (&str, u16),
    sizes: SocketSizes,
    gate: &Gate,
    watch: &Watch,
    limit: Duration,
) -> Result<Conn, Unreached> {
    let addresses = look_up(host, port).await.map_err(Unreached::Name)?;
    dial_any(&addresses, sizes, gate, watch, limit).await.map_err(Unreached::Address)
}

/// Connects to the first of `addresses` that answers.
pub(super) async fn dial_any(
    addresses: &[SocketAddr],
    sizes: SocketSizes,
    gate: &Gate,
    watch: &Watch,
    limit: Duration,
) -> io::Result<Conn> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for &address in addresses {
        let pass = watch.make_room(|| gate.enter()).ok_or_else(|| io::Error::other("connections.spare is reached"))?;
        let late = async {
            Timer::after(limit).await;
            Err(io::ErrorKind::TimedOut.into())
        };
        match or(connect(address, sizes), late).await {
            Ok(socket) => return Ok(Conn::new(socket, Client::at(address), sizes, watch, pass)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The addresses of a name.
pub(super) async fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let name = host.to_string();
    let look = move || (name.as_str(), port).to_socket_addrs().map(|all| all.take(MAX_ADDRESSES).collect());
    let found = NAMES.perform(Lane::hash(host), Use::Stream, MAX_LOOKUP, look).await;
    found.map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => io::Error::other(format!("no answer within {} s", MAX_LOOKUP.as_secs())),
        _ => error,
    })?
}

/// Threads that resolve names: a name server may answer late, or not at all.
static NAMES: BlockingPool = BlockingPool::new("runnel-names", 1, STACK);

/// Sets the number of threads that may resolve names at once.
pub fn allow_names(threads: usize) {
    NAMES.allow(threads);
}

/// The longest lookup. The resolver gives up earlier, unless its configuration says otherwise.
const MAX_LOOKUP: Duration = Duration::from_secs(60);

/// The bytes of stack that the system's resolver needs, with a reserve.
const STACK: usize = 256 << 10;

/// The bytes of a thread that resolves a name: its stack, answers of name servers, its allocator's cache. Measured on
/// x86-64 with glibc.
pub const NAME_THREAD: usize = 40 << 10;

/// The most addresses of a name that are tried.
const MAX_ADDRESSES: usize = 4;

async fn connect(address: SocketAddr, sizes: SocketSizes) -> io::Result<Async<TcpStream>> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // before it connects, which fixes the scale of the window
    socket.set_send_buffer_size(sizes.send)?;
    socket.set_recv_buffer_size(sizes.receive)?;
    let socket = Async::connect(socket, address).await?;
    prepare(socket.get_ref());
    Ok(socket)
}
