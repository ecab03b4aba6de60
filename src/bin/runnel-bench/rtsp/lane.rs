//! One track's packets, and the ends of frames in them.

use bytes::Bytes;
use runnel::media::{Hz, Kind, Unwrap};
use runnel::proto::rtp::{Format, Packet};

use super::key::Coding;
use crate::sei;
use crate::viewer::Seen;

/// One track as it comes.
pub struct Lane {
    kind: Kind,
    coding: Coding,
    clock: Hz,
    /// Unwraps timestamps.
    unwrap: Unwrap,
    /// The sequence number that comes next.
    next: Option<u16>,
    begun: Begun,
}

/// The facts that were seen of a frame that is not complete.
#[derive(Default)]
struct Begun {
    key: bool,
    torn: bool,
    due: Option<u32>,
}

impl Lane {
    /// A track that comes as `format` says.
    pub fn new(kind: Kind, format: &Format) -> Self {
        let (coding, clock) = (Coding::of(format), format.clock);
        Self { kind, coding, clock, unwrap: Unwrap::default(), next: None, begun: Begun::default() }
    }

    /// Takes a packet; gives the frame that it ends. Each packet of sound is a
    /// frame, and a picture ends with the marker bit.
    pub fn packet(&mut self, data: &Bytes) -> Option<Seen> {
        let Ok(packet) = Packet::parse(data) else {
            self.begun.torn = true;
            return None;
        };
        let next = self.next.replace(packet.sequence.wrapping_add(1));
        self.begun.torn |= next.is_some_and(|next| next != packet.sequence);
        if self.kind == Kind::Video {
            self.begun.key |= self.coding.is_key(&packet.payload);
            self.begun.due = self.begun.due.or_else(|| sei::stamp(&packet.payload));
            if !packet.marker {
                return None;
            }
        }
        let timestamp = self.unwrap.next(packet.timestamp).rescale(self.clock, Hz::MS).0 as u32;
        let Begun { key, torn, due } = std::mem::take(&mut self.begun);
        Some(Seen { kind: self.kind, timestamp, key, torn, due })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runnel::proto::rtp::header;

    fn lane(kind: Kind, encoding: &str, clock: u32) -> Lane {
        let clock = Hz::new(clock);
        Lane::new(kind, &Format { payload_type: 96, encoding: encoding.into(), clock, channels: 1, fmtp: Vec::new() })
    }

    fn packet(marker: bool, sequence: u16, timestamp: u32, payload: &[u8]) -> Bytes {
        [&header(96, marker, sequence, timestamp, 1), payload].concat().into()
    }

    #[test]
    fn pictures_end_with_the_mark_and_missing_packets_are_noticed() {
        let mut lane = lane(Kind::Video, "H264", 90_000);
        let seen = |timestamp, key, torn| Some(Seen { kind: Kind::Video, timestamp, key, torn, due: None });
        let ms = u32::MAX / 90;
        let [first, second, third] = [0, 40, 80].map(|later| (ms * 90).wrapping_add(later * 90));
        assert_eq!(lane.packet(&packet(false, 65535, first, &[0x7c, 0x85])), None);
        assert_eq!(lane.packet(&packet(true, 0, first, &[0x7c, 0x45])), seen(ms, true, false));
        assert_eq!(lane.packet(&packet(true, 1, second, &[0x41])), seen(ms + 40, false, false));
        assert_eq!(lane.packet(&packet(false, 3, third, &[0x41])), None);
        assert_eq!(lane.packet(&Bytes::new()), None);
        assert_eq!(lane.packet(&packet(true, 4, third, &[0x41])), seen(ms + 80, false, true));
    }

    #[test]
    fn every_packet_of_sound_is_a_frame() {
        let mut lane = lane(Kind::Audio, "MPEG4-GENERIC", 48_000);
        for number in 0..3 {
            let seen = lane.packet(&packet(false, number, 1024 * u32::from(number), b"sound")).unwrap();
            assert_eq!((seen.timestamp, seen.torn), (u32::from(number) * 1024 / 48, false));
        }
    }
}
