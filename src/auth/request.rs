//! The question: a client, and the action that it wants.

#[cfg(feature = "rtmp")]
use std::net::IpAddr;
use std::net::SocketAddr;

use crate::hub::Name;
use crate::net::{Client, Via};
#[cfg(feature = "rtmp")]
use crate::proto::AdobeLogin;
use crate::proto::Credentials;

/// An action that needs permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// To send a stream to this server.
    Publish,
    /// To receive a stream as it is published, or the segments that HLS keeps of it.
    Play,
    /// To read recordings, and the files of `http.root`.
    Read,
    /// To read by the API over HTTP.
    Api,
    /// To change the state of the server by the API: only clients on this machine may, unless a rule that names
    /// the API says who.
    Control,
    /// To read the metrics.
    Metrics,
}

/// A request for an action, with all that a rule can depend on.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The action.
    pub action: Action,
    /// The protocol, as in the log: `rtmp`, `rtsp`, `http`, `ws` or `hls`.
    pub protocol: &'static str,
    /// The name of the form to play, as in the log and the metrics; `None` for a publisher, for HLS, and for anything
    /// but a stream.
    pub form: Option<&'static str>,
    /// The connection is under TLS.
    pub tls: bool,
    /// The name of the stream, or of the stream of a recording; `None` for other files, and for the API.
    pub name: Option<&'a Name>,
    /// The path before the name, without slashes around it; empty if there is none. The whole path for `Read`, `Api`,
    /// `Control` and `Metrics`.
    pub app: &'a str,
    /// The query of the URL, without `?`; empty if there is none.
    pub query: &'a str,
    /// The client's address.
    pub peer: SocketAddr,
    /// The way by which the client came. Only the API goes by it: other protocols have `Via::Network`.
    pub via: Via,
    /// The client's credentials: in RTSP and HTTP those of `Authorization`, in RTMP those of the URL.
    pub credentials: &'a Credentials,
    /// The client's program: `User-Agent`, or `flashVer` in RTMP; empty if it sends none. At most 128 bytes.
    pub agent: &'a str,
}

/// A client of RTMP that connects, and has not said yet what it wants.
#[cfg(feature = "rtmp")]
#[derive(Clone, Copy, Debug)]
pub struct Guest<'a> {
    /// The client's address.
    pub from: IpAddr,
    /// The application, with its query.
    pub app: &'a str,
    /// `flashVer`.
    pub agent: &'a str,
    /// User and password of the URL.
    pub credentials: &'a Credentials,
    /// Its introduction in Adobe's way.
    pub login: Option<&'a AdobeLogin>,
}

impl Request<'_> {
    /// True if the client is on this machine.
    pub fn is_from_here(&self) -> bool {
        Client { address: self.peer, via: self.via }.is_here()
    }
}
