//! RTSP 1.0: messages, session descriptions, and both sides of a connection. RFC 2326.

pub mod auth;
mod client;
pub mod message;
pub mod sdp;
mod server;
mod status;
mod transport;
mod wire;

pub use client::{Client, ClientEvent, Purpose};
pub use message::{Fields, Message, Method, Request, Response};
pub use server::{CONTROL, Event, Limits, Server, TURNED_AWAY};
pub use status::Status;
pub use transport::{Lower, Transport};
pub use wire::packet_header;
