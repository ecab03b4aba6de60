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
    /// The distance between the last two, and between the two before them; 0 if they are not
    /// known. The smaller says how long the last frame lasts: a pause or a jump does not.
    steps: [i64; 2],
}

#[derive(Clone, Copy, Debug)]
struct Range {
    first: i64,
    last: i64,
}

/// No frame lasts longer.
const LONGEST: i64 = 3_600_000_000;
/// No round is shorter: a file that is read anew all the time is work without end.
const SHORTEST: i64 = 100_000;
/// A round lasts so long if nothing says how long its frames do: a still picture has one frame.
const STILL: i64 = 1_000_000;
/// Tracks of one round may go on for so long beside those of the next.
const BESIDE: i64 = 500_000;

impl Spans {
    /// A frame of the track in `slot`; times that jump begin another `era`.
    pub(super) fn add(&mut self, slot: usize, era: u32, decoded: i64, shown: i64) {
        let Some(span) = self.0.get_mut(slot) else { return };
        let (decoded_at, shown_at) = (Range::at(decoded), Range::at(shown));
        let Some(span) = span else {
            *span = Some(Span { era, decoded: decoded_at, shown: shown_at, steps: [0; 2] });
            return;
        };
        let step = decoded.saturating_sub(span.decoded.last);
        if (1..=LONGEST).contains(&step) {
            span.steps = [step, span.steps[0]];
        }
        if std::mem::replace(&mut span.era, era) != era {
            (span.decoded.last, span.shown.last) = (decoded, shown);
        }
        span.decoded.include(decoded);
        span.shown.include(shown);
    }

    /// The microseconds to add to the times of the next round, so that no track overlaps itself and the
    /// longest has no hole; 0 if there is nothing to play.
    pub(super) fn length(&self) -> i64 {
        let spans = || self.0.iter().flatten();
        let own = spans().map(|span| span.decoded.length().max(span.shown.length()).saturating_add(span.frame())).max();
        let Some(own) = own else { return 0 };
        let first = spans().map(|span| span.decoded.first).min().unwrap_or(0);
        let end = spans().map(|span| span.decoded.last.saturating_add(span.frame())).max().unwrap_or(0);
        match own.max(end.saturating_sub(first).saturating_sub(BESIDE)) {
            0 => STILL,
            length => length.max(SHORTEST),
        }
    }
}

impl Span {
    /// The duration of its last frame.
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
        assert_eq!(spans.length(), STILL);
        add(&mut spans, 0, 0, [(7, 0), (7, 0)]);
        assert_eq!(spans.length(), STILL);
        add(&mut spans, 0, 0, [(8, 0)]);
        assert_eq!(spans.length(), SHORTEST);
    }
}
