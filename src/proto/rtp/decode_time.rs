//! Computes decode times from presentation times.
//!
//! RTP gives the presentation time of each picture and sends pictures in decoding order. The decode times are the
//! sorted presentation times, moved forward by the reordering depth.

use std::collections::VecDeque;

use crate::media::Ticks;

/// The pictures of one track.
#[derive(Debug, Default)]
pub(super) struct DecodeTimes {
    /// The reordering depth: the maximum number of pictures that are decoded before a picture and shown after it.
    depth: usize,
    /// Sorted presentation times that are not yet the decode time of a picture.
    waiting: Vec<Ticks>,
    /// The presentation times of the last pictures.
    recent: VecDeque<Ticks>,
    last: Option<Ticks>,
}

/// The maximum reordering depth of a decoder. H.264 section A.3.1, H.265 section A.4.2.
const MAX_DEPTH: usize = 16;
/// The assumed duration of the first pictures, while it is not known: 40 ms at 90 kHz.
const FIRST_DURATION: i64 = 3600;
/// A larger step begins a new time line: one second at a key frame, ten seconds at other pictures, because
/// reordered pictures of a low frame rate make large steps.
const MAX_STEP: i64 = 90_000;
const MAX_OVERTAKING: i64 = 10 * MAX_STEP;

impl DecodeTimes {
    /// Sets the reordering depth that the decoder record gives.
    pub(super) fn set_depth(&mut self, depth: usize) {
        self.depth = depth.min(MAX_DEPTH);
    }

    /// The decode time of a picture that is shown at `shown`. A `depth` that is too low for the order of the
    /// pictures is corrected.
    pub(super) fn next(&mut self, shown: Ticks, key: bool) -> Ticks {
        let most = if key { MAX_STEP } else { MAX_OVERTAKING };
        let jumped = self.last.is_some_and(|last| (shown - last).0.saturating_abs() > most);
        if jumped {
            self.waiting.clear();
            self.recent.clear();
        }
        let overtaking = self.recent.iter().filter(|recent| **recent > shown).count();
        self.depth = self.depth.max(overtaking);
        self.recent.push_back(shown);
        if self.recent.len() > MAX_DEPTH {
            self.recent.pop_front();
        }
        let at = self.waiting.partition_point(|waiting| *waiting <= shown);
        self.waiting.insert(at, shown);
        let ahead = (self.depth + 1).saturating_sub(self.waiting.len());
        let first = self.waiting.first().copied().unwrap_or(shown);
        if ahead == 0 {
            self.waiting.remove(0);
        }
        let mut time = first - Ticks(FIRST_DURATION * ahead as i64);
        if let Some(last) = self.last.filter(|last| !jumped && time <= *last) {
            time = last + Ticks(1);
        }
        self.last = Some(time);
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The decode times of pictures that are shown at these multiples of 3600.
    fn times(depth: usize, shown: &[i64]) -> Vec<f64> {
        let mut times = DecodeTimes::default();
        times.set_depth(depth);
        let each = |(at, shown): (usize, &i64)| times.next(Ticks(shown * 3600), at == 0).0 as f64 / 3600.0;
        shown.iter().enumerate().map(each).collect()
    }

    #[test]
    fn without_reordering_both_times_are_one() {
        assert_eq!(times(0, &[0, 1, 2, 3]), [0.0, 1.0, 2.0, 3.0]);
    }

    #[test]
    fn pictures_that_overtake_are_decoded_early() {
        // I P B B P B B
        assert_eq!(times(1, &[0, 3, 1, 2, 6, 4, 5]), [-1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        // a pyramid: I P B b b
        assert_eq!(times(2, &[0, 4, 2, 1, 3, 8, 6, 5, 7])[..6], [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0]);
    }

    #[test]
    fn a_depth_that_lies_is_found_out() {
        let all = times(0, &[0, 3, 1, 2, 6, 4, 5, 9, 7, 8, 12, 10, 11]);
        assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "{all:?}");
        assert_eq!(all[7..], [6.0, 7.0, 8.0, 9.0, 10.0, 11.0], "right from the second group on");
    }

    #[test]
    fn a_clock_that_is_set_is_followed_at_any_picture() {
        let hours = 3 * 3600 * 90_000;
        for by in [hours, -hours] {
            let mut times = DecodeTimes::default();
            times.set_depth(1);
            let all =
                [0, 7200, 3600, 10_800 + by, 18_000 + by, 14_400 + by].map(|shown| times.next(Ticks(shown), false));
            assert_eq!(all[3..].iter().map(|time| time.0 - by).collect::<Vec<_>>(), [7200, 10_800, 14_400]);
        }
    }

    #[test]
    fn another_time_line_is_followed_at_a_key_frame() {
        let mut times = DecodeTimes::default();
        times.set_depth(1);
        let all = [(0, true), (7200, false), (3600, false), (900_000, true), (907_200, false), (903_600, false)];
        let all = all.map(|(shown, key)| times.next(Ticks(shown), key).0);
        assert_eq!(all[3..], [896_400, 900_000, 903_600]);
        assert_eq!(times.next(Ticks(0), true).0, -3600);
    }
}
