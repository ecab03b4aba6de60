//! The memory of connections: their own, that of what they hold until they are admitted, and the kernel's.

use super::Core;
use crate::budget::Key::{Count, Size};
use crate::budget::{Account, Greetings};
use crate::conf::{Config, Cost};
#[cfg(feature = "rtsp")]
use crate::net::PORT_PAIR;
#[cfg(feature = "tls")]
use crate::net::TLS_CONNECTION;
use crate::net::{ADDRESS, SocketSizes};

/// The bytes of a connection: task, socket, machine, and what it may hold.
pub(super) const CONNECTION: usize = 6 << 10;
/// The bytes of a connection before it is admitted: a handshake, a head, commands.
pub const GREETING: usize = 26 << 10;
/// The part of both without what a connection holds, which has its own account (`budget::Greetings`).
const OWN: usize = 5 << 10;
/// The most bytes of that for the messages of one connection. The longest are `connect` of RTMP, with three URLs.
const MAX_MESSAGES: usize = 6 << 10;
/// The receive buffer of a connection that only sends requests, and the send buffer of one that only receives answers,
/// in bytes.
const SMALL_BUFFER: usize = 8 << 10;

/// Connections that publish.
pub(super) static PUBLISHERS: Cost = Cost {
    what: "streams: publishers",
    keys: &[Count("streams.max"), Size("publish.receive_buffer")],
    count: |all| all.streams.max,
    user: |_| CONNECTION,
    kernel: |all| Core::publisher_sizes(all).of_stream(),
};

/// Connections that play.
pub(super) static VIEWERS: Cost = Cost {
    what: "viewers",
    keys: &[Count("viewers.max"), Size("viewers.send_buffer")],
    count: |all| all.viewers.max,
    user: |_| CONNECTION,
    kernel: |all| Core::viewer_sizes(all).of_stream(),
};

/// Connections whose purpose is not known yet.
pub(super) static SPARE: Cost = Cost {
    what: "connections not let in yet",
    keys: &[Count("connections.spare")],
    count: |all| all.connections.spare,
    user: |_| GREETING,
    kernel: |all| Core::viewer_sizes(all).of_stream(),
};

/// The addresses of connections.
pub(super) static ADDRESSES: Cost = Cost {
    what: "addresses",
    keys: &[Count("connections.spare")],
    count: Config::max_connections,
    user: |_| ADDRESS,
    kernel: |_| 0,
};

/// Connections under TLS.
#[cfg(feature = "tls")]
pub(super) static TLS: Cost = Cost {
    what: "TLS",
    keys: &[Count("tls.max"), Size("tls.record")],
    count: Config::tls_connections,
    user: |all| TLS_CONNECTION + all.tls.record.0,
    kernel: |_| 0,
};

/// Pairs of ports for RTP over UDP. One of the two sockets is for media in one direction, the other for reports.
#[cfg(feature = "rtsp")]
pub static PORT_PAIRS: Cost = Cost {
    what: "RTSP over UDP: port pairs",
    keys: &[Count("rtsp.udp_pairs")],
    count: Config::udp_pairs,
    user: |_| PORT_PAIR,
    kernel: |all| {
        let media = Core::viewer_sizes(all).in_kernel().max(Core::publisher_sizes(all).in_kernel());
        media.saturating_add(2 * SMALL_BUFFER)
    },
};

impl Core {
    /// The buffers of a connection that only receives media.
    pub fn publisher_sizes(config: &Config) -> SocketSizes {
        SocketSizes { send: SMALL_BUFFER, receive: config.publish.receive_buffer.0 }
    }

    /// The buffers of a connection that only sends media.
    pub fn viewer_sizes(config: &Config) -> SocketSizes {
        SocketSizes { send: config.viewers.send_buffer.0, receive: SMALL_BUFFER }
    }
}

/// The accounts for what connections hold, without their own memory. All open connections may be ones that are not
/// admitted.
pub(super) fn greetings(config: &Config, total: &Account) -> Greetings {
    Greetings::new(total, held(config), held_by_one(config))
}

/// The bytes that all connections may hold.
fn held(config: &Config) -> usize {
    let let_in = config.streams.max.saturating_add(config.viewers.max).saturating_mul(CONNECTION - OWN);
    let_in.saturating_add(config.connections.spare.saturating_mul(GREETING - OWN))
}

/// The bytes of these for one connection: those of one address have two thirds at most.
pub(super) fn held_by_one(config: &Config) -> usize {
    let all = config.max_connections();
    (held(config) / 3 * 2 / config.per_peer(all).clamp(1, all.max(1))).min(MAX_MESSAGES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_connections_may_hold_is_in_their_lines() {
        for profile in ["tiny", "router", "box"] {
            let config = Config::parse("test", &format!("profile = {profile:?}\n")).unwrap();
            let lines = [&PUBLISHERS, &VIEWERS, &SPARE].map(|cost| cost.line(&config));
            let (count, bytes) =
                lines.iter().fold((0, 0), |(n, bytes), row| (n + row.count, bytes + row.count * row.user));
            assert_eq!(count * OWN + held(&config), bytes, "{profile}");
            // one address leaves something to others
            let shared = held(&config) * 2 / 3;
            assert!(config.per_peer(count) * held_by_one(&config) <= shared, "{profile}");
            assert!(held_by_one(&config) >= 2 << 10, "{profile}");
        }
    }
}
