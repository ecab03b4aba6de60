//! The length of a file, which is the distance between its rounds.

use crate::media::MAX_TRACKS;

/// From the first frame to the end of the last, for each track, in microseconds.
#[derive(Debug, Default)]
pub(super) struct Spans([Option<Span>; MAX_TRACKS + 2]);

/// A track's frames in the order of decoding, and as they are shown.
#[derive(Clone, Copy, Debug)]
struct Span {
    era: u32,
    decoded: Range,
    shown: Range,
    /// The distance between the last two.
    step: i64,
}

#[derive(Clone, Copy, Debug)]
struct Range {
    first: i64,
    last: i64,
}

/// A longer step is a pause or a jump, and says nothing of how long a frame lasts.
const LONGEST: i64 = 1_000_000;
/// Tracks of one round may go on for so long beside those of the next.
const BESIDE: i64 = 500_000;

impl Spans {
    /// A frame of the track in `slot`; times that jump begin another `era`.
    pub(super) fn add(&mut self, slot: usize, era: u32, decoded: i64, shown: i64) {
        let Some(span) = self.0.get_mut(slot) else { return };
        let (decoded_at, shown_at) = (Range::at(decoded), Range::at(shown));
        let Some(span) = span else {
            *span = Some(Span { era, decoded: decoded_at, shown: shown_at, step: 0 });
            return;
        };
        let step = decoded.saturating_sub(span.decoded.last);
        span.step = if (1..LONGEST).contains(&step) { step } else { 0 };
        if std::mem::replace(&mut span.era, era) != era {
            (span.decoded.last, span.shown.last) = (decoded, shown);
        }
        span.decoded.include(decoded);
        span.shown.include(shown);
    }

    /// What is added to the times of the next round, so that no track overlaps itself
    /// and the longest has no hole; not above 0 if there is nothing to play.
    pub(super) fn length(&self) -> i64 {
        let spans = || self.0.iter().flatten();
        let own = spans().map(|span| span.decoded.length().max(span.shown.length()).saturating_add(span.step)).max();
        let first = spans().map(|span| span.decoded.first).min().unwrap_or(0);
        let end = spans().map(|span| span.decoded.last.saturating_add(span.step)).max().unwrap_or(0);
        own.unwrap_or(0).max(end.saturating_sub(first).saturating_sub(BESIDE))
    }
}

impl Range {
    fn at(time: i64) -> Self {
        Self { first: time, last: time }
    }

    fn include(&mut self, time: i64) {
        (self.first, self.last) = (self.first.min(time), self.last.max(time));
    }

    fn length(&self) -> i64 {
        self.last.saturating_sub(self.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of `slot` at these times of decoding, each shown that much later (ms).
    fn add(spans: &mut Spans, slot: usize, era: u32, frames: impl IntoIterator<Item = (i64, i64)>) {
        for (decoded, later) in frames {
            spans.add(slot, era, decoded * 1000, (decoded + later) * 1000);
        }
    }

    #[test]
    fn the_longest_track_has_no_hole_though_none_begins_with_another() {
        let mut spans = Spans::default();
        assert_eq!(spans.length(), 0);
        // pictures are decoded 80 ms before the first is shown, and sound ends last
        add(&mut spans, 0, 0, [(-80, 80), (-40, 160), (0, 40), (40, 0), (80, 80)]);
        add(&mut spans, MAX_TRACKS, 0, (0..9).map(|at| (20 * at, 0)));
        assert_eq!(spans.length(), 200_000);
        add(&mut spans, MAX_TRACKS, 0, (9..12).map(|at| (20 * at, 0)));
        assert_eq!(spans.length(), 240_000);
    }

    #[test]
    fn a_track_that_ends_long_after_the_others_is_not_beside_them() {
        let mut spans = Spans::default();
        add(&mut spans, 0, 0, (0..25).map(|at| (40 * at, 0)));
        add(&mut spans, MAX_TRACKS, 0, (0..50).map(|at| (5000 + 20 * at, 0)));
        assert_eq!(spans.length(), 6_000_000 - BESIDE);
    }

    #[test]
    fn times_that_jump_back_end_where_they_are() {
        let mut spans = Spans::default();
        add(&mut spans, 0, 0, [(0, 0), (9960, 0), (10_000, 0)]);
        add(&mut spans, 0, 1, [(0, 0), (40, 0)]);
        assert_eq!(spans.length(), 80_000);
    }
}
