//! The client's side of a connection: sends requests, reads answers. RFC 9112.

#[cfg(test)]
mod tests;

use std::fmt;

use super::response::{Response, Rest};
use super::{MAX_FIELDS, Method, Outgoing, Then, Unsent};
use crate::budget::{Account, Lease};
use crate::proto::{Error, Machine};

/// An event from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// The head of the answer. Its texts are charged to the account until the next request.
    Head(Response),
    /// A part of the body: the number of bytes at the front of the data just given to `input`. The machine does not
    /// keep them.
    Body(usize),
    /// The answer is complete.
    End,
}

/// The machine. It handles one request at a time.
///
/// ```
/// use runnel::budget::Account;
/// use runnel::proto::Machine;
/// use runnel::proto::http::{Client, ClientEvent, Outgoing};
///
/// let account = Account::root("example", 64 << 10);
/// let mut client = Client::new("camera:8080", 8 << 10, account);
/// client.ask(&Outgoing { target: "/live/a.flv", ..Outgoing::default() })?;
/// assert!(client.transmit().starts_with(b"GET /live/a.flv HTTP/1.1\r\nHost: camera:8080\r\n"));
///
/// let mut answer = &b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nFLV\r\n0\r\n\r\n"[..];
/// let (mut status, mut body) = (0, Vec::new());
/// while let used @ 1.. = client.input(answer)? {
///     while let Some(event) = client.event() {
///         match event {
///             ClientEvent::Head(response) => status = response.status,
///             ClientEvent::Body(len) => body.extend(&answer[..len]),
///             ClientEvent::End => assert!(!client.is_reusable()),
///         }
///     }
///     answer = &answer[used..];
/// }
/// assert_eq!((status, &body[..]), (200, &b"FLV"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Client {
    /// The server, as written in the field Host.
    host: Box<str>,
    max_head: usize,
    account: Account,
    out: Vec<u8>,
    state: State,
    /// The connection may serve another request after this answer.
    keeps: bool,
    /// The server has sent the head of an answer.
    answered: bool,
    /// The charges for the request and for the head of its answer.
    paid: [Option<Lease>; 2],
    head: Option<Response>,
    part: usize,
    ended: bool,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // the data to send may contain credentials
        f.debug_struct("Client").field("host", &self.host).field("state", &self.state).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No request is waiting for an answer.
    Idle,
    /// The machine waits for the head of an answer.
    Head(Asked),
    /// The machine reads a body.
    Body(Rest),
    /// All further input is ignored.
    Over,
}

/// The request that is waiting for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    /// The answer has no body, even if its head announces one.
    head_only: bool,
    /// The server may switch to another protocol.
    upgrade: bool,
    then: Then,
    /// The number of further interim answers that are accepted.
    interims: u8,
}

/// The maximum number of interim answers to one request. RFC 9110 section 15.2.
const MAX_INTERIMS: u8 = 8;
/// The interim answer after which the connection uses another protocol.
const SWITCHING: u16 = 101;

impl Client {
    /// A client of `host`: a name or address, with the port if it is not the scheme's default. Heads or trailers of
    /// more than `max_head` bytes end the connection. Requests and heads are charged to `account`.
    pub fn new(host: &str, max_head: usize, account: Account) -> Self {
        Self {
            host: host.into(),
            max_head,
            account,
            out: Vec::new(),
            state: State::Idle,
            keeps: true,
            answered: false,
            paid: [None, None],
            head: None,
            part: 0,
            ended: false,
        }
    }

    /// Sends a request, if no other is waiting for an answer and the connection is still usable.
    ///
    /// # Errors
    /// The request was not sent, and the machine did not change.
    pub fn ask(&mut self, request: &Outgoing<'_>) -> Result<(), Unsent> {
        if !self.is_reusable() {
            return Err(Unsent::Busy);
        }
        let head = request.head(&self.host)?;
        let paid = self.account.charge(head.len() + request.body.len())?;
        self.paid = [Some(paid), None];
        self.out.extend_from_slice(head.as_bytes());
        self.out.extend_from_slice(request.body);
        self.state = State::Head(Asked {
            head_only: request.method == Method::Head,
            upgrade: request.asks_to_upgrade(),
            then: request.then,
            interims: MAX_INTERIMS,
        });
        Ok(())
    }

    /// True if another request may be sent.
    pub fn is_reusable(&self) -> bool {
        self.state == State::Idle && self.out.is_empty()
    }

    /// True if the server has sent the head of an answer on this connection.
    pub fn is_answered(&self) -> bool {
        self.answered
    }

    /// Call this when the server has closed its side. Some bodies end this way; the last event must then be
    /// fetched.
    ///
    /// # Errors
    /// An answer is incomplete.
    pub fn end(&mut self) -> Result<(), Error> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Head(_) => Err(Error::misbehaved("the connection ends before the answer")),
            State::Body(Rest::Close) => {
                self.ended = true;
                Ok(())
            }
            State::Body(_) => Err(Error::misbehaved("the connection ends within the answer")),
            State::Idle | State::Over => Ok(()),
        }
    }

    /// Reads a head. Gives its length, or 0 if it is incomplete.
    fn read_head(&mut self, data: &[u8], asked: Asked) -> Result<usize, Error> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut parsed = httparse::Response::new(&mut fields);
        let (front, more) = data.split_at(data.len().min(self.max_head));
        let used = match parsed.parse(front).map_err(fault)? {
            httparse::Status::Complete(used) => used,
            httparse::Status::Partial if more.is_empty() => return Ok(0),
            httparse::Status::Partial => return Err(Error::limit("a head that is too long")),
        };
        self.answered = true;
        match parsed.code.unwrap_or_default() {
            ..=99 => return Err(Error::malformed("an invalid status")),
            SWITCHING if !asked.upgrade => {
                return Err(Error::misbehaved("a switch to another protocol without a request for it"));
            }
            SWITCHING | 200.. => {}
            _ => {
                let interims = asked.interims.checked_sub(1);
                let interims = interims.ok_or(Error::misbehaved("too many interim answers"))?;
                self.state = State::Head(Asked { interims, ..asked });
                return Ok(used);
            }
        }
        self.paid[1] = Some(self.account.charge(used).map_err(|_| Error::limit("no room for the head of an answer"))?);
        let (response, rest) = Response::read(&parsed, self.max_head)?;
        let rest = match response.status {
            SWITCHING => Rest::Close,
            _ if asked.head_only => Rest::NOTHING,
            _ => rest,
        };
        self.keeps = asked.then == Then::Keep && rest != Rest::Close && response.keeps_alive(parsed.version == Some(0));
        self.head = Some(response);
        self.go_on(rest);
        Ok(used)
    }

    /// Continues the answer with `rest`, or completes it.
    fn go_on(&mut self, rest: Rest) {
        self.ended = rest.is_over();
        self.state = match self.ended {
            false => State::Body(rest),
            true if self.keeps => State::Idle,
            true => State::Over,
        };
    }
}

/// The error text for a head that cannot be parsed.
fn fault(error: httparse::Error) -> Error {
    match error {
        httparse::Error::Version => Error::malformed("an answer that is not one of HTTP/1"),
        httparse::Error::TooManyHeaders => Error::limit("too many fields in a head"),
        httparse::Error::Status => Error::malformed("a damaged status line"),
        _ => Error::malformed("a damaged field"),
    }
}

impl Machine for Client {
    type Event = ClientEvent;

    fn input(&mut self, data: &[u8]) -> Result<usize, Error> {
        match self.state {
            State::Idle if data.is_empty() => Ok(0),
            State::Idle => Err(Error::misbehaved("an answer without a request")),
            State::Head(asked) => self.read_head(data, asked),
            State::Body(mut rest) => {
                let (used, part) = rest.take(data)?;
                self.part = part;
                self.go_on(rest);
                Ok(used)
            }
            State::Over => Ok(data.len()),
        }
    }

    fn event(&mut self) -> Option<ClientEvent> {
        if let Some(head) = self.head.take() {
            return Some(ClientEvent::Head(head));
        }
        if let part @ 1.. = std::mem::take(&mut self.part) {
            return Some(ClientEvent::Body(part));
        }
        std::mem::take(&mut self.ended).then_some(ClientEvent::End)
    }

    fn transmit(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }
}
