//! Streams that a client of the API wants pulled from other servers: a bounded list, which the relays follow, and where
//! they say how each of them does.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::budget::Key::Count;
use crate::conf::Cost;
use crate::hub::{Name, SessionId};
use crate::proto::Url;

/// A stream that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedPull {
    /// The stream.
    pub stream: Name,
    /// Its URL on the other server.
    pub url: Url,
    /// Media uses UDP, if the protocol supports it.
    pub udp: bool,
    /// The longest time from the beginning of a connection to the first media.
    pub timeout: Duration,
    /// The attempts that may follow the first; `None` for any number.
    pub retries: Option<u32>,
    /// The time without viewers after which it ends until somebody watches; `None` for never.
    pub idle: Option<Duration>,
}

/// The state of a pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullState {
    /// It waits for a viewer, or for the publisher of that name to leave.
    Waits,
    /// Its session runs.
    Runs(SessionId),
    /// Its session ended for that reason; the next begins at that time.
    Pauses(Box<str>, Instant),
    /// It ended for that reason, and does not begin again.
    Ended(Box<str>),
}

/// The number of a pull, by which the relays know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PullNumber(u32);

/// The list is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyPulls;

/// The list.
pub struct Pulls {
    most: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    rows: Vec<Row>,
    last: u32,
    /// Counts changes of what is wanted, and wraps.
    changes: u32,
    /// Wakes the relays.
    follower: Option<Waker>,
}

struct Row {
    number: PullNumber,
    pull: WantedPull,
    state: PullState,
    /// Wakes the client that waits for the first session.
    asker: Option<Waker>,
}

/// The longest URL, in bytes.
pub const MAX_PULL_URL: usize = 2 << 10;
/// The bytes of a pull: its URL in four places, its task, and its row.
const PULL: usize = 4 * MAX_PULL_URL + (8 << 10);

/// The pulls.
pub static PULLS: Cost = Cost {
    what: "pulls by the API",
    keys: &[Count("api.pulls")],
    count: |all| all.api_pulls(),
    user: |_| PULL,
    kernel: |_| 0,
};

impl Pulls {
    /// A list of at most `most` pulls.
    pub(super) fn new(most: usize) -> Self {
        Self { most, state: Mutex::default() }
    }

    /// Adds a pull, in place of another of its stream, or of one that has ended.
    pub fn want(&self, pull: WantedPull) -> Result<PullNumber, TooManyPulls> {
        let mut state = self.lock();
        state.remove(|row| row.pull.stream == pull.stream);
        if state.rows.len() >= self.most {
            state.remove(|row| matches!(row.state, PullState::Ended(_))).ok_or(TooManyPulls)?;
        }
        state.last = state.last.wrapping_add(1);
        let number = PullNumber(state.last);
        state.rows.push(Row { number, pull, state: PullState::Waits, asker: None });
        state.changed();
        Ok(number)
    }

    /// Removes the pull of a stream. Gives its state.
    pub fn stop(&self, stream: &Name) -> Option<PullState> {
        let mut state = self.lock();
        let was = state.remove(|row| row.pull.stream == *stream)?;
        state.changed();
        Some(was)
    }

    /// The pulls and their states, in the order in which they were wanted.
    pub fn list(&self) -> Vec<(WantedPull, PullState)> {
        self.lock().rows.iter().map(|row| (row.pull.clone(), row.state.clone())).collect()
    }

    /// The state of a pull once it no longer waits; `None` if it is not wanted any more.
    pub fn poll_begun(&self, number: PullNumber, cx: &Context<'_>) -> Poll<Option<PullState>> {
        let mut state = self.lock();
        let Some(row) = state.row(number) else { return Poll::Ready(None) };
        if row.state == PullState::Waits {
            row.asker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Some(row.state.clone()))
    }

    /// The wanted pulls, for the relays: ready if they have changed since `seen`, which is updated.
    pub fn poll_wanted(&self, seen: &mut u32, cx: &Context<'_>) -> Poll<Vec<(PullNumber, WantedPull)>> {
        let mut state = self.lock();
        if state.changes == *seen {
            state.follower = Some(cx.waker().clone());
            return Poll::Pending;
        }
        *seen = state.changes;
        Poll::Ready(state.rows.iter().map(|row| (row.number, row.pull.clone())).collect())
    }

    /// Sets the state of a pull, if it is still wanted.
    pub fn report(&self, number: PullNumber, now: PullState) {
        let mut state = self.lock();
        if let Some(row) = state.row(number) {
            row.state = now;
            row.asker.take().into_iter().for_each(Waker::wake);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn row(&mut self, number: PullNumber) -> Option<&mut Row> {
        self.rows.iter_mut().find(|row| row.number == number)
    }

    /// Removes the first such row, and wakes who waits for it. Gives its state.
    fn remove(&mut self, is_it: impl FnMut(&Row) -> bool) -> Option<PullState> {
        let at = self.rows.iter().position(is_it)?;
        let row = self.rows.remove(at);
        row.asker.into_iter().for_each(Waker::wake);
        Some(row.state)
    }

    fn changed(&mut self) {
        self.changes = self.changes.wrapping_add(1);
        self.follower.take().into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Relaxed);
        }
    }

    fn pull(stream: &str) -> WantedPull {
        let (stream, url) = (Name::new(stream).unwrap(), Url::parse("rtmp://h/live/a").unwrap());
        WantedPull { stream, url, udp: false, timeout: Duration::from_secs(10), retries: Some(0), idle: None }
    }

    #[test]
    fn the_relays_are_told_what_is_wanted_and_tell_how_it_does() {
        let (pulls, mut seen, cx) = (Pulls::new(2), 0, Context::from_waker(Waker::noop()));
        assert_eq!(pulls.poll_wanted(&mut seen, &cx), Poll::Pending);
        let one = pulls.want(pull("a")).unwrap();
        assert_eq!(pulls.poll_wanted(&mut seen, &cx), Poll::Ready(vec![(one, pull("a"))]));
        assert_eq!((pulls.poll_wanted(&mut seen, &cx), pulls.poll_begun(one, &cx)), (Poll::Pending, Poll::Pending));
        let runs = PullState::Runs(SessionId { kind: "RTMPPULL", number: 1 });
        pulls.report(one, runs.clone());
        assert_eq!(pulls.poll_begun(one, &cx), Poll::Ready(Some(runs.clone())));
        assert_eq!(pulls.list(), [(pull("a"), runs.clone())]);
        assert_eq!(pulls.stop(&pull("a").stream), Some(runs));
        assert_eq!(pulls.poll_begun(one, &cx), Poll::Ready(None));
        assert_eq!(pulls.poll_wanted(&mut seen, &cx), Poll::Ready(vec![]));
        pulls.report(one, PullState::Waits);
    }

    #[test]
    fn a_client_that_waits_for_a_pull_hears_that_another_takes_its_place_or_that_it_is_stopped() {
        let pulls = Pulls::new(1);
        let gone: [fn(&Pulls) -> bool; 2] =
            [|pulls| pulls.want(pull("a")).is_ok(), |pulls| pulls.stop(&pull("a").stream).is_some()];
        for go in gone {
            let number = pulls.want(pull("a")).unwrap();
            let woken = Arc::new(Woken::default());
            let waker = Waker::from(woken.clone());
            let cx = Context::from_waker(&waker);
            assert_eq!(pulls.poll_begun(number, &cx), Poll::Pending);
            assert!(go(&pulls));
            assert!(woken.0.load(Relaxed));
            assert_eq!(pulls.poll_begun(number, &cx), Poll::Ready(None));
        }
    }

    #[test]
    fn there_are_no_more_than_the_plan_has_and_what_has_ended_gives_way() {
        let pulls = Pulls::new(2);
        let [first, _] = ["a", "b"].map(|name| pulls.want(pull(name)).unwrap());
        assert_eq!(pulls.want(pull("c")), Err(TooManyPulls));
        assert!(pulls.want(pull("b")).is_ok(), "it takes the place of its own stream");
        pulls.report(first, PullState::Ended("no route".into()));
        assert!(pulls.want(pull("c")).is_ok());
        assert_eq!(pulls.list().into_iter().map(|(pull, _)| pull.stream.to_string()).collect::<Vec<_>>(), ["b", "c"]);
    }
}
