//! Decides when program clock references are due. Sections 2.4.2.2 and 2.7.2.

/// The references of a stream, at 90 kHz, from the decode times of its frames.
#[derive(Default)]
pub(super) struct Clock {
    /// The last reference; `None` if the next need not continue it.
    last: Option<i64>,
    /// True if any reference was sent.
    begun: bool,
}

/// The references to send with one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// The number of references that fill the gap before it, and the time of the last reference sent.
    fill: u32,
    last: i64,
    /// The reference of the frame itself.
    pub(super) at: i64,
    /// The references do not continue those before.
    pub(super) jump: bool,
}

impl Clock {
    /// The next reference need not continue the last.
    pub(super) fn jump(&mut self) {
        self.last = None;
    }

    /// The references that are due with a frame at `now`. A frame that `must` have a reference gets one even if the
    /// last is recent.
    pub(super) fn due(&self, now: i64, must: bool) -> Option<Due> {
        let Some(last) = self.last else {
            return Some(Due { fill: 0, last: now, at: now, jump: self.begun });
        };
        let gap = now.saturating_sub(last);
        if !(-MAX_DISORDER..=MAX_GAP).contains(&gap) {
            return Some(Due { fill: 0, last: now, at: now, jump: true });
        }
        if !must && gap < RECENT {
            return None;
        }
        // tracks are slightly out of order, but their common clock must increase
        let gap = gap.max(1);
        Some(Due { fill: ((gap - 1) / INTERVAL) as u32, last, at: last.saturating_add(gap), jump: false })
    }

    /// The references were sent.
    pub(super) fn sent(&mut self, due: Due) {
        self.last = Some(due.at);
        self.begun = true;
    }
}

impl Due {
    /// The references that need packets of their own, evenly spread. The frame's reference is among them unless its
    /// packet `has_clock`.
    pub(super) fn alone(self, has_clock: bool) -> impl ExactSizeIterator<Item = i64> {
        let gap = self.at.saturating_sub(self.last);
        let count = self.fill + u32::from(!has_clock);
        (1..count + 1).map(move |nth| self.last + gap * i64::from(nth) / i64::from(self.fill + 1))
    }
}

/// The maximum distance between references: 100 ms.
const INTERVAL: i64 = 9000;
/// If the last reference is less than 80 ms old, the next may wait for the next frame of sound.
const RECENT: i64 = 7200;
/// A gap longer than 1.1 s is not filled but signalled as a jump.
const MAX_GAP: i64 = 11 * INTERVAL;
/// The maximum step backwards between tracks, 10 s; a longer one is a jump.
const MAX_DISORDER: i64 = 900_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends the references that are due; gives them, and whether they signal a jump.
    fn send(clock: &mut Clock, now: i64, must: bool) -> (Vec<i64>, bool) {
        let Some(due) = clock.due(now, must) else { return (vec![], false) };
        clock.sent(due);
        (due.alone(false).collect(), due.jump)
    }

    #[test]
    fn references_are_never_far_apart() {
        let mut clock = Clock::default();
        assert_eq!(send(&mut clock, 1000, false), (vec![1000], false));
        assert_eq!(send(&mut clock, 1000 + 7199, false), (vec![], false));
        assert_eq!(send(&mut clock, 1000 + 7200, false), (vec![8200], false));
        assert_eq!(send(&mut clock, 8200 + 9000, true), (vec![17_200], false));
        assert_eq!(send(&mut clock, 17_200 + 9001, true), (vec![21_700, 26_201], false));
        let (filled, _) = send(&mut clock, 26_201 + 99_000, true);
        assert_eq!(filled.len(), 11);
        assert!(filled.windows(2).all(|pair| pair[1] - pair[0] == 9000));
        let due = clock.due(26_201 + 99_000 + 9001, false).unwrap();
        assert_eq!((due.alone(true).len(), due.alone(false).len()), (1, 2));
    }

    #[test]
    fn a_long_gap_is_a_jump() {
        let mut clock = Clock::default();
        send(&mut clock, 0, true);
        assert_eq!(send(&mut clock, 99_001, false), (vec![99_001], true));
        assert_eq!(send(&mut clock, i64::MIN, false), (vec![i64::MIN], true));
        assert_eq!(send(&mut clock, i64::MAX, true), (vec![i64::MAX], true));
        assert!(!send(&mut clock, i64::MAX, true).1);
    }

    #[test]
    fn disorder_does_not_turn_the_clock_back() {
        let mut clock = Clock::default();
        send(&mut clock, 50_000, true);
        assert_eq!(send(&mut clock, 40_000, false), (vec![], false));
        assert_eq!(send(&mut clock, 40_000, true), (vec![50_001], false));
        assert_eq!(send(&mut clock, 43_600, true), (vec![50_002], false));
        assert_eq!(send(&mut clock, 53_600, true), (vec![53_600], false));
    }

    #[test]
    fn a_jump_is_said_once_and_not_at_the_start() {
        let mut clock = Clock::default();
        clock.jump();
        assert_eq!(send(&mut clock, 0, true), (vec![0], false));
        clock.jump();
        clock.jump();
        assert_eq!(send(&mut clock, -5, true), (vec![-5], true));
        assert_eq!(send(&mut clock, 0, true), (vec![0], false));
    }
}
