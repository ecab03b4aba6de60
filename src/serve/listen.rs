//! Ports: what is served at a protocol's ports, and the open ones.

use std::net::TcpListener;
use std::sync::Arc;

use super::Server;
use crate::conf::{Address, Port};
use crate::net::Conn;

/// The ports of one protocol, one of them under TLS.
pub struct Listen {
    /// The configuration of each.
    pub ports: &'static [&'static Port],
    /// Spawns the task of a connection.
    pub serve: fn(Arc<Server>, Conn),
    /// The answer to a connection above the limit, if the protocol has one.
    pub full: &'static [u8],
}

/// A port, and what is served there.
#[derive(Clone, Copy)]
pub(super) struct Entrance {
    pub(super) port: &'static Port,
    pub(super) row: &'static Listen,
}

/// An open port.
pub struct Listener {
    pub(super) entrance: Entrance,
    pub(super) address: Address,
    pub(super) socket: TcpListener,
}
