//! Reads boxes in a file. ISO/IEC 14496-12 section 4.2.

use crate::container::{Fault, Storage};

/// A box's type.
pub type Name = [u8; 4];

/// The place of a box in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BoxAt {
    pub(super) name: Name,
    /// The offset of its first byte, which belongs to its size.
    pub(super) start: u64,
    /// The offset of its content.
    pub(super) body: u64,
    /// The offset of its end.
    pub(super) end: u64,
}

impl BoxAt {
    /// The whole file as if it were a box.
    pub(super) fn file(storage: &dyn Storage) -> Self {
        Self { name: *b"file", start: 0, body: 0, end: storage.len() }
    }

    /// Bytes of the content.
    pub(super) fn len(&self) -> u64 {
        self.end.saturating_sub(self.body)
    }

    /// The same box, without the first `bytes` bytes of its content.
    pub(super) fn behind(self, bytes: u64) -> Self {
        Self { body: self.body.saturating_add(bytes).min(self.end), ..self }
    }

    /// The first `N` bytes of the content.
    pub(super) fn first<const N: usize>(&self, storage: &mut dyn Storage) -> Result<[u8; N], Fault> {
        let mut bytes = [0; N];
        if self.len() < N as u64 || storage.read_at(self.body, &mut bytes)? < N {
            return Err(Fault::Broken("a box is too short"));
        }
        Ok(bytes)
    }

    /// The content, cut at `most` bytes.
    pub(super) fn content(&self, storage: &mut dyn Storage, most: usize) -> Result<Vec<u8>, Fault> {
        let mut bytes = vec![0; usize::try_from(self.len()).unwrap_or(most).min(most)];
        let got = storage.read_at(self.body, &mut bytes)?;
        bytes.truncate(got);
        Ok(bytes)
    }
}

/// Iterates over the boxes in another box.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    at: u64,
    end: u64,
}

impl Walk {
    /// Over the boxes in `parent`.
    pub(super) fn over(parent: &BoxAt) -> Self {
        Self { at: parent.body, end: parent.end }
    }

    /// The next box; `None` after the last. A box that is cut off ends where its parent ends.
    pub(super) fn next(&mut self, storage: &mut dyn Storage) -> Result<Option<BoxAt>, Fault> {
        let mut head = [0; 16];
        let got = storage.read_at(self.at, &mut head)?;
        let left = self.end.saturating_sub(self.at);
        let [s0, s1, s2, s3, n0, n1, n2, n3, large @ ..] = head;
        if left < 8 || got < 8 {
            return Ok(None);
        }
        let (head, size) = match u32::from_be_bytes([s0, s1, s2, s3]) {
            0 => (8, left), // up to the end of the parent
            1 if got < 16 => return Ok(None),
            1 => (16, u64::from_be_bytes(large)),
            size => (8, u64::from(size)),
        };
        if size < head {
            return Err(Fault::Broken("a box is shorter than its head"));
        }
        let start = self.at;
        self.at = start.saturating_add(size).min(self.end);
        Ok(Some(BoxAt { name: [n0, n1, n2, n3], start, body: (start + head).min(self.at), end: self.at }))
    }
}

/// The first box with this name in `parent`.
pub(super) fn find(storage: &mut dyn Storage, parent: &BoxAt, name: &Name) -> Result<Option<BoxAt>, Fault> {
    let mut walk = Walk::over(parent);
    for _ in 0..MAX_BOXES {
        match walk.next(storage)? {
            Some(found) if found.name == *name => return Ok(Some(found)),
            Some(_) => {}
            None => return Ok(None),
        }
    }
    Err(Fault::Broken("too many boxes"))
}

/// The box at the end of a path; the first of each name.
pub(super) fn dig(storage: &mut dyn Storage, from: &BoxAt, path: &[&Name]) -> Result<Option<BoxAt>, Fault> {
    let mut at = *from;
    for name in path {
        match find(storage, &at, name)? {
            Some(found) => at = found,
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}

/// The maximum number of boxes that are read in search of one.
pub(super) const MAX_BOXES: usize = 4096;
