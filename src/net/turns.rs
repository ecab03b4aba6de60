//! Work in bounded pieces: a task that has much to do lets others have their turn.

use std::future::Future;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use smol::Executor;
use smol::future::{or, yield_now};

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

/// The longest that sockets and timers are not looked at while tasks are ready, but for the last
/// few of these.
const ROUND: Duration = Duration::from_millis(10);
/// Tasks between two looks at the clock.
const FEW: usize = 4;

/// Runs the tasks of `executor` until `end` is ready. `Executor::run` looks at the sockets after 200
/// tasks, however long they take: some that have much to do would keep a publisher waiting.
pub async fn run<T>(executor: &Executor<'_>, end: impl Future<Output = T>) -> T {
    let tasks = async {
        loop {
            executor.tick().await;
            let begun = Instant::now();
            for count in 1.. {
                if !executor.try_tick() {
                    break;
                }
                if count % FEW == 0 && begun.elapsed() >= ROUND {
                    yield_now().await;
                    break;
                }
            }
        }
    };
    or(end, tasks).await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::task::Waker;

    use crate::reactor::Timer;

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

    #[test]
    fn timers_and_sockets_are_looked_at_though_tasks_are_busy() {
        let executor = Executor::new();
        let turns = Arc::new(AtomicUsize::new(0));
        for _ in 0..20 {
            let turns = turns.clone();
            let busy = async move {
                loop {
                    turns.fetch_add(1, Relaxed);
                    std::thread::sleep(Duration::from_millis(2));
                    yield_now().await;
                }
            };
            executor.spawn(busy).detach();
        }
        let timer = executor.spawn(Timer::after(Duration::from_millis(1)));
        crate::reactor::block_on(run(&executor, timer));
        // one round of all, and what goes by until it is looked
        let turns = turns.load(Relaxed);
        assert!(turns < 20 + 20 + FEW, "{turns}");
    }
}
