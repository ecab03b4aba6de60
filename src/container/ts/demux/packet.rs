//! A transport packet. Section 2.4.3.

use super::super::packet::SIZE;
use crate::wire::Reader;

/// The header fields and the payload of a packet that has a payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    pub(super) pid: u16,
    /// A section or a PES packet begins here.
    pub(super) start: bool,
    counter: u8,
    /// The counter may jump here.
    pub(super) discontinuity: bool,
    pub(super) payload: &'a [u8],
}

/// The last packet of a PID: its counter, and a hash of its payload.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counter(Option<(u8, u32)>);

/// The relation of a packet to the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follows {
    Well,
    /// A repetition of the packet before.
    Again,
    /// Packets between them are missing.
    Gap,
}

impl<'a> Packet<'a> {
    /// Parses a packet; `None` if it is damaged, scrambled or without payload.
    pub(super) fn parse(data: &'a [u8; SIZE]) -> Option<Self> {
        let mut fields = Reader::new(data);
        let (sync, pid, flags) = (fields.u8().ok()?, fields.u16().ok()?, fields.u8().ok()?);
        let (error, scrambled, has_payload) = (pid & 0x8000 != 0, flags & 0xc0 != 0, flags & 0x10 != 0);
        if sync != 0x47 || error || scrambled || !has_payload {
            return None;
        }
        let mut discontinuity = false;
        if flags & 0x20 != 0 {
            let len = fields.u8().ok()?;
            let adaptation = fields.take(len.into()).ok()?;
            discontinuity = adaptation.first().is_some_and(|flags| flags & 0x80 != 0);
        }
        let (start, pid, counter) = (pid & 0x4000 != 0, pid & 0x1fff, flags & 0xf);
        Some(Self { pid, start, counter, discontinuity, payload: fields.rest() })
    }
}

impl Counter {
    /// Section 2.4.3.3, continuity_counter. A repeated packet has the same payload. Where streams are joined,
    /// another packet may have the same counter.
    pub(super) fn follow(&mut self, packet: &Packet) -> Follows {
        let digest = digest(packet.payload);
        match self.0.replace((packet.counter, digest)) {
            None => Follows::Well,
            Some(_) if packet.discontinuity => Follows::Gap,
            Some((before, _)) if packet.counter == before.wrapping_add(1) & 0xf => Follows::Well,
            Some(before) if (packet.counter, digest) == before => Follows::Again,
            Some(_) => Follows::Gap,
        }
    }
}

/// A hash of the payload (FNV-1a): enough against accidental equality.
fn digest(payload: &[u8]) -> u32 {
    payload.iter().fold(0x811c_9dc5, |digest, byte| (digest ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_sent_twice_only_with_the_same_payload() {
        let packet = |counter: u8, fill: u8| {
            let mut data = [fill; SIZE];
            data[..4].copy_from_slice(&[0x47, 1, 0, 0x10 | counter]);
            data
        };
        let mut before = Counter::default();
        let follows = [
            (packet(7, 1), Follows::Well),
            (packet(7, 1), Follows::Again),
            (packet(8, 1), Follows::Well),
            // the first packet of another stream after the last of one
            (packet(8, 2), Follows::Gap),
            (packet(10, 2), Follows::Gap),
        ];
        for (data, wanted) in follows {
            assert_eq!(before.follow(&Packet::parse(&data).unwrap()), wanted);
        }
    }
}
