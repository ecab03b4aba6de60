//! RTCP: sender and receiver reports, and the packets sent with them. RFC 3550 section 6.

use crate::media::Wall;
use crate::wire::{Reader, Short, Writer};

/// Wall-clock time in seconds since 1900, with 32 bits of fraction. Section 4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ntp(pub u64);

/// The parts of a packet that are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// SR. Section 6.4.1.
    Sender {
        /// The synchronization source of the sender.
        ssrc: u32,
        /// The wall-clock time.
        ntp: Ntp,
        /// The same time on the track's clock; wraps.
        timestamp: u32,
    },
    /// RR. Section 6.4.2.
    Receiver,
    /// BYE: the sender has stopped. Section 6.6.
    Bye {
        /// The synchronization source of that sender.
        ssrc: u32,
    },
}

/// The packet counts of one sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// The number of packets; wraps.
    pub packets: u32,
    /// The number of payload bytes; wraps.
    pub octets: u32,
}

/// One report block. Section 6.4.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// The synchronization source of the packets that the block reports on.
    pub ssrc: u32,
    /// The fraction of packets lost since the last report, in 256ths.
    pub fraction_lost: u8,
    /// The number of packets lost since the start; 24 bits, signed.
    pub lost: i32,
    /// The highest sequence number, with the number of wraps in the upper 16 bits.
    pub highest: u32,
    /// Interarrival jitter in ticks.
    pub jitter: u32,
    /// The middle of the NTP time of the last sender report; 0 if there was none.
    pub last_sr: u32,
    /// The time since that report arrived, in 65536ths of a second.
    pub since_sr: u32,
}

const SENDER: u8 = 200;
const RECEIVER: u8 = 201;
const DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
/// Second bytes that mark a packet as RTCP on a channel with RTP. RFC 5761 section 4.
const KINDS: std::ops::RangeInclusive<u8> = 192..=223;
/// The canonical name of this program.
const CNAME: &[u8] = b"runnel";

impl Ntp {
    /// Converts a wall-clock time.
    pub fn from_wall(wall: Wall) -> Self {
        let seconds = wall.0.as_secs().wrapping_add(SINCE_1900) << 32;
        Self(seconds + u64::from(wall.0.subsec_nanos()) * (1 << 32) / 1_000_000_000)
    }

    /// The time from `other` to `self`, in microseconds.
    pub fn since(self, other: Self) -> i64 {
        let distance = self.0.wrapping_sub(other.0) as i64;
        (distance >> 32) * 1_000_000 + (((distance & 0xffff_ffff) * 1_000_000) >> 32)
    }

    /// The middle 32 bits: seconds and 65536ths.
    pub fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }
}

/// Seconds from 1900 to 1970.
const SINCE_1900: u64 = 2_208_988_800;

/// True if a packet is RTCP, on a channel that carries RTP too.
pub fn is_rtcp(data: &[u8]) -> bool {
    matches!(data, [first, kind, ..] if first >> 6 == 2 && KINDS.contains(kind))
}

/// The reports of a compound packet, up to the first that is damaged.
pub fn reports(data: &[u8]) -> impl Iterator<Item = Report> {
    let mut r = Reader::new(data);
    let mut next = move || -> Result<Option<Report>, Short> {
        let [flags, kind] = r.array()?;
        let words = r.u16()?;
        let mut body = Reader::new(r.take(usize::from(words) * 4)?);
        if flags >> 6 != 2 {
            return Err(Short);
        }
        Ok(match kind {
            SENDER => {
                let (ssrc, seconds, fraction) = (body.u32()?, body.u32()?, body.u32()?);
                let ntp = Ntp(u64::from(seconds) << 32 | u64::from(fraction));
                Some(Report::Sender { ssrc, ntp, timestamp: body.u32()? })
            }
            RECEIVER => Some(Report::Receiver),
            GOODBYE if flags & 0x1f > 0 => Some(Report::Bye { ssrc: body.u32()? }),
            _ => None,
        })
    };
    let mut left = REPORTS_END;
    std::iter::from_fn(move || {
        left -= 1;
        if left == 0 { None } else { next().ok() }
    })
    .flatten()
}

/// One more than the maximum number of packets that are read of a compound packet.
const REPORTS_END: usize = 17;

/// Writes a sender report, and the canonical name.
pub fn write_sender_report(out: &mut Vec<u8>, ssrc: u32, ntp: Ntp, timestamp: u32, sent: Sent) {
    out.bytes(&[0x80, SENDER, 0, 6]);
    for word in [ssrc, (ntp.0 >> 32) as u32, ntp.0 as u32, timestamp, sent.packets, sent.octets] {
        out.u32(word);
    }
    write_description(out, ssrc);
}

/// Writes a receiver report with `block` or without a block, and the canonical name.
pub fn write_receiver_report(out: &mut Vec<u8>, ssrc: u32, block: Option<Block>) {
    out.bytes(&[0x80 | u8::from(block.is_some()), RECEIVER, 0, if block.is_some() { 7 } else { 1 }]);
    out.u32(ssrc);
    if let Some(block) = block {
        out.u32(block.ssrc);
        out.u8(block.fraction_lost);
        out.u24(block.lost as u32);
        for word in [block.highest, block.jitter, block.last_sr, block.since_sr] {
            out.u32(word);
        }
    }
    write_description(out, ssrc);
}

/// Writes BYE.
pub fn write_bye(out: &mut Vec<u8>, ssrc: u32) {
    out.bytes(&[0x81, GOODBYE, 0, 1]);
    out.u32(ssrc);
}

/// Writes SDES with CNAME only. Section 6.5.1.
fn write_description(out: &mut Vec<u8>, ssrc: u32) {
    let item = 2 + CNAME.len();
    let padded = (item / 4 + 1) * 4; // at least one zero ends the list
    out.bytes(&[0x81, DESCRIPTION, 0, (1 + padded / 4) as u8]);
    out.u32(ssrc);
    out.bytes(&[1, CNAME.len() as u8]);
    out.bytes(CNAME);
    (item..padded).for_each(|_| out.u8(0));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_of_day_are_exact_to_the_microsecond() {
        let ntp = |micros| Ntp::from_wall(Wall(Duration::from_micros(micros)));
        assert_eq!(ntp(0).0 >> 32, SINCE_1900);
        assert_eq!(ntp(1_500_000).since(ntp(1_000_000)), 500_000);
        assert!((ntp(1_000_000).since(ntp(1_700_001)) + 700_001).abs() <= 1);
        assert_eq!(Ntp(0x1234_5678_9abc_def0).middle(), 0x5678_9abc);
    }

    #[test]
    fn what_is_written_is_read() {
        let ntp = Ntp::from_wall(Wall(Duration::from_secs(1_700_000_000)));
        let mut data = Vec::new();
        write_sender_report(&mut data, 7, ntp, 90_000, Sent { packets: 1, octets: 2 });
        assert!(is_rtcp(&data) && data.len().is_multiple_of(4));
        write_bye(&mut data, 7);
        let all: Vec<_> = reports(&data).collect();
        assert_eq!(all, [Report::Sender { ssrc: 7, ntp, timestamp: 90_000 }, Report::Bye { ssrc: 7 }]);
        let mut data = Vec::new();
        write_receiver_report(&mut data, 1, Some(Block { ssrc: 7, lost: -1, ..Block::default() }));
        assert_eq!(reports(&data).collect::<Vec<_>>(), [Report::Receiver]);
        assert_eq!(&data[13..16], [0xff; 3]);
    }

    #[test]
    fn damage_ends_the_reports() {
        let mut data = Vec::new();
        write_sender_report(&mut data, 7, Ntp(1), 2, Sent::default());
        for len in 0..data.len() {
            let _ = reports(&data[..len]).count();
        }
        assert_eq!(reports(&[0x80, 200, 0xff, 0xff, 1]).count(), 0);
        assert_eq!(reports(&[0x80, 204, 0, 0].repeat(400)).count(), 0);
    }
}
