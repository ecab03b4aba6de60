//! The ports of a configuration, and the check that no two keys use the same.

use std::net::SocketAddr;

use super::features::is_compiled;
use super::{Address, Config};
use crate::proto::Scheme;
use crate::proto::scheme;

/// A port where a protocol listens.
#[derive(Debug)]
pub struct Port {
    /// The protocol, in the log.
    pub name: &'static str,
    /// The key of the address.
    pub key: &'static str,
    /// The key that enables it.
    pub switch: &'static str,
    /// The cargo features that it needs; of several missing ones the first counts.
    pub features: &'static [&'static str],
    /// The scheme of URLs for this port, if relays know it.
    pub scheme: Option<&'static Scheme>,
    /// The value of `key`.
    pub address: fn(&Config) -> Address,
    /// True if `switch` and the keys that it depends on are on, apart from those of TLS.
    pub is_wanted: fn(&Config) -> bool,
}

/// RTMP.
pub static RTMP: Port = Port {
    name: "rtmp",
    key: "rtmp.listen",
    switch: "rtmp.enable",
    features: &["rtmp"],
    scheme: Some(&scheme::RTMP),
    address: |all| all.rtmp.listen,
    is_wanted: |all| all.rtmp.enable,
};

/// RTMP under TLS.
pub static RTMPS: Port = Port {
    name: "rtmps",
    key: "tls.rtmp_listen",
    switch: "rtmp.enable",
    features: &["rtmp", "tls"],
    scheme: Some(&scheme::RTMPS),
    address: |all| all.tls.rtmp_listen,
    is_wanted: |all| all.rtmp.enable,
};

/// RTSP.
pub static RTSP: Port = Port {
    name: "rtsp",
    key: "rtsp.listen",
    switch: "rtsp.enable",
    features: &["rtsp"],
    scheme: Some(&scheme::RTSP),
    address: |all| all.rtsp.listen,
    is_wanted: |all| all.rtsp.enable,
};

/// RTSP under TLS.
pub static RTSPS: Port = Port {
    name: "rtsps",
    key: "tls.rtsp_listen",
    switch: "rtsp.enable",
    features: &["rtsp", "tls"],
    scheme: Some(&scheme::RTSPS),
    address: |all| all.tls.rtsp_listen,
    is_wanted: |all| all.rtsp.enable,
};

/// RTSP in a WebSocket, with any path. On the port of HTTP it has a path of its own.
pub static RTSP_WEBSOCKET: Port = Port {
    name: "rtsp over websocket",
    key: "rtsp.websocket_listen",
    switch: "rtsp.websocket",
    features: &["http", "rtsp"],
    scheme: None,
    address: |all| all.rtsp.websocket_listen,
    is_wanted: |all| all.rtsp.enable && all.rtsp.websocket,
};

/// HTTP, including WebSocket.
pub static HTTP: Port = Port {
    name: "http",
    key: "http.listen",
    switch: "http.enable",
    features: &["http"],
    scheme: None,
    address: |all| all.http.listen,
    is_wanted: |all| all.http.enable,
};

/// HTTP under TLS.
pub static HTTPS: Port = Port {
    name: "https",
    key: "tls.http_listen",
    switch: "http.enable",
    features: &["http", "tls"],
    scheme: None,
    address: |all| all.tls.http_listen,
    is_wanted: |all| all.http.enable,
};

/// The API.
pub static API: Port = Port {
    name: "api",
    key: "api.listen",
    switch: "api.enable",
    features: &["api"],
    scheme: None,
    address: |all| all.api.listen,
    is_wanted: |all| all.api.enable,
};

/// All ports. If two use the same, the later is at fault.
pub(super) static PORTS: [&Port; 8] = [&RTMP, &RTSP, &RTSP_WEBSOCKET, &HTTP, &API, &RTMPS, &RTSPS, &HTTPS];

impl Port {
    /// True if connections are under TLS.
    pub fn is_tls(&self) -> bool {
        self.features.contains(&"tls")
    }

    /// The address of the port, if `config` enables it.
    pub fn listen(&self, config: &Config) -> Option<Address> {
        let is_there = self.features.iter().all(|feature| is_compiled(feature));
        let has_tls = !self.is_tls() || !config.tls.cert.is_empty();
        (is_there && has_tls && (self.is_wanted)(config)).then(|| (self.address)(config))
    }
}

impl Config {
    /// True if trusted proxies begin a connection to this port with a PROXY header.
    pub fn has_proxy_protocol(&self, port: &Port) -> bool {
        self.connections.proxy_protocol.iter().any(|name| name == port.name)
    }

    /// True if `connections.proxy_protocol` names ports alone.
    pub(super) fn names_proxied_ports(&self) -> bool {
        self.connections.proxy_protocol.iter().all(|name| PORTS.iter().any(|port| port.name == name))
    }

    /// The enabled ports, each with its address.
    pub fn listens(&self) -> impl Iterator<Item = (&'static Port, Address)> {
        PORTS.into_iter().filter_map(|port| Some((port, port.listen(self)?)))
    }

    /// Two keys with the same port of one address. Port 0 means any free port.
    pub(super) fn shared_port(&self) -> Option<[&'static str; 2]> {
        let collides = |one: Address, other: Address| {
            let (one, other) = (one.0, other.0);
            // `[::]` is for both families, `0.0.0.0` for one
            let all =
                |one: SocketAddr, other: SocketAddr| one.ip().is_unspecified() && (one.is_ipv6() || other.is_ipv4());
            let same_host = one.ip() == other.ip() || all(one, other) || all(other, one);
            one.port() != 0 && one.port() == other.port() && same_host
        };
        let second = |(at, (port, address)): (usize, (&'static Port, Address))| {
            let first = self.listens().take(at).find(|(_, before)| collides(*before, address));
            first.map(|(first, _)| [first.key, port.key])
        };
        self.listens().enumerate().find_map(second)
    }
}
