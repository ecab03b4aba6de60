//! The figures of a stream that change all the time, and how far its viewers have come.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ring::Seq;
use super::stream::{State, Waiter};
use super::{Stream, Ticket, Traffic, Waits};
use crate::media::{Ticks, Tracks};

/// A stream's figures at a moment.
#[derive(Clone, Debug)]
pub struct Gauges {
    /// Its tracks.
    pub tracks: Arc<Tracks>,
    /// The sums of its traffic.
    pub traffic: Traffic,
    /// Bytes of frames received per second, in the last measured interval.
    pub received: u32,
    /// Bytes sent to viewers per second, in the last measured interval.
    pub sent: u32,
    /// Pictures per second, in tenths.
    pub pictures: u32,
    /// The time from one key frame to the next; `None` until there were two, and without pictures.
    pub key_frames: Option<Duration>,
}

/// The state of a session that publishes or plays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of published frames, or bytes sent before the last batch.
    pub bytes: u64,
    /// The event that it waits for, if it plays.
    pub waits: Option<Waits>,
    /// The number of times that it was too far behind, and skipped to a key frame.
    pub skips: u32,
    /// The length of what it has not sent yet.
    pub behind: Duration,
}

/// The sums at the last measurement, and the bytes per second before it: of input and of output.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rates {
    sums: [u64; 2],
    per_second: [u32; 2],
}

impl Rates {
    fn measure(&mut self, traffic: &Traffic, time: Duration) {
        let sums = [traffic.bytes_in, traffic.bytes_out];
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
        for ((sum, last), rate) in sums.iter().zip(&self.sums).zip(&mut self.per_second) {
            let bytes = sum.wrapping_sub(*last).saturating_mul(1000) / millis;
            *rate = u32::try_from(bytes).unwrap_or(u32::MAX);
        }
        self.sums = sums;
    }
}

impl Stream {
    /// Measures the traffic since the last call, `time` ago.
    pub fn measure(&self, time: Duration) {
        let state = &mut *self.lock();
        state.rates.measure(&state.traffic, time);
    }

    /// The sums of the traffic.
    pub fn traffic(&self) -> Traffic {
        self.lock().traffic
    }

    /// The figures at this moment.
    pub fn gauges(&self, now: Instant) -> Gauges {
        let state = self.lock();
        let [received, sent] = state.rates.per_second;
        let period = state.ring.period().filter(|_| state.tracks.has_video());
        Gauges {
            tracks: state.tracks.clone(),
            traffic: state.traffic,
            received,
            sent,
            pictures: state.pulse.tenths(now),
            key_frames: period.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis),
        }
    }

    /// The state of the session of that ticket; `None` if it does not publish or play the stream.
    pub fn progress(&self, ticket: Ticket) -> Option<Progress> {
        let state = self.lock();
        if let Some(occupant) = state.publisher.as_ref().filter(|one| one.ticket == Some(ticket)) {
            return Some(Progress { bytes: occupant.moved, ..Progress::default() });
        }
        let viewer = state.viewers.iter().find(|one| one.ticket == Some(ticket))?;
        Some(Progress {
            bytes: viewer.moved,
            waits: state.waits(viewer),
            skips: viewer.skips,
            behind: state.behind(viewer),
        })
    }
}

impl State {
    /// The time from the first frame that a viewer has not sent to the newest.
    fn behind(&self, viewer: &Waiter) -> Duration {
        let held = viewer.hold.as_ref().map_or(Seq::MAX, |hold| hold.from);
        let first = held.min(viewer.next);
        if first >= self.ring.head() {
            return Duration::ZERO;
        }
        let at = |seq| self.ring.time(seq);
        let newest = self.ring.head().checked_sub(1).and_then(at);
        let lag = newest.zip(at(first.max(self.ring.tail()))).map_or(Ticks(0), |(newest, first)| newest - first);
        Duration::from_millis(u64::try_from(lag.0).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_the_last_interval() {
        let (mut rates, second) = (Rates::default(), Duration::from_secs(1));
        let traffic = |bytes_in, bytes_out| Traffic { bytes_in, bytes_out, ..Traffic::default() };
        rates.measure(&traffic(1000, 50_000), 5 * second);
        assert_eq!(rates.per_second, [200, 10_000]);
        rates.measure(&traffic(3000, 50_000), second);
        assert_eq!(rates.per_second, [2000, 0]);
        rates.measure(&traffic(u64::MAX, 50_001), Duration::ZERO);
        assert_eq!(rates.per_second, [u32::MAX, 1000]);
    }
}
