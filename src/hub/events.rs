//! The latest events of streams, in one bounded ring. Each reader follows it with its own cursor.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::Name;

/// A change of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The stream.
    pub name: Name,
    /// The change.
    pub kind: EventKind,
}

/// The kinds of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A publisher has begun.
    Published,
    /// A viewer that joins can begin.
    Open,
    /// The publisher has left.
    Unpublished,
    /// The first viewer has joined, or waits.
    Watched,
}

/// The ring.
#[derive(Debug, Default)]
pub(super) struct Events(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    latest: VecDeque<Event>,
    /// The number of the next event, which wraps.
    next: u32,
    /// The places of readers.
    readers: Vec<Place>,
}

/// The events for which a reader is woken.
#[derive(Clone, Debug, Default)]
pub struct Interest {
    /// Events of this stream; `None` for all streams.
    pub name: Option<Name>,
    /// Events of these kinds; empty for all kinds.
    pub kinds: &'static [EventKind],
}

#[derive(Debug, Default)]
struct Place {
    taken: bool,
    interest: Interest,
    waker: Option<Waker>,
}

/// A reader of the events that come from now on.
#[derive(Debug)]
pub struct Reader {
    events: Arc<Events>,
    next: u32,
    place: usize,
}

/// The number of events kept.
const KEPT: usize = 64;

impl Events {
    /// A reader of the events from here on.
    pub(super) fn reader(self: &Arc<Self>, interest: Interest) -> Reader {
        let mut state = self.lock();
        let free = state.readers.iter().position(|place| !place.taken);
        let place = free.unwrap_or(state.readers.len());
        let new = Place { taken: true, interest, waker: None };
        match state.readers.get_mut(place) {
            Some(free) => *free = new,
            None => state.readers.push(new),
        }
        Reader { events: self.clone(), next: state.next, place }
    }

    /// Adds an event, and wakes the readers that wait for it.
    pub(super) fn tell(&self, name: &Name, kind: EventKind) {
        let mut state = self.lock();
        if state.latest.len() == KEPT {
            state.latest.pop_front();
        }
        let event = Event { name: name.clone(), kind };
        let waiting = state.readers.iter_mut().filter(|place| place.interest.has(&event));
        waiting.filter_map(|place| place.waker.take()).for_each(Waker::wake);
        state.latest.push_back(event);
        state.next = state.next.wrapping_add(1);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Interest {
    fn has(&self, event: &Event) -> bool {
        self.name.as_ref().is_none_or(|name| *name == event.name)
            && (self.kinds.is_empty() || self.kinds.contains(&event.kind))
    }
}

impl Reader {
    /// The next event, of interest or not. `None` if events were missed: the reader has to check all streams again.
    pub fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Option<Event>> {
        let mut state = self.events.lock();
        let behind = state.next.wrapping_sub(self.next) as usize;
        let Some(at) = state.latest.len().checked_sub(behind) else {
            self.next = state.next;
            return Poll::Ready(None);
        };
        if let Some(event) = state.latest.get(at) {
            self.next = self.next.wrapping_add(1);
            return Poll::Ready(Some(event.clone()));
        }
        if let Some(place) = state.readers.get_mut(self.place) {
            place.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Skips all events so far; ready if one of them was of interest, or if some were missed.
    pub fn poll_news(&mut self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.events.lock();
        let State { latest, next, readers } = &mut *state;
        let behind = next.wrapping_sub(self.next) as usize;
        self.next = *next;
        let Some(place) = readers.get_mut(self.place) else { return Poll::Pending };
        let has_missed = behind > latest.len();
        if has_missed || latest.iter().rev().take(behind).any(|event| place.interest.has(event)) {
            return Poll::Ready(());
        }
        place.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(place) = self.events.lock().readers.get_mut(self.place) {
            *place = Place::default();
        }
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::reactor::woken::Woken;

    fn name(number: usize) -> Name {
        Name::new(&format!("cam{number}")).unwrap()
    }

    #[test]
    fn each_reads_what_came_since_it_began_and_learns_that_it_missed_some() {
        let events = Arc::new(Events::default());
        // the number wraps
        events.lock().next = u32::MAX - 1;
        events.tell(&name(0), EventKind::Published);
        let (mut quick, mut slow) = (events.reader(Interest::default()), events.reader(Interest::default()));
        let cx = Context::from_waker(Waker::noop());
        let told = |number| Event { name: name(number), kind: EventKind::Unpublished };
        for number in 0..=KEPT {
            assert_eq!(quick.poll_next(&cx), Poll::Pending);
            events.tell(&name(number), EventKind::Unpublished);
            assert_eq!(quick.poll_next(&cx), Poll::Ready(Some(told(number))));
        }
        assert_eq!(slow.poll_next(&cx), Poll::Ready(None));
        assert_eq!(slow.poll_next(&cx), Poll::Pending);
        events.tell(&name(7), EventKind::Unpublished);
        assert_eq!(slow.poll_next(&cx), Poll::Ready(Some(told(7))));
    }

    #[test]
    fn every_one_is_woken_for_what_is_of_interest_however_many_wait() {
        let (events, woken) = (Arc::new(Events::default()), Arc::new(Woken::default()));
        let waker = Waker::from(woken.clone());
        let cx = Context::from_waker(&waker);
        let of = |number| Interest { name: Some(name(number)), kinds: &[EventKind::Published, EventKind::Open] };
        let mut readers: Vec<_> = (0..1000).map(|at| events.reader(of(at % 2))).collect();
        readers.iter_mut().for_each(|reader| assert!(reader.poll_news(&cx).is_pending()));
        readers.drain(..10);
        for (kind, told) in [(EventKind::Watched, 0), (EventKind::Open, 495)] {
            events.tell(&name(1), kind);
            assert_eq!(woken.times(), told, "{kind:?}");
        }
        // new readers take the places of dropped ones
        readers.extend((0..10).map(|at| events.reader(of(at % 2))));
        assert_eq!(events.lock().readers.len(), 1000);
        let mut ready = || readers.iter_mut().filter_map(|one| one.poll_news(&cx).is_ready().then_some(())).count();
        assert_eq!((ready(), ready()), (495, 0), "those who were there, and once");
        (0..KEPT).for_each(|_| events.tell(&name(7), EventKind::Published));
        assert_eq!(ready(), 0, "another stream is not theirs");
        (0..=KEPT).for_each(|_| events.tell(&name(7), EventKind::Published));
        assert_eq!(ready(), 1000, "it may have been theirs");
    }
}
