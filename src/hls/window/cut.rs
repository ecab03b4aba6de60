//! Where segments end: at key frames, and elsewhere only where one would become longer than
//! players were told.

use std::time::Duration;

use super::WANTED;
use crate::hls::segment::{Open, ms};
use crate::media::Ticks;

/// The lengths of segments.
#[derive(Debug)]
pub(super) struct Cut {
    /// The length to aim at.
    aim: Duration,
    /// EXT-X-TARGETDURATION in seconds, once it was told: it never changes then. RFC 8216
    /// section 6.2.1.
    told: Option<u64>,
    /// The longest segment or group of pictures so far.
    longest: Duration,
    /// The newest key frame.
    key: Option<Ticks>,
    /// The distance between the last two.
    group: Ticks,
}

/// The first so many segments are short, so that playing can begin early.
const EAGER: u64 = 3;
const EAGER_LENGTH: Duration = Duration::from_secs(1);
/// A key frame that comes a little early still ends a segment.
const SLACK: Duration = Duration::from_millis(100);
/// The segments that players want, and the one that is being made.
const SHARES: u32 = WANTED as u32 + 1;
/// The longest group of pictures that is waited for before the target is told.
const LONGEST: u64 = 30;

impl Cut {
    pub(super) fn new(aim: Duration) -> Self {
        Self { aim, told: None, longest: aim, key: None, group: Ticks(0) }
    }

    /// EXT-X-TARGETDURATION: what the first complete groups of pictures say.
    pub(super) fn target(&self) -> u64 {
        self.told.unwrap_or_else(|| rounded(self.longest))
    }

    /// The target is given out.
    pub(super) fn tell(&mut self) {
        self.told = Some(self.target());
    }

    /// There is room for so much, which has no end that players could begin at. Where more was to
    /// be waited for, segments end without a key frame, so that some have room.
    pub(super) fn cramp(&mut self, room: Duration) {
        if room > self.aim {
            let share = (room / SHARES).as_secs().clamp(1, rounded(self.aim));
            self.told.get_or_insert(share);
        }
    }

    /// The longest that a segment may be.
    pub(super) fn limit(&self) -> Duration {
        Duration::from_secs(self.told.unwrap_or(LONGEST)) + Duration::from_millis(499)
    }

    /// A key frame comes.
    pub(super) fn key(&mut self, at: Ticks) {
        if let Some(before) = self.key.replace(at).filter(|before| *before < at) {
            self.group = at - before;
            self.longest = self.longest.max(ms(self.group).min(self.limit()));
        }
    }

    /// Time does not go on from here.
    pub(super) fn jump(&mut self) {
        self.key = None;
    }

    /// So long has a segment become.
    pub(super) fn ended(&mut self, duration: Duration) {
        self.longest = self.longest.max(duration);
    }

    /// Whether the open segment, after `count` others, ends where a frame of `at` comes, which
    /// is a key frame or not.
    pub(super) fn is_due(&self, open: &Open, at: Ticks, start: bool, count: u64) -> bool {
        let lasts = ms(at - open.from);
        if start {
            let aim = if count < EAGER { EAGER_LENGTH.min(self.aim) } else { self.aim };
            return lasts + SLACK >= aim || lasts + ms(self.group) > self.limit();
        }
        if ms(at + open.step_to(at) - open.from) > self.limit() {
            return true;
        }
        // no use in waiting for a key frame that comes too late
        let next = self.key.unwrap_or(open.from) + self.group;
        let too_late = next < open.from || ms(next - open.from) > self.limit();
        self.told.is_some_and(|target| too_late && lasts >= Duration::from_secs(target))
    }
}

/// In seconds, as a duration is compared with the target. RFC 8216 section 4.3.3.1.
fn rounded(duration: Duration) -> u64 {
    (duration + Duration::from_millis(500)).as_secs().max(1)
}
