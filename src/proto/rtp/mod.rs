//! RTP and RTCP: reads frames from packets and packs frames into packets. RFC 3550, RFC 3551.

mod decode_time;
mod demux;
mod format;
mod mux;
mod order;
mod packet;
pub mod payload;
mod reception;
pub mod rtcp;

pub use demux::{Demux, Event};
pub use format::Format;
pub use mux::{RTP, channel, offers, ssrc, timestamp};
pub use packet::{HEADER, Packet, header};

use crate::budget::{OverBudget, Overflow};
use crate::codec::Malformed;
use crate::wire::Short;

/// The maximum length of a sent packet in bytes, header included: it fits into the MTU of common networks.
pub const MAX_PACKET: usize = 1400;

/// The reason why a packet or a frame is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The data violates the specification.
    Malformed(&'static str),
    /// The frame is longer than `streams.max_frame`.
    TooLong,
    /// The account refused the memory.
    OverBudget(OverBudget),
}

impl From<Short> for Error {
    fn from(_: Short) -> Self {
        Self::Malformed("a packet that ends inside a field")
    }
}

impl From<Malformed> for Error {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error.what)
    }
}

impl From<OverBudget> for Error {
    fn from(refusal: OverBudget) -> Self {
        Self::OverBudget(refusal)
    }
}

impl From<Overflow> for Error {
    fn from(overflow: Overflow) -> Self {
        match overflow {
            Overflow::TooLong => Self::TooLong,
            Overflow::OverBudget(refusal) => Self::OverBudget(refusal),
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed(what) => f.write_str(what),
            Self::TooLong => f.write_str("it is longer than streams.max_frame"),
            Self::OverBudget(refusal) => refusal.fmt(f),
        }
    }
}

impl std::error::Error for Error {}
