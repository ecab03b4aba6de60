//! The window: the segment being filled and the newest that are finished.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

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
    /// Whether to keep more than that, as far as there is room.
    pub record: bool,
    /// The longest part; `None` for whole segments alone.
    pub part: Option<Duration>,
    /// What segments are made of.
    pub packing: Packing,
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
    segments: VecDeque<Segment>,
    next_id: u64,
    /// EXT-X-TARGETDURATION so far: it may only grow while the first segments show
    /// how far apart the key frames are.
    target: u64,
    discontinuities_gone: u64,
    ended: bool,
    /// Bytes of the running segment were lost for want of room.
    starved: bool,
    /// What comes next does not continue what came before.
    broken: bool,
    /// Grows with everything that a playlist tells.
    version: u64,
}

/// Segments that have left the playlist stay for players that read it before.
const SPARE: usize = 2;
/// The first so many segments are short, so that playing can begin early.
const EAGER: u64 = 3;
const EAGER_LENGTH: Duration = Duration::from_secs(1);
/// Parts are told of so many target durations at the end. RFC 8216bis section 6.2.2.
const PARTS_TOLD: u32 = 3;
/// CAN-SKIP-UNTIL in target durations. Section 4.4.3.8 wants six.
const SKIP_UNTIL: u32 = 6;

impl Window {
    /// A window without segments; `name` begins the files' names.
    pub fn new(name: &str, rules: Rules, account: Account) -> Self {
        Self {
            name: name.into(),
            rules,
            account,
            map: None,
            open: None,
            segments: VecDeque::new(),
            next_id: 0,
            target: rules.target.as_secs().max(1),
            discontinuities_gone: 0,
            ended: false,
            starved: false,
            broken: false,
            version: 0,
        }
    }

    /// Takes the next unit; `taken` is when its frame was.
    pub fn push(&mut self, unit: &Unit, taken: SystemTime) {
        self.broken |= unit.discontinuity;
        if unit.packed.is_head() {
            return self.set_map(unit, taken);
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

    /// Whether a playlist has what is asked for.
    pub fn answers(&self, ask: &Ask) -> Found<()> {
        let Some(wanted) = ask.segment.filter(|_| self.rules.part.is_some() && !self.ended) else {
            return if self.is_playable() || self.ended { Found::Now(()) } else { Found::Later };
        };
        let parts = self.open.as_ref().map_or(0, |open| open.about.parts.len());
        match wanted.checked_sub(self.next_id) {
            None => Found::Now(()),
            Some(0) if ask.part.is_some_and(|part| part < parts) => Found::Now(()),
            Some(0..=1) => Found::Later,
            // further ahead than what can come soon
            Some(_) => Found::Never,
        }
    }

    /// The playlist, with `prefix` before and `suffix` behind each file's name.
    pub fn playlist(&self, prefix: &str, suffix: &str, skip: bool) -> String {
        let from = self.segments.len().saturating_sub(self.rules.listed);
        let gone = self.segments.iter().take(from).filter(|segment| segment.discontinuity).count() as u64;
        let uri = |file: &str, extension: &str| format!("{prefix}{file}{extension}{suffix}");
        let listed: Vec<_> = self.segments.iter().skip(from).collect();
        let mut behind = Duration::ZERO;
        let mut entries: Vec<_> = listed
            .iter()
            .rev()
            .map(|segment| {
                let told = self.rules.part.is_some() && behind < self.target() * PARTS_TOLD;
                behind += segment.duration;
                self.entry(segment, told, &uri)
            })
            .collect();
        entries.reverse();
        let playlist = Playlist {
            target: self.target,
            media_sequence: self.segments.get(from).map_or(self.next_id, |segment| segment.id),
            discontinuity_sequence: self.discontinuities_gone + gone,
            low_latency: self.rules.part.map(|part| self.low_latency(part, skip, &entries, &uri)),
            entries,
            ended: self.ended,
            note: "",
        };
        playlist.write()
    }

    /// All that is kept, as if nothing followed.
    pub fn record(&self, suffix: &str) -> String {
        let uri = |file: &str, extension: &str| format!("{file}{extension}{suffix}");
        let first = self.segments.front().map_or(0, |segment| segment.id);
        let playlist = Playlist {
            target: self.target,
            media_sequence: first,
            discontinuity_sequence: self.discontinuities_gone,
            low_latency: None,
            entries: self.segments.iter().map(|segment| self.entry(segment, false, &uri)).collect(),
            ended: true,
            note: match (first, self.rules.record) {
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
            && open.advance(unit.at, unit.start, length, &self.account)
        {
            self.version += 1;
        }
        for slice in unit.packed.slices() {
            loop {
                let Some(open) = &mut self.open else { return };
                let before = open.pending();
                match open.append(&self.account, slice) {
                    Ok(()) => break,
                    Err(_) if open.pending() == before && self.drop_oldest() => {}
                    Err(refusal) => {
                        log::warn!("[{}] HLS: a segment is lost: {refusal}", self.name);
                        self.open = None;
                        self.starved = true;
                        return;
                    }
                }
            }
        }
    }

    /// Finishes the running segment, which ends where the next begins, or with
    /// its newest frame.
    fn close(&mut self, end: Option<Ticks>) {
        let Some(open) = self.open.take().filter(|open| !open.is_empty()) else { return };
        let segment = open.finish(end, &self.account);
        let rounded = (segment.duration + Duration::from_millis(500)).as_secs();
        self.target = self.target.max(rounded);
        self.next_id += 1;
        self.version += 1;
        self.segments.push_back(segment);
        while !self.rules.record && self.segments.len() > self.rules.listed + SPARE {
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
mod tests {
    use std::time::UNIX_EPOCH;

    use bytes::Bytes;

    use super::*;
    use crate::container::Packed;

    const RULES: Rules =
        Rules { target: Duration::from_secs(2), listed: 3, record: false, part: None, packing: Packing::Ts };

    fn window(limit: usize) -> Window {
        Window::new("a", RULES, Account::root("hls", limit))
    }

    fn unit(at: i64, start: bool, discontinuity: bool) -> Unit {
        Unit::new(vec![at as u8; 1000].into(), Ticks(at), start, discontinuity)
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
        let text = window.playlist("", "", false);
        assert_eq!(lines(&text, "#EXTINF:"), ["1.000,", "2.000,", "2.000,"]);
        assert_eq!(lines(&text, "#EXT-X-MEDIA-SEQUENCE:"), ["2"]);
        push(&mut window, 7100..20_000, 5000);
        let text = window.playlist("", "", false);
        assert_eq!(lines(&text, "#EXT-X-TARGETDURATION:"), ["5"]);
        push(&mut window, 20_000..60_000, 1000);
        assert_eq!(lines(&window.playlist("", "", false), "#EXT-X-TARGETDURATION:"), ["5"]);
    }

    #[test]
    fn sound_alone_is_cut_at_any_frame() {
        let mut window = window(1 << 20);
        push(&mut window, 0..10_000, 100);
        assert_eq!(lines(&window.playlist("", "", false), "#EXTINF:"), ["1.900,"; 3]);
    }

    #[test]
    fn a_discontinuity_is_told_and_counted_when_it_leaves() {
        let mut window = window(1 << 20);
        push(&mut window, 0..2500, 1000);
        window.push(&unit(2600, false, true), UNIX_EPOCH);
        push(&mut window, 2700..8100, 1000);
        let text = window.playlist("x/", "?q", false);
        assert_eq!(text.matches("#EXT-X-DISCONTINUITY\n").count(), 1);
        assert!(text.contains("x/a-0-3.ts?q\n"), "{text}");
        push(&mut window, 8100..30_000, 1000);
        let text = window.playlist("", "", false);
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
        let Found::Now((blocks, len)) =
            window.file(&lines(&window.playlist("", "", false), "a-")[0].replacen("", "a-", 1))
        else {
            panic!()
        };
        assert_eq!((blocks.iter().map(Bytes::len).sum::<usize>(), len), (20_000, 20_000));
        assert_eq!(window.file("a-0-0.ts"), Found::Never);
        assert_eq!(window.segments.len(), RULES.listed + SPARE);
    }

    fn head(bytes: &[u8], at: i64) -> Unit {
        Unit::new(Packed::from(bytes.to_vec()).as_head(), Ticks(at), false, false)
    }

    #[test]
    fn heads_are_files_that_apply_from_there_on() {
        let mut window = Window::new("a", Rules { packing: Packing::Mp4, ..RULES }, Account::root("hls", 1 << 20));
        push(&mut window, 0..1000, 1000);
        assert!(!window.is_playable() && window.open.is_none(), "there is no head yet");
        window.push(&head(b"one", 1000), UNIX_EPOCH);
        push(&mut window, 1000..2500, 1000);
        window.push(&head(b"one", 2500), UNIX_EPOCH); // once more, and so no news
        push(&mut window, 2500..3100, 1000);
        window.push(&head(b"two", 3100), UNIX_EPOCH + Duration::from_secs(3));
        push(&mut window, 4000..6100, 1000);
        let text = window.playlist("x/", "?q", false);
        assert_eq!(lines(&text, "#EXT-X-MAP:"), ["URI=\"x/a-0-0.mp4?q\"", "URI=\"x/a-3000-3.mp4?q\""]);
        assert_eq!(text.matches("#EXT-X-DISCONTINUITY\n").count(), 1);
        assert!(text.contains("a-4000-3.m4s?q\n"), "{text}");
        for (file, content) in [("a-0-0.mp4", "one"), ("a-3000-3.mp4", "two")] {
            let Found::Now((blocks, 3)) = window.file(file) else { panic!("{file}") };
            assert_eq!(blocks.concat(), content.as_bytes());
        }
    }

    /// A window with parts of 300 ms, and 2.05 s of a stream in it.
    fn with_parts() -> Window {
        let part = Some(Duration::from_millis(300));
        let mut window = Window::new("a", Rules { part, ..RULES }, Account::root("hls", 1 << 20));
        push(&mut window, 0..2050, 1000);
        window
    }

    #[test]
    fn parts_are_as_long_as_they_may_be_and_make_up_their_segment() {
        let window = with_parts();
        let text = window.playlist("", "", false);
        let parts = lines(&text, "#EXT-X-PART:");
        let durations: Vec<_> = parts.iter().map(|part| part.split(',').next().unwrap()).collect();
        let segment = ["DURATION=0.300", "DURATION=0.300", "DURATION=0.300", "DURATION=0.100"];
        assert_eq!(durations, [segment, segment].concat());
        assert_eq!(parts[0], "DURATION=0.300,URI=\"a-0-0.0.ts\",INDEPENDENT=YES");
        assert_eq!(text.matches("INDEPENDENT=YES").count(), 2);
        assert_eq!(lines(&text, "#EXT-X-PART-INF:"), ["PART-TARGET=0.300"]);
        assert!(text.ends_with("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"a-2000-2.0.ts\"\n"), "{text}");
        let Found::Now((whole, 10_000)) = window.file("a-1000-1.ts") else { panic!() };
        let parts = (0..4).map(|at| window.file(&format!("a-1000-1.{at}.ts")));
        let parts = parts.flat_map(|part| if let Found::Now((blocks, _)) = part { blocks.concat() } else { panic!() });
        assert_eq!(whole.concat(), parts.collect::<Vec<_>>());
    }

    #[test]
    fn what_comes_next_is_waited_for_and_what_never_comes_is_not() {
        let mut window = with_parts();
        let asks = |window: &Window, segment, part| window.answers(&Ask { segment, part, skip: false });
        assert_eq!(asks(&window, None, None), Found::Now(()));
        assert_eq!(asks(&window, Some(1), Some(9)), Found::Now(()));
        assert_eq!(asks(&window, Some(2), Some(0)), Found::Later);
        assert_eq!(asks(&window, Some(3), None), Found::Later);
        assert_eq!(asks(&window, Some(4), None), Found::Never);
        assert_eq!(window.file("a-2000-2.0.ts"), Found::Later);
        for never in ["a-2000-2.1.ts", "a-2000-2.ts", "a-1000-1.4.ts", "a-1000-1.x.ts", "b-2000-2.0.ts"] {
            assert_eq!(window.file(never), Found::Never, "{never}");
        }
        let before = window.version();
        push(&mut window, 2100..2400, 1000);
        assert!(window.version() > before);
        assert_eq!(asks(&window, Some(2), Some(0)), Found::Now(()));
        assert!(matches!(window.file("a-2000-2.0.ts"), Found::Now((_, 3000))));
    }

    #[test]
    fn segments_far_from_the_end_may_be_left_out() {
        let part = Some(Duration::from_millis(300));
        let rules = Rules { part, listed: 12, ..RULES };
        let mut window = Window::new("a", rules, Account::root("hls", 1 << 20));
        push(&mut window, 0..40_100, 1000);
        let (whole, delta) = (window.playlist("", "", false), window.playlist("", "", true));
        assert_eq!((whole.matches("#EXTINF").count(), delta.matches("#EXTINF").count()), (12, 6));
        assert_eq!(lines(&delta, "#EXT-X-SKIP:"), ["SKIPPED-SEGMENTS=6"]);
        let numbers = [&whole, &delta].map(|text| lines(text, "#EXT-X-MEDIA-SEQUENCE:"));
        assert_eq!(numbers[0], numbers[1]);
        let told = whole.lines().filter(|line| line.starts_with("#EXT-X-PART:") && line.contains(".0.ts")).count();
        assert_eq!(told, 4, "the parts of three target durations, and of what is open");
    }

    #[test]
    fn a_record_has_all_that_there_is_room_for() {
        let mut window = Window::new("a", Rules { record: true, ..RULES }, Account::root("hls", 1 << 20));
        push(&mut window, 0..60_100, 1000);
        let text = window.record("?q");
        assert_eq!((text.matches("#EXTINF").count(), lines(&text, "#EXT-X-MEDIA-SEQUENCE:")), (31, vec!["0".into()]));
        assert!(text.ends_with("-30.ts?q\n#EXT-X-ENDLIST\n") && !text.contains("# what"), "{text}");
        push(&mut window, 60_100..600_100, 1000);
        let text = window.record("");
        assert!(
            text.contains("# what came before found no room in hls.memory\n") && text.contains("-300.ts"),
            "{text}"
        );
        assert_eq!(window.playlist("", "", false).matches("#EXTINF").count(), 3);
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
        assert!(window.playlist("", "", false).ends_with("#EXT-X-ENDLIST\n"));
        drop(window);
        assert_eq!(account.used(), 0);
    }
}
