//! Work that may stand still: done by threads, so that nobody else waits with it.
//!
//! A lane is of all that stands still at once: a disk, a name that is looked up. Its work is done in turn, what is
//! due first before the rest, so no more than one thread stands still with it; lanes take turns. One thread does it
//! all while all is well; where one stands still, those who wait for others start another thread, up to a few.

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

/// A queue of work that stands still together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane(u64);

/// The use that work has, by which its lane does it: the first goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(not(feature = "record"), allow(dead_code, reason = "a feature has its own"))]
pub enum Use {
    /// A stream runs on it.
    Stream,
    /// A segment for the players of a stream.
    Segment,
    /// All else.
    Download,
}

/// A piece of work.
pub(super) type Work = Box<dyn FnOnce() + Send>;

/// Threads for what may stand still.
pub struct BlockingPool {
    name: &'static str,
    /// The bytes of each one's stack.
    stack: usize,
    /// So many threads at most.
    most: AtomicUsize,
    state: Mutex<State>,
    /// There is something to do.
    more: Condvar,
}

struct State {
    /// The work that is not begun, in the order in which it came. A task that gives up takes its work back,
    /// so there is no more than there are tasks and open files.
    waiting: VecDeque<Waiting>,
    /// The lanes of the work that threads do now.
    running: Vec<Lane>,
    /// The lane of the work that was begun last.
    last: Lane,
    threads: usize,
    next: usize,
}

/// Work that nobody has begun.
struct Waiting {
    number: usize,
    lane: Lane,
    due: Use,
    work: Work,
}

/// A thread that takes longer stands still, or may.
const PATIENCE: Duration = Duration::from_millis(100);
/// A further thread ends when it had nothing to do for so long.
const IDLE: Duration = Duration::from_secs(10);

impl Lane {
    /// The lane of looking for a path: open files are read meanwhile.
    pub fn to(path: &Path) -> Self {
        Self::to_all([path])
    }

    /// The lane of looking for several paths.
    pub fn to_all<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Self {
        Self::hash(&paths.into_iter().map(disk_of).collect::<BTreeSet<_>>())
    }

    /// The lane of all work that has `what` in common.
    pub fn hash(what: &(impl Hash + ?Sized)) -> Self {
        let mut hasher = DefaultHasher::new();
        what.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// Takes work back that nobody waits for any more and nobody has begun.
struct Waits(&'static BlockingPool, usize);

impl Drop for Waits {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        let at = state.waiting.iter().position(|waiting| waiting.number == self.1);
        let work = at.and_then(|at| state.waiting.remove(at));
        drop(state);
        // a file that goes with it is to be closed
        drop(work);
    }
}

/// The end of a piece of work, and the task that waits for it. A channel would do the same with 800 bytes, on
/// lines of the cache of their own, between which the allocator leaves holes.
#[derive(Default)]
struct End(Mutex<(bool, Option<Waker>)>);

impl End {
    /// Ready once it has come.
    fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        let (has_come, waiter) = &mut *lock(&self.0);
        if *has_come {
            return Poll::Ready(());
        }
        *waiter = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// The bytes of a job beside its future and its result: its place in the queue, what is to be done, and its end.
#[cfg(feature = "record")]
pub const JOB: usize = 192;

/// Brings the end when it is dropped, whether the work was done or not.
struct Ends(Arc<End>);

impl Drop for Ends {
    fn drop(&mut self) {
        let waiter = {
            let (has_come, waiter) = &mut *lock(&self.0.0);
            *has_come = true;
            waiter.take()
        };
        // nobody may be there any more to be told
        waiter.iter().for_each(Waker::wake_by_ref);
    }
}

impl BlockingPool {
    /// At most `most` threads of that name, with stacks of `stack` bytes.
    pub const fn new(name: &'static str, most: usize, stack: usize) -> Self {
        let state = State { waiting: VecDeque::new(), running: Vec::new(), last: Lane(0), threads: 0, next: 0 };
        Self { name, stack, most: AtomicUsize::new(most), state: Mutex::new(state), more: Condvar::new() }
    }

    /// Has as many threads as that at most.
    pub fn allow(&self, threads: usize) {
        self.most.store(threads, Relaxed);
    }

    /// Has `work` done after what goes before it in its lane: `TimedOut` if that takes longer than `longest`.
    pub async fn perform<T: Send + 'static>(
        &'static self,
        lane: Lane,
        due: Use,
        longest: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        // the result goes beside the end, of which there is one kind for all results
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

    /// Has `work` done though nobody waits for it: its number.
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

    /// Until it is done; where that takes long, what could be done meanwhile gets a thread.
    async fn until(&'static self, end: &End, longest: Duration) -> io::Result<()> {
        let begun = Instant::now();
        loop {
            let late = async {
                Timer::after(PATIENCE).await;
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
                // those that are there go on
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

    /// The life of a thread.
    fn run(&self) {
        let mut state = self.lock();
        loop {
            let Some(Waiting { lane, work, .. }) = state.next_at().and_then(|at| state.waiting.remove(at)) else {
                let waited = self.more.wait_timeout(state, IDLE);
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
    /// The work that is due first, of the lanes in which no thread is; lanes take turns, and work that came
    /// before other work goes before it.
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

    /// Work that has begun, and stands still until the sender is dropped.
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
            // many wait for the same, and give up
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
            Timer::after(3 * PATIENCE).await;
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
            let late = STUCK.perform(Lane(1), Use::Download, PATIENCE, || ()).await;
            assert_eq!(late.unwrap_err().kind(), io::ErrorKind::TimedOut);
            assert_eq!(STUCK.lock().waiting.len(), 0);
            drop(thaw);
            first.await.unwrap();
        }));
    }
}
