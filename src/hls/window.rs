//! The window: the segment being filled and the newest that are finished.

#[cfg(feature = "files")]
mod store;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

#[cfg(feature = "files")]
pub use store::Unstored;

use super::Numbers;
use super::maker::{Maker, maker};
use super::segment::{File, Map, Open, Part, Segment, ms};
use crate::budget::{Account, BlockMut};
use crate::container::m3u8::{self, Entry, LowLatency, Playlist};
use crate::hub::Unit;
use crate::media::Ticks;

/// How to cut, and how much to keep.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The length to aim at.
    pub target: Duration,
    /// Segments in a playlist.
    pub listed: usize,
    /// Where in it players begin, in target durations before its end.
    pub start: u64,
    /// Whether to keep more than that, as far as there is room.
    pub record: bool,
    /// The longest part; `None` for whole segments alone.
    pub part: Option<Duration>,
    /// What segments are made of.
    pub packing: Packing,
    /// Segments go to a disk, and what becomes of them there; `None` for memory alone.
    pub store: Option<Delete>,
}

/// When segments on a disk are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delete {
    /// Never.
    Never,
    /// When the stream is over.
    End,
    /// When they have left the playlist.
    Soon,
}

/// What segments are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// MPEG-TS, where each begins with the tables.
    Ts,
    /// Fragmented MP4, behind a file that describes the tracks.
    Mp4,
}

/// What a player wants to see in the playlist before it is answered, and whether it
/// knows the older segments. RFC 8216bis section 6.2.5.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// `_HLS_msn`.
    pub segment: Option<u64>,
    /// `_HLS_part`.
    pub part: Option<usize>,
    /// `_HLS_skip`.
    pub skip: bool,
}

/// What there is of something that a player asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<T> {
    /// It is there.
    Now(T),
    /// It comes next.
    Later,
    /// It is no longer there, or was never to be.
    Never,
}

/// One stream's segments.
#[derive(Debug)]
pub struct Window {
    name: String,
    rules: Rules,
    account: Account,
    map: Option<Arc<Map>>,
    open: Option<Open>,
    /// Makes the bytes of what is open.
    maker: Box<dyn Maker>,
    segments: VecDeque<Segment>,
    /// What is told first has these: those of segments count from there.
    first: Numbers,
    next_id: u64,
    /// EXT-X-TARGETDURATION so far: it may only grow while the first segments show
    /// how far apart the key frames are.
    target: u64,
    discontinuities_gone: u64,
    ended: bool,
    /// Bytes of the running segment were lost for want of room.
    starved: bool,
    /// Segments went for want of room.
    pressed: bool,
    /// It was said that too few have room.
    cramped: bool,
    /// What comes next does not continue what came before.
    broken: bool,
    /// Grows with everything that a playlist tells.
    version: u64,
    /// The head that is on the disk.
    #[cfg(feature = "files")]
    stored_map: Option<Arc<Map>>,
    /// Files on the disk that have left the playlist.
    #[cfg(feature = "files")]
    gone: Vec<String>,
}

/// Segments that have left the playlist stay for players that read it before.
const SPARE: usize = 2;
/// With fewer in a playlist players stand still now and then. RFC 8216 section 6.3.3.
const WANTED: usize = 3;
/// The first so many segments are short, so that playing can begin early.
const EAGER: u64 = 3;
const EAGER_LENGTH: Duration = Duration::from_secs(1);
/// Parts are told of so many target durations at the end. RFC 8216bis section 6.2.2.
const PARTS_TOLD: u32 = 3;
/// CAN-SKIP-UNTIL in target durations. Section 4.4.3.8 wants six.
const SKIP_UNTIL: u32 = 6;

impl Window {
    /// A window without segments; `name` begins the files' names. Playlists count segments and
    /// discontinuities from `first` on.
    pub fn new(name: &str, rules: Rules, account: Account, first: Numbers) -> Self {
        Self {
            name: name.into(),
            rules,
            account,
            map: None,
            open: None,
            maker: maker(rules.packing),
            segments: VecDeque::new(),
            first,
            next_id: 0,
            target: rules.target.as_secs().max(1),
            discontinuities_gone: 0,
            ended: false,
            starved: false,
            pressed: false,
            cramped: false,
            broken: false,
            version: 0,
            #[cfg(feature = "files")]
            stored_map: None,
            #[cfg(feature = "files")]
            gone: Vec::new(),
        }
    }

    /// Takes the next unit; `taken` is when its frame was.
    pub fn push(&mut self, unit: &Unit, taken: SystemTime) {
        self.broken |= unit.discontinuity;
        if unit.packed.is_head() {
            return self.set_map(unit, taken);
        }
        if !self.broken {
            self.maker.precede(unit);
        }
        if unit.start || self.broken {
            let length = if self.next_id < EAGER { EAGER_LENGTH.min(self.rules.target) } else { self.rules.target };
            let due = |open: &Open| self.broken || ms(unit.at - open.from) + SLACK >= length;
            if self.open.as_ref().is_some_and(due) {
                self.close(Some(unit.at).filter(|_| !self.broken));
            }
        }
        if self.open.is_none() {
            let headless = self.rules.packing == Packing::Mp4 && self.map.is_none();
            if headless || self.starved && !unit.start {
                return; // segments are independent: the next begins at a key frame
            }
            let discontinuity = std::mem::take(&mut self.broken) | std::mem::take(&mut self.starved);
            if discontinuity {
                self.maker.clear();
            }
            let begun = self.segments.back().filter(|_| !discontinuity).map_or(taken, |last| date(last, taken));
            let about = Segment::new(&self.name, self.next_id, self.map.clone(), begun, discontinuity);
            self.open = Some(Open::new(about, unit.at));
            self.version += 1;
        }
        self.append(unit);
    }

    /// Nothing will follow.
    pub fn end(&mut self) {
        self.close(None);
        self.ended = true;
        self.version += 1;
    }

    /// Whether there is anything to play.
    pub fn is_playable(&self) -> bool {
        !self.segments.is_empty()
    }

    /// Grows with everything that a playlist tells.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The first that no playlist has had.
    pub fn next_numbers(&self) -> Numbers {
        // the segment that is open has one as well
        let count = self.next_id + 1;
        let parted = self.segments.iter().filter(|segment| segment.discontinuity).count() as u64;
        let discontinuity = self.first.discontinuity + self.discontinuities_gone + parted + 2;
        Numbers { segment: self.first.segment + count, discontinuity }
    }

    /// Whether a playlist has what is asked for.
    pub fn answers(&self, ask: &Ask) -> Found<()> {
        let Some(number) = ask.segment.filter(|_| self.rules.part.is_some() && !self.ended) else {
            return if self.is_playable() || self.ended { Found::Now(()) } else { Found::Later };
        };
        let Some(mut wanted) = number.checked_sub(self.first.segment) else { return Found::Now(()) };
        let mut part = ask.part;
        // a part beyond the last of a segment is the first of the next. RFC 8216bis section 6.2.5.2
        let beyond = |last: &Segment| last.id == wanted && part.is_some_and(|part| part >= last.parts.len());
        if self.segments.back().is_some_and(beyond) {
            (wanted, part) = (wanted + 1, Some(0));
        }
        let parts = self.open.as_ref().map_or(0, |open| open.about.parts.len());
        match wanted.checked_sub(self.next_id) {
            None => Found::Now(()),
            Some(0) if part.is_some_and(|part| part < parts) => Found::Now(()),
            Some(0..=1) => Found::Later,
            // further ahead than what can come soon
            Some(_) => Found::Never,
        }
    }

    /// The playlist, with `prefix` before and `suffix` behind each file's name.
    pub fn playlist(&self, prefix: &str, suffix: &str, skip: bool) -> String {
        self.playlist_with(prefix, suffix, skip, self.rules.part)
    }

    fn playlist_with(&self, prefix: &str, suffix: &str, skip: bool, part: Option<Duration>) -> String {
        let from = self.first_listed();
        let gone = self.segments.iter().take(from).filter(|segment| segment.discontinuity).count() as u64;
        let uri = |file: &str, extension: &str| format!("{prefix}{file}{extension}{suffix}");
        let listed: Vec<_> = self.segments.iter().skip(from).collect();
        let mut behind = Duration::ZERO;
        let mut entries: Vec<_> = listed
            .iter()
            .rev()
            .map(|segment| {
                let told = part.is_some() && behind < self.target() * PARTS_TOLD;
                behind += segment.duration;
                self.entry(segment, told, &uri)
            })
            .collect();
        entries.reverse();
        let playlist = Playlist {
            target: self.target,
            start: self.rules.start,
            media_sequence: self.first.segment + self.segments.get(from).map_or(self.next_id, |segment| segment.id),
            discontinuity_sequence: self.first.discontinuity + self.discontinuities_gone + gone,
            low_latency: part.map(|part| self.low_latency(part, skip, &entries, &uri)),
            entries,
            ended: self.ended,
            note: "",
        };
        playlist.write()
    }

    /// Where the playlist begins. Where room is short it leaves out those that go next,
    /// since players that have read it come for them yet.
    fn first_listed(&self) -> usize {
        let count = self.segments.len();
        let spare = if self.pressed { SPARE } else { 0 };
        count - count.saturating_sub(spare).max(WANTED).min(self.rules.listed).min(count)
    }

    /// Whether segments stay that have left the playlist.
    fn keeps(&self) -> bool {
        self.rules.record || matches!(self.rules.store, Some(Delete::Never | Delete::End))
    }

    /// All that is kept, as if nothing followed.
    pub fn record(&self, suffix: &str) -> String {
        let uri = |file: &str, extension: &str| format!("{file}{extension}{suffix}");
        let first = self.segments.front().map_or(0, |segment| segment.id);
        let playlist = Playlist {
            target: self.target,
            start: m3u8::START,
            media_sequence: first,
            discontinuity_sequence: self.discontinuities_gone,
            low_latency: None,
            entries: self.segments.iter().map(|segment| self.entry(segment, false, &uri)).collect(),
            ended: true,
            note: match (first, self.keeps()) {
                (0, _) => "",
                (_, true) => "what came before found no room in hls.memory",
                (_, false) => "what came before is kept with hls.record = true",
            },
        };
        playlist.write()
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

    fn extension(&self) -> &'static str {
        match self.rules.packing {
            Packing::Ts => ".ts",
            Packing::Mp4 => ".m4s",
        }
    }

    fn target(&self) -> Duration {
        Duration::from_secs(self.target)
    }

    fn entry(&self, segment: &Segment, with_parts: bool, uri: &impl Fn(&str, &str) -> String) -> Entry {
        let parts = segment.parts.iter().take(if with_parts { usize::MAX } else { 0 }).enumerate();
        Entry {
            uri: uri(&segment.stem, self.extension()),
            map: segment.map.as_ref().map(|map| uri(&map.file, "")),
            duration: segment.duration,
            begun: segment.begun,
            discontinuity: segment.discontinuity,
            parts: parts
                .map(|(at, part)| m3u8::Part {
                    uri: uri(&format!("{}.{at}", segment.stem), self.extension()),
                    duration: part.duration,
                    independent: part.independent,
                })
                .collect(),
        }
    }

    fn low_latency(
        &self,
        part: Duration,
        skip: bool,
        entries: &[Entry],
        uri: &impl Fn(&str, &str) -> String,
    ) -> LowLatency {
        let parts = self.segments.iter().chain(self.open.as_ref().map(|open| &open.about)).flat_map(|one| &one.parts);
        let skip_until = self.target() * SKIP_UNTIL;
        let mut behind = Duration::ZERO;
        let kept = entries.iter().rev().take_while(|entry| {
            behind += entry.duration;
            behind <= skip_until
        });
        LowLatency {
            part_target: parts.map(|part| part.duration).max().unwrap_or(part).max(part),
            skip_until,
            skipped: if skip { entries.len() - kept.count() } else { 0 },
            open: self.open.as_ref().map(|open| self.entry(&open.about, true, uri)),
            hint: self
                .open
                .as_ref()
                .map(|open| uri(&format!("{}.{}", open.about.stem, open.about.parts.len()), self.extension())),
        }
    }

    /// What describes the tracks from here on; the same once more is no news.
    fn set_map(&mut self, unit: &Unit, taken: SystemTime) {
        let bytes = unit.packed.to_vec();
        if self.map.as_ref().is_some_and(|map| map.bytes == bytes) {
            return;
        }
        self.close(None);
        self.broken |= self.map.is_some();
        let stem = Segment::new(&self.name, self.next_id, None, taken, false).stem;
        loop {
            match BlockMut::copy(&self.account, &bytes) {
                Ok(bytes) => {
                    self.map = Some(Arc::new(Map { file: format!("{stem}.mp4"), bytes }));
                    return;
                }
                Err(_) if self.drop_oldest() => {}
                Err(refusal) => {
                    log::warn!("[{}] HLS: nothing can be played: {refusal}", self.name);
                    self.map = None;
                    return;
                }
            }
        }
    }

    /// Appends a unit's bytes. For want of room the oldest segments go; if that
    /// does not help, the running segment is given up.
    fn append(&mut self, unit: &Unit) {
        let length = self.rules.part.unwrap_or(Duration::MAX);
        if let Some(open) = &mut self.open
            && open.advance(unit.at, length, &mut *self.maker, &self.account)
        {
            self.version += 1;
        }
        while let Err(refusal) = self.maker.reserve(&self.account, unit) {
            if !self.make_room() {
                log::warn!("[{}] HLS: a segment is lost: {refusal}", self.name);
                self.open = None;
                self.maker.clear();
                self.starved = true;
                return;
            }
        }
        self.maker.take(unit);
    }

    /// Drops the oldest segment for the running one; false if that cannot be.
    fn make_room(&mut self) -> bool {
        let dropped = self.drop_oldest();
        self.pressed |= dropped;
        if self.segments.len() < WANTED && !std::mem::replace(&mut self.cramped, true) {
            let room = self.segments.len();
            log::warn!("[{}] HLS: players want {WANTED} segments, and hls.memory has room for {room}", self.name);
        }
        dropped
    }

    /// Has room for so many bytes from here on: what is beyond them goes at once.
    pub fn set_room(&mut self, bytes: usize) {
        self.account.set_limit(bytes);
        let held = |segment: &Segment| match segment.stored {
            Some(_) => 0,
            None => segment.parts.iter().map(|part| part.len).sum(),
        };
        let mut sum: usize = self.segments.iter().map(held).sum();
        while sum > bytes
            && let Some(oldest) = self.segments.front().map(held)
            && self.drop_oldest()
        {
            sum -= oldest;
            self.pressed = true;
        }
    }

    /// Finishes the running segment, which ends where the next begins, or with
    /// its newest frame.
    fn close(&mut self, end: Option<Ticks>) {
        let Some(open) = self.open.take() else { return };
        let segment = open.finish(end, &mut *self.maker, &self.account);
        if segment.parts.is_empty() {
            return;
        }
        let rounded = (segment.duration + Duration::from_millis(500)).as_secs();
        self.target = self.target.max(rounded);
        self.next_id += 1;
        self.version += 1;
        self.segments.push_back(segment);
        while !self.keeps() && self.segments.len() > self.rules.listed + SPARE {
            self.drop_oldest();
        }
    }

    /// Drops the oldest segment; false if that would leave nothing to play.
    fn drop_oldest(&mut self) -> bool {
        if self.segments.len() < 2 {
            return false;
        }
        if let Some(gone) = self.segments.pop_front() {
            self.discontinuities_gone += u64::from(gone.discontinuity);
            #[cfg(feature = "files")]
            self.leave(&gone);
        }
        true
    }
}

fn found_part(part: Option<&Part>) -> Found<File> {
    part.map_or(Found::Never, |part| Found::Now((part.blocks.clone(), part.len)))
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

#[cfg(test)]
mod tests;
