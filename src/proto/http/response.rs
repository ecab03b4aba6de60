//! Answers of servers: their status line, their fields, and where their bodies end. RFC 9112 sections 4 to 7.

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
    /// The words behind it, up to 80 characters; many servers leave them out.
    pub reason: String,
    /// The fields. Bytes that are neither ASCII nor UTF-8 are question marks.
    pub fields: Fields,
    /// The length of the body in bytes, if the server says it; 0 if there is none. Behind HEAD it is that which GET
    /// would bring.
    pub length: Option<u64>,
}

/// The rest of an answer's body that is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// So many bytes.
    Length(u64),
    /// Chunks, and so many bytes of a trailer section at most.
    Chunked { next: Part, trailers: usize },
    /// All until the connection ends.
    Close,
}

/// The most characters of a reason phrase that are kept.
const MAX_REASON: usize = 80;
/// The statuses of answers that are elsewhere. RFC 9110 section 15.4.
const MOVED: [u16; 5] = [301, 302, 303, 307, 308];
/// The statuses that have no body. RFC 9112 section 6.3.
const BARE: [u16; 2] = [204, 304];

impl Response {
    /// The reference to where the answer is, if it is elsewhere: [`Url::join`](crate::proto::Url::join) makes a URL of
    /// it. The machine does not follow it.
    pub fn location(&self) -> Option<&str> {
        self.fields.get("location").filter(|_| MOVED.contains(&self.status))
    }

    /// Whether the status says that the request was understood and served. RFC 9110 section 15.3.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The head that was parsed, and its body, whose trailers have `room`.
    pub(super) fn read(parsed: &httparse::Response<'_, '_>, room: usize) -> Result<(Self, Rest), Error> {
        let fields: Vec<_> = parsed.headers.iter().map(|field| (field.name, text(field.value))).collect();
        let fields: Fields = fields.iter().map(|(name, value)| (*name, value.as_ref())).collect();
        let rest = Rest::behind(&fields, parsed.version == Some(0), room)?;
        let status = parsed.code.unwrap_or_default();
        let rest = if BARE.contains(&status) { Rest::NOTHING } else { rest };
        let reason = parsed.reason.unwrap_or_default().chars().take(MAX_REASON).collect();
        Ok((Self { status, reason, fields, length: rest.length() }, rest))
    }

    /// Whether the connection is to serve another request. RFC 9112 section 9.3.
    pub(super) fn keeps_alive(&self, http10: bool) -> bool {
        !self.fields.has("connection", "close") && (!http10 || self.fields.has("connection", "keep-alive"))
    }
}

/// The text of a field's value.
fn text(value: &[u8]) -> Cow<'_, str> {
    let letter = |byte: &u8| if byte.is_ascii() { char::from(*byte) } else { '?' };
    std::str::from_utf8(value).map_or_else(|_| value.iter().map(letter).collect::<String>().into(), Cow::Borrowed)
}

impl Rest {
    pub(super) const NOTHING: Self = Self::Length(0);

    /// The body behind these fields. What proxies could read otherwise is refused: a part of one body would be taken
    /// for another answer. RFC 9112 section 6.3.
    fn behind(fields: &Fields, http10: bool, room: usize) -> Result<Self, Error> {
        let length = content_length(fields).map_err(|_| Error::malformed("a length that is none, or two of them"))?;
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
                    _ => Err(Error::malformed("a transfer coding that was not asked for")),
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

    /// Whether all of the body has come.
    pub(super) fn is_over(self) -> bool {
        matches!(self, Self::NOTHING | Self::Chunked { next: Part::End, .. })
    }

    /// Takes a part of the body off the front of `data`: the number of bytes that it used, 0 if it needs more of
    /// them at once, and how many of these are the body's own: all or none.
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
                    let full = Error::limit("trailers without end");
                    *trailers = trailers.checked_sub(used).ok_or(full)?;
                }
                *next = next.behind(line).map_err(damaged)?;
                // a size that is too large for a number of ours was cut to it
                if *next == Part::Data(usize::MAX) {
                    return Err(Error::malformed("a chunk beyond all measure"));
                }
                Ok((used, 0))
            }
        }
    }
}
