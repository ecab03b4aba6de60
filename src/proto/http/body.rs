//! Bodies of requests: where they end, and what is kept of them. RFC 9112 sections 6 and 7.

use super::{Request, Status};
use crate::budget::{BlockMut, Greetings, Lease};

/// The rest of a body that is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes.
    Length(usize),
    /// Chunks. RFC 9112 section 7.1.
    Chunked {
        next: Part,
        /// The bytes that the chunks behind may have.
        room: usize,
        /// The bytes that may still stand between them.
        spare: usize,
    },
}

/// The next part of a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The line with the size of a chunk.
    Size,
    /// So many bytes, and the end of the line behind them.
    Data(usize),
    /// A line of the trailer section, or the empty one at its end.
    Trailer,
    /// Nothing.
    End,
}

/// A request whose body is being read.
#[derive(Debug)]
pub(super) struct Incoming {
    request: Request,
    body: BlockMut,
    /// Pays for the texts of the request.
    _lease: Lease,
}

/// The longest body, whether it is read or passed over, and the most that may stand between its chunks.
pub const MAX_BODY: usize = 64 << 10;
/// The longest line between chunks.
const MAX_LINE: usize = 256;

impl Framing {
    pub(super) const NONE: Self = Self::Length(0);
    pub(super) const CHUNKED: Self = Self::Chunked { next: Part::Size, room: MAX_BODY, spare: MAX_BODY };

    /// Whether all of the body has come.
    pub(super) fn is_over(self) -> bool {
        matches!(self, Self::NONE | Self::Chunked { next: Part::End, .. })
    }

    /// The most bytes that the body has if it may have no more than `most`.
    fn size(self, most: usize) -> Result<usize, Status> {
        match self {
            Self::Length(length) if length > most => Err(Status::CONTENT_TOO_LARGE),
            Self::Length(length) => Ok(length),
            Self::Chunked { room, .. } => Ok(most.min(room)),
        }
    }

    /// Has the body be no longer than that.
    fn narrow(&mut self, most: usize) {
        if let Self::Chunked { room, .. } = self {
            *room = most.min(*room);
        }
    }

    /// Takes a part of the body off the front of `data`: the number of bytes that it used, 0 if it needs more of
    /// them at once, and those that are the body's own.
    pub(super) fn take<'a>(&mut self, data: &'a [u8]) -> Result<(usize, &'a [u8]), Status> {
        match self {
            Self::Length(left) | Self::Chunked { next: Part::Data(left @ 1..), .. } => {
                let (part, _) = data.split_at(data.len().min(*left));
                *left -= part.len();
                Ok((part.len(), part))
            }
            Self::Chunked { next, room, spare } => {
                let Some((line, used)) = line(data)? else { return Ok((0, &[])) };
                *spare = spare.checked_sub(used).ok_or(Status::CONTENT_TOO_LARGE)?;
                *next = next.behind(line)?;
                if let Part::Data(size) = *next {
                    *room = room.checked_sub(size).ok_or(Status::CONTENT_TOO_LARGE)?;
                }
                Ok((used, &[]))
            }
        }
    }
}

impl Part {
    /// The part behind this one, which ends with that line.
    pub(super) fn behind(self, line: &[u8]) -> Result<Self, Status> {
        match self {
            Self::Size => Ok(match chunk_size(line).ok_or(Status::BAD_REQUEST)? {
                0 => Self::Trailer,
                size => Self::Data(size),
            }),
            Self::Data(_) if line.is_empty() => Ok(Self::Size),
            Self::Data(_) => Err(Status::BAD_REQUEST),
            // fields of a trailer section mean nothing here
            Self::Trailer | Self::End => Ok(if line.is_empty() { Self::End } else { Self::Trailer }),
        }
    }
}

impl Incoming {
    /// Room for the body of at most `most` bytes behind a request.
    pub(super) fn new(
        request: Request,
        framing: &mut Framing,
        most: usize,
        greetings: &Greetings,
    ) -> Result<Self, Status> {
        let (room, texts) = (framing.size(most)?, request.size());
        let account = greetings.account_for(room + texts);
        let lease = account.charge(texts).map_err(|_| Status::UNAVAILABLE)?;
        let body = BlockMut::new(account, room).map_err(|_| Status::UNAVAILABLE)?;
        framing.narrow(most);
        Ok(Self { request, body, _lease: lease })
    }

    /// Appends a part of the body.
    pub(super) fn add(&mut self, part: &[u8]) {
        self.body.fill(part);
    }

    /// The request with its body.
    pub(super) fn complete(self) -> Request {
        Request { body: self.body.freeze(), ..self.request }
    }
}

/// The first line of `data` without its end, and its length with it; `None` if that has not come.
pub(super) fn line(data: &[u8]) -> Result<Option<(&[u8], usize)>, Status> {
    match data.iter().take(MAX_LINE).position(|byte| *byte == b'\n') {
        // others may take a lone line feed or carriage return for an end, or not
        Some(at) => {
            let line = data.get(..at).and_then(|line| line.strip_suffix(b"\r"));
            let line = line.filter(|line| !line.contains(&b'\r')).ok_or(Status::BAD_REQUEST)?;
            Ok(Some((line, at + 1)))
        }
        None if data.len() >= MAX_LINE => Err(Status::BAD_REQUEST),
        None => Ok(None),
    }
}

/// The size of a chunk; its extensions mean nothing here. `None` for what is none.
fn chunk_size(line: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(line).ok()?;
    let (digits, _) = text.split_once(';').unwrap_or((text, ""));
    let digits = digits.trim_end_matches([' ', '\t']);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    // one that is too large for a number is too large for a body
    Some(usize::from_str_radix(digits, 16).unwrap_or(usize::MAX))
}
