//! Work that may wait for a disk: done by threads, so that nobody else waits with it.
//!
//! Work of one lane is done in turn, and lanes take turns. One thread does it all while disks are well; where one
//! stands still, those who wait for others start another thread, up to a few.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_io::Timer;
use smol::channel::{Receiver, bounded};
use smol::future::or;

/// A queue of work for the same disk: a file, or the folder that files are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane(u64);

/// What is to be done.
type Work = Box<dyn FnOnce() + Send>;

/// Threads that do what may wait for a disk.
struct Workers {
    name: &'static str,
    /// So many threads at most.
    most: usize,
    state: Mutex<State>,
    /// There is something to do.
    more: Condvar,
}

struct State {
    /// In the order in which it came. Whoever gives up takes its work back, so there is no
    /// more than there are tasks.
    waiting: VecDeque<(usize, Lane, Work)>,
    /// The work that threads are at now.
    running: Vec<Lane>,
    /// The lane of what was begun last.
    last: Lane,
    threads: usize,
    next: usize,
}

/// What system calls on paths need of a stack, and some more.
const STACK: usize = 128 << 10;
/// A thread that takes longer stands still, or may.
const PATIENCE: Duration = Duration::from_millis(100);
/// A further thread ends when it had nothing to do for so long.
const IDLE: Duration = Duration::from_secs(10);

static READERS: Workers = Workers::new("runnel-disk", 8);
/// Apart from the others: one who reads does not wait for a card that is slow to write.
#[cfg(all(feature = "files", feature = "hls"))]
static WRITER: Workers = Workers::new("runnel-store", 1);

/// Has `work` done by a thread that waits for disks, after what came before it in its lane.
pub async fn away<T: Send + 'static>(
    lane: Lane,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    READERS.have_done(lane, work).await
}

/// Has `work` done, in its turn, by the thread that waits until a disk has taken something.
#[cfg(all(feature = "files", feature = "hls"))]
pub async fn written<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    WRITER.have_done(Lane(0), work).await
}

impl Lane {
    /// That of what is known by `what`.
    pub fn of(what: &(impl Hash + ?Sized)) -> Self {
        let mut hasher = DefaultHasher::new();
        what.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// Takes work back that nobody waits for any more and nobody has begun.
struct Waits(&'static Workers, usize);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.lock().waiting.retain(|(number, ..)| *number != self.1);
    }
}

impl Workers {
    const fn new(name: &'static str, most: usize) -> Self {
        let state = State { waiting: VecDeque::new(), running: Vec::new(), last: Lane(0), threads: 0, next: 0 };
        Self { name, most, state: Mutex::new(state), more: Condvar::new() }
    }

    async fn have_done<T: Send + 'static>(
        &'static self,
        lane: Lane,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        // the result goes beside the channel, of which there is one kind for all results
        let (tell, told) = bounded::<()>(1);
        let result = Arc::new(Mutex::new(None));
        let place = result.clone();
        let work = move || {
            let done = work();
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
            // nobody may be there any more to be told
            let _ = tell.send_blocking(());
        };
        let _waits = Waits(self, self.send(lane, Box::new(work))?);
        self.until(&told).await?;
        let done = result.lock().unwrap_or_else(PoisonError::into_inner).take();
        done.unwrap_or_else(|| Err(io::Error::other("nothing was done")))
    }

    fn send(&'static self, lane: Lane, work: Work) -> io::Result<usize> {
        let mut state = self.lock();
        if state.threads == 0 {
            self.start(&mut state)?;
        }
        let number = state.next;
        state.next = number.wrapping_add(1);
        state.waiting.push_back((number, lane, work));
        self.more.notify_one();
        Ok(number)
    }

    /// Until it is done; where that takes long, what could be done meanwhile gets a thread.
    async fn until(&'static self, told: &Receiver<()>) -> io::Result<()> {
        loop {
            let late = async {
                Timer::after(PATIENCE).await;
                None
            };
            if let Some(told) = or(async { Some(told.recv().await) }, late).await {
                return told.map_err(io::Error::other);
            }
            let mut state = self.lock();
            if state.threads < self.most && state.running.len() == state.threads && state.next_at().is_some() {
                // those that are there go on
                let _ = self.start(&mut state);
            }
        }
    }

    fn start(&'static self, state: &mut State) -> io::Result<()> {
        let run = || self.run();
        std::thread::Builder::new().name(self.name.into()).stack_size(STACK).spawn(run)?;
        state.threads += 1;
        Ok(())
    }

    /// The life of a thread.
    fn run(&self) {
        let mut state = self.lock();
        loop {
            let Some((_, lane, work)) = state.next_at().and_then(|at| state.waiting.remove(at)) else {
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
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The first work in whose lane nobody is, but not that of one lane over and over.
    fn next_at(&self) -> Option<usize> {
        let free = |lane: &Lane| !self.running.contains(lane);
        let other = self.waiting.iter().position(|(_, lane, _)| *lane != self.last && free(lane));
        other.or_else(|| self.waiting.iter().position(|(_, lane, _)| free(lane)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};

    use smol::{LocalExecutor, Task, block_on};

    use super::*;

    static MANY: Workers = Workers::new("many", 3);
    static FULL: Workers = Workers::new("full", 2);

    /// Work that has begun, and stands still until the sender is dropped.
    async fn stuck(
        executor: &LocalExecutor<'static>,
        workers: &'static Workers,
        lane: u64,
    ) -> (SyncSender<()>, Task<io::Result<()>>) {
        let (thaw, frozen) = sync_channel::<()>(1);
        let (begun, begins) = bounded(1);
        let work = move || {
            begun.send_blocking(()).unwrap();
            assert_eq!(frozen.recv_timeout(Duration::from_secs(120)), Err(RecvTimeoutError::Disconnected));
            Ok(())
        };
        let task = executor.spawn(workers.have_done(Lane(lane), work));
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
            let same: Vec<_> = (0..20).map(|_| executor.spawn(MANY.have_done(Lane(1), || Ok(())))).collect();
            assert_eq!(MANY.have_done(Lane(3), || Ok(7)).await.unwrap(), 7);
            for task in same {
                task.cancel().await;
            }
            assert_eq!(MANY.lock().waiting.len(), 0);
            drop((one, two));
            first.await.unwrap();
            second.await.unwrap();
            assert_eq!(MANY.have_done(Lane(1), || Ok(8)).await.unwrap(), 8);
        }));
    }

    #[test]
    fn there_are_no_more_threads_than_that() {
        let executor = LocalExecutor::new();
        block_on(executor.run(async {
            let (one, first) = stuck(&executor, &FULL, 1).await;
            let (two, second) = stuck(&executor, &FULL, 2).await;
            let third = executor.spawn(FULL.have_done(Lane(3), || Ok(())));
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
}
