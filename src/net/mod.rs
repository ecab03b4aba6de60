//! Sockets: listening, reading into machines, writing what viewers share, and
//! closing what is overdue.

mod aside;
mod beat;
mod close;
mod conn;
mod dial;
#[cfg(feature = "record")]
mod disk;
mod listen;
mod mounts;
mod outlet;
mod parting;
mod peers;
pub mod random;
mod small;
#[cfg(feature = "tls")]
mod tls;
mod turns;
mod udp;
mod watch;

pub use aside::Lane;
#[cfg(feature = "record")]
pub use aside::Use;
pub use beat::Beat;
pub use close::Close;
pub use conn::{ALL, Conn, Received, SOME, SocketSizes};
pub use dial::{allow_names, dial};
#[cfg(feature = "record")]
pub use disk::{Opened, allow, away};
#[cfg(feature = "record")]
pub use disk::{tidied, written};
pub use listen::{Gate, accept_loop, bind, try_address};
pub use mounts::disk_of;
#[cfg(feature = "record")]
pub use mounts::followed;
pub use outlet::{BATCH, CHANNELS, Framing, HeadFraming, Outlet, PacketFraming};
pub use peers::{Claim, Peers, ROW, Seat, Share, bits};
pub use small::{aside, open_at_once, read_once, read_small};
#[cfg(feature = "tls")]
pub use tls::{Files, Identity, Shakes, Trust, make_certificate};
pub use turns::{poll_in_turns, run};
pub use udp::{Datagrams, Outward, Pair, Ports};
pub use watch::Watch;
