//! The glue: what machines report becomes calls to the hub, and what the hub
//! gives goes out through an outlet.

#[cfg(feature = "hls")]
mod hls;
#[cfg(feature = "http")]
mod http;
mod live;
#[cfg(feature = "http")]
mod metrics;
#[cfg(feature = "rtmp")]
mod rtmp;
mod tally;

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use async_io::Timer;
use smol::Executor;

use crate::budget::Account;
use crate::conf::{Address, Config, GREETING, SMALL_BUFFER};
use crate::hub::{Hub, Limits};
use crate::net::{Beat, Conn, Gate, SocketSizes, Watch, accept_loop, bind};
#[cfg(feature = "hls")]
use hls::Hls;
use tally::Tally;

/// A running server.
#[cfg_attr(not(feature = "http"), allow(dead_code, reason = "read by the metrics"))]
pub struct Server {
    /// What it was started with.
    pub config: Config,
    /// Where streams meet.
    pub hub: Arc<Hub>,
    executor: Arc<Executor<'static>>,
    total: Account,
    greetings: Account,
    hls_account: Account,
    watch: Arc<Watch>,
    beat: Beat,
    gate: Gate,
    tally: Tally,
    #[cfg(feature = "hls")]
    hls: Hls,
    ids: AtomicUsize,
}

impl Server {
    /// A server that listens nowhere yet, and whose tasks run on `executor`.
    pub fn new(config: Config, executor: Arc<Executor<'static>>) -> Arc<Self> {
        let total = Account::root("total", config.plan().user());
        let streams = total.child("streams", config.streams.max.saturating_mul(config.streams.memory.0));
        let greetings = total.child("connections", config.max_connections().saturating_mul(GREETING));
        let hls_account = total.child("hls", config.hls.memory.0);
        let limits = Limits {
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
        };
        Arc::new(Self {
            hub: Hub::new(limits, streams),
            #[cfg(feature = "hls")]
            hls: Hls::new(&config.hls, hls_account.clone()),
            executor,
            total,
            greetings,
            hls_account,
            watch: Arc::default(),
            beat: Beat::default(),
            gate: Gate::new(config.max_connections()),
            tally: Tally::default(),
            ids: AtomicUsize::new(1),
            config,
        })
    }

    /// Binds every listener and serves until the executor is dropped.
    pub fn start(self: &Arc<Self>) -> Result<(), String> {
        let sizes =
            SocketSizes { send: self.config.viewers.send_buffer.0, receive: self.config.publish.receive_buffer.0 };
        for door in self.doors().into_iter().filter(|door| door.enable) {
            let Door { name, listen, serve, full, .. } = door;
            let listener = bind(listen.0, sizes).map_err(|error| format!("{name}.listen = \"{listen}\": {error}"))?;
            log::info!("{name} listens on {listen}");
            let server = self.clone();
            let serve = move |conn: Conn| serve(server.clone(), conn);
            let server = self.clone();
            let full = move |socket: &TcpStream| server.turn_away(name, full, socket);
            self.executor.spawn(accept_loop(listener, self.gate.clone(), self.watch.clone(), serve, full)).detach();
        }
        let server = self.clone();
        self.executor.spawn(async move { server.tick().await }).detach();
        let server = self.clone();
        self.executor.spawn(async move { server.beat.run(|| server.hub.pace()).await }).detach();
        Ok(())
    }

    /// Where connections may come in.
    fn doors(&self) -> Vec<Door> {
        vec![
            #[cfg(feature = "rtmp")]
            Door {
                name: "rtmp",
                enable: self.config.rtmp.enable,
                listen: self.config.rtmp.listen,
                serve: rtmp::serve,
                full: b"",
            },
            #[cfg(feature = "http")]
            Door {
                name: "http",
                enable: self.config.http.enable,
                listen: self.config.http.listen,
                serve: http::serve,
                full: crate::proto::http::TURNED_AWAY,
            },
        ]
    }

    /// Closes every connection in order: gives each the time to notice, at most `limit`.
    pub async fn stop(&self, limit: Duration) {
        let end = Instant::now() + limit;
        self.watch.shut_all();
        while self.watch.open() > 0 && Instant::now() < end {
            Timer::after(Duration::from_millis(10)).await;
        }
    }

    /// Once a second: what is overdue is closed, what is unused is forgotten.
    async fn tick(self: &Arc<Self>) {
        loop {
            let now = Timer::after(Duration::from_secs(1)).await;
            self.watch.sweep(now);
            #[cfg(feature = "hls")]
            self.hls.sweep(self, now);
            self.hub.sweep(now);
        }
    }

    /// A number for a connection, after what it is: `RTMPPUBSUB1`.
    fn id(&self, prefix: &str) -> String {
        format!("{prefix}{}", self.ids.fetch_add(1, Relaxed))
    }

    /// The buffers of a connection that only receives media.
    #[cfg(feature = "rtmp")]
    fn publisher_sizes(&self) -> SocketSizes {
        SocketSizes { send: SMALL_BUFFER, receive: self.config.publish.receive_buffer.0 }
    }

    /// The buffers of a connection that only sends media.
    fn viewer_sizes(&self) -> SocketSizes {
        SocketSizes { send: self.config.viewers.send_buffer.0, receive: SMALL_BUFFER }
    }

    /// More connections than the plan allows.
    fn turn_away(&self, name: &str, words: &[u8], mut socket: &TcpStream) {
        self.tally.refused("connections");
        log::debug!("{name}: a connection over connections.spare is turned away");
        // whether it arrives or not, the connection is closed
        let _ = socket.write_all(words);
    }
}

/// A protocol that listens.
struct Door {
    /// In the configuration and in the log.
    name: &'static str,
    enable: bool,
    listen: Address,
    /// Spawns the task of a connection.
    serve: fn(Arc<Server>, Conn),
    /// What one too many is told, if the protocol has words for it.
    full: &'static [u8],
}
