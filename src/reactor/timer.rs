//! Timers, which cost nothing until they are waited for.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::{Reactor, lock};

/// Ready at a time, which it returns; never, if that is out of range.
#[derive(Debug)]
#[must_use = "it has to be waited for"]
pub struct Timer {
    due: Option<Instant>,
    /// Its place in a reactor, from the first wait until it is due.
    place: Option<Place>,
}

/// A timer's place in a reactor.
struct Place {
    reactor: Arc<Reactor>,
    key: Key,
}

/// The timers of a reactor that are waited for, the next one first.
#[derive(Default)]
pub(super) struct Timers {
    waiting: BTreeMap<Key, Waker>,
    /// Distinguishes timers with the same time.
    number: u32,
}

type Key = (Instant, u32);

/// The longest wait in milliseconds: older kernels accept an `int`.
const MAX_WAIT: u32 = 3_600_000;

impl Timer {
    /// Ready after that time.
    pub fn after(time: Duration) -> Self {
        Self { due: Instant::now().checked_add(time), place: None }
    }

    /// Ready at that time.
    pub fn at(due: Instant) -> Self {
        Self { due: Some(due), place: None }
    }
}

impl Future for Timer {
    type Output = Instant;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Instant> {
        let Some(due) = self.due else { return Poll::Pending };
        if Instant::now() >= due {
            self.place = None;
            return Poll::Ready(due);
        }
        if !self.place.as_ref().is_some_and(|place| place.waits_for(cx)) {
            self.place = Some(Reactor::current().enter_timer(due, cx));
        }
        Poll::Pending
    }
}

impl Reactor {
    fn enter_timer(self: Arc<Self>, due: Instant, cx: &Context<'_>) -> Place {
        let mut timers = lock(&self.timers);
        let (key, first) = timers.enter(due, cx.waker().clone());
        drop(timers);
        if first {
            self.alarm();
        }
        Place { reactor: self, key }
    }
}

impl Timers {
    /// Adds a timer; returns its key, and whether it is the first that is due.
    fn enter(&mut self, due: Instant, waker: Waker) -> (Key, bool) {
        self.number = self.number.wrapping_add(1);
        let key = (due, self.number);
        self.waiting.insert(key, waker);
        (key, self.waiting.keys().next() == Some(&key))
    }

    /// The milliseconds until the next one is due, rounded up.
    pub(super) fn until_next(&self, now: Instant) -> Option<u32> {
        let (due, _) = self.waiting.keys().next()?;
        let time = due.saturating_duration_since(now) + Duration::from_nanos(999_999);
        Some(u32::try_from(time.as_millis()).unwrap_or(u32::MAX).min(MAX_WAIT))
    }

    /// Removes the timers that are due.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Waker> {
        let mut due = Vec::new();
        while let Some(next) = self.waiting.first_entry().filter(|next| next.key().0 <= now) {
            due.push(next.remove());
        }
        due
    }
}

impl Place {
    /// True if this task will be woken by it.
    fn waits_for(&self, cx: &Context<'_>) -> bool {
        lock(&self.reactor.timers).waiting.get(&self.key).is_some_and(|waker| waker.will_wake(cx.waker()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let left = lock(&self.reactor.timers).waiting.remove(&self.key);
        // its waker may be the last reference to a task, which is dropped when nothing is locked
        drop(left);
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Place({:?})", self.key)
    }
}
