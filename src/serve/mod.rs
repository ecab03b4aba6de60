//! The glue: what machines report becomes calls to the hub, and what the hub
//! gives goes out through an outlet.

#[cfg(feature = "http")]
mod audience;
mod door;
mod flood;
#[cfg(fuzzing)]
pub mod fuzz;
#[cfg(feature = "http")]
mod hls;
#[cfg(feature = "http")]
mod http;
#[cfg(any(feature = "rtmp", feature = "rtsp", feature = "record"))]
#[cfg_attr(not(any(feature = "rtmp", feature = "rtsp")), allow(dead_code, reason = "a file comes by no connection"))]
pub(crate) mod intake;
#[cfg(feature = "record")]
pub mod listing;
pub(crate) mod live;
#[cfg(feature = "http")]
mod metrics;
#[cfg(feature = "record")]
mod recorded;
#[cfg(feature = "rtmp")]
pub(crate) mod rtmp;
#[cfg(feature = "rtsp")]
pub(crate) mod rtsp;
#[cfg(feature = "tls")]
mod sealed;
mod tally;
#[cfg_attr(
    not(all(feature = "rtmp", feature = "rtsp", feature = "http")),
    allow(dead_code, reason = "a protocol has its own use")
)]
pub(crate) mod who;

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_io::{Async, Timer};
use smol::{Executor, Task};

use crate::budget::Account;
use crate::conf::{ADDRESS, CONNECTION, Config, GREETING, SMALL_BUFFER};
use crate::hub::{Hub, Limits, Refused};
use crate::media::Wall;
#[cfg(feature = "rtsp")]
use crate::net::Ports;
#[cfg(feature = "tls")]
use crate::net::Shakes;
use crate::net::{Beat, Claim, Conn, Gate, Peers, ROW, Seat, SocketSizes, Watch, accept_loop, bind};
#[cfg(feature = "http")]
use audience::Audience;
pub use door::Listener;
use door::{Door, doors};
pub(crate) use flood::Flood;
#[cfg(feature = "http")]
use hls::Hls;
#[cfg(feature = "record")]
pub use recorded::Recorded;
#[cfg(feature = "record")]
pub use recorded::{Asked, List, MOST_TOLD, Told};
#[cfg(feature = "tls")]
use sealed::Sealed;
use tally::Tally;
use who::Ids;

/// A port that cannot be opened: the key that names it, and why.
pub type Unbound = (&'static str, String);

/// A running server.
#[cfg_attr(not(feature = "http"), allow(dead_code, reason = "read by the metrics"))]
pub struct Server {
    /// What connections that begin now go by.
    config: Mutex<Arc<Config>>,
    /// Where streams meet.
    pub hub: Arc<Hub>,
    pub(crate) executor: Arc<Executor<'static>>,
    total: Account,
    pub(crate) greetings: Account,
    hls_account: Account,
    pub(crate) watch: Arc<Watch>,
    pub(crate) beat: Beat,
    pub(crate) gate: Gate,
    /// The part that each address has of all this.
    peers: Peers,
    /// Pairs of ports for RTP.
    #[cfg(feature = "rtsp")]
    pub(crate) udp: Ports,
    /// Streams that go to a group.
    #[cfg(feature = "rtsp")]
    casts: rtsp::Casts,
    /// RTSP tunnels by their cookie.
    #[cfg(all(feature = "rtsp", feature = "http"))]
    tunnels: rtsp::Tunnels,
    #[cfg(feature = "tls")]
    sealed: Sealed,
    #[cfg(feature = "tls")]
    pub(crate) shakes: Shakes,
    tally: Tally,
    /// What recordings may hold in memory.
    #[cfg(feature = "record")]
    record_account: Account,
    /// What is recorded.
    #[cfg(feature = "record")]
    pub(crate) recorded: Arc<Recorded>,
    #[cfg(feature = "http")]
    hls: Hls,
    #[cfg(feature = "http")]
    audience: Audience,
    ids: Ids,
    /// The lines that the log has had of each peer.
    pub(crate) flood: Arc<Flood>,
}

impl Server {
    /// A server that listens nowhere yet, and whose tasks run on `executor`.
    pub fn new(config: Config, executor: Arc<Executor<'static>>) -> Arc<Self> {
        let total = Account::root("total", config.plan().user());
        let streams = total.child("streams", config.streams.max.saturating_mul(config.streams.memory.0));
        let greetings = total.child("connections", config.max_connections().saturating_mul(GREETING));
        let hls_account = total.child("hls", if config.hls.enable { config.hls.memory.0 } else { 0 });
        let limits = limits(&config);
        #[cfg(feature = "record")]
        crate::net::allow(config.disk_threads());
        crate::net::allow_names(config.name_threads());
        Arc::new(Self {
            hub: Hub::new(limits, streams),
            #[cfg(feature = "http")]
            hls: Hls::new(&config.hls, hls_account.clone(), config.max_connections()),
            #[cfg(feature = "http")]
            audience: Audience::new(config.viewers.max, config.per_peer(config.viewers.max), hls_account.clone()),
            executor,
            total: total.clone(),
            greetings,
            hls_account,
            watch: Arc::default(),
            beat: Beat::default(),
            gate: Gate::new(config.max_connections()),
            peers: peers(&config, &total),
            #[cfg(feature = "rtsp")]
            udp: Ports::new(config.rtsp.udp_ports.0, config.rtsp.udp_ports.1, config.udp_pairs()),
            #[cfg(feature = "rtsp")]
            casts: rtsp::Casts::default(),
            #[cfg(all(feature = "rtsp", feature = "http"))]
            tunnels: rtsp::Tunnels::default(),
            #[cfg(feature = "tls")]
            sealed: Sealed::new(&config.tls),
            #[cfg(feature = "tls")]
            shakes: Shakes::default(),
            tally: Tally::default(),
            #[cfg(feature = "record")]
            record_account: total.child("record", config.recording_memory()),
            #[cfg(feature = "record")]
            recorded: Arc::default(),
            ids: Ids::default(),
            flood: Arc::default(),
            config: Mutex::new(Arc::new(config)),
        })
    }

    /// The configuration, as connections that begin now go by it.
    pub fn config(&self) -> Arc<Config> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Goes by `config` for all that begins from here on, or stays as it is. What the
    /// memory plan, the ports and the threads were made of has to be as it was; what
    /// else the plan counts may differ.
    pub async fn reload(self: &Arc<Self>, config: Config) -> Result<(), String> {
        #[cfg(feature = "tls")]
        self.follow_certificates(&config).await?;
        // what is held of what is gone does not stand in the way of the rest
        self.total.set_limit(self.total.limit().max(config.plan().user()));
        #[cfg(feature = "record")]
        self.record_account.set_limit(self.record_account.limit().max(config.recording_memory()));
        crate::net::allow_names(config.name_threads());
        self.hub.set_limits(limits(&config));
        #[cfg(feature = "http")]
        self.hls.reload(&config.hls);
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
        Ok(())
    }

    /// Opens the ports; nobody is let in yet.
    pub fn bind(&self) -> Result<Vec<Listener>, Unbound> {
        let config = self.config();
        let sealed = self.has_identity();
        if config.tls.required && !sealed {
            return Err(("tls.required", "nobody can be served over TLS".into()));
        }
        self.bind_doors(&config, |door| sealed || !door.sealed)
    }

    /// Opens the ports of those doors that are asked for.
    fn bind_doors(&self, config: &Config, wanted: impl Fn(&Door) -> bool) -> Result<Vec<Listener>, Unbound> {
        let sizes = SocketSizes { send: config.viewers.send_buffer.0, receive: config.publish.receive_buffer.0 };
        let mut bound = Vec::new();
        for door in doors(config).into_iter().filter(|door| door.enable && wanted(door)) {
            match bind(door.listen.0, sizes) {
                Ok(socket) => bound.push(Listener { door, socket }),
                // those who come without TLS are served all the same
                Err(error) if door.sealed && !config.tls.required => {
                    log::error!("{} = \"{}\": {error}: {} is off", door.key, door.listen, door.name)
                }
                Err(error) => return Err((door.key, format!("{}: {error}", door.listen))),
            }
        }
        Ok(bound)
    }

    /// Whether it has a certificate to show.
    fn has_identity(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.sealed.identity().is_some();
        #[cfg(not(feature = "tls"))]
        false
    }

    /// Lets people in, until the executor is dropped. `pulse` is called every
    /// second, after everything was looked after.
    pub fn start(self: &Arc<Self>, listeners: Vec<Listener>, pulse: impl Fn() + Send + 'static) -> Result<(), String> {
        for listener in listeners {
            #[cfg(feature = "tls")]
            if listener.door.sealed {
                self.sealed.add(self.listen(listener)?);
                continue;
            }
            self.listen(listener)?.detach();
        }
        let server = self.clone();
        self.executor.spawn(async move { server.tick(pulse).await }).detach();
        #[cfg(feature = "tls")]
        {
            let server = self.clone();
            self.executor.spawn(async move { server.sealed.keep_fresh().await }).detach();
        }
        let server = self.clone();
        self.executor.spawn(async move { server.beat.run(|| server.hub.pace()).await }).detach();
        Ok(())
    }

    /// Lets people in by one port, until the task is dropped.
    fn listen(self: &Arc<Self>, Listener { door, socket }: Listener) -> Result<Task<()>, String> {
        let Door { name, key, listen, full, .. } = door;
        let socket = Async::new(socket).map_err(|error| format!("{key} = \"{listen}\": {error}"))?;
        log::info!("{name} listens on {listen}");
        let server = self.clone();
        let serve = move |conn: Conn| server.let_in(conn, door);
        let server = self.clone();
        let full = move |socket: &TcpStream, peer| server.turn_away(name, full, socket, peer);
        // an answer over HTTP is as long as what a viewer gets
        let guest = Self::viewer_sizes(&self.config());
        let (gate, peers, watch) = (self.gate.clone(), self.peers.clone(), self.watch.clone());
        Ok(self.executor.spawn(accept_loop(socket, gate, peers, watch, guest, serve, full)))
    }

    /// Takes all memory of the plan that accounts cover; it is held from then on.
    pub fn prefault(&self) {
        let accounts = [self.hub.account(), &self.greetings, &self.hls_account];
        self.total.prefault(accounts.iter().map(|account| account.limit()).sum());
    }

    /// About the bytes that are held for streams and connections now.
    pub fn held(&self) -> usize {
        self.total.used().saturating_add(self.gate.open().saturating_mul(CONNECTION))
    }

    /// Closes every connection in order: gives each the time to notice, at most `limit`. What is
    /// served from a disk has its end there by then.
    pub async fn stop(&self, limit: Duration) {
        let end = Instant::now() + limit;
        self.watch.shut_all();
        #[cfg(feature = "http")]
        self.hls.stop();
        while self.is_open() && Instant::now() < end {
            Timer::after(Duration::from_millis(10)).await;
        }
    }

    fn is_open(&self) -> bool {
        #[cfg(feature = "http")]
        if self.hls.is_storing() {
            return true;
        }
        self.watch.open() > 0
    }

    /// Once a second: what is overdue is closed, what is unused is forgotten.
    async fn tick(&self, pulse: impl Fn()) {
        loop {
            let now = Timer::after(Duration::from_secs(1)).await;
            self.watch.sweep(now);
            #[cfg(feature = "http")]
            self.hls.sweep(self, now);
            #[cfg(feature = "http")]
            self.audience.sweep(now, self.config().hls.session_timeout.0);
            self.hub.sweep(now);
            self.flood.tell();
            self.hub.time_of_day(time_of_day());
            self.total.replenish();
            pulse();
        }
    }

    /// What recordings are charged to.
    #[cfg(feature = "record")]
    pub(crate) fn record_account(&self) -> &Account {
        &self.record_account
    }

    /// The buffers of a connection that only receives media.
    #[cfg(any(feature = "rtmp", feature = "rtsp", feature = "record"))]
    pub(crate) fn publisher_sizes(config: &Config) -> SocketSizes {
        SocketSizes { send: SMALL_BUFFER, receive: config.publish.receive_buffer.0 }
    }

    /// The buffers of a connection that only sends media.
    pub(crate) fn viewer_sizes(config: &Config) -> SocketSizes {
        SocketSizes { send: config.viewers.send_buffer.0, receive: SMALL_BUFFER }
    }

    /// Serves a connection, under TLS if it comes in by such a door.
    fn let_in(self: &Arc<Self>, conn: Conn, door: Door) {
        #[cfg(feature = "tls")]
        if door.sealed {
            let server = self.clone();
            return self.executor.spawn(async move { server.let_in_sealed(conn, door).await }).detach();
        }
        (door.serve)(self.clone(), conn);
    }

    /// More connections than the plan allows.
    fn turn_away(&self, name: &str, words: &[u8], mut socket: &TcpStream, peer: SocketAddr) {
        let why = if self.gate.is_full() {
            // the next one may find a place
            self.hub.dismiss(true);
            "there are as many connections as streams.max, viewers.max and connections.spare allow"
        } else {
            "its address has as many connections as connections.per_peer allows"
        };
        self.refused_guest("connections", peer, format_args!("is refused {name}: {why}"));
        // whether it arrives or not, the connection is closed
        let _ = socket.write_all(words);
    }
}

const _: () = assert!(ROW <= ADDRESS, "the plan has room for what is counted of each address");

/// The part that one address may have of all that can be taken, in the order of `Claim`.
fn peers(config: &Config, total: &Account) -> Peers {
    let all = [config.max_connections(), config.streams.max, config.viewers.max, config.tls.max, config.udp_pairs()];
    let account = total.child("peers", config.max_connections().saturating_mul(ADDRESS));
    Peers::new(all.map(|most| config.per_peer(most)), config.connections.proxies.clone(), account)
}

/// Has a connection publish or play, by way of `begin`, if its address may do that.
fn may_be<T>(seat: Option<&Seat>, what: Claim, begin: impl FnOnce() -> Result<T, Refused>) -> Result<T, Refused> {
    if seat.is_some_and(|seat| !seat.take(what)) {
        return Err(Refused::Peer);
    }
    begin().inspect_err(|_| seat.iter().for_each(|seat| seat.leave()))
}

/// Before 1970 counts as 1970.
fn time_of_day() -> Wall {
    Wall(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// What bounds the hub.
fn limits(config: &Config) -> Limits {
    Limits {
        streams: config.streams.max,
        viewers: config.viewers.max,
        stream_memory: config.streams.memory.0,
        max_frame: config.streams.max_frame.0,
        // HLS begins with a segment that is complete
        gops: if config.hls.enable { 2 } else { 1 },
        conflict: config.publish.conflict,
        silent_audio: config.publish.silent_audio,
        resume: config.streams.resume.0,
        latency: config.viewers.latency.0,
    }
}
