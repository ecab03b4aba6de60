//! The cadence: one clock for all tasks that gather input, so that they need no timers. It stops while no task waits.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::reactor::Timer;

/// A beat that any task can wait for.
#[derive(Debug, Default)]
pub struct Cadence {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    number: u32,
    waiting: Vec<Waker>,
    /// The clock's own task, while no task waits for a beat.
    resting: Option<Waker>,
}

/// The number of waiting tasks, the latest, among which a task that waits again is found.
const RECENT: usize = 32;
/// The time between two beats when frames are sent at once.
const DEFAULT_PACE: Duration = Duration::from_millis(100);

impl Cadence {
    /// The number of the last beat.
    pub fn number(&self) -> u32 {
        self.lock().number
    }

    /// Ready once there was a beat after `number`.
    pub fn poll_after(&self, cx: &Context<'_>, number: u32) -> Poll<()> {
        // stored first, so that no beat in between is missed
        self.wake_next(cx);
        if self.number() == number { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Wakes the task at the next beat.
    pub fn wake_next(&self, cx: &Context<'_>) {
        let mut state = self.lock();
        // a task that asks in every step of a turn is stored once
        if !state.waiting.iter().rev().take(RECENT).any(|waker| waker.will_wake(cx.waker())) {
            state.waiting.push(cx.waker().clone());
        }
        state.resting.take().into_iter().for_each(Waker::wake);
    }

    /// Beats for ever while tasks wait, with the period that `pace` returns.
    pub async fn run(&self, pace: impl Fn() -> Duration) {
        loop {
            std::future::poll_fn(|cx| self.poll_waited_for(cx)).await;
            let pace = pace();
            Timer::after(if pace.is_zero() { DEFAULT_PACE } else { pace }).await;
            self.strike();
        }
    }

    /// Ready while a task waits.
    fn poll_waited_for(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if !state.waiting.is_empty() {
            return Poll::Ready(());
        }
        state.resting = Some(cx.waker().clone());
        Poll::Pending
    }

    fn strike(&self) {
        let mut state = self.lock();
        state.number = state.number.wrapping_add(1);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::pin::pin;
    use std::sync::Arc;

    use super::*;
    use crate::reactor::woken::Woken;

    #[test]
    fn it_stands_still_until_somebody_waits() {
        let (cadence, looks, woken) = (Cadence::default(), Cell::new(0), Arc::new(Woken::default()));
        let pace = || {
            looks.set(looks.get() + 1);
            Duration::from_secs(3600)
        };
        let mut run = pin!(cadence.run(pace));
        let waker = Waker::from(woken.clone());
        let mut cx = Context::from_waker(&waker);
        assert!(run.as_mut().poll(&mut cx).is_pending() && looks.get() == 0, "it needs no timer");
        assert!(cadence.poll_after(&Context::from_waker(Waker::noop()), 0).is_pending());
        assert_eq!(woken.times(), 1, "it is told");
        assert!(run.as_mut().poll(&mut cx).is_pending() && looks.get() == 1);
    }
}
