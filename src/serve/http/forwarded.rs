//! Requests that a proxy passes on: whose they are, and whose connection it is meanwhile.

use super::guard::Barred;
use crate::conf::Config;
use crate::net::{Client, Conn, Via, forwarded};
use crate::proto::http::Request;
use crate::serve::{PER_PEER, Server};

/// The client of a request: that of the connection, or the one for which a trusted proxy speaks.
pub(super) fn client(config: &Config, hop: Client, request: &Request) -> Client {
    let trusted = &config.connections.trusted_proxies;
    let is_passed_on = || TRACES.iter().any(|name| request.fields.get(name).is_some());
    if !hop.is_one_of(trusted) {
        // a proxy on this machine that nobody has listed, as one at ::1 beside 127.0.0.1
        return if hop.via == Via::Network && is_passed_on() { Client { via: Via::Proxy, ..hop } } else { hop };
    }
    let fields: Vec<_> = request.fields.values("x-forwarded-for").collect();
    let hops = fields.iter().rev().flat_map(|field| field.rsplit(',')).filter(|hop| !hop.trim().is_empty());
    // a proxy may pass on what a client has written there: nobody is on this machine by such a word
    Client { via: Via::Proxy, ..forwarded(hop, trusted, hops) }
}

/// The fields that a proxy adds to what it passes on.
const TRACES: [&str; 3] = ["x-forwarded-for", "forwarded", "via"];

/// Takes a connection for another client, unless that has as many as one address may have.
pub(super) fn take_for(server: &Server, conn: &mut Conn, client: Client) -> Result<(), Barred> {
    if client == conn.client() {
        return Ok(());
    }
    let Some(seat) = server.core.peers.seat(client.address.ip()) else {
        server.core.refused_guest("connections", client.address, None, format_args!("is refused http: {PER_PEER}"));
        return Err(Barred::Crowded);
    };
    conn.belongs_to(client, seat);
    Ok(())
}
