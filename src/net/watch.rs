//! Deadlines without timers: connections store when they are overdue, and one sweep a second shuts their sockets.

use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::reactor::Async;
use smol::channel::{Receiver, Sender, bounded};

use super::Close;
use super::parting::{Parting, Place};

/// All watched connections.
#[derive(Debug)]
pub struct Watch {
    begun: Instant,
    entries: Mutex<Vec<Weak<Entry>>>,
    parting: Arc<Parting>,
    /// Closed when the server stops.
    running: (Sender<()>, Receiver<()>),
}

/// One connection's deadlines, in seconds since the start; 0 for never.
#[derive(Debug)]
pub(super) struct Entry {
    socket: Arc<Async<TcpStream>>,
    begun: Instant,
    input_due: AtomicU32,
    output_due: AtomicU32,
    /// The reason why the sweep, or the stop of the server, has shut the socket; 0 if it is open.
    verdict: AtomicU8,
    parting: Arc<Parting>,
}

const IDLE: u8 = 1;
const SLOW: u8 = 2;
const SHUTDOWN: u8 = 3;

impl Default for Watch {
    fn default() -> Self {
        Self { begun: Instant::now(), entries: Mutex::default(), parting: Arc::default(), running: bounded(1) }
    }
}

impl Watch {
    pub(super) fn add(&self, socket: Arc<Async<TcpStream>>) -> Arc<Entry> {
        let entry = Arc::new(Entry {
            socket,
            begun: self.begun,
            input_due: AtomicU32::new(0),
            output_due: AtomicU32::new(0),
            verdict: AtomicU8::new(0),
            parting: self.parting.clone(),
        });
        self.lock().push(Arc::downgrade(&entry));
        entry
    }

    /// Shuts the sockets that are overdue at `now`, and removes closed connections.
    pub fn sweep(&self, now: Instant) {
        let second = passed(self.begun, now);
        self.lock().retain(|entry| {
            let Some(entry) = entry.upgrade() else { return false };
            let overdue = |due: &AtomicU32| (1..=second).contains(&due.load(Relaxed));
            if overdue(&entry.output_due) {
                entry.shut(SLOW);
            } else if overdue(&entry.input_due) {
                entry.shut(IDLE);
            }
            true
        });
        self.parting.sweep(now);
    }

    /// Takes a place. If none is free, it first frees the places of closed connections that have ended; that check is
    /// limited in rate.
    pub(super) fn make_room<T>(&self, take: impl Fn() -> Option<T>) -> Option<T> {
        take().or_else(|| {
            self.parting.sweep_for_new(Instant::now());
            take()
        })
    }

    /// Shuts every connection, because the server stops.
    pub fn shut_all(&self) {
        self.running.0.close();
        self.lock().iter().filter_map(Weak::upgrade).for_each(|entry| entry.shut(SHUTDOWN));
    }

    /// True if the server stops, so that nothing new may begin.
    pub fn stops(&self) -> bool {
        self.running.0.is_closed()
    }

    /// Waits until the server stops.
    pub async fn stopped(&self) {
        _ = self.running.1.recv().await;
    }

    /// The number of open connections.
    pub fn open(&self) -> usize {
        self.lock().iter().filter(|entry| entry.strong_count() > 0).count()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// Sets the deadline for input to `after` from now; zero for never.
    pub(super) fn expect_input(&self, after: Duration) {
        self.input_due.store(self.due(after), Relaxed);
    }

    /// Sets the deadline for output to `after` from now; zero for never.
    pub(super) fn expect_output(&self, after: Duration) {
        self.output_due.store(self.due(after), Relaxed);
    }

    /// The reason, if the sweep or the stop of the server has shut the socket.
    pub(super) fn verdict(&self) -> Option<Close> {
        match self.verdict.load(Relaxed) {
            IDLE => Some(Close::Idle),
            SLOW => Some(Close::Slow),
            SHUTDOWN => Some(Close::Shutdown),
            _ => None,
        }
    }

    /// Closes the socket; its place is returned once the kernel holds nothing of it.
    pub(super) fn close(&self, place: Place, cut: bool) {
        self.parting.close(&self.socket, place, cut);
    }

    fn due(&self, after: Duration) -> u32 {
        if after.is_zero() { 0 } else { due(self.begun, Instant::now() + after) }
    }

    fn shut(&self, why: u8) {
        // the first reason stays
        let _ = self.verdict.compare_exchange(0, why, Relaxed, Relaxed);
        // an error means that it is closed already
        let _ = self.socket.get_ref().shutdown(Shutdown::Both);
    }
}

/// The second at which a deadline has passed. It is rounded up, and elapsed seconds are rounded down, so that no
/// connection is closed early.
fn due(begun: Instant, at: Instant) -> u32 {
    passed(begun, at + Duration::from_millis(999)).max(1)
}

/// Whole seconds since `begun`.
fn passed(begun: Instant, at: Instant) -> u32 {
    u32::try_from(at.saturating_duration_since(begun).as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_overdue_before_the_deadline_and_everybody_is_a_second_after() {
        let begun = Instant::now();
        let at = |ms| begun + Duration::from_millis(ms);
        for deadline in (1..4000).step_by(7) {
            let due = due(begun, at(deadline));
            assert!(passed(begun, at(deadline - 1)) < due, "{deadline} ms");
            assert!(passed(begun, at(deadline + 999)) >= due, "{deadline} ms");
        }
    }
}
