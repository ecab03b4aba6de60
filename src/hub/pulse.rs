//! The pictures that a stream has received in each of the latest seconds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Stream;
use crate::media::Tracks;

/// The pictures of each second, in seconds since the first picture.
#[derive(Clone, Copy, Debug)]
pub struct Pulse {
    begun: Option<Instant>,
    /// The second of the newest picture.
    second: u32,
    counts: [u16; PLACES],
}

/// The number of whole seconds that are known.
pub const SECONDS: usize = 32;
/// The seconds over which a frame rate is measured.
const MEASURED: u32 = 5;
/// These, and the second that is not over.
const PLACES: usize = SECONDS + 1;

impl Default for Pulse {
    fn default() -> Self {
        Self { begun: None, second: 0, counts: [0; PLACES] }
    }
}

impl Pulse {
    /// Counts a picture.
    pub(super) fn count(&mut self, now: Instant) {
        let second = second_of(*self.begun.get_or_insert(now), now).max(self.second);
        for gone in (self.second..second).take(PLACES) {
            self.place(gone + 1).into_iter().for_each(|count| *count = 0);
        }
        // after a long pause the newest second may be none of these
        self.second = second;
        self.place(second).into_iter().for_each(|count| *count = count.saturating_add(1));
    }

    /// The seconds that are over and have pictures, newest first: the time since each began, and its pictures.
    pub fn latest(&self, now: Instant) -> impl Iterator<Item = (Duration, u16)> {
        let current = self.begun.map_or(0, |begun| second_of(begun, now));
        let seconds = (1..=SECONDS as u32).filter_map(move |ago| current.checked_sub(ago));
        let known = seconds.filter(|second| *second <= self.second && self.second - second < PLACES as u32);
        known.filter_map(move |second| {
            let count = self.counts.get(second as usize % PLACES).copied().filter(|count| *count > 0)?;
            let since = now.saturating_duration_since(self.begun? + Duration::from_secs(second.into()));
            Some((since, count))
        })
    }

    /// The pictures of each of the last five seconds on average, in tenths; fewer seconds where the first picture came
    /// later.
    pub fn tenths(&self, now: Instant) -> u32 {
        let over = self.begun.map_or(0, |begun| second_of(begun, now)).min(MEASURED);
        let counted = self.latest(now).filter(|(since, _)| since.as_secs() <= MEASURED.into());
        let pictures: u32 = counted.map(|(_, count)| u32::from(count)).sum();
        (10 * pictures).checked_div(over).unwrap_or(0)
    }

    fn place(&mut self, second: u32) -> Option<&mut u16> {
        self.counts.get_mut(second as usize % PLACES)
    }
}

/// The whole seconds since the first picture.
fn second_of(begun: Instant, now: Instant) -> u32 {
    u32::try_from(now.saturating_duration_since(begun).as_secs()).unwrap_or(u32::MAX)
}

impl Stream {
    /// The tracks of the stream.
    pub fn tracks(&self) -> Arc<Tracks> {
        self.lock().tracks.clone()
    }

    /// The pictures that it has received in the latest seconds.
    pub fn pulse(&self) -> Pulse {
        self.lock().pulse
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_counted_by_whole_seconds_and_pauses_have_none() {
        let (mut pulse, begun) = (Pulse::default(), Instant::now());
        let at = |ms: u64| begun + Duration::from_millis(ms);
        assert_eq!(pulse.latest(at(0)).count(), 0);
        (0..75).for_each(|n| pulse.count(at(n * 40)));
        let told =
            |pulse: &Pulse, ms| pulse.latest(at(ms)).map(|(since, n)| (since.as_millis(), n)).collect::<Vec<_>>();
        assert_eq!(told(&pulse, 2990), [(1990, 25), (2990, 25)], "the third second is not over");
        assert_eq!(told(&pulse, 3500), [(1500, 25), (2500, 25), (3500, 25)]);
        pulse.count(at(34_500));
        assert_eq!(told(&pulse, 35_000), [(1000, 1)], "what is older than 32 seconds is gone");
        pulse.count(at(1_000_500));
        assert_eq!(told(&pulse, 1_001_000), [(1000, 1)]);
        assert_eq!(told(&pulse, 9_000_000), []);
    }

    #[test]
    fn a_frame_rate_is_that_of_the_last_seconds() {
        let (mut pulse, begun) = (Pulse::default(), Instant::now());
        let at = |ms: u64| begun + Duration::from_millis(ms);
        assert_eq!(pulse.tenths(at(0)), 0);
        (0..250).for_each(|n| pulse.count(at(n * 40)));
        assert_eq!([900, 1500, 4200, 10_100].map(|ms| pulse.tenths(at(ms))), [0, 250, 250, 250]);
        assert_eq!([12_100, 15_100, 90_000].map(|ms| pulse.tenths(at(ms))), [150, 0, 0], "no pictures came any more");
    }

    #[test]
    fn no_more_than_the_latest_seconds_are_known() {
        let (mut pulse, begun) = (Pulse::default(), Instant::now());
        (0..100).for_each(|n| pulse.count(begun + Duration::from_secs(n)));
        assert_eq!(pulse.latest(begun + Duration::from_secs(100)).count(), SECONDS);
    }
}
