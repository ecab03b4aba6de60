//! The table of listeners.

use std::net::TcpListener;
use std::sync::Arc;

use super::Server;
#[cfg(feature = "http")]
use super::http;
#[cfg(feature = "rtmp")]
use super::rtmp;
#[cfg(feature = "rtsp")]
use super::rtsp;
use crate::conf::{Address, Config};
use crate::net::Conn;
#[cfg(feature = "http")]
use crate::proto::http::TURNED_AWAY as HTTP_FULL;
#[cfg(feature = "rtsp")]
use crate::proto::rtsp::TURNED_AWAY as RTSP_FULL;

/// An open port.
pub struct Listener {
    pub(super) row: Listen,
    pub(super) socket: TcpListener,
}

/// A protocol that listens.
#[derive(Clone, Copy)]
pub(super) struct Listen {
    /// In the log.
    pub(super) name: &'static str,
    /// The key that says where, in the configuration.
    pub(super) key: &'static str,
    pub(super) listen: Address,
    pub(super) enable: bool,
    /// Under TLS.
    pub(super) tls: bool,
    /// Spawns the task of a connection.
    pub(super) serve: fn(Arc<Server>, Conn),
    /// The answer to one too many, if the protocol has words for it.
    pub(super) full: &'static [u8],
}

/// All of them.
pub(super) fn listens(config: &Config) -> Vec<Listen> {
    let row = |name, key, listen, enable, serve: fn(Arc<Server>, Conn), full| Listen {
        name,
        key,
        listen,
        enable,
        tls: key.starts_with("tls."),
        serve,
        full,
    };
    #[allow(unused_variables, reason = "a feature uses its own")]
    let Config { rtmp: conf_rtmp, rtsp: conf_rtsp, http: conf_http, tls, .. } = config;
    vec![
        #[cfg(feature = "rtmp")]
        row("rtmp", "rtmp.listen", conf_rtmp.listen, conf_rtmp.enable, rtmp::serve, b""),
        #[cfg(all(feature = "rtmp", feature = "tls"))]
        row("rtmps", "tls.rtmp_listen", tls.rtmp_listen, conf_rtmp.enable, rtmp::serve, b""),
        #[cfg(feature = "rtsp")]
        row("rtsp", "rtsp.listen", conf_rtsp.listen, conf_rtsp.enable, rtsp::serve, RTSP_FULL),
        #[cfg(all(feature = "rtsp", feature = "tls"))]
        row("rtsps", "tls.rtsp_listen", tls.rtsp_listen, conf_rtsp.enable, rtsp::serve, RTSP_FULL),
        #[cfg(all(feature = "rtsp", feature = "http"))]
        row(
            "rtsp over websocket",
            "rtsp.websocket_listen",
            conf_rtsp.websocket_listen,
            conf_rtsp.enable && conf_rtsp.websocket,
            http::serve_rtsp,
            HTTP_FULL,
        ),
        #[cfg(feature = "http")]
        row("http", "http.listen", conf_http.listen, conf_http.enable, http::serve, HTTP_FULL),
        #[cfg(all(feature = "http", feature = "tls"))]
        row("https", "tls.http_listen", tls.http_listen, conf_http.enable, http::serve, HTTP_FULL),
    ]
}
