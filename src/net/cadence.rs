//! The beat: one clock for all who gather input, so that they need no timers.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_io::Timer;

/// A beat that anybody may wait for.
#[derive(Debug, Default)]
pub struct Cadence {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    number: u32,
    waiting: Vec<Waker>,
}

/// So many of the last who came are looked through for one who comes again.
const RECENT: usize = 32;
/// How often to look whether a beat has become necessary.
const LOOK: Duration = Duration::from_millis(100);

impl Cadence {
    /// The number of the last beat.
    pub fn number(&self) -> u32 {
        self.lock().number
    }

    /// Ready once there was a beat after `number`.
    pub fn poll_after(&self, cx: &Context<'_>, number: u32) -> Poll<()> {
        // written down first: a beat in between is not missed
        self.wake_next(cx);
        if self.number() == number { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Wakes the task at the next beat.
    pub fn wake_next(&self, cx: &Context<'_>) {
        let mut state = self.lock();
        // who asks in every step of a turn is written down once
        if !state.waiting.iter().rev().take(RECENT).any(|waker| waker.will_wake(cx.waker())) {
            state.waiting.push(cx.waker().clone());
        }
    }

    /// Beats for ever, as often as `pace` says; zero is no beat at all.
    pub async fn run(&self, pace: impl Fn() -> Duration) {
        loop {
            let pace = pace();
            Timer::after(if pace.is_zero() { LOOK } else { pace }).await;
            self.strike();
        }
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
