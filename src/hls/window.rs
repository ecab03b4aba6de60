//! The window: the segment being filled and the newest that are finished.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::Chain;
use crate::budget::Account;
use crate::container::m3u8::{Entry, Playlist};
use crate::hub::Unit;
use crate::media::Ticks;

/// How to cut, and how much to keep.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The length to aim at.
    pub target: Duration,
    /// Segments in a playlist.
    pub listed: usize,
}

/// One stream's segments.
#[derive(Debug)]
pub struct Window {
    name: String,
    rules: Rules,
    account: Account,
    open: Option<Open>,
    segments: VecDeque<Segment>,
    next_id: u64,
    /// EXT-X-TARGETDURATION so far: it may only grow while the first segments show
    /// how far apart the key frames are.
    target: u64,
    discontinuities_gone: u64,
    ended: bool,
    /// Bytes of the running segment were lost for want of room.
    starved: bool,
}

#[derive(Debug)]
struct Open {
    chain: Chain,
    from: Ticks,
    /// The newest frame in it.
    until: Ticks,
    begun: SystemTime,
    discontinuity: bool,
}

#[derive(Debug)]
struct Segment {
    id: u64,
    file: String,
    blocks: Arc<[Bytes]>,
    len: usize,
    duration: Duration,
    begun: SystemTime,
    discontinuity: bool,
}

/// Segments that have left the playlist stay for players that read it before.
const SPARE: usize = 2;
/// The first so many segments are short, so that playing can begin early.
const EAGER: u64 = 3;
const EAGER_LENGTH: Duration = Duration::from_secs(1);

impl Window {
    /// A window without segments; `name` begins the files' names.
    pub fn new(name: &str, rules: Rules, account: Account) -> Self {
        Self {
            name: name.into(),
            rules,
            account,
            open: None,
            segments: VecDeque::new(),
            next_id: 0,
            target: rules.target.as_secs().max(1),
            discontinuities_gone: 0,
            ended: false,
            starved: false,
        }
    }

    /// Takes the next unit; `taken` is when its frame was.
    pub fn push(&mut self, unit: &Unit, taken: SystemTime) {
        if unit.start || unit.discontinuity {
            let length = if self.next_id < EAGER { EAGER_LENGTH.min(self.rules.target) } else { self.rules.target };
            let due = |open: &Open| unit.discontinuity || ms(unit.at - open.from) + SLACK >= length;
            if self.open.as_ref().is_some_and(due) {
                self.close(Some(unit.at).filter(|_| !unit.discontinuity));
            }
        }
        if self.open.is_none() {
            if self.starved && !unit.start {
                return; // segments are independent: the next begins at a key frame
            }
            let discontinuity = unit.discontinuity | std::mem::take(&mut self.starved);
            let begun = self.segments.back().filter(|_| !discontinuity).map_or(taken, |last| date(last, taken));
            let (chain, from, until) = (Chain::default(), unit.at, unit.at);
            self.open = Some(Open { chain, from, until, begun, discontinuity });
        }
        self.append(unit);
    }

    /// Nothing will follow.
    pub fn end(&mut self) {
        self.close(None);
        self.ended = true;
    }

    /// Whether there is anything to play.
    pub fn is_playable(&self) -> bool {
        !self.segments.is_empty()
    }

    /// The playlist, with `prefix` before and `suffix` behind each file's name.
    pub fn playlist(&self, prefix: &str, suffix: &str) -> String {
        let skip = self.segments.len().saturating_sub(self.rules.listed);
        let listed = self.segments.iter().skip(skip);
        let gone = self.segments.iter().take(skip).filter(|segment| segment.discontinuity).count() as u64;
        let entries: Vec<_> = listed
            .map(|segment| Entry {
                uri: format!("{prefix}{}{suffix}", segment.file),
                duration: segment.duration,
                begun: segment.begun,
                discontinuity: segment.discontinuity,
            })
            .collect();
        let playlist = Playlist {
            target: self.target,
            media_sequence: self.segments.get(skip).map_or(self.next_id, |segment| segment.id),
            discontinuity_sequence: self.discontinuities_gone + gone,
            entries,
            ended: self.ended,
        };
        playlist.write()
    }

    /// The bytes of a file, and how many there are.
    pub fn file(&self, name: &str) -> Option<(Arc<[Bytes]>, usize)> {
        let segment = self.segments.iter().find(|segment| segment.file == name)?;
        Some((segment.blocks.clone(), segment.len))
    }

    /// Appends a unit's bytes. For want of room the oldest segments go; if that
    /// does not help, the running segment is given up.
    fn append(&mut self, unit: &Unit) {
        for slice in unit.packed.slices() {
            loop {
                let Some(open) = &mut self.open else { return };
                let before = open.chain.len();
                match open.chain.append(&self.account, slice) {
                    Ok(()) => break,
                    Err(_) if open.chain.len() == before && self.drop_oldest() => {}
                    Err(refusal) => {
                        log::warn!("[{}] HLS: a segment is lost: {refusal}", self.name);
                        self.open = None;
                        self.starved = true;
                        return;
                    }
                }
            }
        }
        if let Some(open) = &mut self.open {
            open.until = open.until.max(unit.at);
        }
    }

    /// Finishes the running segment, which ends where the next begins, or with
    /// its newest frame.
    fn close(&mut self, end: Option<Ticks>) {
        let Some(open) = self.open.take().filter(|open| !open.chain.is_empty()) else { return };
        let duration = ms(end.unwrap_or(open.until) - open.from).max(Duration::from_millis(1));
        let rounded = (duration + Duration::from_millis(500)).as_secs();
        self.target = self.target.max(rounded);
        let id = self.next_id;
        self.next_id += 1;
        let unix = open.begun.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let len = open.chain.len();
        self.segments.push_back(Segment {
            id,
            file: format!("{}-{unix}-{id}.ts", self.name),
            blocks: open.chain.finish(&self.account).into(),
            len,
            duration,
            begun: open.begun,
            discontinuity: open.discontinuity,
        });
        while self.segments.len() > self.rules.listed + SPARE {
            self.drop_oldest();
        }
    }

    /// Drops the oldest segment; false if that would leave nothing to play.
    fn drop_oldest(&mut self) -> bool {
        if self.segments.len() < 2 {
            return false;
        }
        let gone = self.segments.pop_front();
        self.discontinuities_gone += u64::from(gone.is_some_and(|segment| segment.discontinuity));
        true
    }
}

/// When the segment behind `last` begins, whose first frame came at `taken`: frames
/// come early and late, so dates follow the durations, and the clock only slowly,
/// unless it was set.
fn date(last: &Segment, taken: SystemTime) -> SystemTime {
    let due = last.begun + last.duration;
    match taken.duration_since(due) {
        Ok(late) if late < CLOCK_SET => due + late.min(CLOCK_STEP),
        Err(early) if early.duration() < CLOCK_SET => due - early.duration().min(CLOCK_STEP),
        _ => taken,
    }
}

/// A clock that is off by so much was set.
const CLOCK_SET: Duration = Duration::from_secs(2);
/// Dates follow the clock by so much for each segment.
const CLOCK_STEP: Duration = Duration::from_millis(10);

/// A key frame that comes a little early still ends a segment.
const SLACK: Duration = Duration::from_millis(100);

fn ms(ticks: Ticks) -> Duration {
    Duration::from_millis(u64::try_from(ticks.0).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { target: Duration::from_secs(2), listed: 3 };

    fn window(limit: usize) -> Window {
        Window::new("a", RULES, Account::root("hls", limit))
    }

    fn unit(at: i64, start: bool, discontinuity: bool) -> Unit {
        Unit::new(Bytes::from(vec![at as u8; 1000]), Ticks(at), start, discontinuity)
    }

    /// A picture every 100 ms and a key frame every `gop` ms.
    fn push(window: &mut Window, times: std::ops::Range<i64>, gop: i64) {
        for at in times.step_by(100) {
            let taken = UNIX_EPOCH + ms(Ticks(at));
            window.push(&unit(at, at % gop == 0, false), taken);
        }
    }

    fn lines(text: &str, tag: &str) -> Vec<String> {
        text.lines().filter_map(|line| line.strip_prefix(tag)).map(str::to_string).collect()
    }

    #[test]
    fn the_first_segments_are_short_and_the_target_never_shrinks() {
        let mut window = window(1 << 20);
        push(&mut window, 0..900, 1000);
        assert!(!window.is_playable());
        push(&mut window, 900..7100, 1000);
        let text = window.playlist("", "");
        assert_eq!(lines(&text, "#EXTINF:"), ["1.000,", "2.000,", "2.000,"]);
        assert_eq!(lines(&text, "#EXT-X-MEDIA-SEQUENCE:"), ["2"]);
        push(&mut window, 7100..20_000, 5000);
        let text = window.playlist("", "");
        assert_eq!(lines(&text, "#EXT-X-TARGETDURATION:"), ["5"]);
        push(&mut window, 20_000..60_000, 1000);
        assert_eq!(lines(&window.playlist("", ""), "#EXT-X-TARGETDURATION:"), ["5"]);
    }

    #[test]
    fn sound_alone_is_cut_at_any_frame() {
        let mut window = window(1 << 20);
        push(&mut window, 0..10_000, 100);
        assert_eq!(lines(&window.playlist("", ""), "#EXTINF:"), ["1.900,"; 3]);
    }

    #[test]
    fn a_discontinuity_is_told_and_counted_when_it_leaves() {
        let mut window = window(1 << 20);
        push(&mut window, 0..2500, 1000);
        window.push(&unit(2600, false, true), UNIX_EPOCH);
        push(&mut window, 2700..8100, 1000);
        let text = window.playlist("x/", "?q");
        assert_eq!(text.matches("#EXT-X-DISCONTINUITY\n").count(), 1);
        assert!(text.contains("x/a-0-3.ts?q\n"), "{text}");
        push(&mut window, 8100..30_000, 1000);
        let text = window.playlist("", "");
        assert_eq!(lines(&text, "#EXT-X-DISCONTINUITY-SEQUENCE:"), ["1"]);
        assert_eq!(text.matches("#EXT-X-DISCONTINUITY\n").count(), 0);
    }

    #[test]
    fn dates_follow_the_durations_unless_the_clock_is_set() {
        let mut window = window(1 << 20);
        let late = [0, 0, 90, 0, 0, 3_600_000, 3_600_000, 3_600_000];
        for (second, late) in (0..).zip(late) {
            for at in (second * 1000..second * 1000 + 1000).step_by(100) {
                window.push(&unit(at, at % 1000 == 0, false), UNIX_EPOCH + ms(Ticks(at + late)));
            }
        }
        let dates = window.segments.iter().map(|segment| segment.begun.duration_since(UNIX_EPOCH).unwrap().as_millis());
        assert_eq!(dates.collect::<Vec<_>>(), [0, 1000, 2010, 3000, 3_605_000]);
    }

    #[test]
    fn files_are_there_as_long_as_they_are_listed_and_a_little_longer() {
        let mut window = window(1 << 20);
        push(&mut window, 0..30_000, 1000);
        let (blocks, len) = window.file(&lines(&window.playlist("", ""), "a-")[0].replacen("", "a-", 1)).unwrap();
        assert_eq!((blocks.iter().map(Bytes::len).sum::<usize>(), len), (20_000, 20_000));
        assert!(window.file("a-0-0.ts").is_none());
        assert_eq!(window.segments.len(), RULES.listed + SPARE);
    }

    #[test]
    fn memory_is_bounded_by_dropping_the_oldest() {
        let account = Account::root("hls", 150_000);
        let mut window = Window::new("a", RULES, account.clone());
        push(&mut window, 0..30_000, 1000);
        assert!(account.peak() <= 150_000 && window.is_playable());
        let before = window.segments.len();
        push(&mut window, 30_000..300_000, 1_000_000);
        assert!(before > 1 && window.starved, "a segment that never ends is given up");
        window.end();
        assert!(window.playlist("", "").ends_with("#EXT-X-ENDLIST\n"));
        drop(window);
        assert_eq!(account.used(), 0);
    }
}
