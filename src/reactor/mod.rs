//! Sockets and timers that wake tasks: one reactor for each thread, which the thread drives between its tasks.
//!
//! A socket or a timer belongs to the reactor of the thread on which it is first waited for. [`block_on`] drives that
//! reactor. On threads that another executor drives they belong to a shared reactor, which has its own thread from the
//! first use on.
//!
//! Linux reports each change once (`EPOLLET`), so that a task that waits repeatedly makes no further system calls. A
//! change for which no task waits ends the reports: a socket that is read by a clock, and not on arrival, wakes no
//! thread.

mod source;
mod timer;
#[cfg(test)]
pub(crate) mod woken;

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
    /// Tells if the thread waits, or is about to.
    waits: AtomicBool,
    /// Tells if there is work besides sockets and timers.
    woken: AtomicBool,
    sources: Mutex<Sources>,
    timers: Mutex<Timers>,
}

/// The most changes that one wait reports.
const MAX_EVENTS: usize = 256;
/// The alarm's key among the sources.
const ALARM: u64 = u64::MAX;

thread_local! {
    /// The reactor that this thread drives.
    static OWN: RefCell<Option<Arc<Reactor>>> = const { RefCell::new(None) };
}

/// Runs a future on this thread, and the sockets and timers that are first waited for meanwhile. They get no more
/// events once it has ended.
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
    let mut events = Vec::with_capacity(MAX_EVENTS);
    loop {
        reactor.woken.store(false, SeqCst);
        if let Poll::Ready(value) = future.as_mut().poll(&mut cx) {
            return value;
        }
        reactor.wait(&mut events);
    }
}

/// The time during which this thread drives its reactor.
struct Driven {
    reactor: Arc<Reactor>,
    /// True if it is within another such time.
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
        // the outer one may have been woken
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
        // it is never read: every write is a change, and reported once
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

    /// The reactor of this thread, or the shared one.
    fn current() -> Arc<Self> {
        static SHARED: OnceLock<Arc<Reactor>> = OnceLock::new();
        let own = OWN.with_borrow(Clone::clone);
        own.unwrap_or_else(|| SHARED.get_or_init(Self::on_its_own_thread).clone())
    }

    fn on_its_own_thread() -> Arc<Self> {
        let reactor = Self::new_or_panic();
        let driven = reactor.clone();
        let drive = move || {
            let mut events = Vec::with_capacity(MAX_EVENTS);
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

    /// Waits until a socket changes, a timer is due or the thread is woken, and wakes the tasks that wait for that.
    fn wait(&self, events: &mut Vec<epoll::Event>) {
        let now = Instant::now();
        self.waits.store(true, SeqCst);
        // threads that wake it or set a timer from now on see that it waits
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
            // the alarm is not among them
            self.changed(event.data.u64(), event.flags);
        }
        let due = lock(&self.timers).take_due(Instant::now());
        due.into_iter().for_each(Waker::wake);
    }

    /// Ends the wait of the thread.
    fn alarm(&self) {
        if self.waits.load(SeqCst) {
            // it fails if the counter is full: then the wait has ended long before
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
