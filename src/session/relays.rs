//! The relays: those of the configuration and those that clients of the API want. It is one bounded list, which the
//! relays follow, and where they say how each of them does.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::Core;
use crate::budget::Key::Count;
use crate::conf::{Config, Cost};
use crate::hub::SessionId;
use crate::proto::Url;

/// The way of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It comes from another server, or from a file.
    Pull,
    /// It goes to another server.
    Push,
}

/// A relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    /// Its way.
    pub way: Way,
    /// The stream, or of a push of the configuration a pattern.
    pub stream: String,
    /// The URL of the stream on the other server.
    pub url: Url,
}

/// How a client of the API wants a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Media uses UDP, if the protocol supports it.
    pub udp: bool,
    /// Of a pull: the longest time from the beginning of a connection to the first media.
    pub timeout: Duration,
    /// Of a pull: the attempts that may follow the first; `None` for any number.
    pub retries: Option<u32>,
    /// Of a pull: the time without viewers after which it ends until somebody watches; `None` for never.
    pub idle: Option<Duration>,
}

/// The state of a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayState {
    /// It waits: a pull for a viewer, or for the publisher of that name to leave, a push for the stream.
    Waits,
    /// Its session runs, or begins.
    Runs(SessionId),
    /// Its session ended for that reason; the next begins at that time.
    Pauses(Box<str>, Instant),
    /// It ended for that reason, and does not begin again.
    Ended(Box<str>),
}

/// A row of the list, as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayRow {
    /// The relay.
    pub relay: Relay,
    /// How a client wants it; `None` for those of the configuration.
    pub terms: Option<Terms>,
    /// Its state.
    pub state: RelayState,
    /// The reason why its last session ended, or none began.
    pub last_error: Option<Box<str>>,
}

/// The number of a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelayNumber(u32);

/// The reason why a relay is not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAdded {
    /// There is such a relay.
    Exists,
    /// As many are there as clients of the API may have.
    Full,
}

/// The reason why a relay is not removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRemoved {
    /// There is none.
    Unknown,
    /// The configuration has it.
    Configured,
    /// There are several.
    Several,
}

/// The list.
pub struct RelayList {
    /// The most that clients of the API may have.
    most: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    rows: Vec<Row>,
    last: u32,
    /// Counts changes of what is wanted by the API, and wraps.
    changes: u32,
    /// Counts changes of what is worth keeping, and wraps.
    edits: u32,
    /// Wakes the relays.
    follower: Option<Waker>,
}

struct Row {
    number: RelayNumber,
    told: RelayRow,
    /// Wakes the client that waits for the first session.
    asker: Option<Waker>,
}

/// The row of a relay of the configuration, which is removed with it.
pub struct RelayEntry {
    core: Arc<Core>,
    /// The number of the row.
    pub number: RelayNumber,
}

/// The longest URL that a client of the API may give, in bytes.
pub const MAX_RELAY_URL: usize = 2 << 10;
/// The bytes of a relay by the API: its URL in four places, its task, and its row.
const BY_API: usize = 4 * MAX_RELAY_URL + (8 << 10);
/// The bytes of a row of the configuration, with a URL and a reason of usual lengths, and once more while it is listed.
const ROW: usize = 1 << 10;

const _: () = assert!(2 * size_of::<Row>() + 2 * 128 <= ROW, "the plan has room for a row, and for listing it");

/// The relays by the API.
pub static RELAYS_BY_API: Cost = Cost {
    what: "relays by the API",
    keys: &[Count("api.pulls")],
    count: |all| all.api_pulls(),
    user: |_| BY_API,
    kernel: |_| 0,
};

/// The rows of the others.
pub static RELAYS: Cost =
    Cost { what: "relays of the configuration", keys: &[], count: configured, user: |_| ROW, kernel: |_| 0 };

/// The most rows of the configuration at once. A pattern has one besides those of its streams.
fn configured(config: &Config) -> usize {
    let pushed =
        config.push.iter().map(|push| if push.is_pattern() { config.streams.max.saturating_add(1) } else { 1 });
    pushed.fold(config.pull.len(), usize::saturating_add)
}

impl Relay {
    /// True if another relay takes its place: a stream is pulled once, and pushed once to each URL.
    fn is_same(&self, other: &Self) -> bool {
        self.way == other.way && self.stream == other.stream && (self.way == Way::Pull || self.url == other.url)
    }
}

impl Core {
    /// Enters a relay of the configuration into the list.
    pub fn enter_relay(self: &Arc<Self>, relay: Relay) -> RelayEntry {
        RelayEntry { core: self.clone(), number: self.relays.lock().add(relay, None) }
    }
}

impl Drop for RelayEntry {
    fn drop(&mut self) {
        self.core.relays.lock().remove(|row| row.number == self.number);
    }
}

impl RelayList {
    /// A list of at most `most` relays by the API.
    pub(super) fn new(most: usize) -> Self {
        Self { most, state: Mutex::default() }
    }

    /// Adds a relay by the API, unless there is one like it that has not ended.
    pub fn add(&self, relay: Relay, terms: Terms) -> Result<RelayNumber, NotAdded> {
        let is_there = |row: &Row| row.told.relay.is_same(&relay) && !row.has_ended();
        if self.lock().rows.iter().any(is_there) {
            return Err(NotAdded::Exists);
        }
        self.replace(relay, terms)
    }

    /// Adds a relay by the API, in place of another like it by the API, or of one that has ended.
    pub fn replace(&self, relay: Relay, terms: Terms) -> Result<RelayNumber, NotAdded> {
        let mut state = self.lock();
        state.remove(|row| row.is_by_api() && row.told.relay.is_same(&relay));
        if state.rows.iter().filter(|row| row.is_by_api()).count() >= self.most {
            state.remove(Row::has_ended).ok_or(NotAdded::Full)?;
        }
        let number = state.add(relay, Some(terms));
        state.changed();
        Ok(number)
    }

    /// Removes the relay by the API that `is_it` fits. Gives its state.
    pub fn remove(&self, is_it: impl Fn(&Relay) -> bool) -> Result<RelayState, NotRemoved> {
        let mut state = self.lock();
        let mut fitting = state.rows.iter().filter(|row| is_it(&row.told.relay)).peekable();
        fitting.peek().ok_or(NotRemoved::Unknown)?;
        let mut by_api = fitting.filter(|row| row.is_by_api()).map(|row| row.number);
        let number = by_api.next().ok_or(NotRemoved::Configured)?;
        if by_api.next().is_some() {
            return Err(NotRemoved::Several);
        }
        let was = state.remove(|row| row.number == number).ok_or(NotRemoved::Unknown)?;
        state.changed();
        Ok(was)
    }

    /// The relays, in the order in which they were entered.
    pub fn list(&self) -> Vec<RelayRow> {
        self.lock().rows.iter().map(|row| row.told.clone()).collect()
    }

    /// A relay.
    pub fn get(&self, number: RelayNumber) -> Option<RelayRow> {
        self.lock().row(number).map(|row| row.told.clone())
    }

    /// The state of a relay once it no longer waits; `None` if it is not wanted any more.
    pub fn poll_begun(&self, number: RelayNumber, cx: &Context<'_>) -> Poll<Option<RelayState>> {
        let mut state = self.lock();
        let Some(row) = state.row(number) else { return Poll::Ready(None) };
        if row.told.state == RelayState::Waits {
            row.asker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Some(row.told.state.clone()))
    }

    /// What is wanted by the API, for the relays: ready if it has changed since `seen`, which is updated.
    pub fn poll_wanted(&self, seen: &mut u32, cx: &Context<'_>) -> Poll<Vec<(RelayNumber, Relay, Terms)>> {
        let mut state = self.lock();
        if state.changes == *seen {
            state.follower = Some(cx.waker().clone());
            return Poll::Pending;
        }
        *seen = state.changes;
        let wanted = state.rows.iter().filter_map(|Row { number, told, .. }| {
            told.terms.as_ref().map(|terms| (*number, told.relay.clone(), terms.clone()))
        });
        Poll::Ready(wanted.collect())
    }

    /// Sets the state of a relay, if it is still there.
    pub fn report(&self, number: RelayNumber, now: RelayState) {
        let mut state = self.lock();
        state.edits = state.edits.wrapping_add(u32::from(matches!(now, RelayState::Ended(_))));
        if let Some(row) = state.row(number) {
            if let RelayState::Pauses(why, _) | RelayState::Ended(why) = &now {
                row.told.last_error = Some(why.clone());
            }
            row.told.state = now;
            row.asker.take().into_iter().for_each(Waker::wake);
        }
    }

    /// The number of changes of what is worth keeping: what is wanted by the API, and has not ended.
    #[cfg(feature = "api")]
    pub(super) fn edits(&self) -> u32 {
        self.lock().edits
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn row(&mut self, number: RelayNumber) -> Option<&mut Row> {
        self.rows.iter_mut().find(|row| row.number == number)
    }

    fn add(&mut self, relay: Relay, terms: Option<Terms>) -> RelayNumber {
        self.last = self.last.wrapping_add(1);
        let told = RelayRow { relay, terms, state: RelayState::Waits, last_error: None };
        self.rows.push(Row { number: RelayNumber(self.last), told, asker: None });
        RelayNumber(self.last)
    }

    /// Removes the first such row, and wakes who waits for it. Gives its state.
    fn remove(&mut self, is_it: impl FnMut(&Row) -> bool) -> Option<RelayState> {
        let at = self.rows.iter().position(is_it)?;
        let row = self.rows.remove(at);
        row.asker.into_iter().for_each(Waker::wake);
        Some(row.told.state)
    }

    fn changed(&mut self) {
        self.changes = self.changes.wrapping_add(1);
        self.edits = self.edits.wrapping_add(1);
        self.follower.take().into_iter().for_each(Waker::wake);
    }
}

impl Row {
    fn is_by_api(&self) -> bool {
        self.told.terms.is_some()
    }

    fn has_ended(&self) -> bool {
        matches!(self.told.state, RelayState::Ended(_))
    }
}

#[cfg(test)]
mod tests {
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

    const TERMS: Terms = Terms { udp: false, timeout: Duration::from_secs(10), retries: Some(0), idle: None };

    fn pull(stream: &str) -> Relay {
        Relay { way: Way::Pull, stream: stream.into(), url: Url::parse("rtmp://h/live/a").unwrap() }
    }

    fn push(stream: &str, url: &str) -> Relay {
        Relay { way: Way::Push, stream: stream.into(), url: Url::parse(url).unwrap() }
    }

    #[cfg(feature = "api")]
    fn streams(relays: &RelayList) -> Vec<String> {
        relays.list().into_iter().map(|row| row.relay.stream).collect()
    }

    #[test]
    fn the_relays_are_told_what_is_wanted_and_tell_how_it_does() {
        let (relays, mut seen, cx) = (RelayList::new(2), 0, Context::from_waker(Waker::noop()));
        assert_eq!(relays.poll_wanted(&mut seen, &cx), Poll::Pending);
        let one = relays.add(pull("a"), TERMS).unwrap();
        assert_eq!(relays.poll_wanted(&mut seen, &cx), Poll::Ready(vec![(one, pull("a"), TERMS)]));
        assert_eq!((relays.poll_wanted(&mut seen, &cx), relays.poll_begun(one, &cx)), (Poll::Pending, Poll::Pending));
        let runs = RelayState::Runs(SessionId { kind: "RTMPPULL", number: 1 });
        relays.report(one, RelayState::Pauses("no route".into(), Instant::now()));
        relays.report(one, runs.clone());
        assert_eq!(relays.poll_begun(one, &cx), Poll::Ready(Some(runs.clone())));
        let told = relays.get(one).unwrap();
        assert_eq!((told.relay, told.state, told.last_error.as_deref()), (pull("a"), runs.clone(), Some("no route")));
        assert_eq!(relays.remove(|relay| relay.stream == "a"), Ok(runs));
        assert_eq!(relays.poll_begun(one, &cx), Poll::Ready(None));
        assert_eq!(relays.poll_wanted(&mut seen, &cx), Poll::Ready(vec![]));
        relays.report(one, RelayState::Waits);
        assert_eq!(relays.remove(|relay| relay.stream == "a"), Err(NotRemoved::Unknown));
    }

    #[test]
    fn a_client_that_waits_for_a_pull_hears_that_another_takes_its_place_or_that_it_is_stopped() {
        let relays = RelayList::new(1);
        let gone: [fn(&RelayList) -> bool; 2] =
            [|relays| relays.replace(pull("a"), TERMS).is_ok(), |relays| relays.remove(|_| true).is_ok()];
        for go in gone {
            let number = relays.replace(pull("a"), TERMS).unwrap();
            let woken = Arc::new(Woken::default());
            let waker = Waker::from(woken.clone());
            let cx = Context::from_waker(&waker);
            assert_eq!(relays.poll_begun(number, &cx), Poll::Pending);
            assert!(go(&relays));
            assert!(woken.0.load(Relaxed));
            assert_eq!(relays.poll_begun(number, &cx), Poll::Ready(None));
        }
    }

    #[test]
    fn there_are_no_more_than_the_plan_has_and_what_has_ended_gives_way() {
        let relays = RelayList::new(2);
        let first = relays.add(pull("a"), TERMS).unwrap();
        assert!(relays.add(push("a", "rtmp://h/live/b"), TERMS).is_ok(), "it goes the other way");
        assert_eq!(relays.add(pull("a"), TERMS), Err(NotAdded::Exists));
        assert_eq!(relays.add(pull("c"), TERMS), Err(NotAdded::Full));
        assert!(relays.replace(push("a", "rtmp://h/live/b"), TERMS).is_ok(), "it takes the place of its like");
        relays.report(first, RelayState::Ended("no route".into()));
        assert!(relays.add(pull("a"), TERMS).is_ok(), "one that has ended may begin again");
        assert_eq!(relays.list().len(), 2);
    }

    #[test]
    #[cfg(feature = "api")]
    fn what_the_configuration_has_is_neither_added_nor_removed_and_needs_no_place() {
        let core = Core::new(Config::parse("test", "api.pulls = 1\n").unwrap(), vec![], Arc::default());
        let entry = core.enter_relay(push("a", "rtmp://h/live/a"));
        let relays = &core.relays;
        assert_eq!(relays.add(push("a", "rtmp://h/live/a"), TERMS), Err(NotAdded::Exists));
        assert_eq!(relays.remove(|relay| relay.stream == "a"), Err(NotRemoved::Configured));
        assert!(relays.add(push("a", "rtmp://h/live/b"), TERMS).is_ok());
        assert_eq!(streams(relays), ["a", "a"]);
        drop(entry);
        assert_eq!(relays.list().len(), 1);
        assert!(relays.remove(|relay| relay.stream == "a").is_ok());
    }
}
