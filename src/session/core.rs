//! The core, which all protocols share.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::reactor::Timer;
use smol::Executor;

use super::blacklist::Blacklist;
use super::connections::{ADDRESSES, CONNECTION, greetings, held_by_one};
use super::counters::Counters;
use super::flood::{Flood, Subject};
use super::list::Sessions;
use super::logins::Logins;
use super::news::Refused;
use super::rates::RateClock;
use super::recorded::Recorded;
use super::refusal::OF_CREDENTIALS;
use super::relays::RelayList;
use super::reloads::Reloads;
use super::threads;
use super::who::{Ids, LOGGED_REFUSALS, Who};
use crate::auth::{self, Answer, Gatekeeper, Request};
use crate::budget::Key::{Count, Size};
use crate::budget::{Account, Greetings, Plan};
use crate::conf::{Config, Cost};
use crate::hub::{Hub, Limits, Name, SessionId};
use crate::media::Wall;
use crate::net::{Cadence, Gate, HandshakeThrottle, Network, Peers, Ports, Watch, Workers, canonical, random};

/// The hub, the configuration, the accounts, and the limits of connections.
pub struct Core {
    /// The configuration for connections that begin now.
    config: Mutex<Arc<Config>>,
    /// The lines of the plan.
    costs: Vec<&'static Cost>,
    /// The streams.
    pub hub: Arc<Hub>,
    /// The executor of all tasks except those of connections.
    pub executor: Arc<Executor<'static>>,
    /// The threads that run connections.
    pub workers: Workers,
    /// The account that all others are parts of.
    pub total: Account,
    /// The accounts for what connections hold before they publish or play.
    pub greetings: Greetings,
    /// The account of HLS.
    pub hls: Account,
    /// The account of recordings.
    pub recordings: Account,
    /// Counts of recordings, and their lists.
    pub recorded: Arc<Recorded>,
    /// Closes connections that are overdue.
    pub watch: Arc<Watch>,
    /// The clock by which publishers are read.
    pub cadence: Cadence,
    /// The gate that counts open connections.
    pub gate: Gate,
    /// The limits of each address.
    pub peers: Peers,
    /// The addresses that the operator refuses.
    pub blacklist: Blacklist,
    /// Those who have logged in at the page.
    pub logins: Logins,
    /// The relays, and what clients of the API want of them.
    pub relays: RelayList,
    /// Requests to read the configuration again.
    pub reloads: Reloads,
    /// Pairs of ports for RTP.
    pub udp: Ports,
    /// Limits the rate of TLS handshakes.
    pub throttle: Arc<HandshakeThrottle>,
    /// The numbers of closed connections, by reason.
    pub counters: Counters,
    /// The time of day of the start.
    pub started: Wall,
    /// A random number that tells this start from others.
    pub boot: u64,
    ids: Ids,
    /// The state of the access rules: failures, known passwords, keys of tokens.
    pub(super) auth: Arc<auth::State>,
    /// Decides which clients may do what.
    pub(super) gatekeeper: Box<dyn Gatekeeper>,
    pub(super) list: Sessions,
    /// The numbers of lines logged for each peer.
    pub flood: Arc<Flood>,
}

/// The accounts of streams.
pub(super) static STREAMS: Cost = Cost {
    what: "streams: memory",
    keys: &[Count("streams.max"), Size("streams.memory")],
    count: |all| all.streams.max,
    user: |all| all.streams.memory.0,
    kernel: |_| 0,
};

impl Core {
    /// A core whose tasks run on `executor`, with accounts of the sizes that `costs` result in: those of
    /// `registry::costs`, and the program's own. Clients may do everything, unless the configuration says otherwise.
    pub fn new(config: Config, costs: Vec<&'static Cost>, executor: Arc<Executor<'static>>) -> Arc<Self> {
        Self::guarded(config, costs, executor, |_: &Request<'_>| Answer::Now(Ok(())))
    }

    /// The same, with `gatekeeper` to decide which clients may do what.
    pub fn guarded(
        config: Config,
        costs: Vec<&'static Cost>,
        executor: Arc<Executor<'static>>,
        gatekeeper: impl Gatekeeper + 'static,
    ) -> Arc<Self> {
        let total = Account::root("total", config.plan(&costs).user());
        let streams = total.child("streams", STREAMS.limit(&config));
        let greetings = greetings(&config, &total);
        let hls = total.child("hls", config.hls_memory());
        let throttle: Arc<HandshakeThrottle> = Arc::default();
        let means = auth::Means::of(&config, &executor, &total, &throttle);
        threads::allow(&config);
        Arc::new(Self {
            hub: Hub::new(limits(&config), streams),
            workers: Workers::new(executor.clone(), threads::together(&config)),
            executor,
            gate: Gate::new(config.max_connections()).charging(greetings.clone()),
            greetings,
            hls,
            recordings: total.child("record", config.recording_memory()),
            recorded: Arc::default(),
            watch: Arc::default(),
            cadence: Cadence::default(),
            peers: peers(&config, &total),
            blacklist: Blacklist::new(config.api.blacklist),
            logins: Logins::default(),
            relays: RelayList::new(config.api_pulls()),
            reloads: Reloads::default(),
            udp: Ports::new(config.rtsp.udp_ports.0, config.rtsp.udp_ports.1, config.udp_pairs()),
            throttle,
            counters: Counters::default(),
            started: time_of_day(),
            boot: random::number(),
            ids: Ids::default(),
            auth: Arc::new(auth::State::new(means)),
            gatekeeper: Box::new(gatekeeper),
            list: Sessions::default(),
            flood: Arc::default(),
            total,
            costs,
            config: Mutex::new(Arc::new(config)),
        })
    }

    /// True if the operator refuses an address.
    pub fn refuses(&self, address: IpAddr) -> bool {
        self.blacklist.has(address, Instant::now())
    }

    /// The configuration for connections that begin now.
    pub fn config(&self) -> Arc<Config> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The worst case of a configuration.
    pub fn plan(&self, config: &Config) -> Plan {
        config.plan(&self.costs)
    }

    /// Applies `config` to all that begins from here on. The parts that the memory plan, the ports and the threads were
    /// made from must be unchanged; other parts that the plan counts may differ.
    pub fn reload(&self, config: Config) {
        // memory that closed connections still hold does not limit the rest
        self.total.set_limit(self.total.limit().max(self.plan(&config).user()));
        self.recordings.set_limit(self.recordings.limit().max(config.recording_memory()));
        threads::allow(&config);
        self.greetings.set_each(held_by_one(&config));
        self.peers.set_bounds(per_peer(&config), uncounted(&config));
        self.hub.set_limits(limits(&config));
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
        self.read_keys();
    }

    /// Reads the keys that the rules name from files and from servers, beside all else.
    fn read_keys(&self) {
        self.auth.follow(&self.config());
        self.executor.spawn(self.auth.clone().read_keys(self.config())).detach();
    }

    /// Touches all memory of the plan that accounts cover, and keeps it from then on.
    pub fn prefault(&self) {
        let accounts = [self.hub.account(), self.greetings.account(), &self.hls];
        self.total.prefault(accounts.iter().map(|account| account.limit()).sum());
    }

    /// The approximate number of bytes held for streams and connections.
    pub fn held(&self) -> usize {
        self.total.used().saturating_add(self.gate.open().saturating_mul(CONNECTION))
    }

    /// Does periodic work, until the executor is dropped. Calls `others` every second, for the work of other modules.
    pub fn start(self: &Arc<Self>, others: impl Fn(Instant) + Send + 'static) {
        let core = self.clone();
        let tick = async move {
            let mut rates = RateClock::default();
            loop {
                let now = Timer::after(Duration::from_secs(1)).await;
                core.tick(now);
                rates.tick(&core, now);
                others(now);
            }
        };
        self.executor.spawn(tick).detach();
        self.read_keys();
        let core = self.clone();
        self.executor.spawn(async move { core.cadence.run(|| core.hub.pace()).await }).detach();
    }

    /// Closes overdue connections and removes unused streams.
    fn tick(&self, now: Instant) {
        self.watch.sweep(now);
        self.hub.sweep(now);
        self.flood.tell();
        self.hub.time_of_day(time_of_day());
        self.total.replenish();
    }

    /// Waits until no connection is open and `others` returns true, but no longer than `limit`.
    pub async fn closed(&self, limit: Duration, others: impl Fn() -> bool) {
        let end = Instant::now() + limit;
        while (self.watch.open() > 0 || !others()) && Instant::now() < end {
            Timer::after(Duration::from_millis(10)).await;
        }
    }

    /// A new session, whose id begins with `kind`.
    pub fn who(&self, kind: &'static str) -> Who {
        self.ids.who(kind)
    }

    /// Counts a refusal of a session, and logs it, unless much of the same was logged. The stream is the one that it
    /// asked for, if that is not its own yet.
    pub fn refused(&self, label: &'static str, who: &Who, stream: Option<&Name>, said: fmt::Arguments<'_>) {
        self.counters.refused(label);
        self.tell_refused(label, Some(who.id()), stream.or(who.stream()), who.peer());
        if who.passes(&self.flood, label, LOGGED_REFUSALS) {
            log::warn!("{who} {said}");
        }
    }

    /// The same for a peer without a session.
    pub fn refused_guest(
        &self,
        label: &'static str,
        peer: SocketAddr,
        stream: Option<&Name>,
        said: fmt::Arguments<'_>,
    ) {
        self.counters.refused(label);
        self.tell_refused(label, None, stream, Some(canonical(peer)));
        if self.flood.passes(label, Subject::Peer(peer.ip()), LOGGED_REFUSALS) {
            log::warn!("peer={} {said}", canonical(peer));
        }
    }

    /// Tells that credentials were refused.
    fn tell_refused(&self, why: &'static str, id: Option<SessionId>, stream: Option<&Name>, peer: Option<SocketAddr>) {
        if OF_CREDENTIALS.contains(&why) {
            let refused = |count| Refused { why, id, stream: stream.cloned(), peer, count };
            self.list.news.tell_refusal(Instant::now(), refused);
        }
    }
}

/// The limits of one address, in the order of `Claim`.
fn per_peer(config: &Config) -> [usize; 5] {
    let all = [config.max_connections(), config.streams.max, config.viewers.max, config.tls.max, config.udp_pairs()];
    all.map(|most| config.per_peer(most))
}

/// The addresses of which nothing is counted, because many come by them.
fn uncounted(config: &Config) -> Vec<Network> {
    let proxies = config.connections.proxies.iter().copied().map(Network::from);
    proxies.chain(config.connections.trusted_proxies.iter().copied()).collect()
}

fn peers(config: &Config, total: &Account) -> Peers {
    let account = total.child("peers", ADDRESSES.limit(config));
    Peers::new(per_peer(config), uncounted(config), account)
}

/// The time of day; a clock before 1970 counts as 1970.
pub fn time_of_day() -> Wall {
    Wall(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// The limits of the hub.
fn limits(config: &Config) -> Limits {
    Limits {
        streams: config.streams.max,
        viewers: config.viewers.max,
        stream_memory: config.streams.memory.0,
        max_frame: config.streams.max_frame.0,
        // HLS begins with a complete segment
        gops: if config.hls.enable { 2 } else { 1 },
        conflict: config.publish.conflict,
        silent_audio: config.publish.silent_audio,
        resume: config.streams.resume.0,
        latency: config.viewers.latency.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_connection_may_hold_follows_the_part_of_one_address() {
        let of = |per_peer| {
            let text = format!("profile = \"box\"\nconnections.per_peer = {per_peer}\n");
            Config::parse("test", &text).unwrap()
        };
        let (more, core) = (of(1), Core::new(of(100), crate::registry::costs(), Arc::default()));
        let bytes = held_by_one(&more);
        let before = core.greetings.messages();
        assert!(before.charge(bytes).is_err());
        core.reload(more);
        assert!(before.charge(bytes).is_err(), "a connection that is there goes on as it is");
        assert!(core.greetings.messages().charge(bytes).is_ok());
    }
}
