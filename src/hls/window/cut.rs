//! The ends of segments: at key frames, and elsewhere only if one would become longer than players were told,
//! or larger than there is room for.

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
    /// The longest segment that there was.
    ended: Duration,
    /// The bytes that a segment has at most, and with which it waits for no key frame that would
    /// come beyond that.
    room: (usize, usize),
    /// One ended for want of room before the target was told.
    cramped: bool,
}

/// The first so many segments are short, so that playing can begin early.
const EAGER: u64 = 3;
const EAGER_LENGTH: Duration = Duration::from_secs(1);
/// A key frame that comes a little early still ends a segment.
const SLACK: Duration = Duration::from_millis(100);
/// Parts of the room for all segments: what one has at most, so that the segments that players want
/// have room beside it or nearly so; and what it has without a key frame that ends it in time, so that they
/// have, and one that has left the playlist.
const MOST: (usize, usize) = (3, 10);
const SHARE: (usize, usize) = (1, WANTED + 2);
/// The shortest time behind a key frame that tells how fast a segment grows.
const PROVEN: Ticks = Ticks(250);
/// The longest group of pictures that is waited for before the target is told.
const LONGEST: u64 = 30;

impl Cut {
    pub(super) fn new(aim: Duration) -> Self {
        Self {
            aim,
            told: None,
            longest: aim,
            key: None,
            group: Ticks(0),
            ended: Duration::ZERO,
            room: (usize::MAX, usize::MAX),
            cramped: false,
        }
    }

    /// EXT-X-TARGETDURATION in seconds: by the first complete groups of pictures, or by the first segments if
    /// there is no room for groups.
    pub(super) fn target(&self) -> u64 {
        self.told.unwrap_or_else(|| rounded(if self.cramped { self.ended } else { self.longest }))
    }

    /// The target is given out. What is open was not cut by it, and may have become longer.
    pub(super) fn tell(&mut self, open: Option<&Open>) {
        if self.told.is_none() {
            let lasts = open.map_or(Duration::ZERO, |open| ms(open.until + open.step - open.from));
            self.told = Some(self.target().max(rounded(lasts)));
        }
    }

    /// All segments have room for so many bytes, and each takes at least `block`.
    pub(super) fn set_room(&mut self, bytes: usize, block: usize) {
        let part = |(of, all): (usize, usize)| (bytes / all * of).max(block);
        self.room = (part(MOST), part(SHARE));
    }

    /// A segment ends for want of room.
    pub(super) fn cramp(&mut self) {
        self.cramped |= self.told.is_none();
    }

    /// The length that segments would have if there had been room for it from the beginning: that of as many groups
    /// as the aim wants, or all that there may be as long as no second key frame comes.
    pub(super) fn wanted(&self) -> Duration {
        let (group, longest) = (ms(self.group), Duration::from_secs(LONGEST));
        if group.is_zero() {
            return longest;
        }
        let groups = self.aim.saturating_sub(SLACK).as_millis().div_ceil(group.as_millis()).max(1);
        (group * u32::try_from(groups).unwrap_or(u32::MAX)).min(longest)
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

    /// A segment of that duration has ended.
    pub(super) fn ended(&mut self, duration: Duration) {
        self.longest = self.longest.max(duration);
        self.ended = self.ended.max(duration);
    }

    /// Whether the open segment, after `count` others, ends where a frame of `at` comes, which
    /// is a key frame or not; it has so many bytes.
    pub(super) fn is_due(&self, open: &Open, at: Ticks, (start, bytes): (bool, usize), count: u64) -> bool {
        let lasts = ms(at - open.from);
        if start {
            let aim = if count < EAGER { EAGER_LENGTH.min(self.aim) } else { self.aim };
            // whole groups, with their key frames
            let is_large =
                || bytes.saturating_add(grown(bytes, at - open.from, at + self.group - open.from)) > self.room.1;
            return lasts + SLACK >= aim || lasts + ms(self.group) > self.limit() || is_large();
        }
        if ms(at + open.step_to(at) - open.from) > self.limit() {
            return true;
        }
        // no use in waiting for a key frame that comes too late
        let next = self.key.unwrap_or(open.from) + self.group;
        let too_late = next < open.from || ms(next - open.from) > self.limit();
        self.told.is_some_and(|target| too_late && lasts >= Duration::from_secs(target))
    }

    /// Whether the open segment ends before a frame of `at` though nothing else ends it, because it
    /// has `bytes`, and with that frame more, in blocks of so many.
    pub(super) fn is_full(&self, open: &Open, at: Ticks, bytes: usize, (more, blocks): (usize, usize)) -> bool {
        let (most, share) = self.room;
        let lasts = at - open.from;
        let next = self.key.filter(|_| self.group > Ticks(0)).map(|key| key + self.group - open.from);
        // the first group of pictures, which may be a short one
        let is_first = next.is_none() && self.key.is_some_and(|key| key >= open.from) && ms(lasts) <= self.aim;
        let is_long = blocks > share || next.is_some() && ms(lasts) >= self.aim;
        let until = next.unwrap_or(Ticks(i64::try_from(self.limit().as_millis()).unwrap_or(i64::MAX)));
        let in_time = || bytes.saturating_add(grown(bytes.saturating_sub(open.keys), lasts.max(PROVEN), until)) <= most;
        more > most || is_long && !is_first && !in_time()
    }
}

/// The bytes that what has grown to `bytes` in `lasts` grows by until it is as long as `until`.
fn grown(bytes: usize, lasts: Ticks, until: Ticks) -> usize {
    let [lasts, until] = [lasts, until].map(|ticks| u64::try_from(ticks.0).unwrap_or(0).max(1));
    let grown = (bytes as u64).saturating_mul(until.saturating_sub(lasts)) / lasts;
    usize::try_from(grown).unwrap_or(usize::MAX)
}

/// In seconds, as a duration is compared with the target. RFC 8216 section 4.3.3.1.
fn rounded(duration: Duration) -> u64 {
    (duration + Duration::from_millis(500)).as_secs().max(1)
}
