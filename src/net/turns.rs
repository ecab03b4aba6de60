//! Work in bounded pieces: a task that has much to do lets others have their turn.

use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// Steps in a row before others get their turn.
const TURNS: usize = 4;
/// No further step begins when those before have taken so long.
const LONG: Duration = Duration::from_millis(5);

/// Goes on with `step` as long as it is ready, until it ends with a reason; after a
/// few steps, or one that took long, others get their turn.
pub fn poll_in_turns<E>(
    cx: &mut Context<'_>,
    mut step: impl FnMut(&mut Context<'_>) -> Poll<Result<(), E>>,
) -> Poll<E> {
    let begun = Instant::now();
    for _ in 0..TURNS {
        if let Err(why) = ready!(step(cx)) {
            return Poll::Ready(why);
        }
        if begun.elapsed() >= LONG {
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
            std::thread::sleep(LONG);
            Poll::Ready(Ok(()))
        });
        assert!(polled.is_pending() && steps == 1, "{steps}");
    }
}
