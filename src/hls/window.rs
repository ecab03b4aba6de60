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
/// The first so many segments end at the next key frame, so that playing can begin.
const EAGER: u64 = 3;

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

    /// Takes the next unit; `taken` is when its frame was. True if a segment is
    /// finished with it.
    pub fn push(&mut self, unit: &Unit, taken: SystemTime) -> bool {
        let mut finished = false;
        let mut discontinuity = unit.discontinuity;
        if unit.start || unit.discontinuity {
            let eager = self.next_id < EAGER;
            let due = |open: &Open| {
                let length = ms(unit.at - open.from);
                unit.discontinuity || !length.is_zero() && (eager || length + SLACK >= self.rules.target)
            };
            if self.open.as_ref().is_some_and(due) {
                let end = if unit.discontinuity { None } else { Some(unit.at) };
                finished = self.close(end);
            }
        }
        if self.open.is_none() {
            discontinuity |= std::mem::take(&mut self.starved);
            self.open =
                Some(Open { chain: Chain::default(), from: unit.at, until: unit.at, begun: taken, discontinuity });
        }
        self.append(unit);
        finished
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
    /// its newest frame. True if there was one.
    fn close(&mut self, end: Option<Ticks>) -> bool {
        let Some(open) = self.open.take() else { return false };
        let duration = ms(end.unwrap_or(open.until) - open.from).max(Duration::from_millis(1));
        if open.chain.is_empty() {
            return false;
        }
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
        true
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

/// A key frame that comes a little early still ends a segment.
const SLACK: Duration = Duration::from_millis(100);

fn ms(ticks: Ticks) -> Duration {
    Duration::from_millis(u64::try_from(ticks.0).unwrap_or(0))
}
