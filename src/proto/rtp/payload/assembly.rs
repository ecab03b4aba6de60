//! Memory for frames whose units arrive in parts.

use bytes::Bytes;

use super::Error;
use crate::budget::Room;
pub(super) use crate::budget::Rope;

/// The length field of a unit, written when the unit is complete, and its position.
#[derive(Clone, Copy)]
pub(super) struct Prefix {
    /// The number of bytes of the unit before the field.
    pub(super) at: usize,
    /// The first `len` of these bytes are the field.
    pub(super) bytes: [u8; MAX_PREFIX],
    /// The length of the field, at most [`MAX_PREFIX`].
    pub(super) len: usize,
}

/// The maximum length of the field in bytes.
pub(super) const MAX_PREFIX: usize = 4;

/// A frame of units, whose lengths are known only when a unit ends. The lengths are stored in a separate rope, so
/// that a frame of a million empty units is charged like any other.
pub(super) struct Units {
    body: Rope,
    lengths: Rope,
    open: usize,
    max: usize,
}

impl Units {
    /// An empty frame of at most `max` bytes.
    pub(super) fn new(max: usize) -> Self {
        Self { body: Rope::new(max), lengths: Rope::new(max), open: 0, max }
    }

    /// True if nothing was added.
    pub(super) fn is_empty(&self) -> bool {
        self.body.len() == 0
    }

    /// Appends to the open unit.
    pub(super) fn push(&mut self, data: &[u8], room: &dyn Room) -> Result<(), Error> {
        if self.body.len() + self.lengths.len() + MAX_PREFIX + data.len() > self.max {
            return Err(Error::TooLong);
        }
        self.body.push(data, room)?;
        self.open += data.len();
        Ok(())
    }

    /// Ends the open unit, if it is not empty.
    pub(super) fn close(&mut self, room: &dyn Room) -> Result<(), Error> {
        if self.open > 0 {
            let length = u32::try_from(self.open).map_err(|_| Error::TooLong)?;
            self.lengths.push(&length.to_be_bytes(), room)?;
            self.open = 0;
        }
        Ok(())
    }

    /// Builds a block of all units with their length fields, which `prefix` makes from a unit's first byte and
    /// length. The frame is empty afterwards.
    pub(super) fn finish(&mut self, room: &dyn Room, prefix: fn(u8, usize) -> Prefix) -> Result<Bytes, Error> {
        self.close(room).inspect_err(|_| self.clear())?;
        let (lengths, body) = (self.lengths.take(), self.body.take());
        let lengths =
            || lengths.iter().flat_map(|chunk| chunk.as_chunks().0).map(|bytes| u32::from_be_bytes(*bytes) as usize);
        let mut cursor = Cursor::new(&body);
        let mut total = 0;
        for length in lengths() {
            total += length + prefix(cursor.peek(), length).len;
            cursor.advance(length, |_| {});
        }
        let mut block = room.block(total)?;
        let mut cursor = Cursor::new(&body);
        for length in lengths() {
            let prefix = prefix(cursor.peek(), length);
            let at = prefix.at.min(length);
            cursor.advance(at, |part| _ = block.fill(part));
            block.fill(prefix.bytes.get(..prefix.len).unwrap_or_default());
            cursor.advance(length - at, |part| _ = block.fill(part));
        }
        Ok(block.freeze())
    }

    /// Drops all units.
    pub(super) fn clear(&mut self) {
        self.body.clear();
        self.lengths.clear();
        self.open = 0;
    }
}

/// A position in a list of chunks.
struct Cursor<'a> {
    rest: &'a [u8],
    chunks: std::slice::Iter<'a, Bytes>,
}

impl<'a> Cursor<'a> {
    fn new(chunks: &'a [Bytes]) -> Self {
        let mut cursor = Self { rest: &[], chunks: chunks.iter() };
        cursor.refill();
        cursor
    }

    /// Moves to the next chunk if this one is used up; false at the end.
    fn refill(&mut self) -> bool {
        while self.rest.is_empty() {
            let Some(chunk) = self.chunks.next() else { return false };
            self.rest = chunk;
        }
        true
    }

    /// The next byte; 0 at the end.
    fn peek(&self) -> u8 {
        self.rest.first().copied().unwrap_or(0)
    }

    /// Passes the next `n` bytes to `take`, part by part.
    fn advance(&mut self, mut n: usize, mut take: impl FnMut(&'a [u8])) {
        while n > 0 && self.refill() {
            let (head, tail) = self.rest.split_at_checked(n).unwrap_or((self.rest, &[]));
            take(head);
            n -= head.len();
            self.rest = tail;
        }
        self.refill();
    }
}

/// One block with all `parts` in sequence, if they have at most `max` bytes.
pub(super) fn whole(parts: &[&[u8]], max: usize, room: &dyn Room) -> Result<Bytes, Error> {
    let len = parts.iter().map(|part| part.len()).sum();
    if len > max {
        return Err(Error::TooLong);
    }
    let mut block = room.block(len)?;
    for part in parts {
        block.fill(part);
    }
    Ok(block.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Account;

    fn four(_: u8, len: usize) -> Prefix {
        Prefix { at: 0, bytes: (len as u32).to_be_bytes(), len: 4 }
    }

    #[test]
    fn units_get_their_lengths_when_they_end() {
        let account = Account::root("a", 1 << 20);
        let mut units = Units::new(1000);
        for part in [&b"ab"[..], b"c"] {
            units.push(part, &account).unwrap();
        }
        units.close(&account).unwrap();
        units.close(&account).unwrap();
        units.push(b"d", &account).unwrap();
        assert_eq!(units.finish(&account, four).unwrap(), &b"\0\0\0\x03abc\0\0\0\x01d"[..]);
        assert!(units.is_empty());
        let within = |_, len| Prefix { at: 1, bytes: [len as u8, 0, 0, 0], len: 1 };
        units.push(b"abc", &account).unwrap();
        assert_eq!(units.finish(&account, within).unwrap(), &b"a\x03bc"[..]);
        assert_eq!(account.used(), 0);
    }

    #[test]
    fn prefixes_count_as_the_frame() {
        let account = Account::root("a", 1 << 20);
        let mut units = Units::new(20);
        for _ in 0..4 {
            units.push(b"a", &account).unwrap();
            units.close(&account).unwrap();
        }
        assert_eq!(units.push(b"", &account), Err(Error::TooLong));
        assert_eq!(units.finish(&account, four).unwrap().len(), 20);
    }
}
