//! The length of a file: the distance between its rounds.

use crate::media::MAX_TRACKS;

/// From the first frame to the end of the last, for each track, in microseconds.
#[derive(Debug, Default)]
pub(super) struct Spans([Option<Span>; MAX_TRACKS + 2]);

/// The decode times and presentation times of a track's frames.
#[derive(Clone, Copy, Debug)]
struct Span {
    era: u32,
    decoded: Range,
    shown: Range,
    /// The last two steps between frames; 0 if unknown. The smaller is the duration of the last frame: a pause or a
    /// jump is not.
    steps: [i64; 2],
}

#[derive(Clone, Copy, Debug)]
struct Range {
    first: i64,
    last: i64,
}

/// The maximum duration of a frame.
const MAX_FRAME_DURATION: i64 = 3_600_000_000;
/// The minimum length of a round, which limits how often a file is read again.
const MIN_LENGTH: i64 = 100_000;
/// The length of a round of unknown duration, such as that of a single frame.
const DEFAULT_LENGTH: i64 = 1_000_000;
/// The maximum overlap of tracks of one round with those of the next.
const MAX_OVERLAP: i64 = 500_000;

impl Spans {
    /// Adds a frame of the track in `slot`; a jump of the times begins another `era`.
    pub(super) fn add(&mut self, slot: usize, era: u32, decoded: i64, shown: i64) {
        let Some(span) = self.0.get_mut(slot) else { return };
        let (decoded_at, shown_at) = (Range::at(decoded), Range::at(shown));
        let Some(span) = span else {
            *span = Some(Span { era, decoded: decoded_at, shown: shown_at, steps: [0; 2] });
            return;
        };
        let step = decoded.saturating_sub(span.decoded.last);
        if (1..=MAX_FRAME_DURATION).contains(&step) {
            span.steps = [step, span.steps[0]];
        }
        if std::mem::replace(&mut span.era, era) != era {
            (span.decoded.last, span.shown.last) = (decoded, shown);
        }
        span.decoded.include(decoded);
        span.shown.include(shown);
    }

    /// The microseconds to add to the times of the next round, so that no track overlaps itself and the longest has
    /// no gap; 0 if there is nothing to play.
    pub(super) fn length(&self) -> i64 {
        let spans = || self.0.iter().flatten();
        let own = spans().map(|span| span.decoded.length().max(span.shown.length()).saturating_add(span.frame())).max();
        let Some(own) = own else { return 0 };
        let first = spans().map(|span| span.decoded.first).min().unwrap_or(0);
        let end = spans().map(|span| span.decoded.last.saturating_add(span.frame())).max().unwrap_or(0);
        match own.max(end.saturating_sub(first).saturating_sub(MAX_OVERLAP)) {
            0 => DEFAULT_LENGTH,
            length => length.max(MIN_LENGTH),
        }
    }
}

impl Span {
    /// The duration of the last frame.
    fn frame(&self) -> i64 {
        let [last, before] = self.steps;
        if before == 0 { last } else { last.min(before) }
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

    /// Adds frames to `slot` with these decode times, each with the delay of its presentation (ms).
    fn add(spans: &mut Spans, slot: usize, era: u32, frames: impl IntoIterator<Item = (i64, i64)>) {
        for (decoded, later) in frames {
            spans.add(slot, era, decoded * 1000, (decoded + later) * 1000);
        }
    }

    #[test]
    fn the_longest_track_has_no_hole_though_none_begins_with_another() {
        let mut spans = Spans::default();
        assert_eq!(spans.length(), 0);
        // pictures are decoded 80 ms before the first is shown, and audio ends last
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
        assert_eq!(spans.length(), 6_000_000 - MAX_OVERLAP);
    }

    #[test]
    fn times_that_jump_back_end_where_they_are() {
        let mut spans = Spans::default();
        add(&mut spans, 0, 0, [(0, 0), (9960, 0), (10_000, 0)]);
        add(&mut spans, 0, 1, [(0, 0), (400, 0), (440, 0)]);
        assert_eq!(spans.length(), 480_000);
    }

    #[test]
    fn the_last_slide_is_shown_as_long_as_the_others_and_a_pause_before_the_end_is_no_slide() {
        let mut spans = Spans::default();
        add(&mut spans, 0, 0, [(0, 0), (90_000, 0), (180_000, 0)]);
        assert_eq!(spans.length(), 270_000_000);
        let mut spans = Spans::default();
        add(&mut spans, 0, 0, [(0, 0), (40, 0), (80, 0), (30_000, 0)]);
        assert_eq!(spans.length(), 30_040_000);
    }

    #[test]
    fn a_file_of_a_frame_or_two_is_not_read_without_end() {
        let mut spans = Spans::default();
        add(&mut spans, 0, 0, [(7, 0)]);
        assert_eq!(spans.length(), DEFAULT_LENGTH);
        add(&mut spans, 0, 0, [(7, 0), (7, 0)]);
        assert_eq!(spans.length(), DEFAULT_LENGTH);
        add(&mut spans, 0, 0, [(8, 0)]);
        assert_eq!(spans.length(), MIN_LENGTH);
    }
}
