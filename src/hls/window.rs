//! The window: the segment that is being filled, and the newest finished ones.

mod cut;
mod dates;
mod joining;
mod listing;
mod need;
mod room;
mod store;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use cut::Cut;
use dates::Dates;
use joining::Joining;
use need::Need;

pub use store::Unstored;

use super::Numbers;
use super::maker::{Follows, Maker, maker};
use super::segment::{File, Map, Open, Part, Segment, ms};
use super::texts::Texts;
use crate::budget::Account;
use crate::hub::Unit;
use crate::media::Ticks;

/// The rules by which segments are cut and kept.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The intended length.
    pub target: Duration,
    /// The number of segments in a playlist.
    pub listed: usize,
    /// The position in the playlist at which players begin, in target durations before its end.
    pub start: u64,
    /// True if to keep more segments than that, while there is memory.
    pub record: bool,
    /// The longest part; `None` for whole segments only.
    pub part: Option<Duration>,
    /// The container of segments.
    pub packing: Packing,
    /// The rule for deletion if segments are stored on a disk; `None` for memory only.
    pub store: Option<Delete>,
}

/// The time at which segments on a disk are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delete {
    /// Never.
    Never,
    /// At the end of the stream.
    End,
    /// Once they have left the playlist.
    Soon,
}

/// The container of segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// MPEG-TS, in which each segment begins with the tables.
    Ts,
    /// Fragmented MP4, after a file that describes the tracks.
    Mp4,
}

/// The Delivery Directives of a request: the segment and part that the playlist must have before it is sent,
/// and whether the player knows the older segments. RFC 8216bis section 6.2.5.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// `_HLS_msn`.
    pub segment: Option<u64>,
    /// `_HLS_part`.
    pub part: Option<usize>,
    /// `_HLS_skip`.
    pub skip: bool,
}

/// The availability of a requested object.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<T> {
    /// It exists.
    Now(T),
    /// It is the next to come.
    Later,
    /// It no longer exists, or never will.
    Never,
}

/// One stream's segments.
#[derive(Debug)]
pub struct Window {
    name: String,
    /// The beginning of its lines in the log.
    who: String,
    rules: Rules,
    account: Account,
    map: Option<Arc<Map>>,
    open: Option<Open>,
    /// Makes the bytes of the open segment.
    maker: Box<dyn Maker>,
    segments: VecDeque<Segment>,
    /// The first numbers of a playlist: segments count from there.
    first: Numbers,
    next_id: u64,
    /// The number of heads so far.
    maps: u64,
    cut: Cut,
    dates: Dates,
    /// The tracks that begin with the next segment.
    joining: Option<Joining>,
    discontinuities_gone: u64,
    ended: bool,
    /// True if frames were lost for want of memory, and none was added since.
    starved: bool,
    /// True if segments were dropped for want of memory.
    pressed: bool,
    need: Need,
    /// True if the next unit does not continue the last one.
    broken: bool,
    /// The version of playlists: it grows with every change of them.
    version: u64,
    texts: Texts,
    /// The head that is on the disk.
    stored_map: Option<Arc<Map>>,
    /// Files on the disk that have left the playlist.
    gone: Vec<String>,
    /// True if it was logged that the disk is too slow.
    behind: bool,
    /// The number of lines in the log so far.
    said: u32,
    hushed: bool,
}

/// The number of segments that stay after they have left the playlist, for players with an older one.
const SPARE: usize = 2;
/// The distance between frames above which there is a gap.
const MIN_GAP: Duration = Duration::from_secs(1);
/// The number of segments in a playlist below which players stall now and then. RFC 8216 section 6.3.3.
const MIN_LISTED: usize = 3;

impl Window {
    /// A window without segments. `name` is the prefix of the files' names, and `first` has the first numbers of
    /// segments and discontinuities in playlists.
    pub fn new(name: &str, rules: Rules, account: Account, first: Numbers) -> Self {
        Self {
            name: name.into(),
            who: format!("stream={name}"),
            rules,
            texts: Texts::new(&account),
            account,
            map: None,
            open: None,
            maker: maker(rules.packing),
            segments: VecDeque::new(),
            first,
            next_id: 0,
            maps: 0,
            cut: Cut::new(rules.target),
            dates: Dates::default(),
            joining: None,
            discontinuities_gone: 0,
            ended: false,
            starved: false,
            pressed: false,
            need: Need::default(),
            broken: false,
            version: 0,
            stored_map: None,
            gone: Vec::new(),
            behind: false,
            said: 0,
            hushed: false,
        }
    }

    /// Sets the beginning of its lines in the log.
    pub fn known_as(mut self, who: &str) -> Self {
        self.who = who.into();
        self
    }

    /// Logs the window for debugging only.
    pub fn hush(&mut self) {
        self.hushed = true;
    }

    /// Logs a line. A publisher can cause one with every frame: after the first 16 lines only the 256th, the 4096th and
    /// so on are logged.
    fn tell(&mut self, level: log::Level, said: fmt::Arguments<'_>) {
        let level = if self.is_told() { level } else { log::Level::Debug };
        log::log!(level, "{} HLS: {said}", self.who);
    }

    /// True if the next line is logged.
    fn is_told(&mut self) -> bool {
        self.said = self.said.saturating_add(1);
        let count = self.said;
        !self.hushed && (count <= 16 || count.is_power_of_two() && count.trailing_zeros().is_multiple_of(4))
    }

    /// Sets the time by both clocks, as the arrival of the next units at the latest.
    pub fn look(&mut self, now: Instant, wall: SystemTime) {
        self.dates.look(now, wall);
    }

    /// Frames before the next one are missing.
    pub fn jump(&mut self) {
        self.broken = true;
        self.cut.jump();
        self.need.jump();
    }

    /// Adds the next unit.
    pub fn push(&mut self, unit: &Unit) {
        if unit.discontinuity {
            self.jump();
        }
        if (unit.packed.is_head() || !unit.news.is_empty()) && self.hear(unit) || self.keeps_out(unit) {
            return;
        }
        if !self.broken {
            self.maker.precede(unit);
        }
        if unit.start {
            self.cut.key(unit.at);
        }
        if self.is_due(unit) || self.is_full(unit) {
            self.broken |= unit.gap || self.leaps(unit);
            let follows = if self.broken || self.joins(unit) { Follows::Break } else { Follows::More };
            self.close(Some(unit.at).filter(|_| !self.broken), follows);
        }
        if self.open.is_some() || self.begin(unit) {
            self.append(unit);
        }
        self.tell_need(unit);
    }

    /// True if the open segment ends before `unit`.
    fn is_due(&self, unit: &Unit) -> bool {
        let Some(open) = &self.open else { return false };
        let about = (unit.start, self.running(open));
        self.broken || self.joins(unit) || self.cut.is_due(open, unit.at, about, self.next_id)
    }

    /// True if the open segment cannot last until the key frame `unit`, because of a long gap before it.
    fn leaps(&self, unit: &Unit) -> bool {
        let Some(open) = self.open.as_ref().filter(|_| unit.start) else { return false };
        ms(unit.at - open.until) > MIN_GAP && ms(unit.at - open.from) > self.cut.limit()
    }

    /// True if waiting tracks begin with `unit`.
    fn joins(&self, unit: &Unit) -> bool {
        self.joining.as_ref().is_some_and(|joining| joining.begins(unit))
    }

    /// Begins a segment; false if it cannot begin here.
    fn begin(&mut self, unit: &Unit) -> bool {
        self.join(unit);
        let headless = self.rules.packing == Packing::Mp4 && self.map.is_none();
        if headless || self.starved && !unit.start {
            return false; // only a key frame can follow lost frames
        }
        let discontinuity = std::mem::take(&mut self.broken) | self.starved;
        if discontinuity {
            self.maker.clear();
        }
        let discontinuity = discontinuity | self.dates.take_set();
        let begun = self.dates.next(unit.at, unit.came, !discontinuity);
        self.measure();
        let about = Segment::new(&self.name, self.next_id, self.map.clone(), begun, discontinuity);
        self.open = Some(Open::new(about, unit.at));
        self.version += 1;
        true
    }

    /// Ends the stream.
    pub fn end(&mut self) {
        self.close(None, Follows::Break);
        self.ended = true;
        self.version += 1;
    }

    /// True if a player can begin.
    pub fn is_playable(&self) -> bool {
        !self.segments.is_empty()
    }

    /// The version of playlists: it grows with every change of them.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The first numbers that no playlist has used.
    pub fn next_numbers(&self) -> Numbers {
        // the open segment has a number too
        let count = self.next_id + 1;
        let parted = self.segments.iter().filter(|segment| segment.discontinuity).count() as u64;
        let discontinuity = self.first.discontinuity + self.discontinuities_gone + parted + 2;
        Numbers { segment: self.first.segment + count, discontinuity }
    }

    /// The number of segments so far, without the open one.
    pub fn count(&self) -> u64 {
        self.next_id
    }

    /// The file of a segment, counted from 0, if it is there, and its length if it is complete.
    pub fn segment(&self, id: u64) -> Option<(String, Option<Duration>)> {
        let complete = self.segments.iter().find(|segment| segment.id == id).map(|one| (one, Some(one.duration)));
        let (one, length) =
            complete.or_else(|| self.open.as_ref().map(|open| (&open.about, None)).filter(|(one, _)| one.id == id))?;
        Some((format!("{}{}", one.stem, self.extension()), length))
    }

    /// A file by its name.
    pub fn file(&self, name: &str) -> Found<File> {
        let maps = self.segments.iter().filter_map(|segment| segment.map.as_ref()).chain(&self.map);
        if let Some(map) = maps.into_iter().find(|map| map.file == name) {
            return Found::Now((Arc::from([map.bytes.clone()]), map.bytes.len()));
        }
        let Some(rest) = name.strip_suffix(self.extension()) else { return Found::Never };
        for segment in &self.segments {
            match rest.strip_prefix(&segment.stem) {
                Some("") if segment.parts.is_empty() => return Found::Never, // it is on the disk
                Some("") => return Found::Now(segment.file()),
                Some(part) if part.starts_with('.') => return found_part(segment.part(part)),
                _ => {}
            }
        }
        let Some(open) = &self.open else { return Found::Never };
        match rest.strip_prefix(&open.about.stem) {
            Some(part) if *part == format!(".{}", open.about.parts.len()) && self.rules.part.is_some() => Found::Later,
            Some(part) if part.starts_with('.') => found_part(open.about.part(part)),
            _ => Found::Never,
        }
    }

    /// True if segments stay after they have left the playlist.
    fn keeps(&self) -> bool {
        self.rules.record || matches!(self.rules.store, Some(Delete::Never | Delete::End))
    }

    /// Finishes the running segment, which ends where the next begins, or with its newest frame; false if it is empty.
    fn close(&mut self, end: Option<Ticks>, follows: Follows) -> bool {
        let Some(open) = self.open.take() else { return false };
        // a pause does not make a segment longer
        let latest = open.from + Ticks(i64::try_from(self.cut.limit().as_millis()).unwrap_or(i64::MAX));
        let segment = open.finish(end.map(|end| end.min(latest)), follows, &mut *self.maker, &self.account);
        if segment.parts.is_empty() {
            self.broken |= segment.discontinuity;
            return false;
        }
        self.cut.ended(segment.duration);
        self.next_id += 1;
        self.version += 1;
        self.segments.push_back(segment);
        while !self.keeps() && self.segments.len() > self.rules.listed + SPARE {
            self.drop_oldest();
        }
        true
    }
}

fn found_part(part: Option<&Part>) -> Found<File> {
    part.map_or(Found::Never, |part| Found::Now((part.blocks.clone(), part.len)))
}

#[cfg(test)]
mod tests;
