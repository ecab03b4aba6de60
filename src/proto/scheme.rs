//! The schemes of URLs.

use super::Url;

/// A URL scheme, and the properties of its URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheme {
    /// The name in lower case.
    pub name: &'static str,
    /// The cargo feature of its protocol.
    pub feature: &'static str,
    /// The default port; 0 if the scheme has no servers.
    pub port: u16,
    /// Connections use TLS.
    pub tls: bool,
    /// Media may use UDP, if both sides allow it.
    pub udp: bool,
    /// The URLs follow RFC 3986, so stream names in them are percent-encoded (section 2.1).
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

/// The schemes of HTTP requests, which relays do not use.
pub static REQUESTS: [&Scheme; 2] = [&HTTP, &HTTPS];

/// The schemes of relays, in the order in which error messages list them.
pub static SCHEMES: [&Scheme; 5] = [&RTSP, &RTSPS, &RTMP, &RTMPS, &FILE];

impl Scheme {
    /// The relay scheme with this name, ignoring case.
    pub fn find(name: &str) -> Option<&'static Self> {
        SCHEMES.into_iter().find(|scheme| scheme.name.eq_ignore_ascii_case(name))
    }

    /// The cargo features that the scheme needs.
    pub fn features(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.feature).chain(self.tls.then_some("tls"))
    }
}

impl Url {
    /// The URL's scheme, if it is known.
    pub fn scheme(&self) -> Option<&'static Scheme> {
        SCHEMES.into_iter().chain(REQUESTS).find(|scheme| scheme.name == self.scheme)
    }

    /// The server's port: the URL's, or the scheme's default; 0 if neither is known.
    pub fn server_port(&self) -> u16 {
        self.port.unwrap_or_else(|| self.scheme().map_or(0, |scheme| scheme.port))
    }

    /// True if the scheme uses TLS.
    pub fn is_tls(&self) -> bool {
        self.scheme().is_some_and(|scheme| scheme.tls)
    }

    /// True if both URLs have the same scheme, host and port, so that the same credentials may be sent. RFC 6454
    /// section 5.
    pub fn is_of_origin(&self, other: &Self) -> bool {
        self.scheme == other.scheme
            && self.host.eq_ignore_ascii_case(&other.host)
            && self.server_port() == other.server_port()
    }

    /// True if it is the URL of a file.
    pub fn is_file(&self) -> bool {
        self.scheme() == Some(&FILE)
    }
}
