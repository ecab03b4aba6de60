//! The queue of the thread that writes. Jobs can be taken back from a thread that stands still.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::writer::Job;

/// The thread's end of the queue.
pub(super) struct Queue {
    jobs: Mutex<Receiver<Job>>,
    /// Since when the thread has been at what it took last.
    busy: Mutex<Option<Instant>>,
}

impl Queue {
    /// One with so many places.
    pub(super) fn new(places: usize) -> (SyncSender<Job>, Arc<Self>) {
        let (sender, jobs) = sync_channel(places);
        (sender, Arc::new(Self { jobs: Mutex::new(jobs), busy: Mutex::default() }))
    }

    /// The next job: what was taken before is done.
    pub(super) fn next(&self, patience: Duration) -> Result<Job, RecvTimeoutError> {
        *lock(&self.busy) = None;
        let next = lock(&self.jobs).recv_timeout(patience);
        *lock(&self.busy) = Some(Instant::now());
        next
    }

    /// For how long the thread has been at the same.
    pub(super) fn busy(&self) -> Duration {
        lock(&self.busy).map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Forgets what the thread has not begun, which gives back the memory of it.
    pub(super) fn take_back(&self) {
        // one that waits for something to do has left nothing
        if let Ok(jobs) = self.jobs.try_lock() {
            jobs.try_iter().for_each(drop);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
