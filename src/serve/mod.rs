//! The glue: what machines report becomes calls to the hub, and what the hub
//! gives goes out through an outlet.

mod hls;
mod http;
mod live;
mod metrics;
mod rtmp;
mod tally;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use async_io::Timer;
use smol::Executor;

use crate::budget::Account;
use crate::conf::{Config, GREETING, SMALL_BUFFER};
use crate::hub::{Hub, Limits};
use crate::net::{Beat, Conn, Gate, SocketSizes, Watch, accept_loop, bind};
use hls::Hls;
use tally::Tally;

/// A running server.
pub struct Server {
    /// What it was started with.
    pub config: Config,
    /// Where streams meet.
    pub hub: Arc<Hub>,
    total: Account,
    greetings: Account,
    hls_account: Account,
    watch: Arc<Watch>,
    beat: Beat,
    gate: Gate,
    tally: Tally,
    hls: Hls,
    ids: AtomicUsize,
}

impl Server {
    /// A server that listens nowhere yet.
    pub fn new(config: Config) -> Arc<Self> {
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
            hls: Hls::new(&config.hls, hls_account.clone()),
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

    /// Binds every listener and serves on `executor` until the future is dropped.
    pub fn start(self: &Arc<Self>, executor: &Arc<Executor<'static>>) -> Result<(), String> {
        let sizes =
            SocketSizes { send: self.config.viewers.send_buffer.0, receive: self.config.publish.receive_buffer.0 };
        let listeners: [(&str, _, _, Service); 2] = [
            ("rtmp", self.config.rtmp.enable, self.config.rtmp.listen.0, rtmp::serve),
            ("http", self.config.http.enable, self.config.http.listen.0, http::serve),
        ];
        for (name, enabled, address, service) in listeners {
            if !enabled {
                continue;
            }
            let listener = bind(address, sizes).map_err(|error| format!("{name}.listen = \"{address}\": {error}"))?;
            log::info!("{name} listens on {address}");
            let (server, spawner) = (self.clone(), executor.clone());
            let serve = move |conn: Conn| service(&spawner, server.clone(), conn);
            let full = self.clone();
            let full = move |socket: &std::net::TcpStream| full.turn_away(name, socket);
            executor.spawn(accept_loop(listener, self.gate.clone(), self.watch.clone(), serve, full)).detach();
        }
        let (server, spawner) = (self.clone(), executor.clone());
        executor.spawn(async move { server.tick(&spawner).await }).detach();
        let server = self.clone();
        executor.spawn(async move { server.beat.run(|| server.hub.pace()).await }).detach();
        Ok(())
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
    async fn tick(self: &Arc<Self>, executor: &Arc<Executor<'static>>) {
        loop {
            let now = Timer::after(Duration::from_secs(1)).await;
            self.watch.sweep(now);
            self.hls.sweep(self, executor, now);
            self.hub.sweep(now);
        }
    }

    /// A number for a connection, after what it is: `RTMPPUBSUB1`.
    fn id(&self, prefix: &str) -> String {
        format!("{prefix}{}", self.ids.fetch_add(1, Relaxed))
    }

    /// The buffers of a connection that only receives media.
    fn publisher_sizes(&self) -> SocketSizes {
        SocketSizes { send: SMALL_BUFFER, receive: self.config.publish.receive_buffer.0 }
    }

    /// The buffers of a connection that only sends media.
    fn viewer_sizes(&self) -> SocketSizes {
        SocketSizes { send: self.config.viewers.send_buffer.0, receive: SMALL_BUFFER }
    }

    /// More connections than the plan allows: HTTP has words for that.
    fn turn_away(&self, name: &str, mut socket: &std::net::TcpStream) {
        self.tally.refused("connections");
        log::debug!("{name}: a connection over connections.spare is turned away");
        if name == "http" {
            // whether it arrives or not, the connection is closed
            let _ = socket.write_all(crate::proto::http::TURNED_AWAY);
        }
    }
}

/// Spawns the task of a connection.
type Service = fn(&Arc<Executor<'static>>, Arc<Server>, Conn);
