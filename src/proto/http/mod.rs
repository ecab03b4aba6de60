//! HTTP/1.1. This file has the server's side, which reads requests and writes heads; `client.rs` has the client's.
//! RFC 9112.

mod body;
mod client;
mod outgoing;
mod request;
mod response;
mod status;
#[cfg(test)]
mod tests;

use super::{Error, Machine};
use crate::budget::Greetings;
pub use body::MAX_BODY;
use body::{Framing, Incoming};
pub use client::{Client, ClientEvent};
pub use outgoing::{Outgoing, Then, Unsent, basic};
use request::Head;
pub(super) use request::is_token;
pub use request::{Fields, Request};
pub use response::Response;
pub use status::Status;

/// The methods that are handled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// GET.
    #[default]
    Get,
    /// HEAD.
    Head,
    /// OPTIONS.
    Options,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH. RFC 5789.
    Patch,
    /// DELETE.
    Delete,
    /// Any other.
    Other,
}

/// The names of the known methods.
pub const METHODS: [(Method, &str); 7] = [
    (Method::Get, "GET"),
    (Method::Head, "HEAD"),
    (Method::Post, "POST"),
    (Method::Put, "PUT"),
    (Method::Patch, "PATCH"),
    (Method::Delete, "DELETE"),
    (Method::Options, "OPTIONS"),
];

/// An event from the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A request to answer. If its body is read, the request is reported again with it.
    Request(Request),
    /// A request to refuse with this status; the connection must then be closed.
    Bad(Status),
}

/// The end of an answer's body, as its head announces it. RFC 9112 section 6.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The number of bytes that follow.
    Bytes(u64),
    /// The status implies that there is no body.
    Nothing,
    /// The body lasts until the connection ends.
    Close,
    /// The connection continues in another protocol.
    Upgrade,
}

/// The machine. It reads a request, and the next only after that is answered.
#[derive(Debug)]
pub struct Server {
    max_head: usize,
    event: Option<Event>,
    out: Vec<u8>,
    state: State,
    /// The rest of the body of the last request.
    body: Framing,
    /// The request that the body belongs to; `None` if the body is skipped.
    incoming: Option<Box<Incoming>>,
    /// The client waits for 100 before it sends the body.
    expects: bool,
    /// The client wants to send further requests.
    keep_alive: bool,
    /// The client wants the head only (HEAD).
    head_only: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    /// A request waits for its answer.
    Busy,
    /// A body is read or skipped.
    Body,
    /// All further input is ignored.
    Closed,
}

/// The maximum number of header fields in a head.
const MAX_FIELDS: usize = 64;
/// The answer to a connection that exceeds the limit on connections.
pub const TURNED_AWAY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
/// The interim answer that asks for the body. RFC 9110 section 15.2.1.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// The `Server` field of every answer, and the `User-Agent` of every request.
const SERVER: &str = concat!("runnel/", env!("CARGO_PKG_VERSION"));

impl Server {
    /// A machine that refuses heads of more than `max_head` bytes.
    pub fn new(max_head: usize) -> Self {
        Self {
            max_head,
            event: None,
            out: Vec::new(),
            state: State::Head,
            body: Framing::NONE,
            incoming: None,
            expects: false,
            keep_alive: false,
            head_only: false,
        }
    }

    /// Reads the body of the current request, of at most `most` bytes, which are charged in advance. Gives the
    /// request back if it has no body or already contains it; otherwise the request is reported again with its
    /// body. An error is the status with which to refuse the request: its body is skipped.
    pub fn read_body(
        &mut self,
        request: Request,
        most: usize,
        greetings: &Greetings,
    ) -> Result<Option<Request>, Status> {
        if most == 0 || self.body.is_over() {
            return Ok(Some(request));
        }
        self.incoming = Some(Box::new(Incoming::new(request, &mut self.body, most, greetings)?));
        self.state = State::Body;
        if std::mem::take(&mut self.expects) {
            self.out.extend_from_slice(CONTINUE);
        }
        Ok(None)
    }

    /// Answers with a short body; `fields` are written after the standard ones.
    pub fn answer(&mut self, status: Status, fields: &[(&str, &str)], body: &[u8]) {
        if self.begin(status, fields, Extent::Bytes(body.len() as u64)) {
            self.out.extend_from_slice(body);
        }
        self.done();
    }

    /// Writes the head of an answer. True if the caller must send the body, false if the client wants none. Call
    /// `done` when the answer is complete.
    pub fn begin(&mut self, status: Status, fields: &[(&str, &str)], extent: Extent) -> bool {
        // the client may send a body that was not asked for, or not: RFC 9110 section 10.1.1
        let is_clear = !self.expects || self.body.is_over();
        self.keep_alive &= is_clear && matches!(extent, Extent::Bytes(_) | Extent::Nothing);
        let connection = match extent {
            Extent::Upgrade => "Upgrade",
            _ if self.keep_alive => "keep-alive",
            _ => "close",
        };
        let length = match extent {
            Extent::Bytes(length) => Some(length.to_string()),
            _ => None,
        };
        let length = length.as_ref().map(|length| ("Content-Length", length.as_str()));
        let all: Vec<_> =
            length.into_iter().chain([("Connection", connection)]).chain(fields.iter().copied()).collect();
        self.out.extend_from_slice(&head(status, &all));
        if matches!(extent, Extent::Close | Extent::Upgrade) {
            self.state = State::Closed;
        }
        !self.head_only && extent != Extent::Nothing
    }

    /// Completes the answer: the machine reads the next request, or the connection ends.
    pub fn done(&mut self) {
        self.state = match self.keep_alive {
            false => State::Closed,
            true if self.body.is_over() => State::Head,
            true => State::Body,
        };
    }

    /// True if the connection ends with the answer just written.
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    fn bad(&mut self, status: Status) {
        (self.keep_alive, self.head_only) = (false, false);
        self.event = Some(Event::Bad(status));
        self.state = State::Busy;
    }

    /// Parses a head. Gives its length, or 0 if it is incomplete.
    fn parse(&mut self, data: &[u8]) -> usize {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut parsed = httparse::Request::new(&mut fields);
        let (head, more) = data.split_at(data.len().min(self.max_head));
        let used = match parsed.parse(head) {
            Ok(httparse::Status::Complete(used)) => used,
            Ok(httparse::Status::Partial) if more.is_empty() => return 0,
            Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
                // if even the first line is not complete, the URL is too long
                let long = if head.contains(&b'\n') { Status::HEADERS_TOO_LARGE } else { Status::URI_TOO_LONG };
                self.bad(long);
                return data.len();
            }
            Err(httparse::Error::Version) => {
                self.bad(Status::VERSION);
                return data.len();
            }
            Err(_) => {
                self.bad(Status::BAD_REQUEST);
                return data.len();
            }
        };
        match Head::read(&parsed) {
            Ok(Head { request, keep_alive, expects, framing }) => {
                (self.keep_alive, self.head_only) = (keep_alive, request.method == Method::Head);
                (self.expects, self.body) = (expects, framing);
                self.event = Some(Event::Request(request));
                self.state = State::Busy;
            }
            Err(status) => self.bad(status),
        }
        used
    }

    /// Reads a part of a body. Gives its length, or 0 if more bytes are needed.
    fn read(&mut self, data: &[u8]) -> usize {
        let (used, part) = match self.body.take(data) {
            Ok(taken) => taken,
            Err(status) => {
                match self.incoming.take() {
                    Some(_) => self.bad(status),
                    // the request was already answered
                    None => (self.keep_alive, self.state) = (false, State::Closed),
                }
                return data.len();
            }
        };
        if let Some(incoming) = &mut self.incoming {
            incoming.add(part);
        }
        if self.body.is_over() {
            self.state = match self.incoming.take() {
                Some(incoming) => {
                    self.event = Some(Event::Request(incoming.complete()));
                    State::Busy
                }
                None => State::Head,
            };
        }
        used
    }
}

/// The text of a head with these fields, and with `Server` if it is none of them.
pub fn head(Status(code, reason): Status, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {code} {reason}\r\n");
    let own = fields.iter().all(|(name, _)| *name != "Server").then_some(&("Server", SERVER));
    for (name, value) in own.into_iter().chain(fields) {
        text.extend([name, ": ", value, "\r\n"]);
    }
    text.push_str("\r\n");
    text.into_bytes()
}

impl Machine for Server {
    type Event = Event;

    /// Never fails: every error is answered with a status.
    fn input(&mut self, data: &[u8]) -> Result<usize, Error> {
        Ok(match self.state {
            State::Head => self.parse(data),
            State::Busy => 0, // the next request is read after this one is answered
            State::Body => self.read(data),
            State::Closed => data.len(),
        })
    }

    fn event(&mut self) -> Option<Event> {
        self.event.take()
    }

    fn transmit(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }
}
