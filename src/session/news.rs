//! The facts of sessions, in one bounded ring: their beginnings and ends, in the order of the list. Each reader follows
//! it with its own cursor. Without readers nothing is kept.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::list::Session;
use crate::hub::{Name, SessionId};

/// A fact that is told to others.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// A session has been admitted.
    Begins(SessionNews),
    /// A session has ended. There is one for each that has begun.
    Ends(SessionNews),
    /// A client has connected to an application of RTMP.
    Connects(Connection),
    /// A client was refused for its credentials, or for the lack of them.
    Refused(Refused),
    /// A segment of HLS begins or is complete.
    Segment(Segment),
    /// A file of a recording is complete.
    File(Finished),
}

/// A session at its beginning or end.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionNews {
    /// The session.
    pub session: Session,
    /// True if its stream has a publisher, itself included at its beginning.
    pub has_publisher: bool,
    /// True if its stream has a player, itself included at its beginning.
    pub has_player: bool,
    /// The bytes of media that it has moved.
    pub bytes: u64,
}

/// A connection of RTMP whose client has named its application. The texts have some hundred bytes at most.
#[derive(Clone, Debug, PartialEq)]
pub struct Connection {
    /// The session.
    pub id: SessionId,
    /// The client's address.
    pub peer: SocketAddr,
    /// The application.
    pub app: Box<str>,
    /// The client's program: `flashVer`.
    pub agent: Box<str>,
    /// The URL of the application: `tcUrl`.
    pub url: Box<str>,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    /// The reason, as in the metrics.
    pub why: &'static str,
    /// The session; `None` if it has no id yet.
    pub id: Option<SessionId>,
    /// The stream, if it is known.
    pub stream: Option<Name>,
    /// The client's address.
    pub peer: Option<SocketAddr>,
    /// The number of refusals since the last that was told, this one included.
    pub count: u32,
}

/// A segment of HLS.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// The stream.
    pub stream: Name,
    /// The number in its playlist.
    pub number: u64,
    /// The name of its file.
    pub file: Box<str>,
    /// The length; `None` if it begins.
    pub length: Option<Duration>,
}

/// A complete file of a recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// The session.
    pub id: SessionId,
    /// The stream.
    pub stream: Name,
    /// The file.
    pub path: Box<Path>,
}

/// The ring.
#[derive(Debug, Default)]
pub struct News(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The facts that somebody has not read yet, with their numbers.
    latest: VecDeque<(u32, Arc<Fact>)>,
    /// The most that are kept.
    kept: usize,
    /// The number of the next fact, which wraps.
    next: u32,
    /// The readers by their places; `None` is a free place.
    readers: Vec<Option<Position>>,
    /// The time of the last refusal that was told, and the number of those since then.
    refusals: (Option<Instant>, u32),
}

/// The position of a reader.
#[derive(Debug)]
struct Position {
    /// The number of the fact that it reads next.
    next: u32,
    rank: Rank,
    waker: Option<Waker>,
}

/// The claim of a reader to facts that it has not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rank {
    /// They are kept as long as there is room.
    Keeps,
    /// They give way to those that others have not read.
    Yields,
}

/// A reader of the facts that come from now on.
#[derive(Debug)]
pub struct NewsReader {
    news: Arc<News>,
    place: usize,
}

/// The shortest time between two refusals that are told: strangers must not push out other facts.
const REFUSAL_INTERVAL: Duration = Duration::from_secs(1);

/// The number of facts that a reader was too late for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed(pub u32);

impl News {
    /// A reader of the facts from here on. At least `kept` facts wait for it.
    pub fn reader(self: &Arc<Self>, kept: usize) -> NewsReader {
        self.enter(kept, Rank::Keeps)
    }

    /// The same, for a reader that may be slow: what it has not read never takes the room of what a `reader` has not.
    pub fn observer(self: &Arc<Self>, kept: usize) -> NewsReader {
        self.enter(kept, Rank::Yields)
    }

    fn enter(self: &Arc<Self>, kept: usize, rank: Rank) -> NewsReader {
        let mut state = self.lock();
        state.kept = state.kept.max(kept);
        let reader = Some(Position { next: state.next, rank, waker: None });
        let free = state.readers.iter().position(Option::is_none);
        let place = free.unwrap_or(state.readers.len());
        match state.readers.get_mut(place) {
            Some(free) => *free = reader,
            None => state.readers.push(reader),
        }
        NewsReader { news: self.clone(), place }
    }

    /// Adds a fact, if there is a reader, and wakes the readers. Without one it is counted.
    pub fn tell(&self, fact: impl FnOnce() -> Fact) {
        let mut state = self.lock();
        if state.readers.is_empty() {
            state.pass();
        } else {
            state.add(fact());
        }
    }

    /// Counts a fact that nobody reads.
    pub(super) fn pass(&self) {
        self.lock().pass();
    }

    /// Adds a refusal; one a second, with the number of the others.
    pub(super) fn tell_refusal(&self, now: Instant, refused: impl FnOnce(u32) -> Refused) {
        let mut state = self.lock();
        let (told, others) = &mut state.refusals;
        *others = others.saturating_add(1);
        let is_due = told.is_none_or(|told| now.saturating_duration_since(told) >= REFUSAL_INTERVAL);
        if is_due {
            *told = Some(now);
            let count = std::mem::take(others);
            if state.readers.is_empty() {
                state.pass();
            } else {
                state.add(Fact::Refused(refused(count)));
            }
        }
    }

    /// True if somebody reads.
    pub fn is_read(&self) -> bool {
        !self.lock().readers.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Adds a fact. Where there is no room, the oldest of less rank gives way, which may be this one.
    fn add(&mut self, fact: Fact) {
        let number = self.next;
        self.pass();
        if self.latest.len() >= self.kept {
            self.forget_read();
        }
        if self.latest.len() >= self.kept {
            self.forget_yielding();
        }
        let is_full = self.latest.len() >= self.kept;
        let lesser = is_full.then(|| self.latest.iter().position(|(_, one)| one.is_minor())).flatten();
        match lesser {
            Some(at) => _ = self.latest.remove(at),
            None if is_full && !fact.is_minor() => _ = self.latest.pop_front(),
            None => {}
        }
        if self.latest.len() < self.kept {
            self.latest.push_back((number, Arc::new(fact)));
        }
        self.readers.iter_mut().flatten().filter_map(|reader| reader.waker.take()).for_each(Waker::wake);
    }

    /// Counts a fact.
    fn pass(&mut self) {
        self.next = self.next.wrapping_add(1);
    }

    /// Removes the facts that all have read.
    fn forget_read(&mut self) {
        let read = self.read_by(|_| true).unwrap_or(self.latest.len());
        self.latest.drain(..read);
    }

    /// Removes the oldest fact, of less rank if there is one, that only those readers have not read which yield.
    fn forget_yielding(&mut self) {
        let read = self.read_by(|rank| rank == Rank::Keeps).unwrap_or(0);
        let lesser = self.latest.iter().take(read).position(|(_, one)| one.is_minor());
        if read > 0 {
            self.latest.remove(lesser.unwrap_or(0));
        }
    }

    /// The number of facts in the ring that all readers of some ranks have read; `None` if there is no such reader.
    fn read_by(&self, counts: impl Fn(Rank) -> bool) -> Option<usize> {
        let next = self.next;
        let readers = self.readers.iter().flatten().filter(|reader| counts(reader.rank));
        let behind = readers.map(|reader| next.wrapping_sub(reader.next)).max()?;
        Some(self.latest.partition_point(|(number, _)| next.wrapping_sub(*number) > behind))
    }
}

impl Fact {
    /// True if it gives way to others: strangers, who are never admitted, cause many of these, and must not push out
    /// beginnings and ends.
    fn is_minor(&self) -> bool {
        matches!(self, Self::Connects(_) | Self::Refused(_) | Self::Segment(_))
    }
}

impl NewsReader {
    /// The number of the last fact that was read or missed.
    pub fn number(&self) -> u32 {
        let state = self.news.lock();
        let reader = state.readers.get(self.place).and_then(Option::as_ref);
        reader.map_or(state.next, |reader| reader.next).wrapping_sub(1)
    }

    /// Goes on behind the fact of that number, as if this reader had been there since. A number that is yet to come is
    /// passed over.
    pub fn resume(&mut self, last: u32) {
        let mut state = self.news.lock();
        let (next, from) = (state.next, last.wrapping_add(1));
        let is_past = i32::try_from(next.wrapping_sub(from)).is_ok();
        if let Some(Some(reader)) = state.readers.get_mut(self.place).filter(|_| is_past) {
            reader.next = from;
        }
    }

    /// The next fact, or the number of those that were missed before it.
    pub fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Result<Arc<Fact>, Missed>> {
        let state = &mut *self.news.lock();
        let Some(Some(reader)) = state.readers.get_mut(self.place) else { return Poll::Pending };
        let behind = state.next.wrapping_sub(reader.next);
        if behind == 0 {
            reader.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let at = state.latest.partition_point(|(number, _)| state.next.wrapping_sub(*number) > behind);
        let following = state.latest.get(at);
        let number = following.map_or(state.next, |(number, _)| *number);
        match (number.wrapping_sub(reader.next), following) {
            (0, Some((_, fact))) => {
                reader.next = reader.next.wrapping_add(1);
                Poll::Ready(Ok(fact.clone()))
            }
            (missed, _) => {
                reader.next = number;
                Poll::Ready(Err(Missed(missed)))
            }
        }
    }
}

impl Drop for NewsReader {
    fn drop(&mut self) {
        let mut state = self.news.lock();
        if let Some(place) = state.readers.get_mut(self.place) {
            *place = None;
        }
        if state.readers.iter().all(Option::is_none) {
            let next = state.next;
            *state = State { next, ..State::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::woken::Woken;

    fn fact(number: u32) -> Fact {
        let id = Some(SessionId { kind: "A", number });
        Fact::Refused(Refused { why: "password", id, stream: None, peer: None, count: 1 })
    }

    #[test]
    fn a_late_reader_learns_how_many_it_has_missed() {
        let news = Arc::new(News::default());
        news.lock().next = u32::MAX - 1;
        let (mut quick, mut slow) = (news.reader(2), news.reader(4));
        let cx = Context::from_waker(Waker::noop());
        for number in 0..6 {
            assert_eq!(quick.poll_next(&cx), Poll::Pending);
            news.tell(|| fact(number));
            assert_eq!(quick.poll_next(&cx), Poll::Ready(Ok(Arc::new(fact(number)))));
        }
        assert_eq!(slow.poll_next(&cx), Poll::Ready(Err(Missed(2))));
        for number in 2..6 {
            assert_eq!(slow.poll_next(&cx), Poll::Ready(Ok(Arc::new(fact(number)))));
        }
        assert_eq!(slow.poll_next(&cx), Poll::Pending);
    }

    #[test]
    fn one_refusal_a_second_is_told_and_the_others_are_counted() {
        let (news, now) = (Arc::new(News::default()), Instant::now());
        let (mut reader, cx) = (news.reader(9), Context::from_waker(Waker::noop()));
        for ms in [0, 300, 999, 1000, 1500, 2600] {
            let refused = |count| Refused { why: "password", id: None, stream: None, peer: None, count };
            news.tell_refusal(now + Duration::from_millis(ms), refused);
        }
        let told = std::iter::from_fn(|| match reader.poll_next(&cx) {
            Poll::Ready(Ok(fact)) => Some(fact),
            _ => None,
        });
        let counts = told.map(|fact| if let Fact::Refused(one) = &*fact { one.count } else { 0 });
        assert_eq!(counts.collect::<Vec<_>>(), [1, 3, 2]);
    }

    #[test]
    fn strangers_push_out_neither_beginnings_nor_ends() {
        let news = Arc::new(News::default());
        let (mut slow, mut quick, cx) = (news.reader(3), news.reader(3), Context::from_waker(Waker::noop()));
        let id = SessionId { kind: "A", number: 1 };
        let file = || Fact::File(Finished { id, stream: Name::new("a").unwrap(), path: Path::new("/a").into() });
        let connects = |number| {
            let (id, peer) = (SessionId { kind: "RTMPPUBSUB", number }, "192.0.2.1:9".parse().unwrap());
            Fact::Connects(Connection { id, peer, app: "".into(), agent: "".into(), url: "".into() })
        };
        news.tell(|| connects(1));
        news.tell(file);
        (2..9).for_each(|number| news.tell(|| connects(number)));
        news.tell(file);
        news.tell(file);
        (9..12).for_each(|number| news.tell(|| connects(number)));
        let told = |reader: &mut NewsReader| {
            let facts = std::iter::from_fn(|| match reader.poll_next(&cx) {
                Poll::Ready(Ok(fact)) => Some(if *fact == file() { Ok(()) } else { Err(0) }),
                Poll::Ready(Err(Missed(count))) => Some(Err(count)),
                Poll::Pending => None,
            });
            facts.collect::<Vec<_>>()
        };
        assert_eq!(told(&mut slow), [Err(1), Ok(()), Err(7), Ok(()), Ok(()), Err(3)]);
        assert_eq!(told(&mut quick).len(), 6);
        news.tell(|| connects(12));
        assert_eq!(told(&mut slow), [Err(0)], "what was read has left its room to it");
    }

    #[test]
    fn an_observer_that_is_slow_costs_a_reader_nothing() {
        let (news, cx) = (Arc::new(News::default()), Context::from_waker(Waker::noop()));
        let (mut slow, mut reader) = (news.observer(4), news.reader(4));
        let id = SessionId { kind: "A", number: 1 };
        let file = || Fact::File(Finished { id, stream: Name::new("a").unwrap(), path: Path::new("/a").into() });
        for _ in 0..4 {
            news.tell(file);
            assert!(reader.poll_next(&cx).is_ready());
        }
        // these have less rank than those that the observer has not read
        (4..8).for_each(|number| news.tell(|| fact(number)));
        for number in 4..8 {
            assert_eq!(reader.poll_next(&cx), Poll::Ready(Ok(Arc::new(fact(number)))));
        }
        assert_eq!(slow.poll_next(&cx), Poll::Ready(Err(Missed(4))));
        assert_eq!(slow.poll_next(&cx), Poll::Ready(Ok(Arc::new(fact(4)))));
    }

    #[test]
    fn one_who_returns_goes_on_where_it_was() {
        let (news, cx) = (Arc::new(News::default()), Context::from_waker(Waker::noop()));
        let mut other = news.reader(4);
        let mut first = news.observer(4);
        news.tell(|| fact(1));
        assert!(first.poll_next(&cx).is_ready());
        let last = first.number();
        drop(first);
        news.tell(|| fact(2));
        let resumed = |last| {
            let mut reader = news.observer(4);
            reader.resume(last);
            reader
        };
        assert_eq!(resumed(last).poll_next(&cx), Poll::Ready(Ok(Arc::new(fact(2)))));
        assert_eq!(resumed(last + 9).poll_next(&cx), Poll::Pending, "no such fact was told");
        while other.poll_next(&cx).is_ready() {}
        drop(other);
        news.tell(|| unreachable!("nobody reads"));
        assert_eq!(resumed(last).poll_next(&cx), Poll::Ready(Err(Missed(2))), "also of what nobody has read");
    }

    #[test]
    fn without_a_reader_no_fact_is_made() {
        let news = Arc::new(News::default());
        news.tell(|| unreachable!("nobody reads"));
        drop(news.reader(4));
        news.tell(|| unreachable!("nobody reads any more"));
        assert!(!news.is_read());
    }

    #[test]
    fn a_reader_that_waits_is_woken() {
        let (news, woken) = (Arc::new(News::default()), Arc::new(Woken::default()));
        let waker = Waker::from(woken.clone());
        let mut reader = news.reader(4);
        assert_eq!(reader.poll_next(&Context::from_waker(&waker)), Poll::Pending);
        news.tell(|| fact(1));
        news.tell(|| fact(2));
        assert_eq!(woken.times(), 1);
    }
}
