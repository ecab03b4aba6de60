//! A TCP connection: feeds input to a machine, keeps what the machine leaves over, and writes output as far as the
//! socket accepts it.

mod proxied;
#[cfg(feature = "tls")]
mod seal;
mod sealed;
mod sink;

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::reactor::Async;
use socket2::SockRef;

use super::listen::Pass;
use super::parting::Place;
use super::tls::Tls;
use super::watch::Entry;
use super::{Client, Close, Outlet, Seat, ThreadSlot, Watch};
use crate::budget::Lease;
use crate::proto::Error;
pub use proxied::ProxyHeader;
use sink::Sink;

/// A connection.
pub struct Conn {
    socket: Arc<Async<TcpStream>>,
    tls: Option<Box<Tls>>,
    /// The other end, or the client for which that speaks.
    client: Client,
    /// The proxy that speaks for the client in each request, if there is one.
    proxy: Option<Box<Client>>,
    watch: Arc<Entry>,
    /// `None` once the connection is closed.
    pass: Option<Pass>,
    /// `None` for a connection that this server has dialled.
    seat: Option<Arc<Seat>>,
    /// The place on the thread that runs the connection; `None` for one that this server has dialled.
    _slot: Option<ThreadSlot>,
    /// Input that the machine could not use yet, and its charge to an account.
    rest: Vec<u8>,
    paid: Option<Lease>,
    /// The kept input is offered again before the next read.
    again: bool,
    /// The last read emptied the socket: wait before the next.
    drained: bool,
    /// The socket accepts no more output, and the deadline for that runs.
    blocked: bool,
    /// Input is acknowledged at once.
    prompt: bool,
    /// The longest write, in bytes.
    most: u32,
    /// Bytes received, without TLS.
    received: u64,
}

/// Kernel buffers in bytes, as requested from the kernel, which doubles them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketSizes {
    /// SO_SNDBUF.
    pub send: usize,
    /// SO_RCVBUF.
    pub receive: usize,
}

impl SocketSizes {
    /// The kernel's memory of a socket. It doubles the requested sizes, for its own structures.
    pub fn in_kernel(self) -> usize {
        self.send.saturating_add(self.receive).saturating_mul(2)
    }

    /// The same of a stream socket, which can exceed its send buffer by one write.
    pub fn of_stream(self) -> usize {
        self.in_kernel().saturating_add(self.send)
    }
}

/// The result of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Bytes read.
    pub bytes: usize,
    /// The peer sends nothing more.
    pub end: bool,
}

/// The largest read. One buffer serves all connections of a thread: between reads a connection keeps only what its
/// machine could not use.
const SCRATCH: usize = 64 << 10;
/// The bytes of kept input that the plan of a connection includes.
const INCLUDED_INPUT: usize = 1 << 10;
/// The capacity for kept input is a multiple of this.
const REST_STEP: usize = 256;
/// `most` for machines that consume all input at once.
pub const FULL_READ: usize = SCRATCH;
/// `most` for machines that may have to finish earlier work first, and for an HTTP head and what follows it.
pub const SHORT_READ: usize = 16 << 10;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH]);
}

impl Conn {
    pub(super) fn new(socket: Async<TcpStream>, peer: Client, sizes: SocketSizes, watch: &Watch, pass: Pass) -> Self {
        let socket = Arc::new(socket);
        let watch = watch.add(socket.clone());
        let mut conn = Self {
            socket,
            tls: None,
            client: peer,
            proxy: None,
            watch,
            pass: Some(pass),
            seat: None,
            _slot: None,
            rest: Vec::new(),
            paid: None,
            again: false,
            drained: true,
            blocked: false,
            prompt: false,
            most: u32::MAX,
            received: 0,
        };
        conn.resize(sizes);
        conn
    }

    /// Our end.
    pub fn local(&self) -> io::Result<SocketAddr> {
        self.socket.get_ref().local_addr()
    }

    /// The client's address: that of the other end, unless a trusted proxy speaks for another.
    pub fn peer(&self) -> SocketAddr {
        self.client.address
    }

    /// The client.
    pub fn client(&self) -> Client {
        self.client
    }

    /// The other end of the connection, or of that of a proxy that passes on whole connections.
    pub fn hop(&self) -> Client {
        self.proxy.as_deref().copied().unwrap_or(self.client)
    }

    /// The connection belongs to `client` from here on, and is counted in `seat`.
    pub fn belongs_to(&mut self, client: Client, seat: Arc<Seat>) {
        if client != self.client {
            self.proxy = Some(Box::new(self.hop()));
        }
        (self.client, self.seat) = (client, Some(seat));
    }

    /// True if it is under TLS.
    pub fn is_under_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// True if the input ended without the peer's close: under TLS a third party can cut a connection.
    pub fn is_cut(&mut self) -> bool {
        self.tls.as_mut().is_some_and(|tls| tls.is_cut())
    }

    pub(super) fn sit(&mut self, seat: Arc<Seat>) {
        self.seat = Some(seat);
    }

    /// Counts the connection among those of its thread.
    pub fn stay(&mut self, slot: ThreadSlot) {
        self._slot = Some(slot);
    }

    /// The connection's share of the limits of its address.
    pub fn seat(&self) -> Option<Arc<Seat>> {
        self.seat.clone()
    }

    /// Sets the sizes of the kernel's buffers; sizes that are not allowed change nothing. No write is longer than
    /// SO_SNDBUF: that is the most that the kernel holds beyond its buffer.
    pub fn resize(&mut self, sizes: SocketSizes) {
        self.most = u32::try_from(sizes.send).unwrap_or(u32::MAX);
        let socket = SockRef::from(&*self.socket);
        let _ = socket.set_send_buffer_size(sizes.send);
        let _ = socket.set_recv_buffer_size(sizes.receive);
    }

    /// The connection is overdue if no input arrives within `limit`; zero removes the deadline.
    pub fn expect_input(&self, limit: Duration) {
        self.watch.expect_input(limit);
    }

    /// Sets whether input is acknowledged at once, for the time of a dialogue. A peer that writes a message in pieces
    /// without TCP_NODELAY sends the last piece only after the first is acknowledged, which the kernel delays by 40 ms.
    pub fn acknowledge_at_once(&mut self, prompt: bool) {
        self.prompt = prompt;
    }

    /// Charges `bytes` of input that cannot be used yet, unless a connection's own memory in the plan is enough.
    pub fn pay(&self, bytes: usize) -> Result<Option<Lease>, Close> {
        let no_room = |_| Close::refused("there is no room now for what it sends");
        match &self.pass {
            Some(pass) if bytes > INCLUDED_INPUT => pass.charge(bytes).map_err(no_room),
            _ => Ok(None),
        }
    }

    /// Bytes of input that the machine could not use yet.
    pub fn kept(&self) -> usize {
        self.rest.len()
    }

    /// The next read is tried without waiting for the socket to become readable.
    pub fn look_again(&mut self) {
        self.drained = false;
    }

    /// The machine can now use the input that it left over: the next read offers it again.
    pub fn offer_again(&mut self) {
        self.again = !self.rest.is_empty();
    }

    /// Reads once and passes the input to `input`, which consumes a prefix and returns its length. At most `most` bytes
    /// are read and kept together: a peer that sends more that cannot be used is closed. A fault that `input` finds is
    /// returned with its position in all input.
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
        mut input: impl FnMut(&[u8]) -> Result<usize, Close>,
    ) -> Poll<Result<Received, Close>> {
        let again = std::mem::take(&mut self.again);
        if !again && !self.is_under_tls() {
            // without new input nothing else is done
            ready!(self.poll_arrival(cx))?;
        }
        BUFFER.with_borrow_mut(|buffer| {
            let (kept, free) = buffer.split_at_mut(self.rest.len().min(SCRATCH));
            kept.copy_from_slice(&self.rest);
            let (free, _) = free.split_at_mut(most.saturating_sub(kept.len()).min(free.len()));
            if free.is_empty() && !again {
                return Poll::Ready(Err(Error::limit("too much that cannot be used yet").into()));
            }
            let bytes = if again { 0 } else { ready!(self.poll_socket(cx, free))? };
            if self.prompt && bytes > 0 {
                // the kernel resets this option with every answer
                let _ = SockRef::from(&*self.socket).set_tcp_quickack(true);
            }
            self.received += bytes as u64;
            let total = kept.len() + bytes;
            let mut data = buffer.get(..total).unwrap_or_default();
            while !data.is_empty() {
                match input(data).map_err(|why| why.found_at(self.received - data.len() as u64))? {
                    0 => break,
                    used => data = data.get(used..).unwrap_or_default(),
                }
            }
            self.paid = None;
            // the allocator caches several blocks of each size
            let room = data.len().next_multiple_of(REST_STEP);
            self.paid = self.pay(room)?;
            if self.rest.capacity() != room {
                self.rest = Vec::with_capacity(room);
            }
            self.rest.clear();
            self.rest.extend_from_slice(data);
            Poll::Ready(Ok(Received { bytes, end: bytes == 0 && !again }))
        })
    }

    fn poll_socket(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, Close>> {
        if self.tls.is_some() {
            return self.poll_sealed(cx, buffer);
        }
        loop {
            ready!(self.poll_arrival(cx))?;
            match (&mut self.socket.get_ref()).read(buffer) {
                Ok(0) => return Poll::Ready(self.watch.verdict().map_or(Ok(0), Err)),
                Ok(bytes) => {
                    self.drained = bytes < buffer.len();
                    return Poll::Ready(Ok(bytes));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.drained = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(self.why(error))),
            }
        }
    }

    /// Ready if there may be something to read.
    fn poll_arrival(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Close>> {
        if self.drained {
            ready!(self.socket.poll_readable(cx)).map_err(|error| self.why(error))?;
            self.drained = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes `bytes` from the front and removes what was written. Ready once `bytes` is empty. If the socket accepts
    /// nothing for `limit`, the connection is overdue.
    pub fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &mut Vec<u8>,
        limit: Duration,
    ) -> Poll<Result<usize, Close>> {
        let mut sent = 0;
        let end = self.poll_send_from(cx, bytes, &mut sent, limit);
        if sent < bytes.len() {
            bytes.drain(..sent);
        } else if bytes.capacity() > 0 {
            *bytes = Vec::new();
        }
        end.map_ok(|()| sent)
    }

    /// Writes `bytes` from the position `sent` on, and advances it. Nothing is copied, so `bytes` may be long. Ready
    /// once all are written.
    pub fn poll_send_from(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        sent: &mut usize,
        limit: Duration,
    ) -> Poll<Result<(), Close>> {
        while let Some(left) = bytes.get(*sent..).filter(|left| !left.is_empty()) {
            *sent += ready!(self.poll_write(cx, limit, |sink| sink.write(left)))?;
        }
        self.poll_flush(cx, limit)
    }

    /// Writes an outlet's batch. Ready once it is empty; `sent` is called with the length of every write.
    pub fn poll_outlet(
        &mut self,
        cx: &mut Context<'_>,
        outlet: &mut Outlet,
        limit: Duration,
        mut sent: impl FnMut(usize),
    ) -> Poll<Result<(), Close>> {
        while !outlet.is_empty() {
            sent(ready!(self.poll_write(cx, limit, |sink| outlet.send(sink)))?);
        }
        self.poll_flush(cx, limit)
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        limit: Duration,
        mut write: impl FnMut(&mut dyn Write) -> io::Result<usize>,
    ) -> Poll<Result<usize, Close>> {
        if let Some(tls) = &mut self.tls {
            match tls.write(&mut write) {
                // sealed bytes are sent once there are enough of them, or no more follow
                Ok(taken) => return Poll::Ready(Ok(taken)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(self.why(error))),
            }
            ready!(self.poll_flush(cx, limit))?;
            return match self.tls.as_mut().map(|tls| tls.write(write)) {
                Some(Ok(taken)) => Poll::Ready(Ok(taken)),
                Some(Err(error)) => Poll::Ready(Err(self.why(error))),
                None => Poll::Pending,
            };
        }
        self.poll_take(cx, limit, |sink| write(sink))
    }

    /// Writes to the socket what TLS has sealed.
    fn poll_flush(&mut self, cx: &mut Context<'_>, limit: Duration) -> Poll<Result<(), Close>> {
        while let Some(mut tls) = self.tls.take_if(|tls| tls.is_full()) {
            let flushed = self.poll_take(cx, limit, |sink| tls.send(sink));
            self.tls = Some(tls);
            ready!(flushed)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Tries `write` on the socket until it writes something.
    fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        limit: Duration,
        mut write: impl FnMut(&mut Sink<'_>) -> io::Result<usize>,
    ) -> Poll<Result<usize, Close>> {
        loop {
            let most = usize::try_from(self.most).unwrap_or(usize::MAX);
            match write(&mut Sink { socket: self.socket.get_ref(), most }) {
                Ok(0) => return Poll::Ready(Err(Close::Eof)),
                Ok(taken) => {
                    if self.blocked {
                        self.blocked = false;
                        self.watch.expect_output(Duration::ZERO);
                    }
                    return Poll::Ready(Ok(taken));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !self.blocked {
                        self.blocked = true;
                        self.watch.expect_output(limit);
                    }
                    ready!(self.socket.poll_writable(cx)).map_err(|error| self.why(error))?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(self.why(error))),
            }
        }
    }

    /// Shuts the sending side, so that what was sent still arrives.
    pub fn finish(&self) {
        let _ = self.socket.get_ref().shutdown(std::net::Shutdown::Write);
    }

    /// The reason for the close that follows an error: the sweep's verdict, if that caused the error.
    fn why(&self, error: io::Error) -> Close {
        self.watch.verdict().unwrap_or_else(|| error.into())
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        if let Some(tls) = &mut self.tls {
            // so that the peer does not see a cut
            tls.close(self.socket.get_ref());
        }
        if let Some(pass) = self.pass.take() {
            self.watch.close(Place { _pass: pass, _seat: self.seat.take() }, self.blocked);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::net::TcpListener;

    use super::super::Gate;
    use super::*;

    const SIZES: SocketSizes = SocketSizes { send: 16 << 10, receive: 8 << 10 };

    /// Rounds of a question in two pieces and an answer, after which the kernel treats the connection as a dialogue.
    const ROUNDS: usize = 8;
    const LIMIT: Duration = Duration::from_secs(10);

    pub(crate) fn pair() -> (TcpStream, Conn) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, address) = listener.accept().unwrap();
        let (gate, watch) = (Gate::new(1), Watch::default());
        (peer, Conn::new(Async::new(socket).unwrap(), Client::at(address), SIZES, &watch, gate.enter().unwrap()))
    }

    #[test]
    fn what_is_left_over_is_kept_in_blocks_of_few_sizes_and_let_go_of() {
        let (mut peer, mut conn) = pair();
        peer.write_all(&[1; 1000]).unwrap();
        let mut taken = 0;
        let mut read = |conn: &mut Conn, most: usize| {
            let mut least = most;
            smol::block_on(std::future::poll_fn(|cx| {
                conn.poll_read(cx, SHORT_READ, |data| {
                    let used = data.len().min(std::mem::take(&mut least));
                    taken += used;
                    Ok(used)
                })
            }))
            .unwrap();
            taken
        };
        while conn.kept() < 1000 {
            read(&mut conn, 0);
        }
        let mut rooms = std::collections::BTreeSet::new();
        conn.offer_again();
        while read(&mut conn, 37) < 1000 {
            let room = conn.rest.capacity();
            assert!(room < conn.kept() + REST_STEP, "{room} for {}", conn.kept());
            rooms.insert(room);
            conn.offer_again();
        }
        assert_eq!((rooms.len(), conn.rest.capacity()), (4, 0));
    }

    #[test]
    fn bytes_that_the_socket_does_not_take_at_once_stay_where_they_are() {
        let (mut peer, mut conn) = pair();
        let all: Vec<u8> = (0..4 << 20).map(|at: u32| (at % 251) as u8).collect();
        let (mut sent, mut places, mut got) = (0, vec![0], vec![0; 64 << 10]);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        while conn.poll_send_from(&mut cx, &all, &mut sent, LIMIT).is_pending() {
            places.push(sent);
            let read = peer.read(&mut got).unwrap();
            assert_eq!(got[..read], all[places[0]..][..read]);
            places[0] += read;
        }
        assert!(sent == all.len() && places.len() > 2 && places[1..].is_sorted(), "{places:?}");
    }

    #[test]
    fn a_fault_is_told_with_its_place_however_the_input_comes() {
        for piece in [1, 7, 64, 100] {
            let (mut peer, mut conn) = pair();
            let mut taken = 0;
            let mut input = |data: &[u8]| match (data.len(), taken) {
                (..10, _) => Ok(0),
                (_, 60) => Err(Error::malformed("no message").after(3).into()),
                _ => {
                    taken += 10;
                    Ok(10)
                }
            };
            let read = [0; 100].chunks(piece).find_map(|piece| {
                peer.write_all(piece).unwrap();
                smol::block_on(std::future::poll_fn(|cx| conn.poll_read(cx, SHORT_READ, &mut input))).err()
            });
            assert_eq!(read.unwrap().to_string(), "peer: no message, at byte 63", "in pieces of {piece}");
        }
    }

    #[test]
    fn a_piece_of_a_question_is_acknowledged_before_the_answer() {
        let (mut peer, mut conn) = pair();
        conn.acknowledge_at_once(true);
        peer.set_nodelay(true).unwrap();
        smol::block_on(async {
            for _ in 0..ROUNDS {
                for piece in [b"be", b"gun"] as [&[u8]; 2] {
                    peer.write_all(piece).unwrap();
                    let mut taken = 0;
                    while taken < piece.len() {
                        let read = |cx: &mut Context<'_>| conn.poll_read(cx, FULL_READ, |data| Ok(data.len()));
                        taken += std::future::poll_fn(read).await.unwrap().bytes;
                    }
                }
                let mut answer = b"answer".to_vec();
                std::future::poll_fn(|cx| conn.poll_send(cx, &mut answer, LIMIT)).await.unwrap();
                peer.read_exact(&mut [0; 6]).unwrap();
            }
            // the last question has its first piece alone
            peer.write_all(b"be").unwrap();
            std::future::poll_fn(|cx| conn.poll_read(cx, FULL_READ, |data| Ok(data.len()))).await.unwrap();
        });
        assert!(SockRef::from(&*conn.socket).tcp_quickack().unwrap());
    }
}
