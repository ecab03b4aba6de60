//! The two ends of a connection.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

/// The address without the mapping of IPv4 into IPv6. A link-local address keeps its interface, without which it cannot
/// be reached. RFC 4007 section 6.
pub fn canonical(address: SocketAddr) -> SocketAddr {
    match (address, address.ip().to_canonical()) {
        (SocketAddr::V6(address), IpAddr::V6(ip)) => {
            SocketAddrV6::new(ip, address.port(), 0, address.scope_id()).into()
        }
        (_, ip) => SocketAddr::new(ip, address.port()),
    }
}

/// Another port of the same host.
pub fn at_port(mut host: SocketAddr, port: u16) -> SocketAddr {
    host.set_port(port);
    host
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_its_interface_and_sheds_what_carries_it() {
        let link_local = SocketAddrV6::new("fe80::1".parse().unwrap(), 554, 0, 3);
        assert_eq!(at_port(canonical(link_local.into()), 6).to_string(), "[fe80::1%3]:6");
        assert_eq!(canonical("[::ffff:192.0.2.1]:5".parse().unwrap()), "192.0.2.1:5".parse().unwrap());
        assert_eq!(canonical("192.0.2.1:5".parse().unwrap()), "192.0.2.1:5".parse().unwrap());
    }
}
