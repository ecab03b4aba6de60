//! The statistics in receiver reports. RFC 3550 Appendix A.3 and A.8.

use std::time::{Duration, Instant};

use super::Packet;
use super::rtcp::{Block, Ntp};
use crate::media::Hz;

/// The packets of one sender.
#[derive(Debug, Default)]
pub(super) struct Reception {
    ssrc: u32,
    /// The first sequence number, and the highest with the count of wraps.
    first: Option<u32>,
    highest: u32,
    received: u32,
    /// The numbers of packets expected and received up to the last report.
    before: (u32, u32),
    /// The arrival time of the first packet.
    begun: Option<Instant>,
    transit: Option<i64>,
    /// In units of 1/16 tick.
    jitter: i64,
    last_sr: Option<(Ntp, Instant)>,
}

impl Reception {
    /// Counts a packet of a track with the clock `clock`.
    pub(super) fn packet(&mut self, packet: &Packet, clock: Hz, now: Instant) {
        if packet.ssrc != self.ssrc {
            *self = Self { ssrc: packet.ssrc, ..Self::default() };
        }
        self.received = self.received.wrapping_add(1);
        let step = packet.sequence.wrapping_sub(self.highest as u16) as i16;
        match self.first {
            None => {
                self.first = Some(packet.sequence.into());
                self.highest = packet.sequence.into();
            }
            Some(_) if step > 0 => self.highest = self.highest.wrapping_add(step as u32),
            Some(_) => {}
        }
        let arrived = ticks(now.saturating_duration_since(*self.begun.get_or_insert(now)), clock);
        let transit = arrived.wrapping_sub(packet.timestamp) as i32;
        if let Some(last) = self.transit.replace(transit.into()) {
            let step = (transit as u32).wrapping_sub(last as u32) as i32;
            self.jitter += i64::from(step).abs() - ((self.jitter + 8) >> 4);
        }
    }

    /// Stores the time of a sender report.
    pub(super) fn sender_report(&mut self, ntp: Ntp, now: Instant) {
        self.last_sr = Some((ntp, now));
    }

    /// The report block about these packets; `None` if none was received.
    pub(super) fn report(&mut self, now: Instant) -> Option<Block> {
        let first = self.first?;
        let expected = self.highest.wrapping_sub(first).wrapping_add(1);
        let (expected_before, received_before) = std::mem::replace(&mut self.before, (expected, self.received));
        let wanted = expected.wrapping_sub(expected_before);
        let lost = i64::from(wanted) - i64::from(self.received.wrapping_sub(received_before));
        let fraction_lost = if lost > 0 && wanted > 0 { (lost * 256 / i64::from(wanted)).min(255) as u8 } else { 0 };
        let lost = (i64::from(expected) - i64::from(self.received)).clamp(-0x80_0000, 0x7f_ffff) as i32;
        let (last_sr, since_sr) = self.last_sr.map_or((0, 0), |(ntp, at)| {
            let since = now.saturating_duration_since(at);
            (ntp.middle(), ticks(since, Hz::new(1 << 16)))
        });
        let jitter = (self.jitter >> 4) as u32;
        Some(Block { ssrc: self.ssrc, fraction_lost, lost, highest: self.highest, jitter, last_sr, since_sr })
    }
}

/// A time in ticks of `clock`; wraps.
fn ticks(time: Duration, clock: Hz) -> u32 {
    let whole = time.as_secs().wrapping_mul(clock.get().into());
    whole.wrapping_add(u64::from(time.subsec_micros()) * u64::from(clock.get()) / 1_000_000) as u32
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn losses_and_jitter_are_reported_across_the_wrap() {
        let (mut reception, begun) = (Reception::default(), Instant::now());
        let mut packet = |sequence: u16, ms: u64, timestamp: u32| {
            let payload = Bytes::new();
            let packet = Packet { marker: false, payload_type: 0, sequence, timestamp, ssrc: 9, payload };
            reception.packet(&packet, Hz::MPEG, begun + Duration::from_millis(ms));
        };
        packet(65534, 0, 0);
        packet(65535, 10, 900);
        packet(1, 30, 2700); // 0 is lost
        packet(2, 50, 3600); // 10 ms late
        let now = begun + Duration::from_millis(60);
        let block = reception.report(now).unwrap();
        assert_eq!((block.ssrc, block.lost, block.fraction_lost, block.highest), (9, 1, 51, 65538));
        assert_eq!(block.jitter, 900 / 16);
        let again = reception.report(now).unwrap();
        assert_eq!((again.lost, again.fraction_lost), (1, 0));
    }

    #[test]
    fn nothing_is_said_of_nothing() {
        let (mut reception, now) = (Reception::default(), Instant::now());
        reception.sender_report(Ntp(1 << 40), now);
        assert_eq!(reception.report(now), None);
    }
}
