//! A connection that drives a machine.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::task::{Context, Poll};

use runnel::net::Trust;
use runnel::proto::Machine;
use runnel::reactor::Async;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, Stream};
use socket2::{Domain, Socket, Type};

use crate::failed::Failed;
use crate::target::Target;

/// A connection.
pub struct Link {
    socket: Async<TcpStream>,
    tls: Option<Box<ClientConnection>>,
    /// Input that the machine could not use yet.
    rest: Vec<u8>,
}

/// A read's size: one buffer serves all connections.
const SCRATCH: usize = 256 << 10;
/// The most that a machine may leave over.
const MAX_REST: usize = SCRATCH / 2;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH]);
}

impl Link {
    /// Connects; under TLS any certificate is trusted.
    pub async fn open(target: &Target) -> Result<Self, Failed> {
        let socket = connect(target.address).await?;
        socket.get_ref().set_nodelay(true)?;
        let tls = || -> Result<_, Failed> {
            let name = ServerName::from(target.address.ip());
            Ok(Box::new(ClientConnection::new(Trust::anybody()?.config(), name)?))
        };
        Ok(Self { socket, tls: target.sealed.then(tls).transpose()?, rest: Vec::new() })
    }

    /// Our address.
    pub fn local(&self) -> Result<IpAddr, Failed> {
        Ok(self.socket.get_ref().local_addr()?.ip())
    }

    /// Sends the machine's output, then waits for input and reads once. Every event goes to `event`.
    /// Gives the number of bytes read.
    pub async fn turn<M: Machine>(
        &mut self,
        machine: &mut M,
        mut event: impl FnMut(M::Event) -> Result<(), Failed>,
    ) -> Result<usize, Failed> {
        loop {
            while !machine.transmit().is_empty() && self.send(machine.transmit())? > 0 {}
            if let Some(bytes) = self.read(machine, &mut event)? {
                return Ok(bytes);
            }
            let writes = !machine.transmit().is_empty();
            poll_fn(|cx| self.poll_changed(cx, writes)).await?;
        }
    }

    /// Ready when there may be more to read, or room for what waits to be written. TLS may want either for both.
    fn poll_changed(&self, cx: &mut Context<'_>, writes: bool) -> Poll<io::Result<()>> {
        let reads = self.socket.poll_readable(cx)?;
        if writes || self.tls.as_ref().is_some_and(|tls| tls.wants_write()) {
            let writes = self.socket.poll_writable(cx)?;
            return if writes.is_ready() { writes.map(Ok) } else { reads.map(Ok) };
        }
        reads.map(Ok)
    }

    /// Reads once if there is anything, and feeds the machine.
    pub fn read<M: Machine>(
        &mut self,
        machine: &mut M,
        mut event: impl FnMut(M::Event) -> Result<(), Failed>,
    ) -> Result<Option<usize>, Failed> {
        BUFFER.with_borrow_mut(|buffer| {
            let (kept, free) = buffer.split_at_mut(self.rest.len());
            kept.copy_from_slice(&self.rest);
            let bytes = match self.wire(|wire| wire.read(free)) {
                Ok(0) => return Err(Failed::server("the server closed the connection")),
                Ok(bytes) => bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            let (mut data, _) = buffer.split_at(self.rest.len() + bytes);
            loop {
                let used = machine.input(data)?;
                while let Some(what) = machine.event() {
                    event(what)?;
                }
                (_, data) = data.split_at(used);
                if used == 0 || data.is_empty() {
                    break;
                }
            }
            if data.len() > MAX_REST {
                return Err(Failed::server("the server sends a header without end"));
            }
            self.rest.clear();
            self.rest.extend_from_slice(data);
            Ok(Some(bytes))
        })
    }

    /// Sends as much of `bytes` as the socket takes and removes that. Gives the
    /// number of bytes sent.
    pub fn send(&mut self, bytes: &mut Vec<u8>) -> Result<usize, Failed> {
        match self.wire(|wire| wire.write(bytes)) {
            Ok(sent) => {
                bytes.drain(..sent);
                Ok(sent)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// Calls `act` with the socket, or with the TLS stream over it.
    fn wire<T>(&mut self, act: impl FnOnce(&mut dyn ReadWrite) -> io::Result<T>) -> io::Result<T> {
        let mut socket = self.socket.get_ref();
        match &mut self.tls {
            Some(tls) => act(&mut Stream::new(&mut **tls, &mut socket)),
            None => act(&mut socket),
        }
    }
}

async fn connect(address: SocketAddr) -> io::Result<Async<TcpStream>> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    Async::connect(socket, address).await
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}
