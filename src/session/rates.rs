//! The bit rates of sessions, which are measured every few seconds, and what each has moved.

use std::time::{Duration, Instant};

use super::core::Core;
use super::list::{Listed, Session};
use crate::hub::Stream;

/// The bytes of a session at a moment, and its bit rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Bytes of published frames, or bytes sent.
    pub bytes: u64,
    /// The bit rate of the last measured interval, in units of 1024 bits per second.
    pub kbits: u32,
    /// The same in bytes per second.
    pub per_second: u32,
}

/// The last measurement of a session.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rate {
    bytes: u64,
    per_second: u32,
}

/// The clock of measurements.
#[derive(Default)]
pub(super) struct RateClock {
    last: Option<Instant>,
}

/// The interval between two measurements: lal's.
const INTERVAL: Duration = Duration::from_secs(5);

impl Rate {
    fn measure(&mut self, bytes: u64, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
        let per_second = bytes.saturating_sub(self.bytes).saturating_mul(1000) / millis;
        *self = Self { bytes, per_second: u32::try_from(per_second).unwrap_or(u32::MAX) };
    }

    /// The flow of a session that has moved `bytes` so far.
    pub(super) fn flow(self, bytes: u64) -> Flow {
        let kbits = u64::from(self.per_second) * 8 / 1024;
        Flow { bytes, kbits: u32::try_from(kbits).unwrap_or(u32::MAX), per_second: self.per_second }
    }
}

impl RateClock {
    /// Measures if it is time.
    pub(super) fn tick(&mut self, core: &Core, now: Instant) {
        let time = now.saturating_duration_since(*self.last.get_or_insert(now));
        if time >= INTERVAL {
            self.last = Some(now);
            core.measure(time);
        }
    }
}

impl Core {
    /// Measures the bit rates of all streams and sessions over `time`.
    fn measure(&self, time: Duration) {
        for stream in self.hub.streams() {
            stream.measure(time);
            let mut entries = self.list.lock();
            for moved in stream.sessions() {
                let listed = entries.all.get_mut(&moved.ticket);
                listed.into_iter().for_each(|listed| listed.rate.measure(moved.bytes, time));
            }
        }
        let mut entries = self.list.lock();
        for Listed { sent, rate, .. } in entries.all.values_mut() {
            sent.iter().for_each(|sent| rate.measure(*sent, time));
        }
    }

    /// Shows the sessions of a stream, the publisher first, until one is not taken. The list is locked meanwhile: the
    /// sessions of one stream at a time are in the plan.
    pub fn visit_sessions<E>(
        &self,
        stream: &Stream,
        mut take: impl FnMut(&Session, Flow) -> Result<(), E>,
    ) -> Result<(), E> {
        let entries = self.list.lock();
        for moved in stream.sessions() {
            if let Some(listed) = entries.all.get(&moved.ticket) {
                take(&listed.session, listed.rate.flow(moved.bytes))?;
            }
        }
        // players of HLS are not known to the stream
        for Listed { session, sent, rate } in entries.all.values() {
            if let Some(bytes) = sent.filter(|_| session.stream == *stream.name()) {
                take(session, rate.flow(bytes))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bit_rate_is_that_of_the_last_interval() {
        let mut rate = Rate::default();
        let kbits = |rate: Rate| rate.flow(0).kbits;
        rate.measure(640 << 10, INTERVAL);
        assert_eq!((kbits(rate), rate.per_second), (1024, 128 << 10));
        rate.measure(640 << 10, INTERVAL);
        assert_eq!(kbits(rate), 0);
        rate.measure(0, INTERVAL);
        assert_eq!(kbits(rate), 0, "another session of that number");
        rate.measure(u64::MAX, Duration::ZERO);
        assert_eq!(rate.per_second, u32::MAX);
    }
}
