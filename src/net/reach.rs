//! The distance to a server, by its address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The network in which an address is, the nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// This machine.
    Machine,
    /// Its link, without a router between. RFC 3927, RFC 4291 section 2.5.6.
    Link,
    /// A network that others do not get into. RFC 1918, RFC 6598, RFC 4193.
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

    fn of_v6(address: Ipv6Addr) -> Self {
        match address.segments() {
            [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Self::Machine,
            [0xfe80..=0xfebf, ..] => Self::Link,
            [0xfc00..=0xfdff, ..] => Self::Site,
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
            (Reach::Machine, "127.0.0.1 127.255.0.9 0.0.0.0 ::1 :: ::ffff:127.0.0.1"),
            (Reach::Link, "169.254.169.254 fe80::1 febf::1 ::ffff:169.254.0.1"),
            (Reach::Site, "10.0.0.1 172.16.0.1 172.31.255.1 192.168.1.1 100.64.0.1 fd00::1 fc00::1 ::ffff:10.1.1.1"),
            (Reach::World, "192.0.2.1 172.32.0.1 172.15.0.1 100.128.0.1 8.8.8.8 2001:db8::1 ::ffff:8.8.8.8 ::2"),
        ] {
            for address in addresses.split(' ') {
                assert_eq!(Reach::of(address.parse().unwrap()), reach, "{address}");
            }
        }
    }
}
