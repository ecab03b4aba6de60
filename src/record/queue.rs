//! The queue of the writer. Jobs can be taken back from a thread that is blocked.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::writer::Job;

/// The writer's end of the queue.
pub(super) struct Queue {
    jobs: Mutex<Receiver<Job>>,
    /// The start of the writer's current job; `None` while it waits for one.
    busy: Mutex<Option<Instant>>,
}

impl Queue {
    /// A queue for `places` jobs.
    pub(super) fn new(places: usize) -> (SyncSender<Job>, Arc<Self>) {
        let (sender, jobs) = sync_channel(places);
        (sender, Arc::new(Self { jobs: Mutex::new(jobs), busy: Mutex::default() }))
    }

    /// Waits for the next job; the previous one is done.
    pub(super) fn next(&self, patience: Duration) -> Result<Job, RecvTimeoutError> {
        *lock(&self.busy) = None;
        let next = lock(&self.jobs).recv_timeout(patience);
        *lock(&self.busy) = Some(Instant::now());
        next
    }

    /// The time that the writer has spent on its current job.
    pub(super) fn busy(&self) -> Duration {
        lock(&self.busy).map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Drops the jobs that the writer has not begun, which frees their memory.
    pub(super) fn take_back(&self) {
        // a thread that waits for a job has an empty queue
        if let Ok(jobs) = self.jobs.try_lock() {
            jobs.try_iter().for_each(drop);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
