//! RTMP 1.0 with Enhanced RTMP v2: handshake, chunks, messages and commands.

mod address;
mod chunk;
mod client;
mod command;
mod handshake;
mod message;
mod mux;
mod server;

pub use super::Target;
pub use address::{Address, PORT, PORT_TLS};
pub use chunk::{Chunks, Payload};
pub use client::{Client, ClientEvent, Role};
pub use command::{Caps, Command};
pub use message::{Message, kind, write_message};
pub use mux::{FORMS, PUSH, renumber};
pub use server::{Event, Limits, Refusal, Server};

use crate::budget::OverBudget;
use crate::wire::Short;

/// The chunk size that we send with: one chunk for nearly every frame.
pub const CHUNK_SIZE: usize = 60_000;
/// The window that we ask for and offer, in bytes.
const WINDOW: u32 = 2_500_000;
/// The only message stream of our server, and that of what is packed for others.
pub const STREAM_ID: u32 = 1;

/// User control events of both sides. Section 7.1.7.
const PING_REQUEST: u16 = 6;
const PING_RESPONSE: u16 = 7;

/// The error that ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Against the specification.
    Malformed(&'static str),
    /// Allowed, but not in such number or size.
    Misbehaved(&'static str),
    /// Room was refused.
    OverBudget(OverBudget),
}

impl From<OverBudget> for Error {
    fn from(refusal: OverBudget) -> Self {
        Self::OverBudget(refusal)
    }
}

impl From<Short> for Error {
    fn from(_: Short) -> Self {
        Self::Malformed("a message that ends inside a field")
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed(what) | Self::Misbehaved(what) => f.write_str(what),
            Self::OverBudget(refusal) => refusal.fmt(f),
        }
    }
}

impl std::error::Error for Error {}
