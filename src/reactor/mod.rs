//! Sockets and timers that wake tasks: one reactor a thread, which the thread drives itself between its tasks.
//!
//! A socket or a timer belongs to the reactor of the thread on which it is first waited for. [`block_on`] drives
//! that; what is waited for on a thread that some other executor drives belongs to one that has a thread of its
//! own, which begins with the first of them.
//!
//! Linux tells of each change once (`EPOLLET`), so that a task that waits each time asks nothing more of the
//! kernel. A change that nobody waits for ends that: what is read by a clock, and not when it comes, wakes no
//! thread.

mod source;
mod timer;

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;

pub use source::Async;
pub use timer::Timer;

use source::Sources;
use timer::Timers;

/// The sockets and timers of one thread.
struct Reactor {
    epoll: OwnedFd,
    /// A write to it ends a wait.
    alarm: OwnedFd,
    /// The thread waits, or is about to.
    waits: AtomicBool,
    /// There is something to do beside sockets and timers.
    woken: AtomicBool,
    sources: Mutex<Sources>,
    timers: Mutex<Timers>,
}

/// Changes that one wait reports at most.
const EVENTS: usize = 256;
/// The alarm's number among the sources.
const ALARM: u64 = u64::MAX;

thread_local! {
    /// The reactor that this thread drives.
    static OWN: RefCell<Option<Arc<Reactor>>> = const { RefCell::new(None) };
}

/// Runs a future on this thread, and the sockets and timers that are first waited for meanwhile. These are not told of
/// anything once it has ended.
///
/// # Panics
///
/// If the system has no descriptors for it.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let driven = Driven::begin();
    let reactor = &driven.reactor;
    let waker = Waker::from(reactor.clone());
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    let mut events = Vec::with_capacity(EVENTS);
    loop {
        reactor.woken.store(false, SeqCst);
        if let Poll::Ready(value) = future.as_mut().poll(&mut cx) {
            return value;
        }
        reactor.wait(&mut events);
    }
}

/// The time in which this thread drives its reactor.
struct Driven {
    reactor: Arc<Reactor>,
    /// It does so within another such time.
    is_nested: bool,
}

impl Driven {
    fn begin() -> Self {
        let own = OWN.with_borrow(Clone::clone);
        let is_nested = own.is_some();
        let reactor = own.unwrap_or_else(Reactor::new_or_panic);
        OWN.set(Some(reactor.clone()));
        Self { reactor, is_nested }
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        // it may have been the outer one that was woken
        self.reactor.woken.store(true, SeqCst);
        if !self.is_nested {
            OWN.set(None);
        }
    }
}

impl Reactor {
    fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let alarm = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        // nobody reads it: every write is a change, and is told once
        epoll::add(&epoll, &alarm, EventData::new_u64(ALARM), EventFlags::IN | EventFlags::ET)?;
        Ok(Self {
            epoll,
            alarm,
            waits: AtomicBool::new(false),
            woken: AtomicBool::new(false),
            sources: Mutex::default(),
            timers: Mutex::default(),
        })
    }

    fn new_or_panic() -> Arc<Self> {
        match Self::new() {
            Ok(reactor) => Arc::new(reactor),
            Err(error) => panic!("no descriptors to wait with: {error}"),
        }
    }

    /// That of this thread, or the one that has a thread of its own.
    fn current() -> Arc<Self> {
        static SHARED: OnceLock<Arc<Reactor>> = OnceLock::new();
        let own = OWN.with_borrow(Clone::clone);
        own.unwrap_or_else(|| SHARED.get_or_init(Self::on_its_own_thread).clone())
    }

    fn on_its_own_thread() -> Arc<Self> {
        let reactor = Self::new_or_panic();
        let driven = reactor.clone();
        let drive = move || {
            let mut events = Vec::with_capacity(EVENTS);
            loop {
                driven.woken.store(false, SeqCst);
                driven.wait(&mut events);
            }
        };
        if let Err(error) = std::thread::Builder::new().name("runnel-reactor".into()).spawn(drive) {
            panic!("no thread to wait on: {error}");
        }
        reactor
    }

    /// Waits until a socket changes, a timer is due or somebody wakes the thread, and wakes the tasks that wait
    /// for that.
    fn wait(&self, events: &mut Vec<epoll::Event>) {
        let now = Instant::now();
        self.waits.store(true, SeqCst);
        // who wakes it or sets a timer from now on sees that it waits
        let limit = if self.woken.load(SeqCst) { Some(0) } else { lock(&self.timers).until_next(now) };
        let limit = limit.map(|ms| Timespec { tv_sec: (ms / 1000).into(), tv_nsec: (ms % 1000 * 1_000_000) as _ });
        events.clear();
        let waited = epoll::wait(&self.epoll, spare_capacity(events), limit.as_ref());
        self.waits.store(false, SeqCst);
        match waited {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => panic!("epoll: {error}"),
        }
        for event in events.iter() {
            // the alarm is none of them
            self.changed(event.data.u64(), event.flags);
        }
        let due = lock(&self.timers).take_due(Instant::now());
        due.into_iter().for_each(Waker::wake);
    }

    /// Ends a wait of the thread.
    fn alarm(&self) {
        if self.waits.load(SeqCst) {
            // it fails when there are more writes than numbers: it has ended long before
            let _ = rustix::io::write(&self.alarm, &1_u64.to_ne_bytes());
        }
    }
}

impl Wake for Reactor {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, SeqCst) {
            self.alarm();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
