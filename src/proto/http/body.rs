//! Bodies of requests: finds their end and stores them if they are wanted. RFC 9112 sections 6 and 7.

use super::{Request, Status};
use crate::budget::{BlockMut, Greetings, Lease};

/// The part of a body that is not received yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// The number of bytes that follow.
    Length(usize),
    /// Chunks. RFC 9112 section 7.1.
    Chunked {
        next: Part,
        /// The number of bytes that the remaining chunks may contain.
        room: usize,
        /// The number of bytes that the lines between them may still take.
        spare: usize,
    },
}

/// The next part of a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The line that gives the size of a chunk.
    Size,
    /// The number of bytes left, which are followed by a line end.
    Data(usize),
    /// A line of the trailer section, or the empty line at its end.
    Trailer,
    /// Nothing.
    End,
}

/// A request whose body is being read.
#[derive(Debug)]
pub(super) struct Incoming {
    request: Request,
    body: BlockMut,
    /// The charge for the texts of the request.
    _lease: Lease,
}

/// The maximum length of a body, read or skipped; also the maximum length of all lines between its chunks.
pub const MAX_BODY: usize = 64 << 10;
/// The maximum length of a line between chunks.
const MAX_LINE: usize = 256;

impl Framing {
    pub(super) const NONE: Self = Self::Length(0);
    pub(super) const CHUNKED: Self = Self::Chunked { next: Part::Size, room: MAX_BODY, spare: MAX_BODY };

    /// True if the whole body was received.
    pub(super) fn is_over(self) -> bool {
        matches!(self, Self::NONE | Self::Chunked { next: Part::End, .. })
    }

    /// The maximum length of the body if `most` bytes are allowed.
    fn size(self, most: usize) -> Result<usize, Status> {
        match self {
            Self::Length(length) if length > most => Err(Status::CONTENT_TOO_LARGE),
            Self::Length(length) => Ok(length),
            Self::Chunked { room, .. } => Ok(most.min(room)),
        }
    }

    /// Limits the length of the body.
    fn narrow(&mut self, most: usize) {
        if let Self::Chunked { room, .. } = self {
            *room = most.min(*room);
        }
    }

    /// Reads a part of the body from the front of `data`. Gives the number of bytes used, and those of them that
    /// belong to the body. 0 bytes used mean that more are needed at once.
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
                *next = next.after(line)?;
                if let Part::Data(size) = *next {
                    *room = room.checked_sub(size).ok_or(Status::CONTENT_TOO_LARGE)?;
                }
                Ok((used, &[]))
            }
        }
    }
}

impl Part {
    /// The part after this one, which ends with `line`.
    pub(super) fn after(self, line: &[u8]) -> Result<Self, Status> {
        match self {
            Self::Size => Ok(match chunk_size(line).ok_or(Status::BAD_REQUEST)? {
                0 => Self::Trailer,
                size => Self::Data(size),
            }),
            Self::Data(_) if line.is_empty() => Ok(Self::Size),
            Self::Data(_) => Err(Status::BAD_REQUEST),
            // trailer fields are ignored
            Self::Trailer | Self::End => Ok(if line.is_empty() { Self::End } else { Self::Trailer }),
        }
    }
}

impl Incoming {
    /// Reserves memory for a body of at most `most` bytes.
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

    pub(super) fn add(&mut self, part: &[u8]) {
        self.body.fill(part);
    }

    /// The request with its body.
    pub(super) fn complete(self) -> Request {
        Request { body: self.body.freeze(), ..self.request }
    }
}

/// The first line of `data` without its end, and its length including the end; `None` if the line is not complete.
pub(super) fn line(data: &[u8]) -> Result<Option<(&[u8], usize)>, Status> {
    match data.iter().take(MAX_LINE).position(|byte| *byte == b'\n') {
        // a lone line feed or carriage return is refused: programs disagree whether it ends a line
        Some(at) => {
            let line = data.get(..at).and_then(|line| line.strip_suffix(b"\r"));
            let line = line.filter(|line| !line.contains(&b'\r')).ok_or(Status::BAD_REQUEST)?;
            Ok(Some((line, at + 1)))
        }
        None if data.len() >= MAX_LINE => Err(Status::BAD_REQUEST),
        None => Ok(None),
    }
}

/// The size of a chunk, without its extensions; `None` if the line is invalid.
fn chunk_size(line: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(line).ok()?;
    let (digits, _) = text.split_once(';').unwrap_or((text, ""));
    let digits = digits.trim_end_matches([' ', '\t']);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    // a size too large for usize is too large for a body
    Some(usize::from_str_radix(digits, 16).unwrap_or(usize::MAX))
}
