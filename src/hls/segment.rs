//! Segments and their parts.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::maker::{Follows, Made, Maker};
use crate::budget::{Account, Lease, OverBudget};
use crate::hub::Unit;
use crate::media::{Ticks, TrackSet};

/// The bytes of a file, and their number.
pub type File = (Arc<[Bytes]>, usize);

/// The Media Initialization Section: a file that players read before segments that cannot be played alone. RFC 8216
/// section 3.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Map {
    pub(super) file: String,
    pub(super) bytes: Bytes,
}

/// A Partial Segment. RFC 8216bis section 4.4.4.9. Without low latency a segment has one part.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) blocks: Arc<[Bytes]>,
    pub(super) len: usize,
    pub(super) duration: Duration,
    /// True if it begins with a key frame.
    pub(super) independent: bool,
    _lease: Option<Lease>,
}

/// A finished segment.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) id: u64,
    /// The file's name without its extension.
    pub(super) stem: String,
    pub(super) map: Option<Arc<Map>>,
    pub(super) parts: Vec<Part>,
    pub(super) duration: Duration,
    pub(super) begun: SystemTime,
    pub(super) discontinuity: bool,
    /// True if its first picture is a key frame; `None` without pictures.
    pub(super) independent: Option<bool>,
    /// True if it is on the disk.
    pub(super) stored: bool,
    /// The charge for all except its bytes.
    lease: Option<Lease>,
}

/// The bytes of a segment and of a part without their contents: the structures here, and the list of their blocks.
const SEGMENT: usize = 512;
const PART: usize = 512;

/// The segment that is being filled.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) about: Segment,
    pub(super) from: Ticks,
    /// The newest frame.
    pub(super) until: Ticks,
    part_from: Ticks,
    /// The distance between frames: the maximum of the last steps, which decays.
    pub(super) step: Ticks,
    /// The tracks with frames in it.
    pub(super) tracks: TrackSet,
    /// The bytes of its key frames.
    pub(super) keys: usize,
    /// The charge for the part that is being filled.
    lease: Option<Lease>,
}

impl Segment {
    pub(super) fn new(name: &str, id: u64, map: Option<Arc<Map>>, begun: SystemTime, discontinuity: bool) -> Self {
        let unix = begun.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let stem = format!("{name}-{unix}-{id}");
        Self {
            id,
            stem,
            map,
            parts: Vec::new(),
            duration: Duration::ZERO,
            begun,
            discontinuity,
            independent: None,
            stored: false,
            lease: None,
        }
    }

    /// The whole segment.
    pub(super) fn file(&self) -> File {
        let blocks = self.parts.iter().flat_map(|part| part.blocks.iter().cloned()).collect();
        (blocks, self.parts.iter().map(|part| part.len).sum())
    }

    /// The part that `rest` names, which follows the segment's stem in the name of a part: `.NUMBER`.
    pub(super) fn part(&self, rest: &str) -> Option<&Part> {
        self.parts.get(rest.strip_prefix('.')?.parse::<usize>().ok()?)
    }
}

impl Open {
    pub(super) fn new(about: Segment, from: Ticks) -> Self {
        let (step, tracks) = (Ticks(0), TrackSet::default());
        Self { about, from, until: from, part_from: from, step, tracks, keys: 0, lease: None }
    }

    /// Charges the segment and its next part, without their bytes.
    pub(super) fn reserve(&mut self, account: &Account) -> Result<(), OverBudget> {
        for (lease, bytes) in [(&mut self.about.lease, SEGMENT), (&mut self.lease, PART)] {
            if lease.is_none() {
                *lease = Some(account.charge(bytes)?);
            }
        }
        Ok(())
    }

    /// Prepares for a frame at `at`: ends the part if it would become longer than `length` with it, and returns whether
    /// it did. Every part except the last of a segment has at least half that length, whatever the times of frames, so
    /// that the number of parts is bounded by the time.
    pub(super) fn advance(&mut self, at: Ticks, length: Duration, maker: &mut dyn Maker, account: &Account) -> bool {
        self.step = self.step_to(at);
        let at = at.max(self.until);
        let (lasts, longer) = (ms(at - self.part_from), ms(at + self.step - self.part_from));
        let full = maker.pending() > 0 && longer > length && lasts >= length / 2;
        if full {
            self.close_part(at, maker.end(account, Follows::More));
        }
        self.until = at;
        full
    }

    /// The longest distance from a frame at `at` to the next.
    pub(super) fn step_to(&self, at: Ticks) -> Ticks {
        (at - self.until).max(Ticks(self.step.0 * 15 / 16))
    }

    /// Notes the next frame of its track.
    pub(super) fn note(&mut self, unit: &Unit) {
        if unit.start || unit.track.meets(TrackSet::PICTURES) {
            self.about.independent.get_or_insert(unit.start);
        }
        self.tracks = self.tracks.with(unit.track);
        self.keys += if unit.start { unit.packed.len() } else { 0 };
    }

    /// Ends the segment at `end`, where the next begins, or with its newest frame.
    pub(super) fn finish(
        mut self,
        end: Option<Ticks>,
        follows: Follows,
        maker: &mut dyn Maker,
        account: &Account,
    ) -> Segment {
        let end = end.unwrap_or(self.until);
        self.close_part(end, maker.end(account, follows));
        self.about.duration = ms(end - self.from).max(Duration::from_millis(1));
        self.about
    }

    fn close_part(&mut self, end: Ticks, made: Option<Made>) {
        let Some(Made { blocks, len, independent }) = made else { return };
        let duration = ms(end - self.part_from).max(Duration::from_millis(1));
        self.about.parts.push(Part { blocks, len, duration, independent, _lease: self.lease.take() });
        self.part_from = end;
    }
}

pub(super) fn ms(ticks: Ticks) -> Duration {
    Duration::from_millis(u64::try_from(ticks.0).unwrap_or(0))
}
