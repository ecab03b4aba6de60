//! One server that is asked: what waits, what is on its way, and what it has answered.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use smol::Executor;
use smol::channel::{Receiver, Sender, bounded};
use smol::future::or;

use super::super::means::Means;
use super::super::state::lock;
use super::answer::{LONGEST, Ruling};
use super::known::{Mark, Memory};
use crate::budget::Account;
use crate::conf::{Authority, Format};
use crate::net::fetch::{Contact, Failure, Limits, Request, Trouble};
use crate::proto::Url;
use crate::proto::http::Method;
use crate::reactor::Timer;

/// A server.
pub(super) struct Desk {
    url: Url,
    ca: String,
    insecure: bool,
    format: Format,
    contact: Contact,
    executor: Arc<Executor<'static>>,
    /// The most questions on their way, and the most with those that wait.
    most: (usize, usize),
    /// For questions and answers.
    pub(super) account: Account,
    table: Mutex<Table>,
    /// The last question was not answered.
    is_failing: AtomicBool,
}

/// The questions.
#[derive(Default)]
struct Table {
    memory: Memory,
    waiting: VecDeque<Arc<Flight>>,
    flying: Vec<Arc<Flight>>,
    /// The tasks that ask.
    tasks: usize,
}

/// A question to which at least one client waits for the answer.
pub(super) struct Flight {
    mark: Mark,
    body: Bytes,
    ruling: OnceLock<Option<Ruling>>,
    /// Closed when there is an answer, or none.
    landed: (Sender<()>, Receiver<()>),
}

/// Where a client finds its answer.
pub(super) enum Joined {
    /// It is known.
    Known(Ruling),
    /// It is asked for.
    Flight(Arc<Flight>),
    /// Too many questions wait.
    Full,
}

/// The longest time for one question.
const TIMEOUT: Duration = Duration::from_secs(3);
/// The longest time that a client waits, with that in the queue.
const PATIENCE: Duration = Duration::from_secs(6);
/// The bytes of a question without its body.
pub(super) const FLIGHT: usize = 512;

impl Desk {
    pub(super) fn new(authority: &Authority<'_>, means: &Means) -> Self {
        let Authority { url, ca, insecure, format } = *authority;
        Self {
            url: url.clone(),
            ca: ca.into(),
            insecure,
            format,
            contact: Contact::new(ca, insecure, means.questions, &means.throttle),
            executor: means.executor.clone(),
            most: (means.questions, means.open_questions),
            account: means.account.child("callback", super::held(means.questions, means.open_questions)),
            table: Mutex::default(),
            is_failing: AtomicBool::new(false),
        }
    }

    pub(super) fn is_for(&self, authority: &Authority<'_>) -> bool {
        let Self { url, ca, insecure, format, .. } = self;
        *authority == Authority { url, ca, insecure: *insecure, format: *format }
    }

    pub(super) fn is_failing(&self) -> bool {
        self.is_failing.load(Relaxed)
    }

    /// The answer, if it is known.
    pub(super) fn known(&self, mark: &Mark) -> Option<Ruling> {
        lock(&self.table).memory.find(mark, Instant::now())
    }

    /// Waits with all others who ask the same, or asks.
    pub(super) fn join(self: &Arc<Self>, mark: Mark, body: Bytes) -> Joined {
        let mut table = lock(&self.table);
        if let Some(ruling) = table.memory.find(&mark, Instant::now()) {
            return Joined::Known(ruling);
        }
        if let Some(flight) = table.waiting.iter().chain(&table.flying).find(|one| one.mark == mark) {
            return Joined::Flight(flight.clone());
        }
        table.waiting.retain(|flight| flight.is_awaited());
        if table.waiting.len() + table.flying.len() >= self.most.1 {
            return Joined::Full;
        }
        let flight = Arc::new(Flight { mark, body, ruling: OnceLock::new(), landed: bounded(1) });
        table.waiting.push_back(flight.clone());
        if table.tasks < self.most.0 {
            table.tasks += 1;
            self.executor.spawn(self.clone().work()).detach();
        }
        Joined::Flight(flight)
    }

    /// Asks one question after the other, until none waits.
    async fn work(self: Arc<Self>) {
        while let Some(flight) = self.take() {
            let ruling = self.ask(&flight.body).await;
            let mut table = lock(&self.table);
            table.flying.retain(|one| !Arc::ptr_eq(one, &flight));
            if let Some(ruling) = ruling {
                table.memory.add(flight.mark, ruling, Instant::now());
            }
            drop(table);
            flight.land(ruling);
        }
    }

    /// The next question whose answer somebody awaits.
    fn take(&self) -> Option<Arc<Flight>> {
        let mut table = lock(&self.table);
        table.waiting.retain(|flight| flight.is_awaited());
        match table.waiting.pop_front() {
            Some(flight) => {
                table.flying.push(flight.clone());
                Some(flight)
            }
            None => {
                table.tasks -= 1;
                None
            }
        }
    }

    async fn ask(&self, body: &Bytes) -> Option<Ruling> {
        let late = async {
            Timer::after(TIMEOUT).await;
            Err(Failure::Late.into())
        };
        let answered = or(self.request(body), late).await;
        self.tell(&answered);
        answered.ok()
    }

    async fn request(&self, body: &Bytes) -> Result<Ruling, Trouble> {
        let fields = &[("Content-Type", "application/json")];
        let request = Request { method: Method::Post, url: &self.url, fields, body };
        let limits = Limits { time: TIMEOUT, body: LONGEST, redirects: 0, account: &self.account };
        let answer = self.contact.open(&request, &limits).await?;
        let status = answer.response.status;
        if let Some(ruling) = Ruling::of_status(status)? {
            return Ok(ruling);
        }
        let answer = answer.whole(LONGEST, &self.account).await?;
        Ok(Ruling::of_body(&answer.body, self.format))
    }

    /// Logs the first question in a row that is not answered, and the first that is again.
    fn tell(&self, answered: &Result<Ruling, Trouble>) {
        let was_failing = self.is_failing.swap(answered.is_err(), Relaxed);
        let host = self.url.server();
        let level = if was_failing { log::Level::Debug } else { log::Level::Warn };
        match answered {
            Ok(_) if was_failing => log::info!("access.callback {host}: answers again"),
            Ok(ruling) => log::debug!("access.callback {host}: {ruling:?}"),
            Err(why) => log::log!(level, "access.callback {host}: no answer: {why}"),
        }
    }
}

impl Flight {
    /// The answer, as soon as it is there; `None` if there is none.
    pub(super) async fn landing(&self) -> Option<Ruling> {
        let landed = async { _ = self.landed.1.recv().await };
        or(landed, async { _ = Timer::after(PATIENCE).await }).await;
        self.ruling.get().copied().flatten()
    }

    fn land(&self, ruling: Option<Ruling>) {
        _ = self.ruling.set(ruling);
        self.landed.0.close();
    }

    /// True if somebody waits for it besides the queue.
    fn is_awaited(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::Config;

    #[test]
    fn tasks_and_questions_are_in_their_line_of_the_plan() {
        let text = "profile = \"router\"\n[[access]]\ncallback = \"http://127.0.0.1:9/\"\n";
        let config = Config::parse("test", text).unwrap();
        let desk = Arc::new(Desk::new(&config.authorities()[0], &Means::default()));
        let size = size_of_val(&desk.clone().work());
        assert!(size <= super::super::TASK * 3 / 4, "{size} bytes");
        let join = |at: usize| desk.join(u128::to_le_bytes(at as u128), Bytes::new());
        let most = config.open_questions();
        assert_eq!((desk.most, most), ((8, 72), 72));
        let flights: Vec<_> = (0..most).map(join).collect();
        assert!(flights.iter().all(|joined| matches!(joined, Joined::Flight(_))));
        assert!(matches!(join(most), Joined::Full) && matches!(join(3), Joined::Flight(_)));
        drop(flights);
        assert!(matches!(join(most), Joined::Flight(_)), "nobody awaits the others");
    }
}
