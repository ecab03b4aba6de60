//! Work that may block, run by threads so that no task waits for it except its own.
//!
//! All work in a lane blocks together, for example because it needs the same disk or name. It is done one piece at
//! a time, the most urgent first, so that a lane blocks at most one thread. Lanes take turns. Normally one thread
//! does all work; if it blocks, tasks that wait for other lanes start further threads, up to a limit.

use std::collections::{BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::reactor::Timer;
use smol::future::or;

use super::mounts::disk_of;

/// A queue of work that blocks together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane(u64);

/// The purpose of work, in the order of urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(not(feature = "record"), allow(dead_code, reason = "a feature has its own"))]
pub enum Use {
    /// A running stream needs it.
    Stream,
    /// A segment for the players of a stream.
    Segment,
    /// Everything else.
    Download,
}

/// A piece of work.
pub(super) type Work = Box<dyn FnOnce() + Send>;

/// Threads for work that may block.
pub struct BlockingPool {
    name: &'static str,
    /// The stack size of each thread in bytes.
    stack: usize,
    /// The maximum number of threads.
    most: AtomicUsize,
    state: Mutex<State>,
    /// Signals new work.
    more: Condvar,
}

struct State {
    /// The work that is not begun, in the order of arrival. A task that gives up removes its work, so the number of
    /// tasks and open files limits the length.
    waiting: VecDeque<Waiting>,
    /// The lanes of the work that threads are doing.
    running: Vec<Lane>,
    /// The lane of the work that was begun last.
    last: Lane,
    threads: usize,
    next: usize,
}

/// Work that is not begun.
struct Waiting {
    number: usize,
    lane: Lane,
    due: Use,
    work: Work,
}

/// The time after which a thread counts as blocked.
const BLOCKED_AFTER: Duration = Duration::from_millis(100);
/// The time without work after which an additional thread ends.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

impl Lane {
    /// The lane for accessing a path; open files are in another lane.
    pub fn to(path: &Path) -> Self {
        Self::to_all([path])
    }

    /// The lane for accessing several paths.
    pub fn to_all<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Self {
        Self::hash(&paths.into_iter().map(disk_of).collect::<BTreeSet<_>>())
    }

    /// The lane of all work that shares `what`.
    pub fn hash(what: &(impl Hash + ?Sized)) -> Self {
        let mut hasher = DefaultHasher::new();
        what.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// Removes work that is not begun when its task stops waiting.
struct Waits(&'static BlockingPool, usize);

impl Drop for Waits {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        let at = state.waiting.iter().position(|waiting| waiting.number == self.1);
        let work = at.and_then(|at| state.waiting.remove(at));
        drop(state);
        // dropped without the lock, because it may contain a file that is closed then
        drop(work);
    }
}

/// The completion of work, and the task that waits for it. A channel would take 800 bytes with its own cache lines,
/// between which the allocator leaves gaps.
#[derive(Default)]
struct End(Mutex<(bool, Option<Waker>)>);

impl End {
    /// Ready once the work is complete.
    fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        let (has_come, waiter) = &mut *lock(&self.0);
        if *has_come {
            return Poll::Ready(());
        }
        *waiter = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// The memory of a job in bytes, without its future and its result: its place in the queue, the closure, and its
/// completion.
#[cfg(feature = "record")]
pub const JOB: usize = 192;

/// Signals completion when it is dropped, whether the work was done or not.
struct Ends(Arc<End>);

impl Drop for Ends {
    fn drop(&mut self) {
        let waiter = {
            let (has_come, waiter) = &mut *lock(&self.0.0);
            *has_come = true;
            waiter.take()
        };
        // the task may not exist any more
        waiter.iter().for_each(Waker::wake_by_ref);
    }
}

impl BlockingPool {
    /// A pool of at most `most` threads with this name, with stacks of `stack` bytes.
    pub const fn new(name: &'static str, most: usize, stack: usize) -> Self {
        let state = State { waiting: VecDeque::new(), running: Vec::new(), last: Lane(0), threads: 0, next: 0 };
        Self { name, stack, most: AtomicUsize::new(most), state: Mutex::new(state), more: Condvar::new() }
    }

    /// Sets the maximum number of threads.
    pub fn allow(&self, threads: usize) {
        self.most.store(threads, Relaxed);
    }

    /// Runs `work` after the earlier work in its lane; `TimedOut` if that takes longer than `longest`.
    pub async fn perform<T: Send + 'static>(
        &'static self,
        lane: Lane,
        due: Use,
        longest: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        // the result is stored beside `End`, so that `End` is the same type for all results
        let (end, result) = (Arc::new(End::default()), Arc::new(Mutex::new(None)));
        let (ends, place) = (Ends(end.clone()), result.clone());
        let work = move || {
            let _ends = ends;
            let done = work();
            *lock(&place) = Some(done);
        };
        let _waits = Waits(self, self.send(lane, due, Box::new(work))?);
        self.until(&end, longest).await?;
        let done = lock(&result).take();
        done.ok_or_else(|| io::Error::other("nothing was done"))
    }

    /// Queues `work` without waiting for it. Gives its number.
    pub(super) fn send(&'static self, lane: Lane, due: Use, work: Work) -> io::Result<usize> {
        let mut state = self.lock();
        if state.threads == 0 {
            self.start(&mut state)?;
        }
        let number = state.next;
        state.next = number.wrapping_add(1);
        state.waiting.push_back(Waiting { number, lane, due, work });
        self.more.notify_one();
        Ok(number)
    }

    /// Waits for the completion. If it takes long, a further thread is started for work in other lanes.
    async fn until(&'static self, end: &End, longest: Duration) -> io::Result<()> {
        let begun = Instant::now();
        loop {
            let late = async {
                Timer::after(BLOCKED_AFTER).await;
                false
            };
            let comes = async {
                std::future::poll_fn(|cx| end.poll(cx)).await;
                true
            };
            if or(comes, late).await {
                return Ok(());
            }
            if begun.elapsed() >= longest {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let mut state = self.lock();
            if state.threads < self.most.load(Relaxed)
                && state.running.len() == state.threads
                && state.next_at().is_some()
            {
                // the existing threads continue
                let _ = self.start(&mut state);
            }
        }
    }

    fn start(&'static self, state: &mut State) -> io::Result<()> {
        let thread = std::thread::Builder::new().name(self.name.into()).stack_size(self.stack);
        let begun = thread.spawn(|| self.run());
        begun.map_err(|error| io::Error::new(error.kind(), format!("a thread cannot be started: {error}")))?;
        state.threads += 1;
        Ok(())
    }

    /// Runs a thread of the pool.
    fn run(&self) {
        let mut state = self.lock();
        loop {
            let Some(Waiting { lane, work, .. }) = state.next_at().and_then(|at| state.waiting.remove(at)) else {
                if state.threads == 1 {
                    state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
                    continue;
                }
                let waited = self.more.wait_timeout(state, IDLE_TIMEOUT);
                let (woken, waited) = waited.unwrap_or_else(PoisonError::into_inner);
                state = woken;
                if waited.timed_out() && state.threads > 1 && state.next_at().is_none() {
                    state.threads -= 1;
                    return;
                }
                continue;
            };
            state.running.push(lane);
            state.last = lane;
            drop(state);
            work();
            state = self.lock();
            if let Some(at) = state.running.iter().position(|running| *running == lane) {
                state.running.swap_remove(at);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    /// The index of the most urgent work in a lane without a thread. Among equals, lanes take turns, and earlier
    /// work comes first.
    fn next_at(&self) -> Option<usize> {
        let free = self.waiting.iter().enumerate().filter(|(_, waiting)| !self.running.contains(&waiting.lane));
        let first = free.min_by_key(|(_, waiting)| (waiting.due, waiting.lane == self.last));
        first.map(|(at, _)| at)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};

    use smol::channel::bounded;
    use smol::{LocalExecutor, Task, block_on};

    use super::*;

    const STACK: usize = 64 << 10;
    static MANY: BlockingPool = BlockingPool::new("many", 3, STACK);
    static FULL: BlockingPool = BlockingPool::new("full", 2, STACK);
    static ONE: BlockingPool = BlockingPool::new("one", 1, STACK);

    async fn done<T: Send + 'static>(
        aside: &'static BlockingPool,
        lane: u64,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        aside.perform(Lane(lane), Use::Stream, Duration::MAX, work).await
    }

    /// Work that has begun, and blocks until the sender is dropped.
    async fn stuck(
        executor: &LocalExecutor<'static>,
        aside: &'static BlockingPool,
        lane: u64,
    ) -> (SyncSender<()>, Task<io::Result<()>>) {
        let (thaw, frozen) = sync_channel::<()>(1);
        let (begun, begins) = bounded(1);
        let work = move || {
            begun.send_blocking(()).unwrap();
            assert_eq!(frozen.recv_timeout(Duration::from_secs(120)), Err(RecvTimeoutError::Disconnected));
        };
        let task = executor.spawn(done(aside, lane, work));
        begins.recv().await.unwrap();
        (thaw, task)
    }

    #[test]
    fn a_disk_that_stands_still_holds_up_nobody_else() {
        let executor = LocalExecutor::new();
        block_on(executor.run(async {
            let (one, first) = stuck(&executor, &MANY, 1).await;
            let (two, second) = stuck(&executor, &MANY, 2).await;
            // many tasks wait for the same, and give up
            let same: Vec<_> = (0..20).map(|_| executor.spawn(done(&MANY, 1, || ()))).collect();
            assert_eq!(done(&MANY, 3, || 7).await.unwrap(), 7);
            for task in same {
                task.cancel().await;
            }
            assert_eq!(MANY.lock().waiting.len(), 0);
            drop((one, two));
            first.await.unwrap();
            second.await.unwrap();
            assert_eq!(done(&MANY, 1, || 8).await.unwrap(), 8);
        }));
    }

    #[test]
    fn there_are_no_more_threads_than_that() {
        let executor = LocalExecutor::new();
        block_on(executor.run(async {
            let (one, first) = stuck(&executor, &FULL, 1).await;
            let (two, second) = stuck(&executor, &FULL, 2).await;
            let third = executor.spawn(done(&FULL, 3, || ()));
            Timer::after(3 * BLOCKED_AFTER).await;
            assert_eq!(FULL.lock().threads, 2);
            assert_eq!(FULL.lock().waiting.len(), 1);
            drop(one);
            first.await.unwrap();
            third.await.unwrap();
            drop(two);
            second.await.unwrap();
        }));
    }

    #[test]
    fn what_a_stream_waits_for_goes_before_downloads_and_lanes_take_turns() {
        let executor = LocalExecutor::new();
        block_on(executor.run(async {
            let (thaw, first) = stuck(&executor, &ONE, 1).await;
            let order = Arc::new(Mutex::new(Vec::new()));
            let mut tasks = Vec::new();
            for (number, (lane, due)) in
                [(1, Use::Download), (1, Use::Segment), (1, Use::Segment), (2, Use::Segment), (1, Use::Stream)]
                    .into_iter()
                    .enumerate()
            {
                let order = order.clone();
                let work = move || order.lock().unwrap().push(number);
                tasks.push(executor.spawn(ONE.perform(Lane(lane), due, Duration::MAX, work)));
                while ONE.lock().waiting.len() <= number {
                    smol::future::yield_now().await;
                }
            }
            drop(thaw);
            first.await.unwrap();
            for task in tasks {
                task.await.unwrap();
            }
            assert_eq!(*order.lock().unwrap(), [4, 3, 1, 2, 0]);
        }));
    }

    #[test]
    fn a_client_waits_for_a_disk_no_longer_than_that() {
        static STUCK: BlockingPool = BlockingPool::new("stuck", 1, STACK);
        let executor = LocalExecutor::new();
        block_on(executor.run(async {
            let (thaw, first) = stuck(&executor, &STUCK, 1).await;
            let late = STUCK.perform(Lane(1), Use::Download, BLOCKED_AFTER, || ()).await;
            assert_eq!(late.unwrap_err().kind(), io::ErrorKind::TimedOut);
            assert_eq!(STUCK.lock().waiting.len(), 0);
            drop(thaw);
            first.await.unwrap();
        }));
    }
}
