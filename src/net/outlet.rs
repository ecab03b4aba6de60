//! The batch of shared units that is being sent to a viewer, and the number of bytes sent.

use std::cell::RefCell;
use std::io::{self, IoSlice, Write};
use std::sync::Arc;

use bytes::Bytes;

use crate::container::{Packed, Piece};
use crate::hub::{Step, Unit};
use crate::media::Ticks;

/// A batch that is being sent.
#[derive(Default)]
pub struct Outlet {
    framing: Framing,
    /// The bytes for this viewer alone: those before each unit or piece, or in place of its head. Each is preceded by
    /// its length.
    heads: Vec<u8>,
    units: Vec<Arc<Unit>>,
    /// The bytes of the batch, and the number of them that are sent.
    len: usize,
    sent: usize,
    /// Bytes of a marked text that are sent up to the last mark, and no longer counted.
    passed: usize,
}

/// The framing by a viewer's protocol around the bytes that all viewers share.
#[derive(Clone, Copy, Debug, Default)]
pub enum Framing {
    /// Nothing.
    #[default]
    None,
    /// No framing, and units are packets of this number of bytes each.
    Packets(usize),
    /// Each unit is a message: the function writes the header of a message of that length, at most 32 bytes.
    Unit(fn(usize, &mut Vec<u8>)),
    /// Each piece is a packet of its own.
    Piece(PacketFraming),
    /// The heads of the pieces are rewritten.
    Head(HeadFraming),
    /// Text in which this byte is a placeholder for text of this viewer alone.
    Marked(u8),
}

/// The framing of packets on a stream of bytes.
#[derive(Clone, Copy, Debug)]
pub struct PacketFraming {
    /// The viewer's number for each channel of the form; `None` for a channel that it does not want.
    pub channels: [Option<u8>; CHANNELS],
    /// Writes the header of a packet with this channel and length; at most 32 bytes.
    pub header: fn(u8, usize, &mut Vec<u8>),
}

/// The difference of this viewer's heads from those of other viewers.
#[derive(Clone, Copy, Debug)]
pub struct HeadFraming {
    /// This viewer's own number.
    pub number: u32,
    /// Writes a head with that number in it, of the same length.
    pub rewrite: fn(u32, &[u8], &mut Vec<u8>),
}

/// The most channels that a form has.
pub const CHANNELS: usize = 4;
/// The bounds of one batch: large enough that writes are few, small enough that a slow viewer pins little memory.
pub const BATCH: Step = Step { units: 32, bytes: 64 << 10 };
/// The most slices in one write.
const SLICES: usize = 96;
/// The length, in bytes, up to which a write is copied into one slice: that costs less than a list of slices in the
/// kernel.
const MAX_COPY: usize = 8 << 10;
/// The length of a head that means that the piece is not sent.
const UNWANTED: u8 = u8::MAX;

thread_local! {
    static COPY: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(MAX_COPY));
}

/// Appends the head that `write` writes, preceded by its length, and returns that length.
fn write_head(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> usize {
    let at = out.len();
    out.push(0);
    write(out);
    let len = out.len() - at - 1;
    if let Some(slot) = out.get_mut(at) {
        *slot = len as u8;
    }
    len
}

/// The next head, `None` if its piece is not sent, and the heads after it.
fn split_head(heads: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    match heads.split_first()? {
        (&UNWANTED, rest) => Some((None, rest)),
        (len, rest) => rest.split_at_checked(usize::from(*len)).map(|(head, rest)| (Some(head), rest)),
    }
}

impl PacketFraming {
    fn write(&self, piece: &Piece, out: &mut Vec<u8>) -> usize {
        let channel = self.channels.get(usize::from(piece.channel())).copied().flatten();
        let Some(channel) = channel.filter(|_| !piece.is_empty()) else {
            out.push(UNWANTED);
            return 0;
        };
        write_head(out, |out| (self.header)(channel, piece.len(), out)) + piece.len()
    }
}

impl HeadFraming {
    fn write(&self, piece: &Piece, out: &mut Vec<u8>) -> usize {
        let head = piece.head.bytes();
        out.push(head.len() as u8);
        (self.rewrite)(self.number, head, out);
        piece.len()
    }
}

impl Outlet {
    /// An empty outlet.
    pub fn new(framing: Framing) -> Self {
        Self { framing, ..Self::default() }
    }

    /// A text that is shared with other viewers, with `own` in place of each `mark`.
    pub fn marked(text: Bytes, mark: u8, own: &str) -> Self {
        let marks = text.iter().filter(|byte| **byte == mark).count();
        let mut outlet = Self::new(Framing::Marked(mark));
        outlet.len = text.len() - marks + marks * own.len();
        outlet.heads = own.into();
        outlet.units.push(Unit::whole(text, Ticks(0)));
        outlet
    }

    /// True if [`cut`](Self::cut) is possible.
    pub fn is_in_packets(&self) -> bool {
        matches!(self.framing, Framing::Packets(_) | Framing::Piece(_))
    }

    /// The bytes of the batch, sent ones included.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if everything was sent.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The units of the batch.
    pub fn units(&self) -> &[Arc<Unit>] {
        &self.units
    }

    /// Fills an empty outlet: `fill` appends units.
    pub fn fill<T>(&mut self, fill: impl FnOnce(&mut Vec<Arc<Unit>>) -> T) -> T {
        let result = fill(&mut self.units);
        let lens = self.units.iter().map(|unit| unit.packed.len());
        self.len = match self.framing {
            Framing::None | Framing::Packets(_) | Framing::Marked(_) => lens.sum(),
            Framing::Unit(header) => {
                let lens = lens.filter(|len| *len > 0);
                lens.map(|len| len + write_head(&mut self.heads, |out| header(len, out))).sum()
            }
            Framing::Piece(framing) => {
                let pieces = self.units.iter().flat_map(|unit| unit.packed.pieces());
                pieces.map(|piece| framing.write(piece, &mut self.heads)).sum()
            }
            Framing::Head(framing) => {
                let pieces = self.units.iter().flat_map(|unit| unit.packed.pieces());
                pieces.map(|piece| framing.write(piece, &mut self.heads)).sum()
            }
        };
        if self.len == 0 {
            self.clear();
        }
        result
    }

    /// Writes the next bytes to `out`, and returns the number written.
    pub fn send(&mut self, out: &mut (impl Write + ?Sized)) -> io::Result<usize> {
        let taken = if self.len - self.sent <= MAX_COPY { self.send_copy(out) } else { self.send_slices(out) }?;
        self.sent += taken;
        self.pass();
        if self.sent >= self.len {
            self.clear();
        }
        Ok(taken)
    }

    fn send_copy(&self, out: &mut (impl Write + ?Sized)) -> io::Result<usize> {
        COPY.with_borrow_mut(|copy| {
            copy.clear();
            self.each_slice(|slice| copy.extend_from_slice(slice));
            out.write(copy)
        })
    }

    fn send_slices(&self, out: &mut (impl Write + ?Sized)) -> io::Result<usize> {
        let mut slices = [(); SLICES].map(|()| IoSlice::new(&[]));
        let mut count = 0;
        self.each_slice(|slice| {
            if let Some(slot) = slices.get_mut(count) {
                *slot = IoSlice::new(slice);
                count += 1;
            }
        });
        out.write_vectored(slices.get(..count).unwrap_or_default())
    }

    /// Passes the unsent bytes to `take`, slice by slice.
    fn each_slice<'a>(&'a self, mut take: impl FnMut(&'a [u8])) {
        let mut sent = self.sent;
        let take = |slice: &'a [u8]| {
            let passed = sent.min(slice.len());
            sent -= passed;
            slice.get(passed..).filter(|rest| !rest.is_empty()).into_iter().for_each(&mut take);
        };
        match self.framing {
            Framing::Piece(_) => self.framed_pieces(true).for_each(take),
            Framing::Head(_) => self.framed_pieces(false).for_each(take),
            Framing::Marked(mark) => self.marked_slices(mark).take(SLICES).for_each(take),
            Framing::Unit(_) => self.framed_units().for_each(take),
            Framing::None | Framing::Packets(_) => {
                self.units.iter().flat_map(|unit| unit.packed.slices()).for_each(take)
            }
        }
    }

    /// The slices of the wanted pieces, each after its header; with `whole` also the piece's own head.
    fn framed_pieces(&self, whole: bool) -> impl Iterator<Item = &[u8]> {
        let mut heads = self.heads.as_slice();
        let pieces = self.units.iter().flat_map(|unit| unit.packed.pieces());
        let framed = pieces.filter_map(move |piece| {
            let (head, rest) = split_head(heads)?;
            heads = rest;
            let own = if whole { piece.head.bytes() } else { &[] };
            Some([head?, own, &piece.body[..]])
        });
        framed.flatten()
    }

    /// The slices of units, each after its header.
    fn framed_units(&self) -> impl Iterator<Item = &[u8]> {
        let mut heads = self.heads.as_slice();
        let units = self.units.iter().filter(|unit| !unit.packed.is_empty());
        units.flat_map(move |unit| {
            let (head, rest) = split_head(heads).unwrap_or_default();
            heads = rest;
            head.into_iter().chain(unit.packed.slices())
        })
    }

    /// Drops all units except the one that the next byte belongs to, because a unit that was begun has to be ended.
    /// Returns whether there were more units behind it.
    pub fn give_up(&mut self) -> bool {
        let (mut heads, mut sent) = (self.heads.as_slice(), self.sent);
        let found = self.units.iter().position(|unit| {
            let (len, rest) = self.extent(unit, heads);
            let is_next = sent < len;
            if !is_next {
                (heads, sent) = (rest, sent - len);
            }
            is_next
        });
        let Some(unit) = found.and_then(|at| self.units.get(at)).cloned() else { return false };
        let (len, rest) = self.extent(&unit, heads);
        let kept = heads.get(..heads.len() - rest.len()).unwrap_or_default().to_vec();
        let gives_up = self.len - self.sent > len - sent;
        (self.heads, self.units, self.len, self.sent) = (kept, vec![unit], len, sent);
        gives_up
    }

    /// Drops all except the packet that the next byte belongs to, where units are packets, and keeps a copy of it:
    /// memory that others have paid for is released. False where units are not packets.
    pub fn cut(&mut self) -> bool {
        self.give_up();
        let Some(unit) = self.units.first() else { return false };
        let (mut heads, mut sent) = (self.heads.as_slice(), self.sent);
        let (piece, len) = match self.framing {
            Framing::Packets(size) => {
                let bytes = unit.packed.slices().flatten().skip(sent / size * size).take(size);
                sent %= size;
                let bytes: Bytes = bytes.copied().collect();
                let len = bytes.len();
                (Piece::new(&[], bytes), len)
            }
            Framing::Piece(_) => {
                let next = unit.packed.pieces().find_map(|piece| {
                    let (head, rest) = split_head(heads)?;
                    let len = head.map_or(0, |head| head.len() + piece.len());
                    if sent < len {
                        heads = heads.get(..heads.len() - rest.len()).unwrap_or_default();
                        return Some((piece, len));
                    }
                    (heads, sent) = (rest, sent - len);
                    None
                });
                let Some((piece, len)) = next else { return false };
                let body = Bytes::copy_from_slice(&piece.body);
                (Piece::new(piece.head.bytes(), body).on_channel(piece.channel()), len)
            }
            _ => return false,
        };
        let unit = Unit::new(Packed::new(piece, Vec::new()), unit.at, false, false);
        (self.heads, self.units, self.len, self.sent) = (heads.to_vec(), vec![Arc::new(unit)], len, sent);
        true
    }

    /// The length of a unit with its heads, which are the first of `heads`, and the heads after it.
    fn extent<'a>(&self, unit: &Unit, heads: &'a [u8]) -> (usize, &'a [u8]) {
        let pieces = |body: fn(&Piece) -> usize| {
            unit.packed.pieces().fold((0, heads), |(len, heads), piece| match split_head(heads) {
                Some((Some(head), rest)) => (len + head.len() + body(piece), rest),
                Some((None, rest)) => (len, rest),
                None => (len, heads),
            })
        };
        match self.framing {
            Framing::Unit(_) if !unit.packed.is_empty() => {
                let (head, rest) = split_head(heads).unwrap_or_default();
                (head.map_or(0, <[u8]>::len) + unit.packed.len(), rest)
            }
            Framing::Piece(_) => pieces(Piece::len),
            Framing::Head(_) => pieces(|piece| piece.body.len()),
            _ => (unit.packed.len(), heads),
        }
    }

    /// The rest of a marked text, with the replacements of the marks.
    fn marked_slices(&self, mark: u8) -> impl Iterator<Item = &[u8]> {
        let text = self.units.first().and_then(|unit| unit.packed.slices().next()).unwrap_or_default();
        let rest = text.get(self.passed..).unwrap_or_default();
        rest.split_inclusive(move |byte| *byte == mark).flat_map(move |slice| match slice.split_last() {
            Some((last, before)) if *last == mark => [before, &self.heads],
            _ => [slice, &[]],
        })
    }

    /// Records the marks that were sent: a text may be long, and is sent in many turns.
    fn pass(&mut self) {
        let Framing::Marked(mark) = self.framing else { return };
        let (mut text, mut passed) = (0, 0);
        let mut slices = self.marked_slices(mark);
        while let (Some(before), Some(own)) = (slices.next(), slices.next())
            && passed + before.len() + own.len() <= self.sent
        {
            text += before.len() + 1;
            passed += before.len() + own.len();
        }
        drop(slices);
        self.passed += text;
        self.sent -= passed;
        self.len -= passed;
    }

    fn clear(&mut self) {
        self.units.clear();
        self.heads.clear();
        (self.len, self.sent, self.passed) = (0, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Ticks;

    fn unit(pieces: &[(u8, &str, &'static str)]) -> Arc<Unit> {
        let mut pieces = pieces.iter().map(|(channel, head, body)| {
            Piece::new(head.as_bytes(), Bytes::from_static(body.as_bytes())).on_channel(*channel)
        });
        let first = pieces.next().unwrap();
        let mut unit = Unit::new(Vec::new().into(), Ticks(0), false, false);
        unit.packed = Packed::new(first, pieces.collect());
        Arc::new(unit)
    }

    /// Everything that goes out if each write takes `most` bytes.
    fn sent(mut outlet: Outlet, units: Vec<Arc<Unit>>, most: usize) -> String {
        outlet.fill(|out| out.extend(units));
        drained(outlet, most)
    }

    fn drained(mut outlet: Outlet, most: usize) -> String {
        let mut all = Vec::new();
        while !outlet.is_empty() {
            let mut part = vec![0; most];
            let taken = outlet.send(&mut part.as_mut_slice()).unwrap();
            all.extend_from_slice(&part[..taken]);
        }
        String::from_utf8(all).unwrap()
    }

    #[test]
    fn whatever_a_socket_takes_the_bytes_are_the_same() {
        let units = vec![unit(&[(0, "a", "bcd"), (0, "", "e")]), unit(&[(0, "fg", "")])];
        for most in 1..12 {
            assert_eq!(sent(Outlet::default(), units.clone(), most), "abcdefg", "{most}");
            assert_eq!(sent(Outlet::new(MESSAGES), units.clone(), most), "<5>abcde<2>fg", "{most}");
        }
    }

    #[test]
    fn many_bytes_and_few_are_sent_alike() {
        let long = "x".repeat(MAX_COPY);
        let body: &'static str = Box::leak(long.into_boxed_str());
        let units = vec![unit(&[(0, "a", body), (0, "b", "c")]), unit(&[(0, "d", "e")])];
        let all = format!("<{}>a{body}bc<2>de", MAX_COPY + 3);
        for most in [1, 1000, MAX_COPY - 1, 2 * MAX_COPY] {
            assert_eq!(sent(Outlet::new(MESSAGES), units.clone(), most), all, "{most}");
        }
    }

    const MESSAGES: Framing = Framing::Unit(|len, out| out.extend(format!("<{len}>").bytes()));

    #[test]
    fn what_was_begun_is_ended_when_the_rest_is_given_up() {
        let packets = PacketFraming {
            channels: [Some(2), None, Some(0), None],
            header: |channel, len, out| out.extend(format!("${channel}{len}:").bytes()),
        };
        let heads = HeadFraming { number: 0, rewrite: |_, head, out| out.extend_from_slice(head) };
        let framings = [
            (Framing::None, ["abcde", "fg", "h"]),
            (MESSAGES, ["<5>abcde", "<2>fg", "<1>h"]),
            (Framing::Piece(packets), ["$24:abcd$01:e", "$22:fg", "$01:h"]),
            (Framing::Head(heads), ["abcde", "fg", "h"]),
        ];
        // a unit may be empty, or unwanted
        let units = [
            unit(&[(0, "a", "bcd"), (1, "", ""), (2, "", "e")]),
            unit(&[(0, "", "")]),
            unit(&[(0, "fg", "")]),
            unit(&[(2, "", "h")]),
        ];
        for (framing, wire) in framings {
            let (all, ends) = (wire.concat(), [wire[0].len(), wire[0].len() + wire[1].len(), wire.concat().len()]);
            for before in 0..all.len() {
                let mut outlet = Outlet::new(framing);
                outlet.fill(|out| out.extend(units.iter().cloned()));
                let mut begun = vec![0; before];
                outlet.send(&mut begun.as_mut_slice()).unwrap();
                let end = *ends.iter().find(|end| before < **end).unwrap();
                assert_eq!(outlet.give_up(), end < all.len(), "{framing:?} {before}");
                assert_eq!(outlet.units().len(), 1);
                assert!(!outlet.give_up(), "there is nothing more");
                let rest = drained(outlet, 1);
                assert_eq!(String::from_utf8(begun).unwrap() + &rest, all[..end], "{framing:?} {before}");
            }
        }
    }

    #[test]
    fn a_packet_that_was_begun_is_ended_when_all_else_is_cut() {
        let packets = PacketFraming {
            channels: [Some(2), None, Some(0), None],
            header: |channel, len, out| out.extend(format!("${channel}{len}:").bytes()),
        };
        let wanted = [unit(&[(0, "a", "bcd"), (1, "x", "y"), (2, "", "ef")]), unit(&[(2, "", "g")])];
        for (framing, wire) in [
            (Framing::Packets(3), &["abc", "dxy", "efg"][..]),
            (Framing::Piece(packets), &["$24:abcd", "$02:ef", "$01:g"]),
        ] {
            // of packets of one size a unit has all of the last
            let units =
                if let Framing::Piece(_) = framing { wanted.to_vec() } else { vec![unit(&[(0, "abcd", "xyefg")])] };
            let all = wire.concat();
            for before in 0..all.len() {
                let mut outlet = Outlet::new(framing);
                outlet.fill(|out| out.extend(units.iter().cloned()));
                outlet.send(&mut vec![0; before].as_mut_slice()).unwrap();
                assert!(outlet.cut());
                assert!(outlet.units().iter().all(|held| units.iter().all(|unit| !Arc::ptr_eq(held, unit))));
                let ends = wire.iter().scan(0, |end, packet| {
                    *end += packet.len();
                    Some(*end)
                });
                let end = ends.into_iter().find(|end| before < *end).unwrap();
                assert_eq!(drained(outlet, 1), all[before..end], "{framing:?} {before}");
            }
        }
        let mut outlet = Outlet::new(MESSAGES);
        outlet.fill(|out| out.extend(wanted));
        assert!(!outlet.cut(), "a message says how long it is");
    }

    #[test]
    fn a_text_that_is_shared_has_what_is_this_ones_own() {
        let cases = [("a|b|", "<own>", "a<own>b<own>"), ("a|b|", "", "ab"), ("|", "x", "x"), ("ab", "x", "ab")];
        for (text, own, expected) in cases.into_iter().chain([(&*"ab|".repeat(300), "c", &*"abc".repeat(300))]) {
            for most in [1, 2, 3, 5, 7, 1000] {
                let outlet = Outlet::marked(Bytes::copy_from_slice(text.as_bytes()), b'|', own);
                assert_eq!(outlet.len(), expected.len());
                assert_eq!(drained(outlet, most), expected, "{most}");
            }
        }
        assert!(Outlet::marked(Bytes::from_static(b"|"), b'|', "").is_empty());
    }

    #[test]
    fn heads_are_those_of_the_viewer_and_bodies_those_of_all() {
        let rewrite: fn(u32, &[u8], &mut Vec<u8>) =
            |number, head, out| out.extend(head.iter().map(|byte| byte + number as u8));
        let units = vec![unit(&[(0, "a", "bcd"), (0, "", "e")]), unit(&[(0, "fg", "")])];
        let framing = Framing::Head(HeadFraming { number: 2, rewrite });
        for most in 1..12 {
            assert_eq!(sent(Outlet::new(framing), units.clone(), most), "cbcdehi", "{most}");
        }
        assert_eq!(sent(Outlet::default(), units, 12), "abcdefg", "nobody else's are touched");
    }

    #[test]
    fn packets_go_on_the_channels_that_a_viewer_wants() {
        let framing = PacketFraming {
            channels: [Some(2), None, Some(0), None],
            header: |channel, len, out| out.extend(format!("${channel}{len}:").bytes()),
        };
        let units = vec![unit(&[(0, "a", "b"), (1, "x", "y"), (2, "", "c")]), unit(&[(3, "z", "z")])];
        for most in 1..12 {
            assert_eq!(sent(Outlet::new(Framing::Piece(framing)), units.clone(), most), "$22:ab$01:c", "{most}");
        }
        let mut outlet = Outlet::new(Framing::Piece(framing));
        outlet.fill(|out| out.push(units[1].clone()));
        assert!(outlet.is_empty() && outlet.units().is_empty(), "nothing in it is wanted");
    }
}
