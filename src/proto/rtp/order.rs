//! Puts packets in order: early packets wait for late ones for a limited time. RFC 3550 Appendix A.1.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Packet;

/// The packets of one track.
#[derive(Debug)]
pub(super) struct Order {
    /// The longest time that a packet waits for those before it.
    patience: Duration,
    /// The next sequence number.
    next: Option<u16>,
    /// The sequence number after the last packet that was far behind.
    behind: Option<u16>,
    /// Packets that came early, in order, with their arrival times.
    early: VecDeque<(Packet, Instant)>,
    /// No early packet arrived before this time.
    earliest_arrival: Option<Instant>,
}

/// The next item in order: a packet or a gap.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A packet.
    Packet(Packet),
    /// The number of packets that are missing.
    Gap(u16),
}

/// The maximum number of waiting packets: beyond it the missing one is given up.
const MAX_EARLY: usize = 256;
/// The capacity that an empty queue keeps, enough for the usual disorder of networks.
const KEPT_CAPACITY: usize = 16;
/// A larger step means that the sender has restarted.
const MAX_STEP: i16 = 3000;
const MIN_STEP: i16 = -MAX_STEP;
/// The sequence number distance down to which a packet counts as late.
const MAX_LATE: i16 = -100;

impl Order {
    /// A queue in which packets wait at most `patience`; if that is zero, every gap is a loss.
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, next: None, behind: None, early: VecDeque::new(), earliest_arrival: None }
    }

    /// Adds a packet, and outputs the packets that are now in order. Duplicates and packets that are too late are
    /// skipped.
    pub(super) fn push(&mut self, packet: Packet, now: Instant, out: &mut dyn FnMut(Step)) {
        let Some(next) = self.next else {
            self.next = Some(packet.sequence.wrapping_add(1));
            return out(Step::Packet(packet));
        };
        match distance(next, packet.sequence) {
            0 => {
                self.behind = None;
                self.pass(packet, out);
                self.pass_consecutive(out);
            }
            1..=MAX_STEP => self.keep(packet, next, now),
            MIN_STEP..0 if !self.has_restarted(next, packet.sequence) => {}
            _ => {
                self.restart();
                out(Step::Gap(1));
                return self.push(packet, now, out);
            }
        }
        self.flush(now, out);
    }

    /// True if two consecutive packets are too far behind to be late: then the sender has restarted.
    fn has_restarted(&mut self, next: u16, sequence: u16) -> bool {
        distance(next, sequence) < MAX_LATE && self.behind.replace(sequence.wrapping_add(1)) == Some(sequence)
    }

    /// Gives up waiting for packets that are overdue.
    pub(super) fn flush(&mut self, now: Instant, out: &mut dyn FnMut(Step)) {
        while let (Some(next), Some((first, _))) = (self.next, self.early.front()) {
            let first = first.sequence;
            if self.early.len() < MAX_EARLY && !self.is_overdue(now) {
                return;
            }
            let missing = first.wrapping_sub(next);
            self.next = Some(first);
            out(Step::Gap(missing));
            self.pass_consecutive(out);
        }
    }

    /// True if an early packet has waited long enough. The queue is searched only when one may have: to search it
    /// for each packet would cost too much.
    fn is_overdue(&mut self, now: Instant) -> bool {
        let patience = self.patience;
        let overdue = |came| now.saturating_duration_since(came) >= patience;
        if !self.earliest_arrival.is_some_and(overdue) {
            return false;
        }
        self.earliest_arrival = self.early.iter().map(|(_, came)| *came).min();
        self.earliest_arrival.is_some_and(overdue)
    }

    /// True if a packet with this sequence number may belong to the stream: early, late or the next.
    pub(super) fn follows(&self, sequence: u16) -> bool {
        self.next.is_some_and(|next| (MAX_LATE..=MAX_STEP).contains(&distance(next, sequence)))
    }

    /// True if packets are waiting.
    pub(super) fn is_waiting(&self) -> bool {
        !self.early.is_empty()
    }

    /// Begins with a new sender.
    pub(super) fn restart(&mut self) {
        (self.next, self.behind) = (None, None);
        self.early = VecDeque::new();
    }

    fn keep(&mut self, packet: Packet, next: u16, now: Instant) {
        let ahead = |held: &Packet| held.sequence.wrapping_sub(next);
        let wanted = ahead(&packet);
        let at = self.early.partition_point(|(held, _)| ahead(held) < wanted);
        if self.early.get(at).is_none_or(|(held, _)| held.sequence != packet.sequence) {
            self.early.insert(at, (packet, now));
            self.earliest_arrival.get_or_insert(now);
        }
    }

    fn pass(&mut self, packet: Packet, out: &mut dyn FnMut(Step)) {
        self.next = Some(packet.sequence.wrapping_add(1));
        out(Step::Packet(packet));
    }

    /// Outputs the early packets that follow without a gap.
    fn pass_consecutive(&mut self, out: &mut dyn FnMut(Step)) {
        while self.early.front().is_some_and(|(held, _)| Some(held.sequence) == self.next)
            && let Some((packet, _)) = self.early.pop_front()
        {
            self.pass(packet, out);
        }
        if self.early.is_empty() && self.early.capacity() > KEPT_CAPACITY {
            self.early = VecDeque::new();
        }
    }
}

/// The distance from `next` to `sequence`, with wraps.
fn distance(next: u16, sequence: u16) -> i16 {
    sequence.wrapping_sub(next) as i16
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn packet(sequence: u16) -> Packet {
        Packet { marker: false, payload_type: 96, sequence, timestamp: 0, ssrc: 1, payload: Bytes::new() }
    }

    /// The sequence numbers in output order, for packets with these arrival times in milliseconds; gaps are
    /// negative.
    fn order(patience: u64, packets: &[(u16, u64)]) -> Vec<i32> {
        let (mut order, begun, mut out) = (Order::new(Duration::from_millis(patience)), Instant::now(), Vec::new());
        for (sequence, ms) in packets {
            order.push(packet(*sequence), begun + Duration::from_millis(*ms), &mut |step| {
                out.push(match step {
                    Step::Packet(packet) => i32::from(packet.sequence),
                    Step::Gap(count) => -i32::from(count),
                });
            });
        }
        out
    }

    #[test]
    fn early_packets_wait_for_late_ones_across_the_wrap() {
        assert_eq!(order(100, &[(65534, 0), (1, 1), (65535, 2), (0, 3), (2, 4)]), [65534, 65535, 0, 1, 2]);
    }

    #[test]
    fn nobody_waits_longer_than_patience() {
        assert_eq!(order(100, &[(1, 0), (3, 1), (4, 50)]), [1]);
        assert_eq!(order(100, &[(1, 0), (3, 1), (4, 50), (6, 101)]), [1, -1, 3, 4]);
        assert_eq!(order(0, &[(1, 0), (4, 0), (5, 0)]), [1, -2, 4, 5]);
    }

    #[test]
    fn duplicates_and_stragglers_are_passed_over() {
        assert_eq!(order(100, &[(1, 0), (1, 0), (3, 1), (3, 1), (2, 2), (2, 3), (1, 4), (4, 5)]), [1, 2, 3, 4]);
    }

    #[test]
    fn a_sender_that_starts_anew_is_followed() {
        assert_eq!(order(100, &[(1, 0), (30_000, 1), (30_001, 2)]), [1, -1, 30_000, 30_001]);
        assert_eq!(order(100, &[(40_000, 0), (5, 1), (6, 2)]), [40_000, -1, 5, 6]);
    }

    #[test]
    fn a_sender_that_counts_anew_a_little_lower_is_followed_with_its_second_packet() {
        assert_eq!(order(100, &[(2049, 0), (0, 1), (1, 2), (2, 3)]), [2049, -1, 1, 2]);
        // late packets and duplicates are not that far behind, or not consecutive
        assert_eq!(order(100, &[(200, 0), (150, 1), (151, 2), (20, 3), (30, 4), (201, 5), (31, 6)]), [200, 201]);
    }

    #[test]
    fn a_list_that_is_empty_again_keeps_no_room_for_many() {
        let (mut order, now) = (Order::new(Duration::from_millis(100)), Instant::now());
        for sequence in std::iter::once(0).chain(2..250).chain([1]) {
            order.push(packet(sequence), now, &mut |_| {});
        }
        assert!(!order.is_waiting() && order.early.capacity() <= 16, "{}", order.early.capacity());
    }

    #[test]
    fn the_number_of_those_who_wait_is_bounded() {
        let row: Vec<_> = std::iter::once((0, 0)).chain((2..400).map(|n| (n, 0))).collect();
        let out = order(100, &row);
        assert_eq!(out[..3], [0, -1, 2]);
        assert_eq!(out.last(), Some(&399));
    }
}
