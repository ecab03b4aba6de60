//! Sockets whose changes a reactor reports.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::{Context, Poll, Waker};

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use slab::Slab;
use socket2::Socket;

use super::{Reactor, lock};

/// A non-blocking socket, listener or pipe.
pub struct Async<T: Io> {
    source: Arc<Source<T>>,
    /// Its place in a reactor, from the first wait on.
    place: OnceLock<Place>,
}

/// A file that can be waited for.
pub trait Io: AsFd + Send + Sync + 'static {}
impl<T: AsFd + Send + Sync + 'static> Io for T {}

impl<T: Io> Async<T> {
    /// Makes `io` non-blocking.
    pub fn new(io: T) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&io, true)?;
        Ok(Self { source: Arc::new(Source::new(io)), place: OnceLock::new() })
    }

    /// The socket itself.
    pub fn get_ref(&self) -> &T {
        &self.source.io
    }

    /// Ready when there may be something to read. Each change is reported once: the task has to read until nothing is
    /// left (`WouldBlock`, or less of a stream than there was room for) before it calls again. One task waits at a
    /// time.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(cx, Way::Read)
    }

    /// Ready when there may be room to write, once for each change: the task has to write until that would block before
    /// it calls again. One task waits at a time.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(cx, Way::Write)
    }

    /// Waits for [`poll_readable`](Self::poll_readable).
    pub async fn readable(&self) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_readable(cx)).await
    }

    /// Waits for [`poll_writable`](Self::poll_writable).
    pub async fn writable(&self) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_writable(cx)).await
    }

    fn poll(&self, cx: &Context<'_>, way: Way) -> Poll<io::Result<()>> {
        let place = self.place(way)?;
        let mut state = self.source.lock();
        if state.take_change(way) {
            return Poll::Ready(Ok(()));
        }
        let before = state.wait(way, cx);
        if state.begin_reports(way)
            // changes that are there already are reported at once
            && let Err(error) = place.reactor.set_changes(&self.source.io, place.key, state.reported())
        {
            // the next wait tries again
            state.way(way).reported = false;
            return Poll::Ready(Err(error.into()));
        }
        drop(state);
        // it may be the last reference to a task, which is dropped when nothing is locked
        drop(before);
        Poll::Pending
    }

    fn place(&self, way: Way) -> io::Result<&Place> {
        if let Some(place) = self.place.get() {
            return Ok(place);
        }
        let place = Reactor::current().enter(self.source.clone(), way)?;
        Ok(self.place.get_or_init(|| place))
    }
}

impl Async<TcpStream> {
    /// Connects a socket to `address`.
    pub async fn connect(socket: Socket, address: SocketAddr) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        match socket.connect(&address.into()) {
            Err(error) if error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) => {}
            connected => connected?,
        }
        let socket = Self::new(socket.into())?;
        socket.writable().await?;
        socket.get_ref().take_error()?.map_or(Ok(socket), Err)
    }
}

impl Async<TcpListener> {
    /// The next connection, and its peer.
    pub async fn accept(&self) -> io::Result<(Async<TcpStream>, SocketAddr)> {
        loop {
            match self.get_ref().accept() {
                Ok((socket, peer)) => return Ok((Async::new(socket)?, peer)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable().await?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Async<UnixListener> {
    /// The next connection. The type is that of TCP, whose reads and writes are those of every stream socket; options
    /// of TCP, and addresses, it has none.
    pub async fn accept(&self) -> io::Result<Async<TcpStream>> {
        loop {
            match self.get_ref().accept() {
                Ok((socket, _)) => return Async::new(TcpStream::from(OwnedFd::from(socket))),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable().await?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl<T: Io> AsFd for Async<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.source.io.as_fd()
    }
}

impl<T: Io> std::fmt::Debug for Async<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Async({:?})", self.as_fd())
    }
}

/// A source's place in a reactor, which it leaves when dropped. The kernel removes it when the file is closed.
struct Place {
    reactor: Arc<Reactor>,
    key: u64,
}

/// The sources of a reactor.
#[derive(Default)]
pub(super) struct Sources {
    places: Slab<(u32, Arc<dyn AnySource>)>,
    /// Distinguishes a source from an earlier one in its place, of which changes may still be reported.
    generation: u32,
}

/// A source of any type.
pub(super) trait AnySource: Send + Sync {
    /// Notes a change, and returns the tasks that wait for it.
    fn note_change(&self, change: EventFlags, reactor: &Reactor, key: u64) -> [Option<Waker>; 2];
}

pub(super) struct Source<T> {
    io: T,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Reading, then writing.
    ways: [Direction; 2],
    /// The peer sends nothing more: the end can always be read.
    ended: bool,
}

#[derive(Clone, Copy)]
enum Way {
    Read,
    Write,
}

#[derive(Default)]
struct Direction {
    /// True if the kernel reports changes: from the first wait until a change for which no task waits.
    reported: bool,
    /// True if there was a change that was not passed to a task.
    changed: bool,
    waits: Option<Waker>,
}

/// The kernel's flags for each direction, which also report its end.
const WAYS: [EventFlags; 2] = [EventFlags::IN.union(EventFlags::RDHUP), EventFlags::OUT];
const OVER: EventFlags = EventFlags::HUP.union(EventFlags::ERR);

impl Reactor {
    fn enter(self: Arc<Self>, source: Arc<Source<impl Io>>, way: Way) -> Result<Place, Errno> {
        let key = lock(&self.sources).enter(source.clone());
        let place = Place { reactor: self, key };
        let mut state = source.lock();
        state.begin_reports(way);
        let added = epoll::add(&place.reactor.epoll, &source.io, EventData::new_u64(key), state.reported());
        if let Err(error) = added {
            // the next try starts again
            state.way(way).reported = false;
            drop(state);
            return Err(error);
        }
        Ok(place)
    }

    /// Sets the changes of a source that the kernel reports.
    fn set_changes(&self, io: impl AsFd, key: u64, changes: EventFlags) -> Result<(), Errno> {
        epoll::modify(&self.epoll, io, EventData::new_u64(key), changes)
    }

    /// Wakes the tasks that wait for a change of a source.
    pub(super) fn changed(&self, key: u64, change: EventFlags) {
        let source = lock(&self.sources).get(key);
        let wakers = source.map(|source| source.note_change(change, self, key));
        wakers.into_iter().flatten().flatten().for_each(Waker::wake);
    }
}

impl Sources {
    pub(super) fn enter(&mut self, source: Arc<dyn AnySource>) -> u64 {
        self.generation = self.generation.wrapping_add(1);
        let index = self.places.insert((self.generation, source));
        (u64::from(self.generation) << 32) | index as u64
    }

    pub(super) fn leave(&mut self, key: u64) -> Option<(u32, Arc<dyn AnySource>)> {
        self.places.try_remove(key as u32 as usize)
    }

    /// The source with that key, if it still exists.
    pub(super) fn get(&self, key: u64) -> Option<Arc<dyn AnySource>> {
        let (generation, source) = self.places.get(key as u32 as usize)?;
        (u64::from(*generation) == key >> 32).then(|| source.clone())
    }
}

impl<T> Source<T> {
    pub(super) fn new(io: T) -> Self {
        Self { io, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl<T: Io> AnySource for Source<T> {
    fn note_change(&self, change: EventFlags, reactor: &Reactor, key: u64) -> [Option<Waker>; 2] {
        let mut state = self.lock();
        let reported = state.reported();
        let wakers = state.note_change(change);
        if state.reported() != reported {
            // a publisher that is read by the clock changes all the time: a failure here only costs time
            let _ = reactor.set_changes(&self.io, key, state.reported());
        }
        wakers
    }
}

impl State {
    fn way(&mut self, way: Way) -> &mut Direction {
        let [read, write] = &mut self.ways;
        match way {
            Way::Read => read,
            Way::Write => write,
        }
    }

    /// Takes a change that was not passed to a task.
    fn take_change(&mut self, way: Way) -> bool {
        let changed = std::mem::take(&mut self.way(way).changed);
        changed || self.ended && matches!(way, Way::Read)
    }

    /// Sets the waiting task, and returns the previous one.
    fn wait(&mut self, way: Way, cx: &Context<'_>) -> Option<Waker> {
        let waits = &mut self.way(way).waits;
        match waits {
            Some(waker) if waker.will_wake(cx.waker()) => None,
            _ => waits.replace(cx.waker().clone()),
        }
    }

    /// Marks a direction as reported; false if it was already.
    fn begin_reports(&mut self, way: Way) -> bool {
        !std::mem::replace(&mut self.way(way).reported, true)
    }

    /// All changes that the kernel reports, once each.
    fn reported(&self) -> EventFlags {
        let reported = self.ways.iter().zip(WAYS).filter(|(way, _)| way.reported).map(|(_, flags)| flags);
        reported.fold(EventFlags::ET, EventFlags::union)
    }

    fn note_change(&mut self, change: EventFlags) -> [Option<Waker>; 2] {
        self.ended |= change.intersects(EventFlags::RDHUP | EventFlags::HUP);
        let mut wakers = [None, None];
        for ((way, flags), waker) in self.ways.iter_mut().zip(WAYS).zip(&mut wakers) {
            if change.intersects(flags | OVER) {
                way.changed = true;
                *waker = way.waits.take();
                way.reported &= waker.is_some();
            }
        }
        wakers
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let left = lock(&self.reactor.sources).leave(self.key);
        // it may be the last reference to a task, which is dropped when nothing is locked
        drop(left);
    }
}
