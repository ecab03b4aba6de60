//! The connection of machines and the hub: events of machines go to the hub through `session`, and units of the hub are
//! sent through outlets.

#[cfg(feature = "api")]
pub(crate) mod api;
mod error;
#[cfg(fuzzing)]
pub mod fuzz;
#[cfg(feature = "http")]
pub(crate) mod hls;
#[cfg(not(feature = "http"))]
#[path = "no_hls.rs"]
mod hls;
#[cfg(feature = "http")]
pub(crate) mod http;
mod listen;
#[cfg(feature = "http")]
mod metrics;
mod proxied;
#[cfg(feature = "rtmp")]
pub(crate) mod rtmp;
#[cfg(feature = "rtsp")]
pub(crate) mod rtsp;
#[cfg(feature = "api")]
mod socket;
#[cfg(not(feature = "api"))]
#[path = "no_socket.rs"]
mod socket;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use crate::reactor::Async;
use smol::Task;

use crate::conf::{Config, Port};
use crate::net::{Conn, SocketSizes, accept_loop, bind};
use crate::session::Core;
use error::holder;
pub use error::{Error, Refused, Unbound};
use hls::Hls;
use listen::Entrance;
pub use listen::{Listen, Listener};
use socket::ApiSocket;
#[cfg(feature = "api")]
pub use socket::SOCKET_CLIENTS;
use tls::TlsPorts;

/// A running server: its ports, and the state of each protocol.
pub struct Server {
    /// The core that all protocols share.
    pub core: Arc<Core>,
    /// The ports of its protocols.
    listens: Vec<&'static Listen>,
    /// Streams that are sent to multicast groups.
    #[cfg(feature = "rtsp")]
    groups: rtsp::MulticastGroups,
    /// RTSP tunnels by their cookie.
    #[cfg(all(feature = "rtsp", feature = "http"))]
    tunnels: rtsp::Tunnels,
    tls: TlsPorts,
    hls: Hls,
    socket: ApiSocket,
    /// Those who read events by the API.
    #[cfg(feature = "api")]
    readers: api::v1::events::Readers,
}

/// The refusal of an address that has as many connections as it may have.
const PER_PEER: &str = "its address has as many connections as connections.per_peer allows";

impl Server {
    /// A server of these protocols, without open ports yet.
    pub fn new(core: &Arc<Core>, listens: impl Iterator<Item = &'static Listen>) -> Arc<Self> {
        let config = core.config();
        Arc::new(Self {
            core: core.clone(),
            listens: listens.collect(),
            #[cfg(feature = "rtsp")]
            groups: rtsp::MulticastGroups::default(),
            #[cfg(all(feature = "rtsp", feature = "http"))]
            tunnels: rtsp::Tunnels::default(),
            tls: TlsPorts::new(&config.tls),
            hls: Hls::new(&config, &core.hls),
            socket: ApiSocket::default(),
            #[cfg(feature = "api")]
            readers: api::v1::events::Readers::default(),
        })
    }

    /// Applies `config` to all that begins from here on, or changes nothing.
    pub async fn reload(self: &Arc<Self>, config: Config) -> Result<(), Error> {
        self.follow_certificates(&config).await?;
        self.hls.reload(&config);
        self.core.reload(config);
        Ok(())
    }

    /// Opens the ports, without accepting connections yet.
    pub fn bind(&self) -> Result<Vec<Listener>, Unbound> {
        let config = self.core.config();
        let tls = self.tls.has_identity();
        if config.tls.required && !tls {
            return Err(Unbound { key: "tls.required", why: Refused::NoCertificate });
        }
        let ports = self.bind_ports(&config, |port| tls || !port.is_tls())?;
        self.socket.bind(&config)?;
        Ok(ports)
    }

    /// Opens the ports of `config` for which `wanted` is true.
    fn bind_ports(&self, config: &Config, wanted: impl Fn(&Port) -> bool) -> Result<Vec<Listener>, Unbound> {
        let sizes = SocketSizes { send: config.viewers.send_buffer.0, receive: config.publish.receive_buffer.0 };
        let mut bound = Vec::new();
        let all = self.listens.iter().flat_map(|row| row.ports.iter().map(move |port| Entrance { port, row }));
        for entrance in all.filter(|entrance| wanted(entrance.port)) {
            let port = entrance.port;
            let Some(address) = port.listen(config) else { continue };
            match bind(address.0, sizes) {
                Ok(socket) => bound.push(Listener { entrance, address, socket }),
                // clients without TLS are still served
                Err(error) if port.is_tls() && !config.tls.required => {
                    log::error!("{} = \"{address}\": {error}{}: {} is off", port.key, holder(&error), port.name)
                }
                Err(error) => return Err(Unbound { key: port.key, why: Refused::Address(address, error) }),
            }
        }
        Ok(bound)
    }

    /// Accepts connections, until the executor is dropped. `pulse` is called every second, after all periodic work.
    pub fn start(self: &Arc<Self>, listeners: Vec<Listener>, pulse: impl Fn() + Send + 'static) -> Result<(), Error> {
        for listener in listeners {
            let port = listener.entrance.port;
            self.tls.hold(port, self.listen(listener)?);
        }
        self.socket.listen(self)?;
        self.watch_certificates();
        let server = self.clone();
        self.core.start(move |now| {
            server.hls.tick(&server, now);
            pulse();
        });
        Ok(())
    }

    /// Accepts connections on one port, until the task is dropped.
    fn listen(self: &Arc<Self>, Listener { entrance, address, socket }: Listener) -> Result<Task<()>, Error> {
        let (Port { name, key, .. }, full) = (entrance.port, entrance.row.full);
        let socket = Async::new(socket).map_err(|error| Error::Deaf { key, address, error })?;
        log::info!("{name} listens on {address}");
        let server = self.clone();
        let serve = move |mut conn: Conn| {
            if server.turns_away(&conn) {
                return;
            }
            let served = server.clone();
            server.core.workers.share_out(move |slot| {
                conn.stay(slot);
                served.welcome(conn, entrance);
            });
        };
        let server = self.clone();
        let full = move |socket: &TcpStream, peer| server.turn_away(name, full, socket, peer);
        // an answer over HTTP may be as long as a viewer's
        let guest = Core::viewer_sizes(&self.core.config());
        let Core { gate, peers, watch, .. } = &*self.core;
        let (gate, peers, watch) = (gate.clone(), peers.clone(), watch.clone());
        Ok(self.core.executor.spawn(accept_loop(socket, gate, peers, watch, guest, serve, full)))
    }

    /// Closes every connection in order, and waits until they have ended, at most `limit`. Streams on a disk have their
    /// end there by then.
    pub async fn stop(&self, limit: Duration) {
        self.socket.close();
        self.core.watch.shut_all();
        self.hls.stop();
        self.core.closed(limit, || !self.hls.is_storing()).await;
    }

    /// True if a connection is closed because the operator refuses its address. Those of this machine are heard, since
    /// the operator may be there.
    fn turns_away(&self, conn: &Conn) -> bool {
        !conn.client().is_here() && self.core.refuses(conn.peer().ip().to_canonical())
    }

    /// Refuses a connection above the limit.
    fn turn_away(&self, name: &str, words: &[u8], mut socket: &TcpStream, peer: SocketAddr) {
        let why = if self.core.gate.is_full() {
            // so that the next one may find a place
            self.core.hub.dismiss(true);
            "there are as many connections as streams.max, viewers.max and connections.spare allow"
        } else {
            PER_PEER
        };
        self.core.refused_guest("connections", peer, None, format_args!("is refused {name}: {why}"));
        // the connection is closed even if that does not arrive
        let _ = socket.write_all(words);
    }
}
