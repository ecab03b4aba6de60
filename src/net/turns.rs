//! Work in bounded pieces: whoever has much to do lets others have their turn.

use std::task::{Context, Poll, ready};

/// Steps in a row before others get their turn.
const TURNS: usize = 4;

/// Goes on with `step` as long as it is ready, until it ends with a reason; after a
/// few steps others get their turn.
pub fn poll_in_turns<E>(
    cx: &mut Context<'_>,
    mut step: impl FnMut(&mut Context<'_>) -> Poll<Result<(), E>>,
) -> Poll<E> {
    for _ in 0..TURNS {
        if let Err(why) = ready!(step(cx)) {
            return Poll::Ready(why);
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}
