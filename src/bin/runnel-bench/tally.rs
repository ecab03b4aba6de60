//! The counts of all sessions together.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crate::failed::Failed;

/// The tally as the sessions share it.
pub type Shared = Rc<RefCell<Tally>>;

/// Sessions, and what they moved while the window was open.
#[derive(Default)]
pub struct Tally {
    /// Bytes and frames that are moved now count.
    pub open: bool,
    /// Sessions that have begun to publish or play, whether they were lost or not.
    pub started: usize,
    /// Sessions that ended before that.
    pub refused: usize,
    /// Sessions that ended after that.
    pub lost: usize,
    pub bytes: u64,
    pub frames: u64,
    pub key_frames: u64,
    pub gaps: u64,
    /// From connecting to the first picture that can be shown, or to the leave to publish.
    pub starts: Samples,
    /// The time from the moment at which a frame was due until it had come, or was sent.
    pub ages: Samples,
}

/// A frame that came or was sent.
pub struct Arrival {
    pub key: bool,
    /// Time ran backwards or leapt before it.
    pub gap: bool,
    pub age: Option<Duration>,
}

impl Tally {
    /// A session has begun, so long after it connected.
    pub fn started(&mut self, after: Duration) {
        self.started += 1;
        self.starts.add(after);
    }

    /// A session has ended; the first few reasons are told.
    pub fn ended(&mut self, started: bool, why: &Failed) {
        if started {
            self.lost += 1
        } else {
            self.refused += 1
        }
        if self.lost + self.refused <= REASONS {
            eprintln!("runnel-bench: a session has ended: {why}");
        }
    }

    /// Bytes were received or sent.
    pub fn moved(&mut self, bytes: usize) {
        if self.open {
            self.bytes += bytes as u64;
        }
    }

    /// A frame was received or sent.
    pub fn frame(&mut self, frame: Arrival) {
        if self.open {
            self.frames += 1;
            self.key_frames += u64::from(frame.key);
            self.gaps += u64::from(frame.gap);
            frame.age.into_iter().for_each(|age| self.ages.add(age));
        }
    }
}

/// Durations, counted in steps of 0.1 ms.
#[derive(Default)]
pub struct Samples {
    counts: Vec<u32>,
    total: u64,
    max: Duration,
}

impl Samples {
    fn add(&mut self, sample: Duration) {
        let step = usize::try_from(sample.as_micros() / 100).map_or(STEPS - 1, |step| step.min(STEPS - 1));
        if self.counts.is_empty() {
            self.counts.resize(STEPS, 0);
        }
        self.counts.iter_mut().skip(step).take(1).for_each(|count| *count += 1);
        self.total += 1;
        self.max = self.max.max(sample);
    }

    /// Milliseconds that `percent` of the samples do not exceed; `None` without samples.
    pub fn percentile(&self, percent: u64) -> Option<f64> {
        let mut left = (self.total * percent).div_ceil(100);
        let step = self.counts.iter().position(|count| {
            left = left.saturating_sub((*count).into());
            left == 0
        })?;
        Some(((step + 1) as f64 / 10.0).min(self.max()?))
    }

    /// The longest, in milliseconds, rounded up as well; `None` without samples.
    pub fn max(&self) -> Option<f64> {
        (self.total > 0).then(|| self.max.as_micros().div_ceil(100) as f64 / 10.0)
    }
}

/// Up to 20 seconds are told apart.
const STEPS: usize = 200_000;
/// Reasons for which sessions ended that are told.
const REASONS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_rounded_up_to_a_step() {
        let mut samples = Samples::default();
        assert_eq!((samples.percentile(50), samples.max()), (None, None));
        (1..=100).for_each(|ms| samples.add(Duration::from_millis(ms)));
        assert_eq!(
            (samples.percentile(50), samples.percentile(99), samples.max()),
            (Some(50.1), Some(99.1), Some(100.0))
        );
        samples.add(Duration::from_secs(3600));
        assert_eq!((samples.percentile(50), samples.percentile(100)), (Some(51.1), Some(20_000.0)));
    }

    #[test]
    fn only_what_moves_while_the_window_is_open_counts() {
        let mut tally = Tally::default();
        let frame = || Arrival { key: true, gap: false, age: None };
        tally.moved(5);
        tally.frame(frame());
        tally.open = true;
        tally.moved(7);
        tally.frame(frame());
        assert_eq!((tally.bytes, tally.frames, tally.key_frames, tally.gaps), (7, 1, 1, 0));
    }
}
