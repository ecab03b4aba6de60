//! The glue: what machines report becomes calls to the hub, and what the hub
//! gives goes out through an outlet.

#[cfg(feature = "http")]
mod audience;
mod door;
#[cfg(fuzzing)]
pub mod fuzz;
#[cfg(feature = "http")]
mod hls;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
mod metrics;
#[cfg(feature = "rtmp")]
mod rtmp;
#[cfg(feature = "rtsp")]
pub(crate) mod rtsp;
#[cfg(feature = "tls")]
mod sealed;

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_io::Async;
use smol::Task;

use crate::conf::Config;
use crate::net::{Conn, SocketSizes, accept_loop, bind};
use crate::session::Core;
#[cfg(feature = "http")]
use audience::Audience;
pub use door::Listener;
use door::{Door, doors};
#[cfg(feature = "http")]
use hls::Hls;
#[cfg(feature = "tls")]
use sealed::Sealed;

/// A port that cannot be opened: the key that names it, and why.
pub type Unbound = (&'static str, String);

/// A running server: what listens, and what each protocol has of its own.
pub struct Server {
    /// What all protocols share.
    pub core: Arc<Core>,
    /// Streams that go to a group.
    #[cfg(feature = "rtsp")]
    casts: rtsp::Casts,
    /// RTSP tunnels by their cookie.
    #[cfg(all(feature = "rtsp", feature = "http"))]
    tunnels: rtsp::Tunnels,
    #[cfg(feature = "tls")]
    sealed: Sealed,
    #[cfg(feature = "http")]
    hls: Hls,
    #[cfg(feature = "http")]
    audience: Audience,
}

impl Server {
    /// A server that listens nowhere yet.
    pub fn new(core: &Arc<Core>) -> Arc<Self> {
        #[cfg(any(feature = "http", feature = "tls"))]
        let config = core.config();
        Arc::new(Self {
            core: core.clone(),
            #[cfg(feature = "rtsp")]
            casts: rtsp::Casts::default(),
            #[cfg(all(feature = "rtsp", feature = "http"))]
            tunnels: rtsp::Tunnels::default(),
            #[cfg(feature = "tls")]
            sealed: Sealed::new(&config.tls),
            #[cfg(feature = "http")]
            hls: Hls::new(&config.hls, core.hls.clone(), config.max_connections()),
            #[cfg(feature = "http")]
            audience: Audience::new(config.viewers.max, config.per_peer(config.viewers.max), core.hls.clone()),
        })
    }

    /// Goes by `config` for all that begins from here on, or stays as it is.
    pub async fn reload(self: &Arc<Self>, config: Config) -> Result<(), String> {
        #[cfg(feature = "tls")]
        self.follow_certificates(&config).await?;
        #[cfg(feature = "http")]
        self.hls.reload(&config.hls);
        self.core.reload(config);
        Ok(())
    }

    /// Opens the ports; nobody is let in yet.
    pub fn bind(&self) -> Result<Vec<Listener>, Unbound> {
        let config = self.core.config();
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
        #[cfg(feature = "tls")]
        self.core.executor.spawn(sealed::keep_fresh(self.clone())).detach();
        let server = self.clone();
        self.core.start(move |now| {
            server.tick(now);
            pulse();
        });
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
        let guest = Core::viewer_sizes(&self.core.config());
        let Core { gate, peers, watch, .. } = &*self.core;
        let (gate, peers, watch) = (gate.clone(), peers.clone(), watch.clone());
        Ok(self.core.executor.spawn(accept_loop(socket, gate, peers, watch, guest, serve, full)))
    }

    /// Closes every connection in order: gives each the time to notice, at most `limit`. What is
    /// served from a disk has its end there by then.
    pub async fn stop(&self, limit: Duration) {
        self.core.watch.shut_all();
        #[cfg(feature = "http")]
        self.hls.stop();
        self.core.closed(limit, || self.is_stored()).await;
    }

    /// Whether a disk has all that it is to have.
    fn is_stored(&self) -> bool {
        #[cfg(feature = "http")]
        return !self.hls.is_storing();
        #[cfg(not(feature = "http"))]
        true
    }

    /// Once a second.
    #[cfg(feature = "http")]
    fn tick(&self, now: Instant) {
        self.hls.sweep(self, now);
        self.audience.sweep(now, self.core.config().hls.session_timeout.0);
    }

    #[cfg(not(feature = "http"))]
    fn tick(&self, _: Instant) {}

    /// Serves a connection, under TLS if it comes in by such a door.
    fn let_in(self: &Arc<Self>, conn: Conn, door: Door) {
        #[cfg(feature = "tls")]
        if door.sealed {
            let server = self.clone();
            return self.core.executor.spawn(async move { server.let_in_sealed(conn, door).await }).detach();
        }
        (door.serve)(self.clone(), conn);
    }

    /// More connections than the plan allows.
    fn turn_away(&self, name: &str, words: &[u8], mut socket: &TcpStream, peer: SocketAddr) {
        let why = if self.core.gate.is_full() {
            // the next one may find a place
            self.core.hub.dismiss(true);
            "there are as many connections as streams.max, viewers.max and connections.spare allow"
        } else {
            "its address has as many connections as connections.per_peer allows"
        };
        self.core.refused_guest("connections", peer, format_args!("is refused {name}: {why}"));
        // whether it arrives or not, the connection is closed
        let _ = socket.write_all(words);
    }
}
