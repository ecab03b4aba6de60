//! The distance to a server, by its address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The kind of network of an address, the nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// This machine.
    Machine,
    /// The same link, without a router between. RFC 3927, RFC 4291 section 2.5.6.
    Link,
    /// A private network. RFC 1918, RFC 6598, RFC 4193; site-local addresses of RFC 3879.
    Site,
    /// Everything else.
    World,
}

impl Reach {
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        match address.octets() {
            [0 | 127, ..] => Self::Machine,
            [169, 254, ..] => Self::Link,
            [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Self::Site,
            _ => Self::World,
        }
    }

    /// That of a server to which a connection goes from `local`: an address of this machine's own is as near as loopback.
    pub(super) fn of_peer(peer: IpAddr, local: IpAddr) -> Self {
        if peer.to_canonical() == local.to_canonical() { Self::Machine } else { Self::of(peer) }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        match address.segments() {
            // NAT64 of RFC 6052 leads to the IPv4 address inside
            [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Self::of_v4((u32::from(high) << 16 | u32::from(low)).into()),
            [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Self::Machine,
            [0xfe80..=0xfebf, ..] => Self::Link,
            [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => Self::Site,
            _ => Self::World,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_how_far_away_it_is() {
        for (reach, addresses) in [
            (Reach::Machine, "127.0.0.1 127.255.0.9 0.0.0.0 ::1 :: ::ffff:127.0.0.1 64:ff9b::7f00:1"),
            (Reach::Link, "169.254.169.254 fe80::1 febf::1 ::ffff:169.254.0.1"),
            (
                Reach::Site,
                "10.0.0.1 172.16.0.1 172.31.255.1 192.168.1.1 100.64.0.1 fd00::1 fc00::1 fec0::1 ::ffff:10.1.1.1 64:ff9b::a01:101",
            ),
            (
                Reach::World,
                "192.0.2.1 172.32.0.1 172.15.0.1 100.128.0.1 8.8.8.8 2001:db8::1 ::ffff:8.8.8.8 64:ff9b::808:808 ::2",
            ),
        ] {
            for address in addresses.split(' ') {
                assert_eq!(Reach::of(address.parse().unwrap()), reach, "{address}");
            }
        }
    }

    #[test]
    fn an_address_of_this_machine_is_as_near_as_loopback() {
        let of = |peer: &str, local: &str| Reach::of_peer(peer.parse().unwrap(), local.parse().unwrap());
        assert_eq!(of("192.0.2.1", "192.0.2.1"), Reach::Machine);
        assert_eq!(of("::ffff:192.0.2.1", "192.0.2.1"), Reach::Machine);
        assert_eq!(of("192.0.2.1", "192.0.2.2"), Reach::World);
    }
}
