//! A packed frame: small headers, and bodies shared with the frame.

use bytes::Bytes;

use crate::wire::Writer;

/// A few header bytes before a body, stored inline. Bytes beyond `MAX` are left out.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    len: u8,
    channel: u8,
    bytes: [u8; Self::MAX],
}

/// A header and the body after it.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The header bytes.
    pub head: Head,
    /// The body, which may be shared with the frame.
    pub body: Bytes,
}

/// A frame as the bytes that all viewers of one form receive.
#[derive(Clone, Debug)]
pub struct Packed {
    /// The first piece; most packets have only one.
    first: Piece,
    rest: Box<[Piece]>,
    /// The bytes after the last body: FLV's PreviousTagSize.
    tail: Option<[u8; 4]>,
    /// True if a viewer may begin here; `None` if the frame decides.
    opens: Option<bool>,
    /// It describes the tracks, and begins a file.
    head: bool,
    len: usize,
}

impl Head {
    /// The maximum length of a header: RTMP basic header, message header, extended timestamp and the header of an
    /// enhanced multitrack tag take 33.
    pub const MAX: usize = 38;

    /// A header with the first `MAX` bytes of `bytes`.
    pub fn new(bytes: &[u8]) -> Self {
        let mut head = Self::default();
        Writer::bytes(&mut head, bytes);
        head
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.split_at_checked(usize::from(self.len)).map_or(&[], |(head, _)| head)
    }
}

impl Default for Head {
    fn default() -> Self {
        Self { len: 0, channel: 0, bytes: [0; Self::MAX] }
    }
}

impl Writer for Head {
    fn bytes(&mut self, bytes: &[u8]) {
        let room = self.bytes.get_mut(usize::from(self.len)..).unwrap_or_default();
        for (to, from) in room.iter_mut().zip(bytes) {
            *to = *from;
            self.len += 1;
        }
    }
}

impl Piece {
    /// `head`, then `body`.
    pub fn new(head: &[u8], body: Bytes) -> Self {
        Self { head: Head::new(head), body }
    }

    /// The same piece on `channel`.
    pub fn on_channel(mut self, channel: u8) -> Self {
        self.head.channel = channel;
        self
    }

    /// The channel, which separates the packets of one form; 0 if they all belong together.
    pub fn channel(&self) -> u8 {
        self.head.channel
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.head.bytes().len() + self.body.len()
    }

    /// True if there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Vec<u8>> for Packed {
    fn from(bytes: Vec<u8>) -> Self {
        Self::whole(Bytes::from(bytes))
    }
}

impl Packed {
    /// A packet of `first` and the pieces in `rest`.
    pub fn new(first: Piece, rest: Vec<Piece>) -> Self {
        let len = first.len() + rest.iter().map(Piece::len).sum::<usize>();
        Self { first, rest: rest.into(), tail: None, opens: None, head: false, len }
    }

    /// The same packet with four bytes after the last body.
    pub fn with_tail(mut self, tail: [u8; 4]) -> Self {
        self.len += tail.len();
        self.tail = Some(tail);
        self
    }

    /// A packet that is one block of bytes.
    pub fn whole(body: Bytes) -> Self {
        Self::new(Piece::new(&[], body), Vec::new())
    }

    /// The same packet; `opens` decides whether a viewer may begin here.
    pub fn with_start(mut self, opens: bool) -> Self {
        self.opens = Some(opens);
        self
    }

    /// The same packet, marked as a description of the tracks, with which files of this form begin.
    pub fn as_head(mut self) -> Self {
        self.head = true;
        self
    }

    /// True if it describes the tracks.
    pub fn is_head(&self) -> bool {
        self.head
    }

    /// True if a viewer may begin here; `start` applies if the form does not decide.
    pub fn opens(&self, start: bool) -> bool {
        self.opens.unwrap_or(start)
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All bytes in one vector.
    pub fn to_vec(&self) -> Vec<u8> {
        self.slices().flatten().copied().collect()
    }

    /// All pieces in order.
    pub fn pieces(&self) -> impl Iterator<Item = &Piece> {
        std::iter::once(&self.first).chain(&self.rest)
    }

    /// All bytes in order, without empty slices.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces()
            .flat_map(|piece| [piece.head.bytes(), &piece.body])
            .chain(self.tail.as_ref().map(<[u8; 4]>::as_slice))
            .filter(|slice| !slice.is_empty())
    }
}
