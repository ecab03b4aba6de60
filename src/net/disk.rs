//! Work that may wait for a disk: done by threads, so that nobody else waits with it.
//!
//! Work of one lane is done in turn, what is due first before the rest, and lanes take turns. A disk has two lanes,
//! so no more than two threads stand still with it. One thread does it all while disks are well; where one stands
//! still, those who wait for others start another thread, up to a few.

use std::collections::VecDeque;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_io::Timer;
use smol::channel::{Receiver, bounded};
use smol::future::or;

use super::disk_of;

/// A queue of work for the same disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane(u64);

/// The use that work has, by which one disk does it: the first goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// A stream runs on it.
    Stream,
    /// A segment for those who play a stream.
    Segment,
    /// All else.
    Download,
}

/// What is to be done.
type Work = Box<dyn FnOnce() + Send>;

/// Threads that do what may wait for a disk.
struct Workers {
    name: &'static str,
    /// So many threads at most.
    most: AtomicUsize,
    state: Mutex<State>,
    /// There is something to do.
    more: Condvar,
}

struct State {
    /// In the order in which it came. Whoever gives up takes its work back, so there is no
    /// more than there are tasks and open files.
    waiting: VecDeque<Waiting>,
    /// The work that threads are at now.
    running: Vec<Lane>,
    /// The lane of what was begun last.
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

/// What system calls on paths need of a stack, and some more.
const STACK: usize = 128 << 10;
/// A thread that takes longer stands still, or may.
const PATIENCE: Duration = Duration::from_millis(100);
/// A further thread ends when it had nothing to do for so long.
const IDLE: Duration = Duration::from_secs(10);
/// A client waits no longer for a disk: what it holds is for others. A disk that slept is awake by then.
const LONGEST: Duration = Duration::from_secs(15);

static READERS: Workers = Workers::new("runnel-disk", 1);
/// Apart from the others: one who reads does not wait for a card that is slow to write.
#[cfg(all(feature = "files", feature = "hls"))]
static WRITER: Workers = Workers::new("runnel-store", 1);

/// Has as many threads as that at most wait for disks.
pub fn allow(threads: usize) {
    READERS.most.store(threads, Relaxed);
}

/// Has `work` done by a thread that waits for disks, after what goes before it in its lane. Only a stream waits for
/// as long as that takes.
pub async fn away<T: Send + 'static>(
    lane: Lane,
    due: Use,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let longest = if due == Use::Stream { Duration::MAX } else { LONGEST };
    READERS.have_done(lane, due, longest, work).await
}

/// Has `work` done, in its turn, by the thread that waits until a disk has taken something.
#[cfg(all(feature = "files", feature = "hls"))]
pub async fn written<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    WRITER.have_done(Lane(0), Use::Stream, Duration::MAX, work).await
}

/// Has `work` done that may take as long as there are files: no stream's writes wait for it.
#[cfg(all(feature = "files", feature = "hls"))]
pub async fn tidied<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    READERS.have_done(Lane::hash("tidy"), Use::Stream, Duration::MAX, work).await
}

impl Lane {
    /// That of what is open on a device (`st_dev`).
    pub fn of(device: u64) -> Self {
        Self::hash(&(false, device))
    }

    /// That of looking for a path: what is open is read meanwhile.
    pub fn to(path: &Path) -> Self {
        Self::hash(&(true, disk_of(path)))
    }

    fn hash(what: &(impl Hash + ?Sized)) -> Self {
        let mut hasher = DefaultHasher::new();
        what.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// A file that is read. To close it may wait for the disk as well, so a thread does that.
pub struct Opened {
    file: Option<File>,
    lane: Lane,
}

impl Opened {
    /// One on `device`.
    pub fn new(file: File, device: u64) -> Self {
        Self { file: Some(file), lane: Lane::of(device) }
    }

    /// That of reading it.
    pub fn lane(&self) -> Lane {
        self.lane
    }

    /// Reads what is there, by one who may wait.
    pub fn read_at(&self, out: &mut [u8], at: u64) -> io::Result<usize> {
        self.file.as_ref().map_or(Ok(0), |file| file.read_at(out, at))
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let file = self.file.take();
        // where there is no thread it is closed here
        let _ = READERS.send(self.lane, Use::Download, Box::new(move || drop(file)));
    }
}

/// Takes work back that nobody waits for any more and nobody has begun.
struct Waits(&'static Workers, usize);

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

impl Workers {
    const fn new(name: &'static str, most: usize) -> Self {
        let state = State { waiting: VecDeque::new(), running: Vec::new(), last: Lane(0), threads: 0, next: 0 };
        Self { name, most: AtomicUsize::new(most), state: Mutex::new(state), more: Condvar::new() }
    }

    async fn have_done<T: Send + 'static>(
        &'static self,
        lane: Lane,
        due: Use,
        longest: Duration,
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
        let _waits = Waits(self, self.send(lane, due, Box::new(work))?);
        self.until(&told, longest).await?;
        let done = result.lock().unwrap_or_else(PoisonError::into_inner).take();
        done.unwrap_or_else(|| Err(io::Error::other("nothing was done")))
    }

    fn send(&'static self, lane: Lane, due: Use, work: Work) -> io::Result<usize> {
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
    async fn until(&'static self, told: &Receiver<()>, longest: Duration) -> io::Result<()> {
        let begun = Instant::now();
        loop {
            let late = async {
                Timer::after(PATIENCE).await;
                None
            };
            if let Some(told) = or(async { Some(told.recv().await) }, late).await {
                return told.map_err(io::Error::other);
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
        let run = || self.run();
        std::thread::Builder::new().name(self.name.into()).stack_size(STACK).spawn(run)?;
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
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The work that is due first of those in whose lane nobody is; lanes take turns, and those who came before
    /// others go before them.
    fn next_at(&self) -> Option<usize> {
        let free = self.waiting.iter().enumerate().filter(|(_, waiting)| !self.running.contains(&waiting.lane));
        let first = free.min_by_key(|(_, waiting)| (waiting.due, waiting.lane == self.last));
        first.map(|(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};

    use smol::{LocalExecutor, Task, block_on};

    use super::*;

    static MANY: Workers = Workers::new("many", 3);
    static FULL: Workers = Workers::new("full", 2);
    static ONE: Workers = Workers::new("one", 1);

    async fn done<T: Send + 'static>(
        workers: &'static Workers,
        lane: u64,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        workers.have_done(Lane(lane), Use::Stream, Duration::MAX, work).await
    }

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
        let task = executor.spawn(done(workers, lane, work));
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
            let same: Vec<_> = (0..20).map(|_| executor.spawn(done(&MANY, 1, || Ok(())))).collect();
            assert_eq!(done(&MANY, 3, || Ok(7)).await.unwrap(), 7);
            for task in same {
                task.cancel().await;
            }
            assert_eq!(MANY.lock().waiting.len(), 0);
            drop((one, two));
            first.await.unwrap();
            second.await.unwrap();
            assert_eq!(done(&MANY, 1, || Ok(8)).await.unwrap(), 8);
        }));
    }

    #[test]
    fn there_are_no_more_threads_than_that() {
        let executor = LocalExecutor::new();
        block_on(executor.run(async {
            let (one, first) = stuck(&executor, &FULL, 1).await;
            let (two, second) = stuck(&executor, &FULL, 2).await;
            let third = executor.spawn(done(&FULL, 3, || Ok(())));
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
                let work = move || {
                    order.lock().unwrap().push(number);
                    Ok(())
                };
                tasks.push(executor.spawn(ONE.have_done(Lane(lane), due, Duration::MAX, work)));
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

    #[cfg(all(feature = "files", feature = "hls"))]
    #[test]
    fn who_writes_a_segment_does_not_wait_for_what_is_tidied() {
        let executor = LocalExecutor::new();
        block_on(executor.run(async {
            let (thaw, frozen) = sync_channel::<()>(1);
            let tidy = executor.spawn(tidied(move || {
                assert_eq!(frozen.recv_timeout(Duration::from_secs(120)), Err(RecvTimeoutError::Disconnected));
                Ok(())
            }));
            while !READERS.lock().running.contains(&Lane::hash("tidy")) {
                smol::future::yield_now().await;
            }
            written(|| Ok(())).await.unwrap();
            drop(thaw);
            tidy.await.unwrap();
        }));
    }

    #[test]
    fn a_client_waits_for_a_disk_no_longer_than_that() {
        static STUCK: Workers = Workers::new("stuck", 1);
        let executor = LocalExecutor::new();
        block_on(executor.run(async {
            let (thaw, first) = stuck(&executor, &STUCK, 1).await;
            let late = STUCK.have_done(Lane(1), Use::Download, PATIENCE, || Ok(())).await;
            assert_eq!(late.unwrap_err().kind(), io::ErrorKind::TimedOut);
            assert_eq!(STUCK.lock().waiting.len(), 0);
            drop(thaw);
            first.await.unwrap();
        }));
    }
}
