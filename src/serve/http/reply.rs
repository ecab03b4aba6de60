//! Exchanges: a request with all that its answer depends on, and the answer.

use std::borrow::Cow;
use std::cell::Cell;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

#[cfg(feature = "api")]
use super::guard;
use super::rtsp::Upgrade;
use super::stream::Stream;
use crate::budget::{BlockMut, Greetings, OverBudget, Room};
use crate::conf::Config;
use crate::hub::Unit;
use crate::media::Ticks;
use crate::net::{Close, Outlet, Seat, Via};
use crate::proto::http::{Extent, Request, Status};
use crate::serve::Server;
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
    /// The way by which the client came.
    pub via: Via,
    /// True if the connection is under TLS.
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
    /// The answer follows.
    Later(Pending),
    /// The connection continues as one of RTSP, which answers.
    Upgrade(Upgrade),
}

/// A function that answers a request if there is no file for it.
pub(in crate::serve) type Otherwise = Box<dyn FnOnce(Exchange) -> Answer + Send>;

/// An answer that is not known yet; an error ends the connection without one.
pub(in crate::serve) struct Pending {
    answer: Pin<Box<dyn Future<Output = Result<Answer, Close>> + Send>>,
    pub(super) half_closed: HalfClosed,
}

/// The treatment of a client that closes its sending side before it has its answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum HalfClosed {
    /// It gets the answer, because it may still receive. RFC 9293 section 3.6.
    Answered,
    /// It has left: live forms are endless.
    Dropped,
}

/// The answer to a request.
pub(in crate::serve) struct Reply {
    /// The status.
    pub status: Status,
    /// The fields except Content-Length and Connection; a name may occur repeatedly.
    pub fields: Vec<Field>,
    /// The body.
    pub body: Body,
}

/// The memory of one answer: that of its connection as long as it is short, else the part for long answers.
pub(in crate::serve) struct AnswerRoom<'a> {
    greetings: &'a Greetings,
    taken: Cell<usize>,
}

/// A header field of an answer.
pub(in crate::serve) type Field = (&'static str, Cow<'static, str>);

/// The body of an answer.
pub(in crate::serve) enum Body {
    /// No body, as the status implies.
    Nothing,
    /// A short text of the program.
    Text(Cow<'static, str>),
    /// A body that is sent piece by piece, or the messages of a WebSocket.
    Stream(Stream),
    /// A live form, of which the client wants only the head.
    NoStream,
}

/// Lets scripts of all origins read the answer.
pub(in crate::serve) const CORS: Field = ("Access-Control-Allow-Origin", Cow::Borrowed("*"));
/// The header fields that scripts of other origins may read, beside an answer's type and body.
pub(in crate::serve) const EXPOSED: Field =
    ("Access-Control-Expose-Headers", Cow::Borrowed("Content-Length, Content-Range, Date"));
/// Makes caches ask again each time.
pub(in crate::serve) const NO_CACHE: Field = ("Cache-Control", Cow::Borrowed("no-cache"));
/// The refusal if an answer takes more memory than is left.
pub(in crate::serve) const NO_ROOM: &str = "no room for that now";

impl Exchange {
    /// The customer of the connection; `None` if its address is exempt.
    pub fn customer(&self) -> Option<u128> {
        self.seat.as_ref().and_then(|seat| seat.customer())
    }

    /// The field that lets a page of another site read an answer of the API, if it is listed.
    #[cfg(feature = "api")]
    pub fn listed_origin(&self) -> Option<Field> {
        guard::listed_origin(&self.config, &self.request)
    }

    /// The memory of an answer that is written piece by piece.
    pub fn room(&self) -> AnswerRoom<'_> {
        AnswerRoom { greetings: &self.server.core.greetings, taken: Cell::new(0) }
    }

    /// A text that is charged to the account for answers.
    #[cfg(any(feature = "record", test))]
    pub fn charged(&self, mime: &'static str, text: &str) -> Result<Reply, OverBudget> {
        let account = self.server.core.greetings.account_for(text.len());
        let mut outlet = Outlet::default();
        let bytes = BlockMut::copy(account, text.as_bytes())?;
        outlet.fill(|units| units.push(Unit::whole(bytes, Ticks(0))));
        Ok(Reply::blocks(mime, outlet).with([CORS, NO_CACHE]))
    }
}

impl Room for AnswerRoom<'_> {
    fn block(&self, capacity: usize) -> Result<BlockMut, OverBudget> {
        let taken = self.taken.get().saturating_add(capacity);
        let block = BlockMut::new(self.greetings.account_for(taken), capacity)?;
        self.taken.set(taken);
        Ok(block)
    }
}

impl Answer {
    /// An answer that follows later.
    pub fn later(pending: impl Future<Output = Result<Self, Close>> + Send + 'static) -> Self {
        Self::Later(Pending::new(pending, HalfClosed::Answered))
    }
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self::Now(reply)
    }
}

impl From<Upgrade> for Answer {
    fn from(upgrade: Upgrade) -> Self {
        Self::Upgrade(upgrade)
    }
}

impl Pending {
    /// The answer of a future.
    pub(super) fn new(
        answer: impl Future<Output = Result<Answer, Close>> + Send + 'static,
        half_closed: HalfClosed,
    ) -> Self {
        Self { answer: Box::pin(answer), half_closed }
    }

    /// Ready once the answer is known.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answer, Close>> {
        self.answer.as_mut().poll(cx)
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

    /// Takes a field away.
    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(known, _)| *known != name);
        self
    }

    /// Lets the client ask again after that number of seconds.
    pub fn retry_after(self, seconds: u8) -> Self {
        self.with([("Retry-After", seconds.to_string().into())])
    }

    /// Pieces that are charged already.
    pub fn pieces(mime: &'static str, pieces: Vec<Bytes>) -> Self {
        let mut outlet = Outlet::default();
        outlet.fill(|units| units.extend(pieces.into_iter().map(|piece| Unit::whole(piece, Ticks(0)))));
        Self::blocks(mime, outlet)
    }

    /// Blocks of bytes.
    pub fn blocks(mime: &'static str, outlet: Outlet) -> Self {
        Self::new(Status::OK, Body::Stream(Stream::Blocks(outlet))).with([("Content-Type", mime.into())])
    }
}

impl From<Status> for Reply {
    /// A refusal with the text of the status.
    fn from(status: Status) -> Self {
        Self::refuse(status, status.1)
    }
}

impl Body {
    /// The extent of the body.
    pub(super) fn extent(&self) -> Extent {
        match self {
            Self::Nothing => Extent::Nothing,
            Self::Text(text) => Extent::Bytes(text.len() as u64),
            Self::Stream(stream) => stream.extent(),
            Self::NoStream => Extent::Close,
        }
    }
}
