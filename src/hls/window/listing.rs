//! The text of playlists, and when it is told.

use std::time::Duration;

use bytes::Bytes;

use super::{Ask, Found, Packing, SPARE, WANTED, Window};
use crate::budget::OverBudget;
use crate::container::m3u8::{self, Entry, LowLatency, Playlist, Uri};
use crate::hls::segment::Segment;

/// Parts are told of so many target durations at the end. RFC 8216bis section 6.2.2.
pub(super) const PARTS_TOLD: u32 = 3;
/// CAN-SKIP-UNTIL in target durations. Section 4.4.3.8 wants six.
const SKIP_UNTIL: u32 = 6;

impl Window {
    /// Whether a playlist has what is asked for.
    pub fn answers(&self, ask: &Ask) -> Found<()> {
        let Some(number) = ask.segment.filter(|_| self.rules.part.is_some() && !self.ended) else {
            return if self.is_playable() || self.ended { Found::Now(()) } else { Found::Later };
        };
        // one of a playlist before this one
        let Some(mut wanted) = number.checked_sub(self.first.segment) else { return self.answers(&Ask::default()) };
        let mut part = ask.part;
        // a part beyond the last of a segment is the first of the next. RFC 8216bis section 6.2.5.2
        let beyond = |last: &Segment| last.id == wanted && part.is_some_and(|part| part >= last.parts.len());
        if self.segments.back().is_some_and(beyond) {
            (wanted, part) = (wanted + 1, Some(0));
        }
        let parts = self.open.as_ref().map_or(0, |open| open.about.parts.len());
        match wanted.checked_sub(self.next_id) {
            None => Found::Now(()),
            Some(0) if part.is_some_and(|part| part < parts) && self.is_playable() => Found::Now(()),
            Some(0..=1) => Found::Later,
            // further ahead than what can come soon
            Some(_) => Found::Never,
        }
    }

    /// The newest segments; parts of the last of them, where they are told.
    pub(super) fn live(&mut self, skip: bool, part: Option<Duration>, mark: &str) -> Result<Bytes, OverBudget> {
        self.cut.tell(self.open.as_ref());
        let from = self.first_listed();
        let gone = self.segments.iter().take(from).filter(|segment| segment.discontinuity).count() as u64;
        let mut behind = Duration::ZERO;
        let mut entries: Vec<_> = self
            .segments
            .iter()
            .skip(from)
            .rev()
            .map(|segment| {
                let told = part.is_some() && behind < self.target() * PARTS_TOLD;
                behind += segment.duration;
                self.entry(segment, told)
            })
            .collect();
        entries.reverse();
        let playlist = Playlist {
            target: self.cut.target(),
            start: self.rules.start,
            media_sequence: self.first.segment + self.segments.get(from).map_or(self.next_id, |segment| segment.id),
            discontinuity_sequence: self.first.discontinuity + self.discontinuities_gone + gone,
            low_latency: part.map(|part| self.low_latency(part, skip, &entries)),
            entries,
            ended: self.ended,
            note: "",
        };
        self.write(&playlist, mark)
    }

    /// The index of the playlist's first segment. If room is short it leaves out the segments that go next,
    /// since players that have read an earlier playlist still come for them.
    fn first_listed(&self) -> usize {
        let count = self.segments.len();
        let spare = if self.pressed { SPARE } else { 0 };
        count - count.saturating_sub(spare).max(WANTED).min(self.rules.listed).min(count)
    }

    /// All that is kept, as if nothing followed.
    pub(super) fn all(&self, mark: &str) -> Result<Bytes, OverBudget> {
        let first = self.segments.front().map_or(0, |segment| segment.id);
        let playlist = Playlist {
            target: self.cut.target(),
            start: m3u8::START,
            media_sequence: first,
            discontinuity_sequence: self.discontinuities_gone,
            low_latency: None,
            entries: self.segments.iter().map(|segment| self.entry(segment, false)).collect(),
            ended: true,
            note: match (first, self.keeps()) {
                (0, _) => "",
                (_, true) => "what came before found no room in hls.memory",
                (_, false) => "what came before is kept with hls.record = true",
            },
        };
        self.write(&playlist, mark)
    }

    pub(super) fn extension(&self) -> &'static str {
        match self.rules.packing {
            Packing::Ts => ".ts",
            Packing::Mp4 => ".m4s",
        }
    }

    pub(super) fn target(&self) -> Duration {
        Duration::from_secs(self.cut.target())
    }

    fn entry<'a>(&self, segment: &'a Segment, with_parts: bool) -> Entry<'a> {
        let parts = segment.parts.iter().take(if with_parts { usize::MAX } else { 0 });
        Entry {
            uri: Uri { stem: &segment.stem, part: None, extension: self.extension() },
            map: segment.map.as_ref().map(|map| map.file.as_str()),
            duration: segment.duration,
            begun: segment.begun,
            discontinuity: segment.discontinuity,
            independent: segment.independent != Some(false),
            parts: parts.map(|part| m3u8::Part { duration: part.duration, independent: part.independent }).collect(),
        }
    }

    fn low_latency(&self, part: Duration, skip: bool, entries: &[Entry<'_>]) -> LowLatency<'_> {
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
            open: self.open.as_ref().map(|open| self.entry(&open.about, true)),
        }
    }
}
