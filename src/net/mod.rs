//! Sockets: listening, reading into machines, writing shared units to viewers, and closing connections that are
//! overdue.

mod address;
mod cadence;
mod client;
mod close;
mod conn;
mod deadline;
mod dial;
mod drive;
#[cfg(feature = "http")]
pub mod fetch;
mod listen;
mod local;
mod network;
mod outlet;
mod parting;
mod peers;
pub mod random;
#[cfg(feature = "http")]
mod reach;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;
mod turns;
mod udp;
mod watch;
mod workers;

pub use address::{at_port, canonical};
pub use cadence::Cadence;
pub use client::{Client, Via, forwarded};
pub use close::{Close, Failed, Fault, Reason};
pub use conn::{Conn, FULL_READ, ProxyHeader, Received, SHORT_READ, SocketSizes};
pub use deadline::Deadline;
pub use dial::{NAME_THREAD, Unreached, allow_names, dial};
pub use drive::drive;
pub use listen::{Gate, accept_loop, bind, try_address};
pub use local::{SocketFile, accept_local, bind_local, is_free};
pub use network::{InvalidNetwork, Network};
pub use outlet::{BATCH, CHANNELS, Framing, HeadFraming, Outlet, PacketFraming};
pub use peers::{ADDRESS, Claim, Peers, ROW, Seat, Share, Takers, Use, bits, goes_to, network};
pub use tls::{CertificateError, HandshakeThrottle};
#[cfg(feature = "tls")]
pub use tls::{Files, Identity, TLS_CONNECTION, Trust, make_certificate};
pub use turns::poll_in_turns;
pub use udp::{Datagrams, Outward, PORT_PAIR, Pair, Ports};
pub use watch::Watch;
pub use workers::{ThreadSlot, Workers, run};
