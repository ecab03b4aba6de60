//! Protocols as machines: bytes in; events and bytes to send out. No sockets,
//! no clocks, no tasks.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "rtmp")]
pub mod rtmp;
#[cfg(feature = "rtsp")]
pub mod rtp;
#[cfg(feature = "rtsp")]
pub mod rtsp;

#[cfg(feature = "http")]
pub mod ws;

mod credentials;
mod digest;
mod error;
pub mod scheme;
mod target;
mod url;

pub use credentials::{AuthScheme, Credentials, Lack, NO_CREDENTIALS, REALM, Secret};
pub use digest::{Algorithm, Digest};
pub use error::{Blame, Error};
pub use scheme::Scheme;
pub use target::Target;
pub use url::Url;

/// The most bytes that are kept of a client's name for itself.
pub const MAX_AGENT: usize = 128;

/// The first bytes of what a client calls itself.
pub fn agent(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_AGENT)).unwrap_or_default()
}

/// A protocol's side of one connection.
///
/// The driver feeds what it received to `input`, drains `event` to `None` after
/// every call, and sends what stands in `transmit`.
pub trait Machine {
    /// An event from the peer.
    type Event;

    /// Consumes a prefix of `data` and says how long it was; 0 means that there
    /// is not enough yet, and what is left is offered again with more behind it.
    ///
    /// # Errors
    /// The connection is to end. The error and its place in the stream of bytes are
    /// the same however that was cut.
    fn input(&mut self, data: &[u8]) -> Result<usize, Error>;

    /// The next event; drained to `None` before the next `input`.
    fn event(&mut self) -> Option<Self::Event>;

    /// Replies and other control bytes; media never passes here. The driver
    /// takes from the front what it has sent.
    fn transmit(&mut self) -> &mut Vec<u8>;
}
