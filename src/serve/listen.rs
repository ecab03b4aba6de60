//! Ports: what serves a protocol's, and those that are open.

use std::net::TcpListener;
use std::sync::Arc;

use super::Server;
use crate::conf::{Address, Port};
use crate::net::Conn;

/// Ports where the same is served, one of them under TLS.
pub struct Listen {
    /// The configuration of each.
    pub ports: &'static [&'static Port],
    /// Spawns the task of a connection.
    pub serve: fn(Arc<Server>, Conn),
    /// The answer to one too many, if the protocol has words for it.
    pub full: &'static [u8],
}

/// A port, and what serves there.
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
