//! Work in bounded pieces, so that a task with much to do lets other tasks run.

use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// The most steps in a row before other tasks run.
const TURNS: usize = 4;
/// The time after which no further step begins.
const MAX_TURN: Duration = Duration::from_millis(5);

/// Repeats `step` while it is ready, until it ends with a reason; after a few steps, or a long one, other tasks run.
pub fn poll_in_turns<E>(
    cx: &mut Context<'_>,
    mut step: impl FnMut(&mut Context<'_>) -> Poll<Result<(), E>>,
) -> Poll<E> {
    let begun = Instant::now();
    for _ in 0..TURNS {
        if let Err(why) = ready!(step(cx)) {
            return Poll::Ready(why);
        }
        if begun.elapsed() >= MAX_TURN {
            break;
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn others_get_their_turn_whether_steps_are_many_or_long() {
        let mut cx = Context::from_waker(Waker::noop());
        let mut steps = 0;
        let polled = poll_in_turns::<()>(&mut cx, |_| {
            steps += 1;
            Poll::Ready(Ok(()))
        });
        assert!(polled.is_pending() && (1..=TURNS).contains(&steps));
        steps = 0;
        let polled = poll_in_turns::<()>(&mut cx, |_| {
            steps += 1;
            std::thread::sleep(MAX_TURN);
            Poll::Ready(Ok(()))
        });
        assert!(polled.is_pending() && steps == 1, "{steps}");
    }
}
