//! The queue of the thread that writes. Jobs can be taken back from a thread that stands still.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::writer::Job;

/// The thread's end of the queue.
pub(super) struct Queue {
    jobs: Mutex<Receiver<Job>>,
    /// The time since which the thread has been at its job; `None` while it waits for one.
    busy: Mutex<Option<Instant>>,
}

impl Queue {
    /// One with so many places.
    pub(super) fn new(places: usize) -> (SyncSender<Job>, Arc<Self>) {
        let (sender, jobs) = sync_channel(places);
        (sender, Arc::new(Self { jobs: Mutex::new(jobs), busy: Mutex::default() }))
    }

    /// The next job: the one before is done.
    pub(super) fn next(&self, patience: Duration) -> Result<Job, RecvTimeoutError> {
        *lock(&self.busy) = None;
        let next = lock(&self.jobs).recv_timeout(patience);
        *lock(&self.busy) = Some(Instant::now());
        next
    }

    /// The time for which the thread has been at its job.
    pub(super) fn busy(&self) -> Duration {
        lock(&self.busy).map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Drops the jobs that the thread has not begun, which gives back their memory.
    pub(super) fn take_back(&self) {
        // a thread that waits for a job has left none
        if let Ok(jobs) = self.jobs.try_lock() {
            jobs.try_iter().for_each(drop);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
