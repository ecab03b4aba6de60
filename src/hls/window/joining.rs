//! Tracks that join or change in mid-stream: a segment ends before them, and the next one is a discontinuity. RFC 8216
//! section 4.3.2.3.

use std::sync::Arc;
use std::time::Duration;

use super::{Packing, Window};
use crate::budget::BlockMut;
use crate::hls::segment::{Map, Open, Segment, ms};
use crate::hub::Unit;
use crate::media::{Ticks, TrackSet};

/// Tracks that begin with the next segment. They are left out until then, so that segments begin with key frames:
/// players drop pictures before one.
#[derive(Debug)]
pub(super) struct Joining {
    /// The tracks whose frames are skipped.
    tracks: TrackSet,
    map: Option<Arc<Map>>,
    since: Ticks,
    /// True if there is no key frame to wait for.
    at_once: bool,
}

/// The time from a segment's start within which new tracks belong to it: those of a publisher arrive one after another.
const JOIN_TIME: Duration = Duration::from_millis(300);
/// The longest wait for a key frame.
const MAX_WAIT: Duration = Duration::from_secs(10);

impl Joining {
    /// True if the tracks begin with this unit.
    pub(super) fn begins(&self, unit: &Unit) -> bool {
        self.at_once || unit.start || ms(unit.at - self.since) >= MAX_WAIT
    }
}

impl Window {
    /// Reads an announcement of tracks. True if `unit` contains nothing else.
    pub(super) fn hear(&mut self, unit: &Unit) -> bool {
        let is_head = unit.packed.is_head();
        let known = self.joining.as_ref().map_or(&self.map, |joining| &joining.map);
        let map = match self.rules.packing {
            Packing::Mp4 if !is_head => return false,
            Packing::Mp4 => {
                let bytes = unit.packed.to_vec();
                if known.as_ref().is_some_and(|map| map.bytes == bytes) {
                    return true;
                }
                self.keep_map(unit, &bytes)
            }
            Packing::Ts => None,
        };
        let absorbs = |open: &Open| {
            let young = open.about.parts.is_empty() && ms(unit.at - open.from) < JOIN_TIME;
            young && !open.tracks.meets(unit.news) && !unit.news.is_empty()
        };
        if !self.broken
            && self.joining.is_none()
            && let Some(open) = self.open.as_mut().filter(|open| absorbs(open))
        {
            open.about.map.clone_from(&map);
            self.map = map;
            return is_head;
        }
        let tracks = self.joining.as_ref().map_or(unit.news, |joining| joining.tracks.with(unit.news));
        let since = self.joining.as_ref().map_or(unit.at, |joining| joining.since);
        let waits = !self.broken && self.open.as_ref().is_some_and(|open| open.tracks.meets(TrackSet::PICTURES));
        self.joining = Some(Joining { tracks, map, since, at_once: !waits });
        is_head || waits
    }

    /// True if a unit is left out until the next segment.
    pub(super) fn keeps_out(&self, unit: &Unit) -> bool {
        let joining = self.joining.as_ref().filter(|joining| !self.broken && !joining.begins(unit));
        joining.is_some_and(|joining| joining.tracks.meets(unit.track))
    }

    /// Adds the waiting tracks to the segment that `unit` begins.
    pub(super) fn join(&mut self, unit: &Unit) {
        if let Some(joining) = self.joining.take_if(|joining| self.broken || joining.begins(unit)) {
            self.broken |= self.next_id > 0;
            self.map = joining.map;
        }
    }

    /// Makes a file of the head that describes the tracks; `None` if there is no memory for it.
    fn keep_map(&mut self, unit: &Unit, bytes: &[u8]) -> Option<Arc<Map>> {
        let stem = Segment::new(&self.name, self.maps, None, self.dates.of(unit.came), false).stem;
        self.maps += 1;
        loop {
            match BlockMut::copy(&self.account, bytes) {
                Ok(bytes) => return Some(Arc::new(Map { file: format!("{stem}.mp4"), bytes })),
                Err(_) if self.drop_oldest() => {}
                Err(refusal) => {
                    self.tell(log::Level::Warn, format_args!("nothing can be played: {refusal}"));
                    return None;
                }
            }
        }
    }
}
