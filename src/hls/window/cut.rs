//! The ends of segments. They end at key frames, or elsewhere if a segment would become longer than the announced
//! target, or too large for the memory.

use std::time::Duration;

use super::MIN_LISTED;
use crate::hls::segment::{Open, ms};
use crate::media::Ticks;

/// The lengths of segments.
#[derive(Debug)]
pub(super) struct Cut {
    /// The intended length.
    aim: Duration,
    /// EXT-X-TARGETDURATION in seconds, once it was sent: it never changes afterwards. RFC 8216 section 6.2.1.
    told: Option<u64>,
    /// The longest segment or group of pictures so far.
    longest: Duration,
    /// The newest key frame.
    key: Option<Ticks>,
    /// The distance between the last two key frames.
    group: Ticks,
    /// The longest segment so far.
    ended: Duration,
    /// The most bytes of a segment, and the number of bytes above which it does not wait for the next key frame.
    room: (usize, usize),
    /// True if a segment ended for want of memory before the target was sent.
    cramped: bool,
}

/// The number of first segments that are short, so that players can begin early.
const EAGER_SEGMENTS: u64 = 3;
const EAGER_LENGTH: Duration = Duration::from_secs(1);
/// The time by which a key frame may be early and still end a segment.
const SLACK: Duration = Duration::from_millis(100);
/// Parts of the memory for all segments. The first is the most of one segment, so that the other segments that players
/// need have room, or nearly. The second is for one without a key frame that ends it in time: then those have room, and
/// one that has left the playlist.
const MAX_PART: (usize, usize) = (3, 10);
const PART_WITHOUT_KEY: (usize, usize) = (1, MIN_LISTED + 2);
/// The shortest time after a key frame that shows how fast a segment grows.
const MIN_MEASURED: Ticks = Ticks(250);
/// The longest group of pictures, in seconds, that is waited for before the target is sent.
const MAX_GROUP: u64 = 30;

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

    /// EXT-X-TARGETDURATION in seconds: by the first complete groups of pictures, or by the first segments if groups do
    /// not fit in the memory.
    pub(super) fn target(&self) -> u64 {
        self.told.unwrap_or_else(|| rounded(if self.cramped { self.ended } else { self.longest }))
    }

    /// Fixes the target when it is sent. The open segment was not cut by it, and may be longer already.
    pub(super) fn tell(&mut self, open: Option<&Open>) {
        if self.told.is_none() {
            let lasts = open.map_or(Duration::ZERO, |open| ms(open.until + open.step - open.from));
            self.told = Some(self.target().max(rounded(lasts)));
        }
    }

    /// Sets the memory of all segments; each uses at least `block` bytes.
    pub(super) fn set_room(&mut self, bytes: usize, block: usize) {
        let part = |(of, all): (usize, usize)| (bytes / all * of).max(block);
        self.room = (part(MAX_PART), part(PART_WITHOUT_KEY));
    }

    /// Notes that a segment ends for want of memory.
    pub(super) fn cramp(&mut self) {
        self.cramped |= self.told.is_none();
    }

    /// The length that segments would have with enough memory from the start: as many groups as the intended length
    /// needs, or the longest allowed until there is a second key frame.
    pub(super) fn wanted(&self) -> Duration {
        let (group, longest) = (ms(self.group), Duration::from_secs(MAX_GROUP));
        if group.is_zero() {
            return longest;
        }
        let groups = self.aim.saturating_sub(SLACK).as_millis().div_ceil(group.as_millis()).max(1);
        (group * u32::try_from(groups).unwrap_or(u32::MAX)).min(longest)
    }

    /// The longest that a segment may be.
    pub(super) fn limit(&self) -> Duration {
        Duration::from_secs(self.told.unwrap_or(MAX_GROUP)) + Duration::from_millis(499)
    }

    /// Notes a key frame.
    pub(super) fn key(&mut self, at: Ticks) {
        if let Some(before) = self.key.replace(at).filter(|before| *before < at) {
            self.group = at - before;
            self.longest = self.longest.max(ms(self.group).min(self.limit()));
        }
    }

    /// Notes that the next frame does not continue the time.
    pub(super) fn jump(&mut self) {
        self.key = None;
    }

    /// Notes that a segment of that duration has ended.
    pub(super) fn ended(&mut self, duration: Duration) {
        self.longest = self.longest.max(duration);
        self.ended = self.ended.max(duration);
    }

    /// True if the open segment, after `count` others, ends before a frame at `at`. `start` is whether that is a key
    /// frame, and `bytes` the size of the segment.
    pub(super) fn is_due(&self, open: &Open, at: Ticks, (start, bytes): (bool, usize), count: u64) -> bool {
        let lasts = ms(at - open.from);
        if start {
            let aim = if count < EAGER_SEGMENTS { EAGER_LENGTH.min(self.aim) } else { self.aim };
            // whole groups, with their key frames
            let is_large =
                || bytes.saturating_add(grown(bytes, at - open.from, at + self.group - open.from)) > self.room.1;
            return lasts + SLACK >= aim || lasts + ms(self.group) > self.limit() || is_large();
        }
        if ms(at + open.step_to(at) - open.from) > self.limit() {
            return true;
        }
        // do not wait for a key frame that comes too late
        let next = self.key.unwrap_or(open.from) + self.group;
        let too_late = next < open.from || ms(next - open.from) > self.limit();
        self.told.is_some_and(|target| too_late && lasts >= Duration::from_secs(target))
    }

    /// True if the open segment ends before a frame at `at` for want of memory: it has `bytes`, `more` with that frame,
    /// and `blocks` in whole blocks.
    pub(super) fn is_full(&self, open: &Open, at: Ticks, bytes: usize, (more, blocks): (usize, usize)) -> bool {
        let (most, share) = self.room;
        let lasts = at - open.from;
        let next = self.key.filter(|_| self.group > Ticks(0)).map(|key| key + self.group - open.from);
        // the first group of pictures, which may be a short one
        let is_first = next.is_none() && self.key.is_some_and(|key| key >= open.from) && ms(lasts) <= self.aim;
        let is_long = blocks > share || next.is_some() && ms(lasts) >= self.aim;
        let until = next.unwrap_or(Ticks(i64::try_from(self.limit().as_millis()).unwrap_or(i64::MAX)));
        let in_time =
            || bytes.saturating_add(grown(bytes.saturating_sub(open.keys), lasts.max(MIN_MEASURED), until)) <= most;
        more > most || is_long && !is_first && !in_time()
    }
}

/// The growth until `until` of a segment that has grown to `bytes` in `lasts`.
fn grown(bytes: usize, lasts: Ticks, until: Ticks) -> usize {
    let [lasts, until] = [lasts, until].map(|ticks| u64::try_from(ticks.0).unwrap_or(0).max(1));
    let grown = (bytes as u64).saturating_mul(until.saturating_sub(lasts)) / lasts;
    usize::try_from(grown).unwrap_or(usize::MAX)
}

/// The duration in seconds, rounded as for the comparison with the target. RFC 8216 section 4.3.3.1.
fn rounded(duration: Duration) -> u64 {
    (duration + Duration::from_millis(500)).as_secs().max(1)
}
