//! Requests that a client sends. RFC 9112 section 3.

use std::fmt;

use base64ct::{Base64, Encoding};

use super::request::is_token;
use super::{METHODS, Method, SERVER};
use crate::budget::OverBudget;

/// A request to a server. Its `Debug` output contains neither the target nor values of fields: they may be
/// credentials.
#[derive(Clone, Copy, Default)]
pub struct Outgoing<'a> {
    /// The method.
    pub method: Method,
    /// The path with its query, in ASCII; begins with a slash. RFC 9112 section 3.2.1.
    pub target: &'a str,
    /// The fields, except those that the machine writes: Host, User-Agent, Connection and those about the body.
    /// `Upgrade` among them asks for another protocol. RFC 9110 section 7.8.
    pub fields: &'a [(&'a str, &'a str)],
    /// The body; an empty one is not sent, except with POST.
    pub body: &'a [u8],
    /// The use of the connection after the answer.
    pub then: Then,
}

impl fmt::Debug for Outgoing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, target: _, fields, body, then } = self;
        let names = fields.iter().map(|(name, _)| name);
        write!(f, "{method:?} {:?}, {} bytes, {then:?}", names.collect::<Vec<_>>(), body.len())
    }
}

/// The use of a connection after an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Then {
    /// It is closed.
    #[default]
    Close,
    /// It may serve another request.
    Keep,
}

/// The reason why a request was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsent {
    /// Another request is not answered yet, or the connection serves no more.
    Busy,
    /// The method, the target or a field is invalid.
    Unfit(&'static str),
    /// The account has no memory left.
    OverBudget(OverBudget),
}

impl std::fmt::Display for Unsent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Busy => f.write_str("the connection takes no request now"),
            Self::Unfit(what) => f.write_str(what),
            Self::OverBudget(refusal) => refusal.fmt(f),
        }
    }
}

impl std::error::Error for Unsent {}

impl From<OverBudget> for Unsent {
    fn from(refusal: OverBudget) -> Self {
        Self::OverBudget(refusal)
    }
}

/// Fields that the machine writes, in lower case. If they were repeated, a server could find another end of the
/// request.
const OURS: [&str; 5] = ["host", "user-agent", "connection", "content-length", "transfer-encoding"];

impl Outgoing<'_> {
    /// The text of the request's head. Nothing in it can end a line early.
    pub(super) fn head(&self, host: &str) -> Result<String, Unsent> {
        let unfit = |what| Err(Unsent::Unfit(what));
        let named = METHODS.into_iter().find(|(method, _)| *method == self.method);
        let Some((_, method)) = named else { return unfit("a method without a name") };
        if !self.target.starts_with('/') || !self.target.bytes().all(|byte| byte.is_ascii_graphic()) {
            return unfit("a target that is not a path");
        }
        if host.is_empty() || !is_value(host) {
            return unfit("an invalid host");
        }
        for (name, value) in self.fields {
            if !is_token(name) || !is_value(value) || OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours)) {
                return unfit("a field that cannot be sent");
            }
        }
        let length = self.body.len().to_string();
        let expects_body = matches!(self.method, Method::Post | Method::Put | Method::Patch);
        let has_body = !self.body.is_empty() || expects_body;
        let connection = if self.asks_to_upgrade() { Some("Upgrade") } else { self.then.connection() };
        let usual = [("Host", host), ("User-Agent", SERVER)].into_iter();
        let usual = usual.chain(connection.map(|word| ("Connection", word)));
        let usual = usual.chain(has_body.then_some(("Content-Length", length.as_str())));
        let mut text = format!("{method} {} HTTP/1.1\r\n", self.target);
        for (name, value) in usual.chain(self.fields.iter().copied()) {
            text.extend([name, ": ", value, "\r\n"]);
        }
        text.push_str("\r\n");
        Ok(text)
    }

    pub(super) fn asks_to_upgrade(&self) -> bool {
        self.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("upgrade"))
    }
}

impl Then {
    /// The value of the field Connection; HTTP/1.1 keeps connections by default.
    fn connection(self) -> Option<&'static str> {
        match self {
            Self::Close => Some("close"),
            Self::Keep => None,
        }
    }
}

/// The value of Authorization with a user name and a password. RFC 7617 section 2.
pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", Base64::encode_string(format!("{user}:{password}").as_bytes()))
}

/// True if a text is valid as a field's value. RFC 9110 section 5.5.
fn is_value(text: &str) -> bool {
    !text.chars().any(|c| c.is_ascii_control() && c != '\t')
}
