//! Connections to elsewhere.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use async_io::{Async, Timer};
use smol::channel::bounded;
use smol::future::or;
use smol::lock::Mutex;
use socket2::{Domain, Socket, Type};

use super::listen::prepare;
use super::{Conn, Gate, SocketSizes, Watch};

/// Connects to `host`, within `limit` for each of its addresses. The connection
/// takes a place in `gate` like those that come to us.
pub async fn dial(
    (host, port): (&str, u16),
    sizes: SocketSizes,
    gate: &Gate,
    watch: &Watch,
    limit: Duration,
) -> io::Result<Conn> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in look_up(host, port).await? {
        let pass = gate.enter().ok_or_else(|| io::Error::other("connections.spare is reached"))?;
        let late = async {
            Timer::after(limit).await;
            Err(io::ErrorKind::TimedOut.into())
        };
        match or(connect(address, sizes), late).await {
            Ok(socket) => return Ok(Conn::new(socket, address, sizes, watch, pass)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The addresses of a name. Only one is looked up at a time: each takes a thread.
async fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    static ONE: Mutex<()> = Mutex::new(());
    if let Ok(address) = host.parse() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let _one = ONE.lock().await;
    let name = host.to_string();
    let (tell, told) = bounded(1);
    let look = move || {
        let found = (name.as_str(), port).to_socket_addrs().map(|all| all.take(MOST).collect());
        let _ = tell.send_blocking(found);
    };
    std::thread::Builder::new().stack_size(STACK).spawn(look)?;
    told.recv().await.map_err(io::Error::other)?
}

/// What the system's resolver needs of a stack, and some more.
const STACK: usize = 256 << 10;

/// The most addresses of a name that are tried.
const MOST: usize = 4;

async fn connect(address: SocketAddr, sizes: SocketSizes) -> io::Result<Async<TcpStream>> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // before it connects: the window's scale is settled then
    socket.set_send_buffer_size(sizes.send)?;
    socket.set_recv_buffer_size(sizes.receive)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() == Some(IN_PROGRESS) || error.kind() == io::ErrorKind::WouldBlock => {}
        other => other?,
    }
    let socket = Async::new(TcpStream::from(socket))?;
    socket.writable().await?;
    socket.get_ref().take_error()?.map_or(Ok(()), Err)?;
    prepare(socket.get_ref());
    Ok(socket)
}

/// EINPROGRESS.
const IN_PROGRESS: i32 = rustix::io::Errno::INPROGRESS.raw_os_error();
