//! Exchanges: a request with all that its answer depends on, and the answer.

use std::borrow::Cow;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

#[cfg(feature = "record")]
use super::files;
use super::live::Player;
use crate::budget::{BlockMut, OverBudget};
use crate::conf::Config;
use crate::hub::Unit;
use crate::media::Ticks;
use crate::net::{Close, Outlet, Seat};
use crate::proto::http::{Extent, Request, Status};
use crate::serve::Server;
#[cfg(feature = "rtsp")]
use crate::serve::rtsp::Carrier;
use crate::session::Leave;

/// A request, and its connection.
pub(in crate::serve) struct Exchange {
    /// The server.
    pub server: Arc<Server>,
    /// The configuration at the start of the connection.
    pub config: Arc<Config>,
    /// The connection's share of the limits of its address.
    pub seat: Option<Arc<Seat>>,
    /// The client's address.
    pub peer: SocketAddr,
    /// Whether the connection is under TLS.
    pub tls: bool,
    /// The request, with its body if the route reads one.
    pub request: Request,
    /// The leave, if it was asked for already.
    pub leave: Option<Leave>,
}

/// The result of a request.
pub(in crate::serve) enum Answer {
    /// The answer is known.
    Now(Reply),
    /// The answer follows; the client may wait for it.
    Later(Pending),
    /// The same for a live form, which is not sent to a client that has closed its sending side.
    Decided(Pending),
    /// The connection continues as one of RTSP, which answers.
    #[cfg(feature = "rtsp")]
    Carry(Carrier),
}

/// A function that answers a request if there is no file for it.
pub(in crate::serve) type Otherwise = Box<dyn FnOnce(Exchange) -> Answer + Send>;

/// An answer that is not known yet; an error ends the connection without one.
pub(super) type Pending = Pin<Box<dyn Future<Output = Result<Answer, Close>> + Send>>;

/// The answer to a request.
pub(in crate::serve) struct Reply {
    /// The status.
    pub status: Status,
    /// The fields except Content-Length and Connection; a name may occur repeatedly.
    pub fields: Vec<Field>,
    /// The body.
    pub body: Body,
}

/// A header field of an answer.
pub(in crate::serve) type Field = (&'static str, Cow<'static, str>);

/// The body of an answer.
pub(in crate::serve) enum Body {
    /// No body, as the status implies.
    Nothing,
    /// A short text of the program.
    Text(Cow<'static, str>),
    /// Bytes that are sent without a copy.
    Source(Source),
    /// A live stream.
    Stream(Box<Player>),
    /// A live stream, of which the client wants only the head.
    NoStream,
}

/// A body of known length that is being sent.
pub(in crate::serve) enum Source {
    /// Blocks that are shared, or charged.
    Blocks(Outlet),
    /// A file.
    #[cfg(feature = "record")]
    File(Box<files::Body>),
}

/// Lets scripts of all origins read the answer.
pub(in crate::serve) const CORS: Field = ("Access-Control-Allow-Origin", Cow::Borrowed("*"));
/// The header fields that scripts of other origins may read, beside an answer's type and body.
pub(in crate::serve) const EXPOSED: Field =
    ("Access-Control-Expose-Headers", Cow::Borrowed("Content-Length, Content-Range, Date"));
/// Makes caches ask again each time.
pub(in crate::serve) const NO_CACHE: Field = ("Cache-Control", Cow::Borrowed("no-cache"));
/// The refusal if an answer takes more memory than is left.
pub(in crate::serve) const NO_ROOM: &str = "no room for that just now";

impl Exchange {
    /// The customer of the connection; `None` if its address is exempt.
    pub fn customer(&self) -> Option<u128> {
        self.seat.as_ref().and_then(|seat| seat.customer())
    }

    /// A text that is charged to the account for answers.
    pub fn charged(&self, mime: &'static str, text: &str) -> Result<Reply, OverBudget> {
        let account = self.server.core.greetings.account_for(text.len());
        let mut outlet = Outlet::default();
        let bytes = BlockMut::copy(account, text.as_bytes())?;
        outlet.fill(|units| units.push(Unit::whole(bytes, Ticks(0))));
        Ok(Reply::blocks(mime, outlet).with([CORS, NO_CACHE]))
    }
}

impl Answer {
    /// An answer that follows later.
    pub fn later(pending: impl Future<Output = Result<Self, Close>> + Send + 'static) -> Self {
        Self::Later(Box::pin(pending))
    }
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self::Now(reply)
    }
}

impl Reply {
    /// An answer with a body, without fields.
    pub fn new(status: Status, body: Body) -> Self {
        Self { status, fields: Vec::new(), body }
    }

    /// Adds fields.
    pub fn with(mut self, fields: impl IntoIterator<Item = Field>) -> Self {
        self.fields.extend(fields);
        self
    }

    /// A refusal and its reason.
    pub fn refuse(status: Status, why: impl Into<Cow<'static, str>>) -> Self {
        Self::new(status, Body::Text(why.into())).with([CORS, NO_CACHE])
    }

    /// Lets the client ask again after that number of seconds.
    pub fn retry_after(self, seconds: u8) -> Self {
        self.with([("Retry-After", seconds.to_string().into())])
    }

    /// Blocks of bytes.
    pub fn blocks(mime: &'static str, outlet: Outlet) -> Self {
        Self::new(Status::OK, Body::Source(Source::Blocks(outlet))).with([("Content-Type", mime.into())])
    }
}

impl From<Status> for Reply {
    /// A refusal with the text of the status.
    fn from(status: Status) -> Self {
        Self::refuse(status, status.1)
    }
}

impl Body {
    /// The extent of the body under that status.
    pub(super) fn extent(&self, status: Status) -> Extent {
        match self {
            Self::Nothing => Extent::Nothing,
            Self::Text(text) => Extent::Bytes(text.len() as u64),
            Self::Source(source) => Extent::Bytes(source.len()),
            Self::Stream(_) if status == Status::SWITCHING_PROTOCOLS => Extent::Upgrade,
            Self::Stream(_) | Self::NoStream => Extent::Close,
        }
    }
}

impl Source {
    /// The bytes of the body, sent ones included.
    fn len(&self) -> u64 {
        match self {
            Self::Blocks(outlet) => outlet.len() as u64,
            #[cfg(feature = "record")]
            Self::File(body) => body.len(),
        }
    }

    /// The next bytes; ready and empty at the end. An error cuts the connection, because the announced length cannot be
    /// sent.
    #[cfg_attr(not(feature = "record"), allow(unused_variables, reason = "files alone are waited for"))]
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&mut Outlet>> {
        match self {
            Self::Blocks(outlet) => Poll::Ready(Ok(outlet)),
            #[cfg(feature = "record")]
            Self::File(body) => body.poll_next(cx),
        }
    }

    /// Whether a read takes so long that the client may have left.
    pub(super) fn is_late(&self) -> bool {
        match self {
            Self::Blocks(_) => false,
            #[cfg(feature = "record")]
            Self::File(body) => body.is_late(),
        }
    }
}
