//! The latest events of streams, in one bounded ring that readers follow, each by a cursor of its own.

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
    /// Somebody publishes it.
    Published,
    /// There is something to begin with for one who comes.
    Open,
    /// Nobody publishes it any more.
    Unpublished,
    /// Somebody watches what nobody watched, or waits to.
    Watched,
}

/// The ring.
#[derive(Debug, Default)]
pub(super) struct Events(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    latest: VecDeque<Event>,
    /// The number of the next one, which wraps.
    next: u32,
    /// The places of readers.
    readers: Vec<Place>,
}

#[derive(Debug, Default)]
struct Place {
    taken: bool,
    waker: Option<Waker>,
}

/// A reader of the events that come from now on.
#[derive(Debug)]
pub struct Reader {
    events: Arc<Events>,
    next: u32,
    place: usize,
}

/// The number of events that are kept.
const KEPT: usize = 64;

impl Events {
    /// A reader of the events from here on.
    pub(super) fn reader(self: &Arc<Self>) -> Reader {
        let mut state = self.lock();
        let free = state.readers.iter().position(|place| !place.taken);
        let place = free.unwrap_or(state.readers.len());
        match state.readers.get_mut(place) {
            Some(known) => known.taken = true,
            None => state.readers.push(Place { taken: true, waker: None }),
        }
        Reader { events: self.clone(), next: state.next, place }
    }

    /// Tells all readers.
    pub(super) fn tell(&self, name: &Name, kind: EventKind) {
        let mut state = self.lock();
        if state.latest.len() == KEPT {
            state.latest.pop_front();
        }
        state.latest.push_back(Event { name: name.clone(), kind });
        state.next = state.next.wrapping_add(1);
        state.readers.iter_mut().filter_map(|place| place.waker.take()).for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    /// The next event; `None` where some were missed: all is to be looked at anew.
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

    /// Ready once there was an event of `name`, or of any stream, or some were missed.
    pub fn poll_any(&mut self, cx: &Context<'_>, name: Option<&Name>) -> Poll<()> {
        loop {
            match std::task::ready!(self.poll_next(cx)) {
                Some(event) if name.is_some_and(|name| *name != event.name) => {}
                _ => return Poll::Ready(()),
            }
        }
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
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    fn name(number: usize) -> Name {
        Name::new(&format!("cam{number}")).unwrap()
    }

    #[test]
    fn each_reads_what_came_since_it_began_and_learns_that_it_missed_some() {
        let events = Arc::new(Events::default());
        // the number wraps
        events.lock().next = u32::MAX - 1;
        events.tell(&name(0), EventKind::Published);
        let (mut quick, mut slow) = (events.reader(), events.reader());
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
    fn every_one_who_waits_is_woken_however_many_there_are() {
        let (events, woken) = (Arc::new(Events::default()), Arc::new(Woken::default()));
        let waker = Waker::from(woken.clone());
        let cx = Context::from_waker(&waker);
        let mut readers: Vec<_> = (0..1000).map(|_| events.reader()).collect();
        readers.iter_mut().for_each(|reader| assert!(reader.poll_next(&cx).is_pending()));
        readers.drain(..10);
        events.tell(&name(1), EventKind::Watched);
        assert_eq!(woken.0.load(Relaxed), 990);
        // others come in the places of those who have gone
        readers.extend((0..10).map(|_| events.reader()));
        assert_eq!(events.lock().readers.len(), 1000);
        let only = Some(name(2));
        let mut ready =
            || readers.iter_mut().filter_map(|one| one.poll_any(&cx, only.as_ref()).is_ready().then_some(())).count();
        assert_eq!(ready(), 0, "another stream is not theirs");
        events.tell(&name(2), EventKind::Watched);
        assert_eq!(ready(), 1000);
    }
}
