//! Keeps the configured relays running: each begins and ends with its configuration.

use std::collections::HashMap;
use std::net::Ipv6Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::reactor::Timer;
use smol::Task;
use smol::future::or;

use super::{Direction, Find, Latest, RelayJob, Term, by_api, keep_up};
use crate::conf::{Pull, Push};
use crate::hub::{EventKind, Interest, Name, matches};
use crate::proto::Url;
use crate::session::{self, Core, RelayEntry, Subject, Way, Who};

/// All relays of the configuration.
pub struct Relays {
    core: Arc<Core>,
    find: Find,
    kept: Vec<(Relay, Running)>,
    /// Follows the relays that clients of the API want.
    wanted: Option<Task<()>>,
}

/// A running relay.
struct Running {
    task: Task<()>,
    /// The session in the log; `None` for a pattern.
    latest: Option<Latest>,
    /// The streams that a pattern pushes.
    pushed: Pushed,
}

/// The sessions of a pattern, by their streams.
pub(super) type Pushed = Arc<Mutex<HashMap<Name, (Task<()>, Latest)>>>;

/// The longest time that removed relays may take to end before others begin.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// A relay of the configuration.
#[derive(Clone, PartialEq)]
enum Relay {
    Pull(Pull),
    Push(Push),
}

impl Relays {
    /// No relays yet; `find` gives those of the known protocols.
    pub fn new(core: &Arc<Core>, find: Find) -> Self {
        Self { core: core.clone(), find, kept: Vec::new(), wanted: None }
    }

    /// Waits until the files that are played have ended, like connections that are closed.
    #[cfg(feature = "record")]
    pub async fn stop(&self) {
        let playing: Vec<_> = self.kept.iter().filter(|(relay, running)| self.plays(relay, running)).collect();
        let ended = async {
            while !playing.iter().all(|(_, running)| running.task.is_finished()) {
                Timer::after(Duration::from_millis(10)).await;
            }
        };
        or(ended, async { _ = Timer::after(END_TIMEOUT).await }).await;
    }

    #[cfg(feature = "record")]
    fn plays(&self, relay: &Relay, running: &Running) -> bool {
        let is_file = matches!(relay, Relay::Pull(Pull { url, .. }) if url.0.is_file());
        is_file && running.latest.as_ref().is_some_and(|latest| self.core.publishes(lock(latest).id()))
    }

    /// Runs the relays of the current configuration until the executor is dropped. Unchanged relays continue;
    /// removed relays have ended before others begin. From the first call on, so are those that clients of the API
    /// want.
    pub async fn follow(&mut self) {
        let (core, find) = (&self.core, self.find);
        self.wanted.get_or_insert_with(|| core.executor.spawn(by_api::follow(core.clone(), find)));
        let config = self.core.config();
        let pulls = config.pull.iter().cloned().map(Relay::Pull);
        let pushes = config.push.iter().cloned().map(Relay::Push);
        let mut before = std::mem::take(&mut self.kept);
        let mut new = Vec::new();
        for relay in pulls.chain(pushes) {
            match before.iter().position(|(known, _)| *known == relay) {
                Some(at) => self.kept.push(before.swap_remove(at)),
                None => new.push(relay),
            }
        }
        for (relay, running) in before {
            let (word, stream, url) = relay.about();
            let sessions = running.end().await;
            if sessions.is_empty() {
                log::info!("stream={stream} {word} {url} ends: it is no longer configured");
            }
            for who in sessions {
                log::info!("{who} {word} {url} ends: it is no longer configured");
            }
        }
        for relay in new {
            if let Some(running) = relay.begin(&self.core, self.find) {
                self.kept.push((relay, running));
            }
        }
    }
}

impl Relay {
    fn about(&self) -> (&'static str, &str, &Url) {
        match self {
            Self::Pull(Pull { stream, url, .. }) => ("pulling", stream, &url.0),
            Self::Push(Push { stream, url, .. }) => ("pushing", stream, &url.0),
        }
    }

    /// The relay in the list of all.
    fn told(&self) -> session::Relay {
        let (_, stream, url) = self.about();
        let way = if matches!(self, Self::Pull(_)) { Way::Pull } else { Way::Push };
        session::Relay { way, stream: stream.into(), url: url.clone() }
    }

    fn begin(&self, core: &Arc<Core>, find: Find) -> Option<Running> {
        let pushed = Pushed::default();
        let (direction, job) = match self {
            Self::Pull(pull) => {
                let direction = find(&pull.url.0)?.pull;
                (direction, RelayJob::pull(core, direction, pull)?)
            }
            Self::Push(push) if push.is_pattern() => {
                let direction = find(&push.url.0)?.push?;
                let entry = core.enter_relay(self.told());
                let each = push_each(direction, core.clone(), push.clone(), pushed.clone(), entry);
                return Some(Running { task: core.executor.spawn(each), latest: None, pushed });
            }
            Self::Push(push) => {
                let (name, direction) = (Name::new(&push.stream).ok()?, find(&push.url.0)?.push?);
                (direction, RelayJob::push(core, direction, push, name))
            }
        };
        let (latest, entry) = (Some(job.latest.clone()), core.enter_relay(self.told()));
        Some(Running { task: core.executor.spawn(keep_entered(direction, job, Term::Ever, entry)), latest, pushed })
    }
}

impl Running {
    /// Ends the relay and all its sessions. Gives the sessions.
    async fn end(self) -> Vec<Who> {
        self.task.cancel().await;
        let pushed = std::mem::take(&mut *lock(&self.pushed));
        let latest = self.latest.iter().chain(pushed.values().map(|(_, latest)| latest));
        let sessions = latest.map(|latest| lock(latest).clone()).collect();
        let ended = async {
            for (task, _) in pushed.into_values() {
                task.cancel().await;
            }
        };
        or(ended, async { _ = Timer::after(END_TIMEOUT).await }).await;
        sessions
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The shortest interval between searches for streams that match a pattern: streams may come and go continuously.
const SEARCH_INTERVAL: Duration = Duration::from_millis(100);

/// Runs one session after another, with its row in the list of relays until then.
async fn keep_entered(direction: Direction, job: RelayJob, term: Term, entry: RelayEntry) {
    keep_up(direction, job, term, entry.number).await;
}

/// Pushes every stream whose name matches the pattern, under its own name.
async fn push_each(direction: Direction, core: Arc<Core>, push: Push, pushed: Pushed, _entry: RelayEntry) {
    let mut events = core.hub.events(Interest { name: None, kinds: &[EventKind::Open] });
    loop {
        push_new(direction, &core, &push, &pushed);
        Timer::after(SEARCH_INTERVAL).await;
        std::future::poll_fn(|cx| events.poll_news(cx)).await;
    }
}

fn push_new(direction: Direction, core: &Arc<Core>, push: &Push, pushed: &Pushed) {
    let (most, mut sessions) = (core.config().streams.max, lock(pushed));
    for stream in core.hub.streams().iter().filter(|stream| stream.is_open()) {
        let name = stream.name();
        if sessions.contains_key(name) || !matches(&push.stream, name.as_str()) {
            continue;
        }
        if sessions.len() >= most {
            // sessions that linger after their streams give up their places
            for (_, (_, latest)) in sessions.extract_if(|name, _| !is_open(core, name)) {
                let level = if is_news(core, name) { log::Level::Info } else { log::Level::Debug };
                let who = lock(&latest);
                log::log!(level, "{who} gives its session to {name}: streams.max are taken");
            }
        }
        let mut job = RelayJob::push(core, direction, push, name.clone());
        job.url = job.url.of_stream(name.as_str());
        let latest = job.latest.clone();
        let told = session::Relay { way: Way::Push, stream: name.to_string(), url: job.url.clone() };
        let (entry, term) = (core.enter_relay(told), Term::Published(pushed.clone()));
        let task = core.executor.spawn(keep_entered(direction, job, term, entry));
        sessions.insert(name.clone(), (task, latest));
    }
}

/// True if a pattern's session with a stream is logged. The log has a limit per publisher, so that a publisher with
/// ever new names cannot crowd out other lines.
pub(super) fn is_news(core: &Core, name: &Name) -> bool {
    let peer = core.hub.find(name).and_then(|stream| stream.publisher_peer());
    let publisher = peer.map_or(Subject::Own("PUSH"), |peer| Subject::Peer(Ipv6Addr::from_bits(peer).into()));
    core.flood.passes_push(publisher)
}

/// Ends and forgets the session of a pattern, unless its stream is published again. Gives whether it ended.
pub(super) fn leaves(pushed: &Pushed, job: &RelayJob) -> bool {
    let mut sessions = lock(pushed);
    if is_open(&job.core, &job.name) {
        return false;
    }
    // another session may have begun in its place
    if sessions.get(&job.name).is_some_and(|(_, latest)| Arc::ptr_eq(latest, &job.latest)) {
        sessions.remove(&job.name).into_iter().for_each(|(task, _)| task.detach());
    }
    true
}

fn is_open(core: &Core, name: &Name) -> bool {
    core.hub.find(name).is_some_and(|stream| stream.is_open())
}

impl RelayJob {
    fn pull(core: &Arc<Core>, direction: Direction, pull: &Pull) -> Option<Self> {
        let Pull { stream, url, on_demand, udp, insecure, ca } = pull.clone();
        let (name, core, config) = (Name::new(&stream).ok()?, core.clone(), core.config());
        let who = core.who(direction.prefix()).of(&name);
        let latest = Arc::new(Mutex::new(who.clone()));
        Some(Self { core, config, name, url: url.0, udp, insecure, ca, on_demand, once: false, who, latest })
    }

    pub(super) fn push(core: &Arc<Core>, direction: Direction, push: &Push, name: Name) -> Self {
        let Push { url, udp, insecure, ca, .. } = push.clone();
        let (core, config) = (core.clone(), core.config());
        let (on_demand, once, who) = (true, false, core.who(direction.prefix()).of(&name));
        let latest = Arc::new(Mutex::new(who.clone()));
        Self { core, config, name, url: url.0, udp, insecure, ca, on_demand, once, who, latest }
    }
}

#[cfg(all(test, feature = "rtmp"))]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::conf::Config;
    use crate::hub::Publisher;
    use crate::media::{Codec, Frame, Hz, Kind, Params, Ticks, Track};
    use crate::relay::Sessions;
    use crate::session::{Action, Asker, Entrant, Grant, Leave, said};

    fn core() -> Arc<Core> {
        let push = "[[push]]\nstream = \"*\"\nurl = \"rtmp://192.0.2.9/live\"\n";
        let text = format!("profile = \"box\"\nstreams.max = 2\n{push}");
        Core::new(Config::parse("test", &text).unwrap(), crate::registry::costs(), Arc::default())
    }

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    /// Publishes the stream from 192.0.2.`host`.
    fn publish(core: &Core, name: &Name, host: u8) -> (Publisher, Grant) {
        let seat = core.peers.seat([192, 0, 2, host].into()).unwrap();
        let entrant = Entrant { asker: Asker::Guest("RTMPPUBSUB", None), seat: Some(&seat), url: &"" };
        core.admit_publisher(Leave::own(Action::Publish, name), &entrant, Instant::now()).ok().unwrap()
    }

    #[test]
    fn who_publishes_ever_new_names_leaves_the_lines_of_others_pushes() {
        let core = core();
        let [one, other] = ["one", "other"].map(name);
        let _published = [publish(&core, &one, 1), publish(&core, &other, 2)];
        let told = (0..1000).filter(|_| is_news(&core, &one)).count();
        assert!((10..500).contains(&told), "{told}");
        assert!(is_news(&core, &other));
    }

    #[test]
    fn a_push_says_that_it_gives_its_session_to_another_stream() {
        let core = core();
        let (push, pushed) = (core.config().push[0].clone(), Pushed::default());
        let direction = Direction::Push(Sessions { prefix: "RTMPPUSH", run: |_, _| Box::pin(std::future::pending()) });
        for gone in ["gone1", "gone2"].map(name) {
            let latest = RelayJob::push(&core, direction, &push, gone.clone()).latest;
            lock(&pushed).insert(gone, (core.executor.spawn(std::future::pending()), latest));
        }
        let (now, new) = (Instant::now(), name("new"));
        let (mut publisher, _grant) = publish(&core, &new, 1);
        publisher.track(Track { id: 0, codec: Codec::Pcma, clock: Hz::MS, params: Params::default() });
        publisher.complete();
        let data = publisher.paid(&[7; 80]).unwrap();
        publisher.publish(Frame { dts: Ticks(0), cts: 0, kind: Kind::Audio, track: 0, key: true, data }, now).unwrap();
        publisher.flush();
        said::lines();
        push_new(direction, &core, &push, &pushed);
        let mut said = said::lines();
        said.sort();
        let line = |n| format!("id=RTMPPUSH{n} stream=gone{n} gives its session to new: streams.max are taken");
        assert_eq!(said, [line(1), line(2)]);
        assert_eq!(lock(&pushed).keys().collect::<Vec<_>>(), [&new]);
    }
}
