//! The ports of a configuration: no two keys may want the same.

use std::net::SocketAddr;

use super::{Address, Config};

impl Config {
    /// The keys that name a port which is listened on, each with its address.
    pub fn listens(&self) -> impl Iterator<Item = (&'static str, Address)> + use<> {
        let Self { rtmp, rtsp, http, tls, .. } = self;
        let sealed = cfg!(feature = "tls") && !tls.cert.is_empty();
        let all = [
            ("rtmp.listen", rtmp.listen, rtmp.enable),
            ("rtsp.listen", rtsp.listen, rtsp.enable),
            ("rtsp.websocket_listen", rtsp.websocket_listen, cfg!(feature = "http") && rtsp.enable && rtsp.websocket),
            ("http.listen", http.listen, http.enable),
            ("tls.rtmp_listen", tls.rtmp_listen, sealed && rtmp.enable),
            ("tls.rtsp_listen", tls.rtsp_listen, sealed && rtsp.enable),
            ("tls.http_listen", tls.http_listen, sealed && http.enable),
        ];
        all.into_iter().filter(|(_, _, enable)| *enable).map(|(key, address, _)| (key, address))
    }

    /// Two keys that want the same port of one address. Port 0 is any that is free.
    pub(super) fn shared_port(&self) -> Option<[&'static str; 2]> {
        let collides = |one: Address, other: Address| {
            let (one, other) = (one.0, other.0);
            // `[::]` is of both families, `0.0.0.0` of one
            let all =
                |one: SocketAddr, other: SocketAddr| one.ip().is_unspecified() && (one.is_ipv6() || other.is_ipv4());
            let same_host = one.ip() == other.ip() || all(one, other) || all(other, one);
            one.port() != 0 && one.port() == other.port() && same_host
        };
        let second = |(at, (key, address))| {
            let first = self.listens().take(at).find(|(_, before)| collides(*before, address));
            first.map(|(first, _)| [first, key])
        };
        self.listens().enumerate().find_map(second)
    }
}
