//! Protocols as machines: bytes in; events and bytes to send out. No sockets, no clocks, no tasks.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "auth")]
pub mod jwt;
#[cfg(feature = "rtmp")]
pub mod rtmp;
#[cfg(feature = "rtsp")]
pub mod rtp;
#[cfg(feature = "rtsp")]
pub mod rtsp;

#[cfg(feature = "http")]
pub mod ws;

mod adobe;
mod credentials;
mod digest;
mod error;
pub mod scheme;
mod target;
mod url;

use std::time::Instant;

pub use adobe::{Adobe, AdobeAnswer, AdobeLogin, NEEDS_USER, NO_SUCH_USER};
pub use credentials::{AuthScheme, Credentials, Lack, NO_CREDENTIALS, REALM, Secret};
pub use digest::{Algorithm, Digest};
pub use error::{Blame, Error};
pub use scheme::Scheme;
pub use target::Target;
pub use url::{CUT, ENCODE, MASK, Url};

/// The maximum number of bytes kept of a client's user agent.
pub const MAX_AGENT: usize = 128;

/// A client's user agent, cut to `MAX_AGENT` bytes.
pub fn agent(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_AGENT)).unwrap_or_default()
}

/// A protocol's side of one connection.
///
/// The driver passes received bytes to `input`, calls `timeout` when `deadline` has passed, drains `event` to `None`
/// after every call of either, and sends the contents of `transmit`.
pub trait Machine {
    /// An event from the peer.
    type Event;

    /// Consumes a prefix of `data` and returns its length. 0 means that more data is needed: the caller offers the
    /// rest again with more bytes after it.
    ///
    /// # Errors
    /// The connection must end. The error and its position in the input are the same for every split of the input.
    fn input(&mut self, data: &[u8]) -> Result<usize, Error>;

    /// The next event; drained to `None` before the next `input`.
    fn event(&mut self) -> Option<Self::Event>;

    /// Replies and other control bytes; media is never written here. The driver removes what it has sent from the
    /// front.
    fn transmit(&mut self) -> &mut Vec<u8>;

    /// The time at which the machine has something to do if no input comes first; `None` for never. Any other call may
    /// change it.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Acts on a deadline that has passed, and sets the next one. Before the deadline it does nothing.
    fn timeout(&mut self, now: Instant) {
        let _ = now;
    }
}
