//! Answers of servers: status line, fields, and the end of the body. RFC 9112 sections 4 to 7.

use std::borrow::Cow;

use super::Fields;
use super::body::{Part, line};
use super::request::content_length;
use crate::proto::Error;

/// The head of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The status code. RFC 9110 section 15.
    pub status: u16,
    /// The reason phrase, up to 80 characters; many servers omit it.
    pub reason: String,
    /// The fields. In values that are not UTF-8, each byte above ASCII becomes a question mark.
    pub fields: Fields,
    /// The length of the body in bytes, if the server gives it; 0 if there is no body. In an answer to HEAD it is
    /// the length that GET would give.
    pub length: Option<u64>,
}

/// The part of an answer's body that is not received yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// The number of bytes that follow.
    Length(u64),
    /// Chunks, and the maximum number of bytes of the trailer section.
    Chunked { next: Part, trailers: usize },
    /// All bytes until the connection ends.
    Close,
}

/// The maximum number of characters kept of a reason phrase.
const MAX_REASON: usize = 80;
/// The statuses of redirects. RFC 9110 section 15.4.
const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];
/// The statuses without a body. RFC 9112 section 6.3.
const WITHOUT_BODY: [u16; 2] = [204, 304];

impl Response {
    /// The reference to which the answer redirects; [`Url::join`](crate::proto::Url::join) makes a URL of it. The
    /// machine does not follow it.
    pub fn location(&self) -> Option<&str> {
        self.fields.get("location").filter(|_| REDIRECTS.contains(&self.status))
    }

    /// True if the status is a success. RFC 9110 section 15.3.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Reads a parsed head. Gives it with its body, whose trailers may take `room` bytes.
    pub(super) fn read(parsed: &httparse::Response<'_, '_>, room: usize) -> Result<(Self, Rest), Error> {
        let fields: Vec<_> = parsed.headers.iter().map(|field| (field.name, text(field.value))).collect();
        let fields: Fields = fields.iter().map(|(name, value)| (*name, value.as_ref())).collect();
        let rest = Rest::after(&fields, parsed.version == Some(0), room)?;
        let status = parsed.code.unwrap_or_default();
        let rest = if WITHOUT_BODY.contains(&status) { Rest::NOTHING } else { rest };
        let reason = parsed.reason.unwrap_or_default().chars().take(MAX_REASON).collect();
        Ok((Self { status, reason, fields, length: rest.length() }, rest))
    }

    /// True if the server keeps the connection for another request. RFC 9112 section 9.3.
    pub(super) fn keeps_alive(&self, http10: bool) -> bool {
        !self.fields.has("connection", "close") && (!http10 || self.fields.has("connection", "keep-alive"))
    }
}

/// A field's value as text.
fn text(value: &[u8]) -> Cow<'_, str> {
    let letter = |byte: &u8| if byte.is_ascii() { char::from(*byte) } else { '?' };
    std::str::from_utf8(value).map_or_else(|_| value.iter().map(letter).collect::<String>().into(), Cow::Borrowed)
}

impl Rest {
    pub(super) const NOTHING: Self = Self::Length(0);

    /// The body that the fields announce. Ambiguous framing is refused: a proxy could take a part of one body for
    /// another answer. RFC 9112 section 6.3.
    fn after(fields: &Fields, http10: bool, room: usize) -> Result<Self, Error> {
        let length =
            content_length(fields).map_err(|_| Error::malformed("an invalid Content-Length, or two of them"))?;
        match (length, fields.get("transfer-encoding").is_some()) {
            (None, false) => Ok(Self::Close),
            (Some(length), false) => Ok(Self::Length(length)),
            (Some(_), true) => Err(Error::malformed("an answer with a length and a transfer coding")),
            (None, true) if http10 => Err(Error::malformed("a transfer coding in HTTP/1.0")),
            (None, true) => {
                let mut codings = fields.items("transfer-encoding");
                match (codings.next(), codings.next()) {
                    (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => {
                        Ok(Self::Chunked { next: Part::Size, trailers: room })
                    }
                    _ => Err(Error::malformed("an unknown transfer coding")),
                }
            }
        }
    }

    fn length(self) -> Option<u64> {
        match self {
            Self::Length(length) => Some(length),
            Self::Chunked { .. } | Self::Close => None,
        }
    }

    /// True if the whole body was received.
    pub(super) fn is_over(self) -> bool {
        matches!(self, Self::NOTHING | Self::Chunked { next: Part::End, .. })
    }

    /// Reads a part of the body from the front of `data`. Gives the number of bytes used, and the number of them
    /// that belong to the body (all or none). 0 bytes used mean that more are needed at once.
    pub(super) fn take(&mut self, data: &[u8]) -> Result<(usize, usize), Error> {
        match self {
            Self::Close => Ok((data.len(), data.len())),
            Self::Length(left) => {
                let part = usize::try_from(*left).unwrap_or(usize::MAX).min(data.len());
                *left -= part as u64;
                Ok((part, part))
            }
            Self::Chunked { next: Part::Data(left @ 1..), .. } => {
                let part = data.len().min(*left);
                *left -= part;
                Ok((part, part))
            }
            Self::Chunked { next, trailers } => {
                let damaged = |_| Error::malformed("a damaged line between chunks");
                let Some((line, used)) = line(data).map_err(damaged)? else { return Ok((0, 0)) };
                if *next == Part::Trailer {
                    let full = Error::limit("too many trailers");
                    *trailers = trailers.checked_sub(used).ok_or(full)?;
                }
                *next = next.after(line).map_err(damaged)?;
                // a size too large for usize was replaced by its maximum
                if *next == Part::Data(usize::MAX) {
                    return Err(Error::malformed("a chunk that is too long"));
                }
                Ok((used, 0))
            }
        }
    }
}
