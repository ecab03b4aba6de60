//! One track's packets, and where frames end in them.

use bytes::Bytes;
use runnel::media::{Hz, Kind, Ticks};
use runnel::proto::rtp::{Format, Packet};

use super::key::Coding;
use crate::sei;
use crate::viewer::Seen;

/// One track as it comes.
pub struct Lane {
    kind: Kind,
    coding: Coding,
    clock: Hz,
    /// The time of the last frame, without wraps.
    time: Ticks,
    /// The sequence number that comes next.
    next: Option<u16>,
    begun: Begun,
}

/// What was seen of a frame that is not complete.
#[derive(Default)]
struct Begun {
    key: bool,
    torn: bool,
    due: Option<u32>,
}

impl Lane {
    /// A timestamp says a time but for the wraps of its clock: the first one is
    /// taken to be near `now`, a stamp, and each further one near that before it.
    pub fn new(kind: Kind, format: &Format, now: u32) -> Self {
        let time = Ticks(now.into()).rescale(Hz::MS, format.clock);
        Self { kind, coding: Coding::of(format), clock: format.clock, time, next: None, begun: Begun::default() }
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
        let step = packet.timestamp.wrapping_sub(self.time.0 as u32) as i32;
        self.time = self.time + Ticks(step.into());
        let timestamp = self.time.rescale(self.clock, Hz::MS).0 as u32;
        let Begun { key, torn, due } = std::mem::take(&mut self.begun);
        Some(Seen { kind: self.kind, timestamp, key, torn, due })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runnel::proto::rtp::header;

    fn lane(kind: Kind, encoding: &str, clock: u32, now: u32) -> Lane {
        let clock = Hz::new(clock);
        Lane::new(
            kind,
            &Format { payload_type: 96, encoding: encoding.into(), clock, channels: 1, fmtp: Vec::new() },
            now,
        )
    }

    fn packet(marker: bool, sequence: u16, timestamp: u32, payload: &[u8]) -> Bytes {
        [&header(96, marker, sequence, timestamp, 1), payload].concat().into()
    }

    #[test]
    fn pictures_end_with_the_mark_and_missing_packets_are_noticed() {
        let now = 0xfeed_beef;
        let mut lane = lane(Kind::Video, "H264", 90_000, now);
        let at = |ms: u32| (u64::from(ms) * 90) as u32;
        let seen = |timestamp, key, torn| Some(Seen { kind: Kind::Video, timestamp, key, torn, due: None });
        assert_eq!(lane.packet(&packet(false, 65535, at(now - 500), &[0x7c, 0x85])), None);
        assert_eq!(lane.packet(&packet(true, 0, at(now - 500), &[0x7c, 0x45])), seen(now - 500, true, false));
        assert_eq!(lane.packet(&packet(true, 1, at(now - 460), &[0x41])), seen(now - 460, false, false));
        assert_eq!(lane.packet(&packet(false, 3, at(now - 420), &[0x41])), None);
        assert_eq!(lane.packet(&Bytes::new()), None);
        assert_eq!(lane.packet(&packet(true, 4, at(now - 420), &[0x41])), seen(now - 420, false, true));
    }

    #[test]
    fn every_packet_of_sound_is_a_frame() {
        let now = 1_000_000;
        let mut lane = lane(Kind::Audio, "MPEG4-GENERIC", 48_000, now);
        for number in 0..3 {
            let seen = lane.packet(&packet(false, number, 48 * now + 1024 * u32::from(number), b"sound")).unwrap();
            assert_eq!((seen.timestamp - now, seen.torn), (u32::from(number) * 1024 / 48, false));
        }
    }
}
