//! Connections that a trusted proxy passes on: the PROXY header names the client.

use std::sync::Arc;

use super::{Entrance, PER_PEER, Server};
use crate::net::{Close, Conn, canonical};

impl Server {
    /// Serves a connection, once it is known whose it is.
    pub(super) fn welcome(self: &Arc<Self>, conn: Conn, entrance: Entrance) {
        let config = self.core.config();
        if config.has_proxy_protocol(entrance.port) && conn.hop().is_one_of(&config.connections.trusted_proxies) {
            self.core.workers.spawn(self.clone().let_in_proxied(conn, entrance));
        } else {
            self.let_in(conn, entrance);
        }
    }

    /// Serves a connection that begins with a PROXY header.
    async fn let_in_proxied(self: Arc<Self>, conn: Conn, entrance: Entrance) {
        let (proxy, name) = (conn.peer(), entrance.port.name);
        let mut conn = match conn.proxied(self.core.config().connections.handshake.0).await {
            Ok(conn) => conn,
            Err(why) => {
                match &why {
                    Close::Peer(_) | Close::Idle => {
                        let said = format_args!("is refused {name}: connections.proxy_protocol: {why}");
                        self.core.refused_guest("proxy", proxy, None, said);
                    }
                    // a proxy looks whether this server is there
                    why => log::debug!("peer={} {name}: sends no PROXY header: {why}", canonical(proxy)),
                }
                return self.core.counters.closed(&why);
            }
        };
        if self.turns_away(&conn) {
            return;
        }
        let client = conn.client();
        match self.core.peers.seat(client.address.ip()) {
            Some(seat) => {
                conn.belongs_to(client, seat);
                self.let_in(conn, entrance);
            }
            None => {
                let said = format_args!("is refused {name}: {PER_PEER}");
                self.core.refused_guest("connections", client.address, None, said);
            }
        }
    }
}
