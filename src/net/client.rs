//! The client of a connection: its other end, or the one for which a trusted proxy speaks.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::Network;

/// A client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address; the port is 0 if that is not known.
    pub address: SocketAddr,
    /// The way by which it came.
    pub via: Via,
}

/// The way by which a client came, as far as rights depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// A network: the address tells where the client is.
    Network,
    /// A trusted proxy that names no client, or that is on another machine: a loopback address is not one of this
    /// machine.
    Proxy,
    /// A Unix socket, which only those can open whom its mode lets.
    Socket,
}

impl Client {
    /// The client at the other end of a connection.
    pub fn at(address: SocketAddr) -> Self {
        Self { address, via: Via::Network }
    }

    /// A client that came by a Unix socket: it counts as an address of this machine.
    pub fn by_socket() -> Self {
        Self { address: (Ipv4Addr::LOCALHOST, 0).into(), via: Via::Socket }
    }

    /// True if it is on this machine.
    pub fn is_here(self) -> bool {
        match self.via {
            Via::Network => self.address.ip().to_canonical().is_loopback(),
            Via::Proxy => false,
            Via::Socket => true,
        }
    }

    /// True if it is a proxy of `trusted`, which may say for whom it speaks.
    pub fn is_one_of(self, trusted: &[Network]) -> bool {
        self.via != Via::Socket && trusted.iter().any(|network| network.contains(self.address.ip()))
    }

    /// The client for which this proxy speaks, if it says so.
    #[must_use]
    pub fn speaks_for(self, other: Option<SocketAddr>) -> Self {
        let via = if self.is_here() && other.is_some() { Via::Network } else { Via::Proxy };
        Self { address: other.unwrap_or(self.address), via }
    }
}

/// The client that a list of addresses names, as X-Forwarded-For has it: each of `hops`, from the last to the first, was
/// added by the proxy after it. The first that is not `trusted` counts, or the last that can be read.
pub fn forwarded<'a>(proxy: Client, trusted: &[Network], hops: impl Iterator<Item = &'a str>) -> Client {
    let mut client = None;
    for hop in hops {
        let by: Client = client.unwrap_or(proxy);
        let address = address(hop);
        client = Some(by.speaks_for(address));
        if address.is_none() || client.is_some_and(|client| !client.is_one_of(trusted)) {
            break;
        }
    }
    client.unwrap_or(proxy.speaks_for(None))
}

/// An address of a field, with or without a port; IPv6 may have brackets.
fn address(text: &str) -> Option<SocketAddr> {
    let text = text.trim().trim_matches('"');
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 0)).or_else(|_| text.parse());
    address.ok().map(super::canonical)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(proxy: &str, hops: &str) -> (String, bool) {
        let trusted = ["127.0.0.1", "10.0.0.0/8"].map(|text| text.parse().unwrap());
        let proxy = Client::at(SocketAddr::new(proxy.parse().unwrap(), 9));
        let client = forwarded(proxy, &trusted, hops.rsplit(','));
        (client.address.ip().to_string(), client.is_here())
    }

    #[test]
    fn the_last_address_that_is_no_proxy_is_the_client() {
        for (hops, expected) in [
            ("203.0.113.9", "203.0.113.9"),
            ("192.0.2.1, 203.0.113.9", "203.0.113.9"),
            ("192.0.2.1, 203.0.113.9, 10.1.1.1,10.2.2.2", "203.0.113.9"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("2001:db8::9", "2001:db8::9"),
            ("[2001:db8::9]", "2001:db8::9"),
            ("[2001:db8::9]:4711", "2001:db8::9"),
            ("203.0.113.9:4711", "203.0.113.9"),
            ("10.3.3.3, 10.2.2.2", "10.3.3.3"),
            ("203.0.113.9, unknown, 10.2.2.2", "10.2.2.2"),
            ("127.0.0.1, unknown, 127.0.0.1", "127.0.0.1"),
            ("", "127.0.0.1"),
            ("unknown", "127.0.0.1"),
        ] {
            assert_eq!(client("127.0.0.1", hops), (expected.into(), false), "{hops}");
        }
    }

    #[test]
    fn a_client_is_here_if_each_on_the_way_is() {
        assert_eq!(client("127.0.0.1", "127.0.0.1"), ("127.0.0.1".into(), true));
        assert_eq!(client("127.0.0.1", "::1"), ("::1".into(), true));
        assert_eq!(client("127.0.0.1", "127.0.0.1, 203.0.113.9"), ("203.0.113.9".into(), false));
        assert_eq!(client("10.0.0.1", "127.0.0.1"), ("127.0.0.1".into(), false), "that of the proxy's machine");
        assert_eq!(client("127.0.0.1", "127.0.0.1, 10.0.0.1"), ("127.0.0.1".into(), false));
        let socket = Client::by_socket();
        assert!(socket.is_here() && !socket.is_one_of(&["0.0.0.0/0".parse().unwrap()]));
    }
}
