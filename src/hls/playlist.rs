//! Playlists as functions of a window, which they do not change.

use std::collections::VecDeque;
use std::time::Duration;

use super::Numbers;
use super::segment::{Open, Segment};
use crate::container::m3u8::{self, Entry, LowLatency, Part, Playlist, Uri};

/// The state of a window that playlists describe.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) segments: &'a VecDeque<Segment>,
    pub(super) open: Option<&'a Open>,
    /// The index of the live playlist's first segment.
    pub(super) from: usize,
    /// The first numbers of segments and discontinuities.
    pub(super) first: Numbers,
    /// The number of the next segment.
    pub(super) next_id: u64,
    pub(super) discontinuities_gone: u64,
    /// EXT-X-TARGETDURATION in seconds.
    pub(super) target: u64,
    /// The position at which players begin, in target durations before the end.
    pub(super) start: u64,
    /// The extension of segments and parts.
    pub(super) extension: &'static str,
    /// True if segments stay after they have left the live playlist.
    pub(super) keeps: bool,
    pub(super) ended: bool,
}

/// The number of target durations at the end for which parts are listed. RFC 8216bis section 6.2.2.
pub(super) const PARTS_TOLD: u32 = 3;
/// CAN-SKIP-UNTIL in target durations; section 4.4.3.8 requires six.
const SKIP_UNTIL: u32 = 6;

impl<'a> View<'a> {
    /// The newest segments. With `part`, the longest duration of a part, also the parts of the last ones; with `skip`
    /// without the segments that players know.
    pub(super) fn live(&self, part: Option<Duration>, skip: bool) -> Playlist<'a> {
        let gone = self.segments.iter().take(self.from).filter(|segment| segment.discontinuity).count() as u64;
        let mut behind = Duration::ZERO;
        let entry = |segment: &'a Segment| {
            let told = part.is_some() && behind < self.targets(PARTS_TOLD);
            behind += segment.duration;
            self.entry(segment, told)
        };
        let mut entries: Vec<_> = self.segments.iter().skip(self.from).rev().map(entry).collect();
        entries.reverse();
        Playlist {
            target: self.target,
            start: self.start,
            media_sequence: self.first.segment + self.segments.get(self.from).map_or(self.next_id, |first| first.id),
            discontinuity_sequence: self.first.discontinuity + self.discontinuities_gone + gone,
            low_latency: part.map(|part| self.low_latency(part, skip, &entries)),
            entries,
            ended: self.ended,
            note: "",
        }
    }

    /// All segments that are kept, as a playlist that has ended.
    pub(super) fn all(&self) -> Playlist<'a> {
        let first = self.segments.front().map_or(0, |segment| segment.id);
        Playlist {
            target: self.target,
            start: m3u8::START,
            media_sequence: first,
            discontinuity_sequence: self.discontinuities_gone,
            low_latency: None,
            entries: self.segments.iter().map(|segment| self.entry(segment, false)).collect(),
            ended: true,
            note: match (first, self.keeps) {
                (0, _) => "",
                (_, true) => "what came before found no room in hls.memory",
                (_, false) => "what came before is kept with hls.record = true",
            },
        }
    }

    fn targets(&self, count: u32) -> Duration {
        Duration::from_secs(self.target) * count
    }

    fn entry(&self, segment: &'a Segment, with_parts: bool) -> Entry<'a> {
        let parts = segment.parts.iter().take(if with_parts { usize::MAX } else { 0 });
        Entry {
            uri: Uri { stem: &segment.stem, part: None, extension: self.extension },
            map: segment.map.as_ref().map(|map| map.file.as_str()),
            duration: segment.duration,
            begun: segment.begun,
            discontinuity: segment.discontinuity,
            independent: segment.independent != Some(false),
            parts: parts.map(|part| Part { duration: part.duration, independent: part.independent }).collect(),
        }
    }

    fn low_latency(&self, part: Duration, skip: bool, entries: &[Entry<'_>]) -> LowLatency<'a> {
        let parts = self.segments.iter().chain(self.open.map(|open| &open.about)).flat_map(|one| &one.parts);
        let skip_until = self.targets(SKIP_UNTIL);
        let mut behind = Duration::ZERO;
        let kept = entries.iter().rev().take_while(|entry| {
            behind += entry.duration;
            behind <= skip_until
        });
        LowLatency {
            part_target: parts.map(|part| part.duration).max().unwrap_or(part).max(part),
            skip_until,
            skipped: if skip { entries.len() - kept.count() } else { 0 },
            open: self.open.map(|open| self.entry(&open.about, true)),
        }
    }
}
