//! RTMP 1.0 with Enhanced RTMP v2: handshake, chunks, messages and commands.

mod address;
mod chunk;
mod client;
mod command;
mod handshake;
mod message;
mod mux;
mod server;

use super::Error;
pub use super::Target;
pub use address::Address;
pub use chunk::{Chunks, Payload};
pub use client::{Client, ClientEvent, Role};
pub use command::{Caps, Command};
pub use message::{Message, kind, write_message};
pub use mux::{ALL_TRACKS, LEGACY_HEVC, PUSH, RTMP, renumber};
pub use server::{Event, Limits, Refusal, Server};

/// The chunk size for sending: nearly every frame fits into one chunk.
pub const CHUNK_SIZE: usize = 60_000;
/// The acknowledgement window of both directions, in bytes.
const WINDOW: u32 = 2_500_000;
/// The only message stream of the server, for which messages are also packed.
pub const STREAM_ID: u32 = 1;

/// User control events of both sides. Section 7.1.7.
const PING_REQUEST: u16 = 6;
const PING_RESPONSE: u16 = 7;

/// The error for a control message for which there was no memory, and without which the connection cannot continue.
const NO_ROOM: Error = Error::limit("no room for a control message");
