//! Packing in one form: each slot once, in order, when the first viewer needs it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::Name;
use super::ring::{Announcement, Item, Ring, Seq, Slot};
use crate::budget::{Account, Lease, OverBudget};
use crate::container::{Form, Mux, Packed};
use crate::media::{Codec, Frame, Kind, Ticks, Track, TrackSet, Tracks, Wall};

/// A packed slot, shared by all viewers of a form.
#[derive(Debug)]
pub struct Unit {
    /// The bytes; there may be none.
    pub packed: Packed,
    /// Decode time in milliseconds.
    pub at: Ticks,
    /// The arrival of its slot; `None` for a unit made for one viewer.
    pub came: Option<Instant>,
    /// True if decoding can begin here.
    pub start: bool,
    /// The frames from here on do not continue those before.
    pub discontinuity: bool,
    /// Pictures before it were lost.
    pub gap: bool,
    /// The track of the frame; empty for a description of tracks.
    pub track: TrackSet,
    /// Tracks that are new or changed from here on.
    pub news: TrackSet,
    _lease: Option<Lease>,
}

/// The bytes that a unit costs: itself, its counters, and its place in a queue that grows.
const UNIT_COST: usize = size_of::<Unit>() + 64;

/// The most bytes that describe the tracks to a viewer.
pub(super) fn head_cost(tracks: &Tracks) -> usize {
    1024 + tracks.iter().map(|track| track.params.record.len() + 64).sum::<usize>()
}

/// The packer of one form of one stream.
pub(super) struct Packer {
    stream: Name,
    pub(super) form: &'static Form,
    pub(super) viewers: usize,
    mux: Box<dyn Mux>,
    tracks: Arc<Tracks>,
    /// The number of the first of `units`.
    base: Seq,
    /// The packed slots and their cost; `None` where the form cannot carry the track.
    units: VecDeque<(Option<Arc<Unit>>, u32)>,
    /// The cost of all units.
    cost: usize,
    /// Codecs that were logged as not carried by the form.
    said: Vec<Codec>,
    /// True if nothing of the stream is logged.
    pub(super) hushed: bool,
}

impl Unit {
    /// A unit for one viewer: the bytes before its first packet.
    pub(super) fn head(packed: Packed, at: Ticks, lease: Lease) -> Arc<Self> {
        Arc::new(Self { _lease: Some(lease), ..Self::new(packed.as_head(), at, false, false) })
    }

    /// A unit of one block of bytes, charged by the caller.
    pub fn whole(bytes: Bytes, at: Ticks) -> Arc<Self> {
        Arc::new(Self::new(Packed::whole(bytes), at, false, false))
    }

    /// A unit that holds what was charged for it.
    pub fn charged(packed: Packed, at: Ticks, lease: Lease) -> Arc<Self> {
        Arc::new(Self { _lease: Some(lease), ..Self::new(packed, at, false, false) })
    }

    /// A unit of any kind, charged by the caller.
    pub fn new(packed: Packed, at: Ticks, start: bool, discontinuity: bool) -> Self {
        let (track, news) = (TrackSet::default(), TrackSet::default());
        Self { packed, at, came: None, start, discontinuity, gap: false, track, news, _lease: None }
    }
}

impl Packer {
    pub(super) fn new(stream: Name, form: &'static Form, hushed: bool) -> Self {
        Self {
            stream,
            form,
            viewers: 0,
            mux: (form.mux)(),
            tracks: Arc::default(),
            base: 0,
            units: VecDeque::new(),
            cost: 0,
            said: Vec::new(),
            hushed,
        }
    }

    /// Begins at `start` for the first viewer of the form, and drops the units packed for earlier viewers.
    pub(super) fn wake(&mut self, start: Seq, tracks: &Arc<Tracks>, at: Ticks) {
        self.units.clear();
        (self.base, self.cost) = (start, 0);
        self.adopt(tracks);
        self.mux.announce(tracks, &[], at);
        self.mux.discontinuity();
    }

    /// Drops all units after the last viewer of the form has left.
    pub(super) fn sleep(&mut self) {
        (self.units, self.cost) = (VecDeque::new(), 0);
    }

    /// The cost of the units, without the frames.
    pub(super) fn cost(&self) -> usize {
        self.cost
    }

    /// Passes the muxer the time of day `wall` of the stream time `at`.
    pub(super) fn time_of_day(&mut self, at: Ticks, wall: Wall) {
        self.mux.time_of_day(at, wall);
    }

    /// The bytes that a viewer needs before the slot at `at`.
    pub(super) fn head(&self, tracks: &Tracks, at: Ticks) -> Packed {
        self.mux.head(tracks, at)
    }

    /// The bytes that a viewer needs after it has missed a part of the stream.
    pub(super) fn remind(&self, tracks: &Tracks, at: Ticks) -> Packed {
        self.mux.remind(tracks, at)
    }

    /// True if viewers that know the tracks `old` can be sent `new` in mid-stream.
    pub(super) fn can_announce(&self, old: &Tracks, new: &Tracks) -> bool {
        self.mux.can_announce(old, new)
    }

    /// The first number that is packed or can be. The tracks announced by slots that were dropped unpacked are taken
    /// over.
    pub(super) fn base(&mut self, ring: &Ring) -> Seq {
        while self.base < ring.tail() {
            if let Some((_, cost)) = self.units.pop_front() {
                self.base += 1;
                self.cost -= cost as usize;
                continue;
            }
            if let Some(tracks) = ring.announced_since(self.base).cloned() {
                self.adopt(&tracks);
                self.mux.announce(&tracks, &[], Ticks::default());
                self.mux.discontinuity();
            }
            self.base = ring.tail();
        }
        self.base
    }

    /// The number after the last packed slot.
    pub(super) fn end(&self) -> Seq {
        self.base + self.units.len() as Seq
    }

    /// The number of the slot that was packed to `unit`, if it is still kept.
    pub(super) fn number(&self, unit: &Arc<Unit>) -> Option<Seq> {
        let is_it =
            |(packed, _): &(Option<Arc<Unit>>, u32)| packed.as_ref().is_some_and(|packed| Arc::ptr_eq(packed, unit));
        self.units.iter().position(is_it).map(|at| self.base + at as Seq)
    }

    /// The slot `seq` in this form. If it is not packed yet, it and all slots before it are packed now. `seq` must not
    /// be before `base`.
    pub(super) fn unit(&mut self, ring: &Ring, seq: Seq, account: &Account) -> Result<Option<Arc<Unit>>, OverBudget> {
        self.base(ring);
        let index = usize::try_from(seq.saturating_sub(self.base)).unwrap_or(usize::MAX);
        while self.units.len() <= index {
            let Some(slot) = ring.slot(self.end()) else { return Ok(None) };
            let before = account.used();
            let unit = self.pack(&slot, ring.arrival(&slot), account)?;
            let cost = u32::try_from(account.used().saturating_sub(before)).unwrap_or(u32::MAX);
            self.units.push_back((unit, cost));
            self.cost += cost as usize;
        }
        Ok(self.units.get(index).and_then(|(unit, _)| unit.clone()))
    }

    /// Packs one slot. All memory is charged before the muxer changes, so that a refusal has no effect.
    fn pack(&mut self, slot: &Slot, came: Option<Instant>, account: &Account) -> Result<Option<Arc<Unit>>, OverBudget> {
        let extra = match &slot.item {
            Item::Frame(frame) => self.mux.cost(frame),
            Item::Tracks(news) => head_cost(&news.tracks),
        };
        let lease = account.charge(UNIT_COST.saturating_add(extra))?;
        let mut unit = match &slot.item {
            Item::Frame(frame) => {
                let Some(packed) = self.frame(frame, account)? else { return Ok(None) };
                let start = packed.opens(slot.start);
                let track = self.tracks.only(frame.kind, frame.track);
                Unit { track, gap: slot.gap, ..Unit::new(packed, slot.at, start, false) }
            }
            Item::Tracks(told) => {
                let (packed, news) = self.announcement(told, slot.at);
                Unit { news, ..Unit::new(packed, slot.at, false, told.discontinuity) }
            }
        };
        (unit.came, unit._lease) = (came, Some(lease));
        Ok(Some(Arc::new(unit)))
    }

    fn frame(&mut self, frame: &Frame, account: &Account) -> Result<Option<Packed>, OverBudget> {
        match self.tracks.find(frame.kind, frame.track) {
            Some(track) => self.mux.frame(track, frame, account),
            None => Ok(None),
        }
    }

    /// The bytes for running viewers, and the tracks that are new to them.
    fn announcement(&mut self, news: &Announcement, at: Ticks) -> (Packed, TrackSet) {
        if news.discontinuity {
            self.mux.discontinuity();
        }
        let known = |track: &Track| !news.discontinuity && self.tracks.iter().any(|old| old == track);
        let unknown: Vec<_> = news.tracks.iter().filter(|track| !known(track)).collect();
        let packed = self.mux.announce(&news.tracks, &unknown, at);
        let carried = unknown.iter().filter(|track| self.mux.carries(track));
        let told = carried.map(|track| news.tracks.only(track.codec.kind(), track.id)).collect();
        self.adopt(&news.tracks);
        (packed, told)
    }

    /// Takes over `tracks`, and logs once for each codec that the form cannot carry it.
    fn adopt(&mut self, tracks: &Arc<Tracks>) {
        self.tracks = tracks.clone();
        if self.hushed {
            return;
        }
        for track in tracks.iter().filter(|track| !self.mux.carries(track)) {
            if !self.said.contains(&track.codec) {
                self.said.push(track.codec);
                log::warn!("stream={} {}", self.stream, left_out(self.form, &*self.mux, track));
            }
        }
    }

    /// Tracks that viewers of this form do not receive.
    pub(super) fn missing(&self) -> impl Iterator<Item = &Track> {
        self.tracks.iter().filter(|track| !self.mux.carries(track))
    }
}

/// The text for the log about a track that viewers of a form do not receive.
fn left_out(form: &Form, mux: &dyn Mux, track: &Track) -> String {
    let name = form.name;
    if track.id == 0 || !mux.carries(&Track { id: 0, ..track.clone() }) {
        return format!("{name} cannot carry {track}: its viewers go without");
    }
    let kind = if track.codec.kind() == Kind::Audio { "sound" } else { "picture" };
    let variant = form.carrying(track).map_or(String::new(), |variant| format!(" unless asked for ?{}", variant.query));
    format!("{name} carries the first {kind} track alone{variant}: {track}, track {}, is left out", track.id)
}

#[cfg(all(test, feature = "http"))]
mod tests {
    use super::*;
    use crate::container::FLV;
    use crate::media::{Hz, Params};

    #[test]
    fn a_second_track_is_not_told_as_one_that_cannot_be_carried() {
        let of_rate = |id, codec, sample_rate| {
            let params = Params { sample_rate, channels: 1, ..Params::default() };
            Track { id, codec, clock: Hz::MS, params }
        };
        let said = |form: &Form, track| left_out(form, &*(form.mux)(), &track);
        let aac = "AAC of 48000 Hz in 1 channel, track 1, is left out";
        assert_eq!(
            said(&FLV, of_rate(1, Codec::Aac, 48000)),
            format!("flv carries the first sound track alone unless asked for ?tracks=all: {aac}")
        );
        let legacy = FLV.wished("hevc=12").unwrap();
        assert_eq!(
            said(legacy, of_rate(1, Codec::Aac, 48000)),
            format!("flv-hevc12 carries the first sound track alone: {aac}")
        );
        for id in [0, 1] {
            let law = of_rate(id, Codec::Pcma, 16000);
            assert_eq!(said(&FLV, law), "flv cannot carry PCMA of 16000 Hz in 1 channel: its viewers go without");
        }
    }
}
