//! The queue of one receiver: a bounded number of events in their order, and which were lost.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use crate::budget::{Account, BlockMut};
use crate::conf::Event;

/// An event for one receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct QueuedEvent {
    /// Counted from 1 for each receiver.
    pub number: u32,
    pub event: Event,
    pub body: Bytes,
}

/// Events of which a receiver is not told: their first and last number, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lost {
    pub from: u32,
    pub to: u32,
    pub count: u32,
}

/// The next thing to tell.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Event(QueuedEvent),
    Lost(Lost),
    /// Nothing more comes.
    End,
}

/// The queue.
pub(super) struct Queue {
    account: Account,
    most: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<QueuedEvent>,
    /// The number of the last event.
    last: u32,
    /// Those lost of which nobody was told.
    lost: Option<Lost>,
    is_closed: bool,
    waker: Option<Waker>,
}

impl Lost {
    /// One event.
    pub fn one(number: u32) -> Self {
        Self { from: number, to: number, count: 1 }
    }
}

impl Queue {
    /// An empty queue of `most` events, whose bodies are charged to `account`.
    pub fn new(account: Account, most: usize) -> Self {
        Self { account, most, state: Mutex::default() }
    }

    /// Adds an event, or loses it if there is no room. Events of less rank give way to the others.
    pub fn offer(&self, event: Event, body: &[u8]) {
        let mut state = self.lock();
        let number = state.count();
        loop {
            let has_place = state.waiting.len() < self.most;
            let copied = has_place.then(|| BlockMut::copy(&self.account, body).ok()).flatten();
            if let Some(body) = copied {
                state.waiting.push_back(QueuedEvent { number, event, body });
                break;
            }
            let lesser = state.waiting.iter().position(|one| is_minor(one.event)).filter(|_| !is_minor(event));
            match lesser.and_then(|at| state.waiting.remove(at)) {
                Some(one) => state.lose(Lost::one(one.number)),
                None => {
                    state.lose(Lost::one(number));
                    break;
                }
            }
        }
        state.wake();
    }

    /// Loses `count` events that nobody has seen.
    pub fn miss(&self, count: u32) {
        let mut state = self.lock();
        let from = state.last.wrapping_add(1);
        state.last = state.last.wrapping_add(count);
        let to = state.last;
        state.lose(Lost { from, to, count });
        state.wake();
    }

    /// Loses events that were taken.
    pub fn lose(&self, lost: Lost) {
        self.lock().lose(lost);
    }

    /// The number of an event that is told without waiting.
    pub fn number(&self) -> u32 {
        self.lock().count()
    }

    /// True once nothing more is added.
    pub fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Nothing more is added.
    pub fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        state.wake();
    }

    /// The next thing to tell. Lost events are told before the first that follows them.
    pub fn poll_next(&self, cx: &Context<'_>) -> Poll<Next> {
        let mut state = self.lock();
        let first = state.waiting.front().map(|queued| queued.number);
        let is_before = |lost: &mut Lost| first.is_none_or(|first| lost.to < first);
        if let Some(lost) = state.lost.take_if(is_before) {
            return Poll::Ready(Next::Lost(lost));
        }
        if let Some(queued) = state.waiting.pop_front() {
            return Poll::Ready(Next::Event(queued));
        }
        if state.is_closed {
            return Poll::Ready(Next::End);
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Ready when nothing more is added.
    pub fn poll_closed(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.is_closed {
            return Poll::Ready(());
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn count(&mut self) -> u32 {
        self.last = self.last.wrapping_add(1);
        self.last
    }

    fn lose(&mut self, more: Lost) {
        let lost = self.lost.get_or_insert(Lost { count: 0, ..more });
        lost.from = lost.from.min(more.from);
        lost.to = lost.to.max(more.to);
        lost.count = lost.count.saturating_add(more.count);
    }

    fn wake(&mut self) {
        self.waker.take().into_iter().for_each(Waker::wake);
    }
}

/// True if an event gives way to others: it is no beginning and no end of a session.
fn is_minor(event: Event) -> bool {
    matches!(event, Event::Segment | Event::Connect | Event::AuthFail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(most: usize, bytes: usize) -> Queue {
        Queue::new(Account::root("test", bytes), most)
    }

    fn told(queue: &Queue) -> Vec<String> {
        let cx = Context::from_waker(Waker::noop());
        let next = || match queue.poll_next(&cx) {
            Poll::Ready(Next::Event(one)) => Some(format!("{} {}", one.number, one.event.name())),
            Poll::Ready(Next::Lost(lost)) => Some(format!("lost {}-{}: {}", lost.from, lost.to, lost.count)),
            _ => None,
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn what_finds_no_room_is_told_as_lost_in_its_place() {
        let queue = queue(2, 1 << 10);
        (0..5).for_each(|_| queue.offer(Event::PubStart, b"{}"));
        let cx = Context::from_waker(Waker::noop());
        assert!(matches!(queue.poll_next(&cx), Poll::Ready(Next::Event(QueuedEvent { number: 1, .. }))));
        queue.offer(Event::PubStop, b"{}");
        assert_eq!(told(&queue), ["2 on_pub_start", "lost 3-5: 3", "6 on_pub_stop"]);
        queue.miss(4);
        assert_eq!(told(&queue), ["lost 7-10: 4"]);
    }

    #[test]
    fn beginnings_and_ends_outrank_the_rest() {
        let queue = queue(3, 1 << 10);
        for event in [Event::Segment, Event::PubStart, Event::Connect, Event::PubStop, Event::SubStop, Event::Segment] {
            queue.offer(event, b"{}");
        }
        assert_eq!(told(&queue), ["2 on_pub_start", "4 on_pub_stop", "5 on_sub_stop", "lost 1-6: 3"]);
    }

    #[test]
    fn bodies_are_bounded_by_their_memory() {
        let queue = queue(100, 600);
        (0..9).for_each(|_| queue.offer(Event::PubStart, &[b' '; 100]));
        let all = told(&queue);
        assert!((2..=6).contains(&(all.len() - 1)) && all.last().unwrap().starts_with("lost "), "{all:?}");
        assert_eq!(queue.account.used(), 0);
    }

    #[test]
    fn a_closed_queue_gives_what_it_has_and_ends() {
        let (queue, cx) = (queue(9, 1 << 10), Context::from_waker(Waker::noop()));
        queue.offer(Event::ServerStop, b"{}");
        queue.close();
        assert_eq!(told(&queue), ["1 on_server_stop"]);
        assert_eq!(queue.poll_next(&cx), Poll::Ready(Next::End));
    }
}
