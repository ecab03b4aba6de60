//! Transport packets and their adaptation fields. Section 2.4.3.

use crate::budget::BlockMut;

/// Bytes of a packet.
pub const SIZE: usize = 188;
/// Bytes of a packet after its header.
pub(super) const ROOM: usize = 184;

/// A header, the first fields of transport_packet(). Section 2.4.3.2.
pub(super) fn header(pid: u16, start: bool, content: Content, counter: u8) -> [u8; 4] {
    let [high, low] = (pid & 0x1fff).to_be_bytes();
    [0x47, u8::from(start) << 6 | high, low, (content as u8) << 4 | counter & 0xf]
}

/// adaptation_field_control: the content after a header. Table 2-5.
#[derive(Clone, Copy)]
pub(super) enum Content {
    Payload = 1,
    Adaptation = 2,
    Both = 3,
}

/// adaptation_field(). Section 2.4.3.4.
#[derive(Clone, Copy, Default)]
pub(super) struct Adaptation {
    /// The counter or the clock jumps here.
    pub(super) discontinuity: bool,
    /// Decoding can begin here.
    pub(super) random_access: bool,
    /// Program clock reference, at 90 kHz.
    pub(super) pcr: Option<i64>,
}

impl Adaptation {
    /// Its length in bytes without stuffing.
    pub(super) fn len(&self) -> usize {
        match self.pcr {
            Some(_) => 8,
            None if self.discontinuity || self.random_access => 2,
            None => 0,
        }
    }

    /// Writes the field, stuffed to `len` bytes; `len` must not be less than `self.len()`.
    fn write(&self, len: usize, out: &mut BlockMut) {
        let Some(length) = len.checked_sub(1) else { return };
        out.fill(&[length as u8]);
        let Some(mut stuffing) = length.checked_sub(1) else { return };
        let flag = |set: bool, at: u8| u8::from(set) << at;
        out.fill(&[flag(self.discontinuity, 7) | flag(self.random_access, 6) | flag(self.pcr.is_some(), 4)]);
        if let Some(pcr) = self.pcr {
            out.fill(&reference(pcr));
            stuffing = stuffing.saturating_sub(6);
        }
        out.fill(STUFFING.get(..stuffing).unwrap_or_default());
    }
}

/// Writes a packet with only an adaptation field. It does not increase the counter: `next` is the counter of the
/// PID's next packet with a payload.
pub(super) fn lone(out: &mut BlockMut, pid: u16, next: u8, adaptation: Adaptation) {
    out.fill(&header(pid, false, Content::Adaptation, next.wrapping_sub(1)));
    adaptation.write(ROOM, out);
}

/// The number of packets for a payload of `len` bytes, with `first` in the first of them.
pub(super) fn count(len: usize, first: &Adaptation) -> usize {
    1 + len.saturating_sub(ROOM - first.len()).div_ceil(ROOM)
}

/// Cuts a payload, given piece by piece, into packets of one PID.
pub(super) struct Cutter<'a> {
    out: &'a mut BlockMut,
    pid: u16,
    counter: &'a mut u8,
    /// The adaptation field of the next packet.
    adaptation: Adaptation,
    start: bool,
    /// Bytes of the payload that do not belong to an opened packet.
    left: usize,
    /// Bytes of the payload that still fit into the open packet.
    room: usize,
}

impl<'a> Cutter<'a> {
    /// Begins a payload of `len` bytes, with `first` in its first packet.
    pub(super) fn new(out: &'a mut BlockMut, pid: u16, counter: &'a mut u8, first: Adaptation, len: usize) -> Self {
        Self { out, pid, counter, adaptation: first, start: true, left: len, room: 0 }
    }

    /// Appends a piece; bytes beyond the length that was given to `new` are lost.
    pub(super) fn put(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() {
            if self.room == 0 {
                self.open();
            }
            let Some((head, rest)) = piece.split_at_checked(self.room.min(piece.len())) else { return };
            if head.is_empty() {
                return;
            }
            self.out.fill(head);
            self.room -= head.len();
            piece = rest;
        }
    }

    /// Begins a packet; the last packet is stuffed to its full size.
    fn open(&mut self) {
        self.room = self.left.min(ROOM - self.adaptation.len());
        if self.room == 0 {
            return;
        }
        self.left -= self.room;
        let field = ROOM - self.room;
        let content = if field > 0 { Content::Both } else { Content::Payload };
        self.out.fill(&header(self.pid, self.start, content, *self.counter));
        self.adaptation.write(field, self.out);
        *self.counter = self.counter.wrapping_add(1) & 0xf;
        self.adaptation = Adaptation::default();
        self.start = false;
    }
}

/// program_clock_reference_base and its extension, which is 0. Section 2.4.3.5.
fn reference(base: i64) -> [u8; 6] {
    let base = base as u64 & 0x1_ffff_ffff;
    let [_, _, field @ ..] = (base << 15 | 0x7e00).to_be_bytes();
    field
}

static STUFFING: [u8; ROOM] = [0xff; ROOM];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Account;

    fn cut(len: usize, first: Adaptation) -> (Vec<u8>, u8) {
        let payload: Vec<u8> = (0..len).map(|at| at as u8).collect();
        let size = count(len, &first) * SIZE;
        let mut block = BlockMut::new(&Account::root("test", 1 << 20), size).unwrap();
        let mut counter = 14;
        let mut cutter = Cutter::new(&mut block, 0x1234, &mut counter, first, len);
        let (head, tail) = payload.split_at(len / 3);
        cutter.put(head);
        cutter.put(tail);
        cutter.put(b"beyond the length");
        assert_eq!(block.room(), 0, "{len} bytes");
        (block.freeze().to_vec(), counter)
    }

    /// The payload of packets, with the length of each one's adaptation field.
    fn join(packets: &[u8]) -> (Vec<u8>, Vec<usize>) {
        let (mut payload, mut fields) = (Vec::new(), Vec::new());
        for packet in packets.chunks(SIZE) {
            let field = if packet[3] & 0x20 != 0 { 1 + usize::from(packet[4]) } else { 0 };
            fields.push(field);
            payload.extend(&packet[4 + field..]);
        }
        (payload, fields)
    }

    #[test]
    fn every_length_fills_its_packets_exactly() {
        let with_pcr = Adaptation { pcr: Some(1), ..Adaptation::default() };
        let with_flags = Adaptation { random_access: true, ..Adaptation::default() };
        for first in [Adaptation::default(), with_flags, with_pcr] {
            for len in 1..400 {
                let (packets, counter) = cut(len, first);
                let (payload, fields) = join(&packets);
                let expected: Vec<u8> = (0..len).map(|at| at as u8).collect();
                assert_eq!(payload, expected);
                assert_eq!(usize::from(counter), (14 + fields.len()) % 16);
                assert!(fields[0] >= first.len());
            }
        }
    }

    #[test]
    fn stuffing_of_none_one_and_two_bytes() {
        let plain = Adaptation::default();
        let starts = [184, 183, 182].map(|len| cut(len, plain).0[..7].to_vec());
        assert_eq!(starts[0], [0x47, 0x52, 0x34, 0x1e, 0, 1, 2]);
        assert_eq!(starts[1], [0x47, 0x52, 0x34, 0x3e, 0, 0, 1]);
        assert_eq!(starts[2], [0x47, 0x52, 0x34, 0x3e, 1, 0, 0]);
        assert_eq!(cut(185, plain).0[SIZE..][..8], [0x47, 0x12, 0x34, 0x3f, 182, 0, 0xff, 0xff]);
    }

    #[test]
    fn a_lone_clock_reference_does_not_count() {
        let mut block = BlockMut::new(&Account::root("test", 1000), SIZE).unwrap();
        let adaptation = Adaptation { discontinuity: true, random_access: false, pcr: Some(1 << 33 | 3) };
        lone(&mut block, 0x100, 0, adaptation);
        let packet = block.freeze();
        assert_eq!(packet[..12], [0x47, 1, 0, 0x2f, 183, 0x90, 0, 0, 0, 1, 0xfe, 0]);
        assert!(packet.len() == SIZE && packet[12..].iter().all(|byte| *byte == 0xff));
    }
}
