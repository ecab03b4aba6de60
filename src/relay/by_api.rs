//! Relays that clients of the API want. Their pulls differ from those of the configuration in that they may give up:
//! after a number of attempts, or as long as nobody watches.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::reactor::Timer;
use smol::Task;
use smol::future::or;

use super::{Direction, Find, PAUSES, RelayJob, SUCCESS, Term, attempt, keep_up};
use crate::hub::{Interest, Name, Reader};
use crate::net::{Close, Reason};
use crate::proto::Url;
use crate::session::{Core, Relay, RelayNumber, RelayState, Terms, Way};

/// A pull.
struct Kept {
    core: Arc<Core>,
    number: RelayNumber,
    terms: Terms,
    direction: Direction,
    job: RelayJob,
    events: Reader,
}

/// The reason why a session is over.
enum Over {
    /// It ended by itself.
    Ended(Close),
    /// Nobody watches.
    Unwatched,
}

/// The interval between looks whether anybody watches.
const LOOK: Duration = Duration::from_secs(1);
/// The reason for an end without media in time.
const NO_MEDIA: &str = "no media within pull_timeout_ms";

/// Runs what clients of the API want, until it is dropped.
pub(super) async fn follow(core: Arc<Core>, find: Find) {
    let (mut running, mut seen) = (HashMap::<RelayNumber, Task<()>>::new(), 0);
    loop {
        let wanted = poll_fn(|cx| core.relays.poll_wanted(&mut seen, cx)).await;
        let is_wanted = |number: &RelayNumber| wanted.iter().any(|(known, ..)| known == number);
        let gone: Vec<_> = running.extract_if(|number, _| !is_wanted(number)).collect();
        for (_, task) in gone {
            task.cancel().await;
        }
        for (number, relay, terms) in wanted {
            running
                .entry(number)
                .or_insert_with(|| core.executor.spawn(keep(core.clone(), find, number, relay, terms)));
        }
    }
}

async fn keep(core: Arc<Core>, find: Find, number: RelayNumber, relay: Relay, terms: Terms) {
    let direction = find(&relay.url).and_then(|carrier| match relay.way {
        Way::Pull => Some(carrier.pull),
        Way::Push => carrier.push,
    });
    let ended = match direction.zip(Name::new(&relay.stream).ok()) {
        None => "no relay knows its scheme".into(),
        Some((direction, name)) if relay.way == Way::Push => {
            let job = RelayJob::wanted(&core, direction, name, relay.url, terms.udp);
            keep_up(direction, RelayJob { on_demand: true, ..job }, Term::Ever, number).await;
            Close::Shutdown.to_string().into()
        }
        Some((direction, name)) => {
            let job = RelayJob::wanted(&core, direction, name, relay.url, terms.udp);
            Kept::new(number, terms, direction, job).run().await
        }
    };
    // what ends with the server begins with the next
    if !core.watch.stops() {
        core.relays.report(number, RelayState::Ended(ended));
    }
}

impl RelayJob {
    /// The job of a relay by the API, which trusts the usual authorities.
    fn wanted(core: &Arc<Core>, direction: Direction, name: Name, url: Url, udp: bool) -> Self {
        let (who, core, config) = (core.who(direction.prefix()).of(&name), core.clone(), core.config());
        let latest = Arc::new(Mutex::new(who.clone()));
        let (insecure, ca, on_demand, once) = (false, String::new(), false, false);
        Self { core, config, name, url, udp, insecure, ca, on_demand, once, who, latest }
    }
}

impl Kept {
    fn new(number: RelayNumber, terms: Terms, direction: Direction, job: RelayJob) -> Self {
        let events = job.core.hub.events(Interest { name: Some(job.name.clone()), kinds: &[] });
        Self { core: job.core.clone(), number, terms, direction, job, events }
    }

    /// Runs one session after another. Gives the reason why no more follow.
    async fn run(mut self) -> Box<str> {
        let (mut pause, mut left, mut waits_for_viewers) =
            (PAUSES.0, self.terms.retries, self.terms.idle == Some(Duration::ZERO));
        loop {
            self.wait(waits_for_viewers).await;
            if self.core.watch.stops() {
                return Close::Shutdown.to_string().into();
            }
            let begun = Instant::now();
            self.core.relays.report(self.number, RelayState::Runs(self.job.who.id()));
            let (over, who) = self.session().await;
            let (url, name) = (self.job.url.clone(), self.job.name.clone());
            let time = begun.elapsed().as_secs();
            if self.core.watch.stops() {
                log::info!("{who} pulling {name} {url}: ends with the server ({time} s)");
                return Close::Shutdown.to_string().into();
            }
            let next = self.core.who(self.direction.prefix()).of(&name);
            self.job.becomes(next);
            let why = match over {
                Over::Unwatched => {
                    log::info!("{who} pulling {name} {url}: nobody watches ({time} s)");
                    self.core.relays.report(self.number, RelayState::Waits);
                    (pause, left, waits_for_viewers) = (PAUSES.0, self.terms.retries, true);
                    continue;
                }
                Over::Ended(why) => why,
            };
            let is_last = matches!(why, Close::Kicked) || left == Some(0);
            if is_last {
                log::info!("{who} pulling {name} {url}: {why}; it is not tried again ({time} s)");
                return why.to_string().into();
            }
            left = left.map(|left| left - 1);
            pause = if begun.elapsed() >= SUCCESS { PAUSES.0 } else { pause };
            log::warn!("{who} pulling {name} {url}: {why}; again in {} s ({time} s)", pause.as_secs());
            self.core.relays.report(self.number, RelayState::Pauses(why.to_string().into(), Instant::now() + pause));
            Timer::after(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Waits until nobody publishes the stream, and somebody watches it if that matters.
    async fn wait(&mut self, for_viewers: bool) {
        self.job.on_demand = for_viewers;
        while !self.job.is_wanted(self.direction) && !self.core.watch.stops() {
            self.core.relays.report(self.number, RelayState::Waits);
            poll_fn(|cx| self.events.poll_news(cx)).await;
        }
        self.job.on_demand = false;
    }

    /// One session to its end, and who it was.
    async fn session(&mut self) -> (Over, crate::session::Who) {
        self.job.config = self.core.config();
        let mut session = self.job.clone();
        let ended = async { Over::Ended(attempt(self.direction, &mut session).await.0) };
        let over = or(ended, or(self.fails_to_begin(), self.is_unwatched())).await;
        (over, session.who)
    }

    /// Ready if no media came in time.
    async fn fails_to_begin(&self) -> Over {
        Timer::after(self.terms.timeout).await;
        let id = super::kept::lock(&self.job.latest).id();
        if self.core.publishes(id) {
            return std::future::pending().await;
        }
        Over::Ended(Close::refused(Reason::Ours(NO_MEDIA)))
    }

    /// Ready once nobody has watched for as long as the client allows.
    async fn is_unwatched(&self) -> Over {
        let Some(idle) = self.terms.idle else { return std::future::pending().await };
        let mut since = Instant::now();
        loop {
            let now = Timer::after(LOOK.min(idle.max(Duration::from_millis(100)))).await;
            if self.core.hub.find(&self.job.name).is_some_and(|stream| stream.is_watched()) {
                since = now;
            } else if now.saturating_duration_since(since) >= idle {
                return Over::Unwatched;
            }
        }
    }
}
