//! The threads that run tasks, each with an executor of its own.

use std::cell::RefCell;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use smol::Executor;
use smol::future::{or, yield_now};

/// The executors of all threads. A connection stays on the thread that it was assigned to.
pub struct Workers {
    first: Worker,
    further: Mutex<Vec<Worker>>,
    /// The number of connections that the first has before others get any.
    together: usize,
}

/// A thread, and the number of its connections.
struct Worker {
    executor: Arc<Executor<'static>>,
    connections: Arc<AtomicUsize>,
}

/// A connection's place on a thread, until it is dropped.
pub struct ThreadSlot(Arc<AtomicUsize>);

thread_local! {
    /// The executor that this thread runs.
    static HERE: RefCell<Option<Arc<Executor<'static>>>> = const { RefCell::new(None) };
}

impl Workers {
    /// One thread, which runs `first` and has `together` connections before others get any.
    pub fn new(first: Arc<Executor<'static>>, together: usize) -> Self {
        Self { first: Worker::new(first), further: Mutex::default(), together }
    }

    /// The executor of a further thread, which has to [`run`] it.
    pub fn add(&self) -> Arc<Executor<'static>> {
        let worker = Worker::new(Arc::default());
        let executor = worker.executor.clone();
        self.further().push(worker);
        executor
    }

    /// Starts a connection, which keeps its slot, on the first thread while that has few, else on the one that has the
    /// fewest. Where there is one thread it starts at once.
    pub fn share_out(&self, start: impl FnOnce(ThreadSlot) + Send + 'static) {
        let further = self.further();
        if further.is_empty() {
            drop(further);
            return start(self.first.slot());
        }
        let connections = |worker: &&Worker| worker.connections.load(Relaxed);
        let fewest = further.iter().min_by_key(connections).filter(|worker| {
            let first = connections(&&self.first);
            first >= self.together && connections(worker) < first
        });
        let worker = fewest.unwrap_or(&self.first);
        let slot = worker.slot();
        worker.executor.spawn(async { start(slot) }).detach();
    }

    /// Runs a task on the current thread, or on the first if the current one has no executor.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let here = HERE.with_borrow(Clone::clone);
        here.as_ref().unwrap_or(&self.first.executor).spawn(task).detach();
    }

    fn further(&self) -> MutexGuard<'_, Vec<Worker>> {
        self.further.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Worker {
    fn new(executor: Arc<Executor<'static>>) -> Self {
        Self { executor, connections: Arc::default() }
    }

    fn slot(&self) -> ThreadSlot {
        self.connections.fetch_add(1, Relaxed);
        ThreadSlot(self.connections.clone())
    }
}

impl Drop for ThreadSlot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// The longest time between two checks of sockets and timers while tasks are ready, except for the last few of these.
const MAX_ROUND: Duration = Duration::from_millis(10);
/// Tasks between two checks of the clock.
const TASKS_PER_CHECK: usize = 4;

/// Runs the tasks of `executor` until `end` is ready. `Executor::run` checks the sockets after 200 tasks, however long
/// they take: a publisher would wait for long tasks.
pub async fn run<T>(executor: &Arc<Executor<'static>>, end: impl Future<Output = T>) -> T {
    HERE.set(Some(executor.clone()));
    let tasks = async {
        loop {
            executor.tick().await;
            let begun = Instant::now();
            for count in 1.. {
                if !executor.try_tick() {
                    break;
                }
                if count % TASKS_PER_CHECK == 0 && begun.elapsed() >= MAX_ROUND {
                    yield_now().await;
                    break;
                }
            }
        }
    };
    let ended = or(end, tasks).await;
    HERE.set(None);
    ended
}

#[cfg(test)]
mod tests {
    use std::thread::ThreadId;

    use super::*;
    use crate::reactor::Timer;

    const TOGETHER: usize = 32;

    /// The thread, by number, on which each of `connections` begins and ends.
    fn threads_of(workers: &Arc<Workers>, number: &[ThreadId], connections: usize) -> (Vec<usize>, Vec<ThreadSlot>) {
        let (told, tells) = smol::channel::bounded(connections);
        for _ in 0..connections {
            let (again, told) = (workers.clone(), told.clone());
            workers.share_out(move |slot| {
                let begun = std::thread::current().id();
                again.spawn(async move {
                    Timer::after(Duration::from_millis(5)).await;
                    told.send((begun, std::thread::current().id(), slot)).await.unwrap();
                });
            });
        }
        let place = |_| {
            let (begun, ended, slot) = smol::block_on(tells.recv()).unwrap();
            assert_eq!(begun, ended);
            (number.iter().position(|id| *id == begun).unwrap(), slot)
        };
        (0..connections).map(place).unzip()
    }

    #[test]
    fn few_connections_are_on_one_thread_and_many_on_all() {
        let workers = Arc::new(Workers::new(Arc::default(), TOGETHER));
        let thread = |executor: Arc<Executor<'static>>| {
            std::thread::spawn(move || crate::reactor::block_on(run(&executor, std::future::pending::<()>())))
        };
        let executors = [workers.first.executor.clone(), workers.add(), workers.add()];
        let number = executors.map(thread).map(|thread| thread.thread().id());
        let (few, slots) = threads_of(&workers, &number, TOGETHER);
        assert_eq!(few, [0; TOGETHER]);
        let (more, further) = threads_of(&workers, &number, 2 * TOGETHER + 9);
        assert_eq!([0, 1, 2].map(|number| more.iter().filter(|on| **on == number).count()), [3, 35, 35]);
        // free places are taken first
        drop(slots);
        let (again, _) = threads_of(&workers, &number, TOGETHER - 3);
        assert_eq!(again, [0; TOGETHER - 3]);
        drop(further);
    }

    #[test]
    fn timers_and_sockets_are_looked_at_though_tasks_are_busy() {
        let executor = Arc::new(Executor::new());
        let turns = Arc::new(AtomicUsize::new(0));
        for _ in 0..20 {
            let turns = turns.clone();
            let busy = async move {
                loop {
                    turns.fetch_add(1, Relaxed);
                    std::thread::sleep(Duration::from_millis(2));
                    yield_now().await;
                }
            };
            executor.spawn(busy).detach();
        }
        let timer = executor.spawn(Timer::after(Duration::from_millis(1)));
        crate::reactor::block_on(run(&executor, timer));
        // one round of all tasks, and those that run until the next check
        let turns = turns.load(Relaxed);
        assert!(turns < 20 + 20 + TASKS_PER_CHECK, "{turns}");
    }
}
