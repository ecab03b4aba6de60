//! The schemes of URLs.

use super::Url;

/// A scheme, and what URLs that have it share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheme {
    /// In small letters.
    pub name: &'static str,
    /// The cargo feature of its protocol.
    pub feature: &'static str,
    /// The port of servers if a URL has none; 0 if there are no servers.
    pub port: u16,
    /// Connections go under TLS.
    pub tls: bool,
    /// Media may go over UDP, if both sides want that.
    pub udp: bool,
    /// URLs are URIs, so that names of streams stand in them in percent codes. RFC 3986 section 2.1.
    pub encodes: bool,
}

/// RTSP. RFC 2326 section 3.2.
pub static RTSP: Scheme = Scheme { name: "rtsp", feature: "rtsp", port: 554, tls: false, udp: true, encodes: true };
/// RTSP under TLS. RFC 7826 section 4.2.
pub static RTSPS: Scheme = Scheme { name: "rtsps", feature: "rtsp", port: 322, tls: true, udp: true, encodes: true };
/// RTMP. RTMP 1.0 appendix.
pub static RTMP: Scheme = Scheme { name: "rtmp", feature: "rtmp", port: 1935, tls: false, udp: false, encodes: false };
/// RTMP under TLS.
pub static RTMPS: Scheme = Scheme { name: "rtmps", feature: "rtmp", port: 443, tls: true, udp: false, encodes: false };
/// A file on this machine. RFC 8089.
pub static FILE: Scheme = Scheme { name: "file", feature: "record", port: 0, tls: false, udp: false, encodes: false };
/// HTTP. RFC 9110 section 4.2.1.
pub static HTTP: Scheme = Scheme { name: "http", feature: "http", port: 80, tls: false, udp: false, encodes: true };
/// HTTP under TLS. RFC 9110 section 4.2.2.
pub static HTTPS: Scheme = Scheme { name: "https", feature: "http", port: 443, tls: true, udp: false, encodes: true };

/// Those by which requests go, and no relays.
pub static REQUESTS: [&Scheme; 2] = [&HTTP, &HTTPS];

/// Those by which relays go, in the order in which errors name them.
pub static SCHEMES: [&Scheme; 5] = [&RTSP, &RTSPS, &RTMP, &RTMPS, &FILE];

impl Scheme {
    /// The one of a relay with this name, in letters of either case.
    pub fn find(name: &str) -> Option<&'static Self> {
        SCHEMES.into_iter().find(|scheme| scheme.name.eq_ignore_ascii_case(name))
    }

    /// The cargo features without which nothing goes by it.
    pub fn features(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.feature).chain(self.tls.then_some("tls"))
    }
}

impl Url {
    /// The facts of its scheme, if that is known.
    pub fn scheme(&self) -> Option<&'static Scheme> {
        SCHEMES.into_iter().chain(REQUESTS).find(|scheme| scheme.name == self.scheme)
    }

    /// The port of the server: its own, or that of its scheme; 0 if neither is known.
    pub fn server_port(&self) -> u16 {
        self.port.unwrap_or_else(|| self.scheme().map_or(0, |scheme| scheme.port))
    }

    /// Whether it is known to lead to a connection under TLS.
    pub fn is_tls(&self) -> bool {
        self.scheme().is_some_and(|scheme| scheme.tls)
    }

    /// Whether it leads to the same server in the same way, so that it may be told the same secrets. RFC 6454 section 5.
    pub fn is_of_origin(&self, other: &Self) -> bool {
        self.scheme == other.scheme
            && self.host.eq_ignore_ascii_case(&other.host)
            && self.server_port() == other.server_port()
    }

    /// Whether it is that of a file.
    pub fn is_file(&self) -> bool {
        self.scheme() == Some(&FILE)
    }
}
