//! The threads that run tasks, each by an executor of its own.

use std::cell::RefCell;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use smol::Executor;
use smol::future::{or, yield_now};

/// The executors of all threads. A connection stays on the thread that it was given to.
pub struct Workers {
    first: Arc<Executor<'static>>,
    further: Mutex<Vec<Arc<Executor<'static>>>>,
    /// The number of the thread that gets the next connection.
    next: AtomicUsize,
}

thread_local! {
    /// The executor that this thread runs.
    static HERE: RefCell<Option<Arc<Executor<'static>>>> = const { RefCell::new(None) };
}

impl Workers {
    /// One thread, which runs `first`.
    pub fn new(first: Arc<Executor<'static>>) -> Self {
        Self { first, further: Mutex::default(), next: AtomicUsize::new(0) }
    }

    /// The executor of a further thread, which is to [`run`] it.
    pub fn add(&self) -> Arc<Executor<'static>> {
        let executor = Arc::new(Executor::new());
        self.further.lock().unwrap_or_else(PoisonError::into_inner).push(executor.clone());
        executor
    }

    /// Starts a task on the thread that is next in turn: at once, where this is the only one.
    pub fn spawn_in_turn(&self, start: impl FnOnce() + Send + 'static) {
        let further = self.further.lock().unwrap_or_else(PoisonError::into_inner);
        if further.is_empty() {
            drop(further);
            return start();
        }
        let number = self.next.fetch_add(1, Relaxed) % (further.len() + 1);
        let executor = number.checked_sub(1).and_then(|number| further.get(number)).unwrap_or(&self.first);
        executor.spawn(async { start() }).detach();
    }

    /// Runs a task on this thread, or on the first if this is none of them.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let here = HERE.with_borrow(Clone::clone);
        here.as_ref().unwrap_or(&self.first).spawn(task).detach();
    }
}

/// The longest that sockets and timers are not looked at while tasks are ready, but for the last
/// few of these.
const ROUND: Duration = Duration::from_millis(10);
/// Tasks between two looks at the clock.
const FEW: usize = 4;

/// Runs the tasks of `executor` until `end` is ready. `Executor::run` looks at the sockets after 200
/// tasks, however long they take: some that have much to do would keep a publisher waiting.
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
                if count % FEW == 0 && begun.elapsed() >= ROUND {
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
    use super::*;
    use crate::reactor::Timer;

    #[test]
    fn connections_are_given_to_all_threads_in_turn_and_stay_there() {
        let workers = Arc::new(Workers::new(Arc::default()));
        let (told, tells) = smol::channel::bounded(8);
        let thread = |executor: Arc<Executor<'static>>| {
            std::thread::spawn(move || crate::reactor::block_on(run(&executor, std::future::pending::<()>())))
        };
        let number = [workers.first.clone(), workers.add()].map(thread).map(|thread| thread.thread().id());
        for _ in 0..4 {
            let (workers, told) = (workers.clone(), told.clone());
            let again = workers.clone();
            workers.spawn_in_turn(move || {
                let begun = std::thread::current().id();
                again.spawn(async move {
                    Timer::after(Duration::from_millis(5)).await;
                    told.send((begun, std::thread::current().id())).await.unwrap();
                });
            });
        }
        let mut on = [0; 2];
        for _ in 0..4 {
            let (begun, ended) = smol::block_on(tells.recv()).unwrap();
            assert_eq!(begun, ended);
            on[usize::from(begun == number[1])] += 1;
        }
        assert_eq!(on, [2, 2]);
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
        // one round of all, and what goes by until it is looked
        let turns = turns.load(Relaxed);
        assert!(turns < 20 + 20 + FEW, "{turns}");
    }
}
