//! A timer for a deadline that moves.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use crate::reactor::Timer;

/// Wakes a task at a deadline, which may be another at each call. Without one it is a null pointer.
#[derive(Default)]
pub struct Deadline(Option<Box<Alarm>>);

/// A timer, and the task that it wakes.
struct Alarm {
    at: Instant,
    task: Waker,
    timer: Timer,
}

impl Deadline {
    /// Ready with the present time once `due` has passed. Until then the task is woken at that time, or earlier: a
    /// deadline that each input moves on keeps its timer.
    pub fn poll(&mut self, cx: &mut Context<'_>, due: Option<Instant>) -> Poll<Instant> {
        let Some(due) = due else {
            self.0 = None;
            return Poll::Pending;
        };
        let now = Instant::now();
        if due <= now {
            self.0 = None;
            return Poll::Ready(now);
        }
        let is_set = |alarm: &Alarm| (now..=due).contains(&alarm.at) && alarm.task.will_wake(cx.waker());
        if self.0.as_deref().is_some_and(is_set) {
            return Poll::Pending;
        }
        let alarm = Alarm { at: due, task: cx.waker().clone(), timer: Timer::at(due) };
        Pin::new(&mut self.0.insert(Box::new(alarm)).timer).poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::reactor::block_on;
    use crate::reactor::woken::Woken;

    const LONG: Duration = Duration::from_secs(3600);

    fn at(alarm: &Deadline) -> Option<Instant> {
        alarm.0.as_ref().map(|alarm| alarm.at)
    }

    #[test]
    fn a_deadline_that_moves_on_keeps_its_timer_and_one_that_comes_nearer_does_not() {
        let (mut deadline, begun) = (Deadline::default(), Instant::now());
        let waker = Waker::from(Arc::new(Woken::default()));
        let mut cx = Context::from_waker(&waker);
        let mut set = |due| {
            assert!(deadline.poll(&mut cx, due).is_pending());
            at(&deadline)
        };
        let first = Some(begun + LONG);
        assert_eq!((set(first), set(Some(begun + 2 * LONG))), (first, first));
        let nearer = Some(begun + LONG / 2);
        assert_eq!((set(nearer), set(None)), (nearer, None));
        assert_eq!(deadline.poll(&mut cx, Some(begun)).map(|now| now >= begun), Poll::Ready(true));
    }

    #[test]
    fn the_task_that_asked_last_is_woken() {
        let woken = [(); 2].map(|()| Arc::new(Woken::default()));
        let wakers = woken.clone().map(Waker::from);
        let due = Instant::now() + Duration::from_millis(20);
        let mut deadline = Deadline::default();
        block_on(async {
            for waker in &wakers {
                assert!(deadline.poll(&mut Context::from_waker(waker), Some(due)).is_pending());
            }
            Timer::at(due + Duration::from_millis(1)).await;
        });
        assert_eq!(woken.map(|woken| woken.times()), [0, 1]);
    }
}
