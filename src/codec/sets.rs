//! Stores the parameter sets of H.264 and H.265 by their ids, and makes a record from them.

use bytes::Bytes;

use super::{MAX_RECORD, Malformed, Role, h264, h265};
use crate::budget::{BlockMut, OverBudget, Room};
use crate::media::{Codec, Params, nal};

/// The active sets of one track. A set replaces the one of the same kind and id; other sets stay.
#[derive(Debug)]
pub struct Sets {
    codec: Codec,
    list: Vec<Set>,
    /// A set has changed since the record was made.
    changed: bool,
    record: Bytes,
    /// The last record that was given to `record`.
    last_given: Bytes,
}

/// A parameter set with its id.
#[derive(Debug)]
struct Set {
    kind: u8,
    id: u32,
    unit: Bytes,
}

/// The maximum number of bytes of all sets in a record, with their lengths; the rest is for the record's own
/// fields.
const MAX_BYTES: usize = MAX_RECORD - 64;

impl Sets {
    /// No sets yet; the codec must be H.264 or H.265.
    pub fn new(codec: Codec) -> Self {
        Self { codec, list: Vec::new(), changed: false, record: Bytes::new(), last_given: Bytes::new() }
    }

    /// The codec of the sets.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Adds a set, given as header and body, without trailing zeros. A set that is invalid or exceeds the limits is
    /// skipped. It is copied into a block of `room`; `None` is for session descriptions, which are read before
    /// there is a room.
    pub fn take(&mut self, header: &[u8], body: &[u8], room: Option<&dyn Room>) -> Result<(), OverBudget> {
        let len = body.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        let body = body.get(..len).unwrap_or_default();
        let kind = unit_type(self.codec, header);
        // nal_ref_idc may differ in a repetition
        let is_same = |set: &Set| set.kind == kind && set.unit.get(header.len()..) == Some(body);
        if body.is_empty() || self.list.iter().any(is_same) {
            return Ok(());
        }
        let unit = [header, body].concat();
        let Some(id) = set_id(self.codec, &unit) else { return Ok(()) };
        let place = self.list.iter().position(|set| (set.kind, set.id) == (kind, id));
        if !self.has_room(kind, place, unit.len()) {
            return Ok(());
        }
        let unit = block(unit, room)?;
        match place.and_then(|at| self.list.get_mut(at)) {
            Some(set) => set.unit = unit,
            None => self.list.push(Set { kind, id, unit }),
        }
        self.changed = true;
        Ok(())
    }

    /// Reads a record for 4-byte prefixes. If it equals the last record, its sets are restored and others stay;
    /// otherwise all sets are replaced.
    pub fn record<E: From<Malformed> + From<OverBudget>>(
        &mut self,
        record: Bytes,
        room: &dyn Room,
    ) -> Result<Option<Params>, E> {
        let units = of_record(self.codec, &record)?;
        if record == self.last_given {
            for unit in units {
                let (header, body) = unit.split_at_checked(header_len(self.codec)).unwrap_or_default();
                self.take(header, body, Some(room))?;
            }
            return self.news(&[], Some(room));
        }
        let params = super::params(self.codec, record.clone())?;
        self.list.clear();
        for unit in units {
            let kind = unit_type(self.codec, unit);
            if let Some(id) = set_id(self.codec, unit) {
                self.list.retain(|set| (set.kind, set.id) != (kind, id));
                self.list.push(Set { kind, id, unit: record.slice_ref(unit) });
            }
        }
        (self.changed, self.record, self.last_given) = (false, record.clone(), record);
        Ok(Some(params))
    }

    /// The parameters that decoders need from the access unit `data` on. `None` if they have not changed, or a kind
    /// of set is missing.
    pub fn news<E: From<Malformed> + From<OverBudget>>(
        &mut self,
        data: &[u8],
        room: Option<&dyn Room>,
    ) -> Result<Option<Params>, E> {
        self.activate(data);
        if !self.changed || !kinds(self.codec).iter().all(|kind| self.of(*kind).next().is_some()) {
            return Ok(None);
        }
        self.changed = false;
        let record = self.write().ok_or(Malformed { what: "parameter sets" })?;
        if record == self.record {
            return Ok(None);
        }
        let record = block(record, room).inspect_err(|_| self.changed = true)?;
        let params = super::params(self.codec, record.clone())?;
        self.share(&record);
        self.record = record;
        Ok(Some(params))
    }

    /// True if decoders have a complete record.
    pub fn is_known(&self) -> bool {
        !self.record.is_empty()
    }

    /// True if a set was added that is not in the record yet.
    pub fn is_behind(&self) -> bool {
        self.changed
    }

    /// Moves the sequence parameter set of a picture to the front if its size differs from that of the first,
    /// because records and tracks have the properties of the first.
    fn activate(&mut self, data: &[u8]) {
        let [.., sps, pps] = *kinds(self.codec) else { return };
        if self.of(sps).count() < 2 {
            return;
        }
        let of = Ids::of(self.codec);
        let slice = nal::units(data).find(|unit| Role::of(self.codec, unit) == Role::Slice);
        let Some(id) = slice.and_then(of.slice_pps) else { return };
        let Some(id) = self.of(pps).find(|set| set.id == id).and_then(|set| (of.pps_sps)(&set.unit)) else { return };
        let first = self.list.iter().position(|set| set.kind == sps);
        let active = self.list.iter().position(|set| (set.kind, set.id) == (sps, id));
        let (Some(first), Some(active)) = (first, active) else { return };
        let size_at = |at: usize| self.list.get(at).and_then(|set| size(self.codec, &set.unit));
        if size_at(first) != size_at(active) {
            self.list.swap(first, active);
            self.changed = true;
        }
    }

    fn of(&self, kind: u8) -> impl Iterator<Item = &Set> {
        self.list.iter().filter(move |set| set.kind == kind)
    }

    /// True if a record has room for a set of `len` bytes, as a replacement or as a further set.
    fn has_room(&self, kind: u8, place: Option<usize>, len: usize) -> bool {
        let others = || (0..).zip(&self.list).filter(|(at, _)| Some(*at) != place).map(|(_, set)| set);
        let bytes: usize = others().map(|set| set.unit.len() + 2).sum();
        let count = others().filter(|set| set.kind == kind).count();
        bytes + len + 2 <= MAX_BYTES && count < most(self.codec, kind)
    }

    /// Replaces the sets by slices of the record.
    fn share(&mut self, record: &Bytes) {
        let Ok(units) = of_record(self.codec, record) else { return };
        for set in &mut self.list {
            if let Some(unit) = units.iter().find(|unit| **unit == set.unit) {
                set.unit = record.slice_ref(unit);
            }
        }
    }

    fn write(&self) -> Option<Vec<u8>> {
        let sets = |kind| self.of(kind).map(|set| &set.unit[..]).collect::<Vec<_>>();
        match self.codec {
            Codec::H264 => h264::write_sets(&sets(h264::SPS), &sets(h264::PPS)),
            _ => h265::write_sets(&sets(h265::VPS), &sets(h265::SPS), &sets(h265::PPS)),
        }
    }
}

/// Functions that read the references between slices and sets.
struct Ids {
    slice_pps: fn(&[u8]) -> Option<u32>,
    pps_sps: fn(&[u8]) -> Option<u32>,
}

impl Ids {
    fn of(codec: Codec) -> Self {
        match codec {
            Codec::H264 => Self { slice_pps: h264::slice_pps, pps_sps: h264::pps_sps },
            _ => Self { slice_pps: h265::slice_pps, pps_sps: h265::pps_sps },
        }
    }
}

/// The kinds of sets that decoders need, in the order of a record.
fn kinds(codec: Codec) -> &'static [u8] {
    if codec == Codec::H264 { &[h264::SPS, h264::PPS] } else { &[h265::VPS, h265::SPS, h265::PPS] }
}

/// The maximum number of sets of a kind: the limit of its count in a record, or of its ids.
fn most(codec: Codec, kind: u8) -> usize {
    match (codec, kind) {
        (Codec::H264, h264::SPS) => 31,
        (Codec::H264, _) => 255,
        (_, h265::PPS) => 64,
        _ => 16,
    }
}

/// The length of a NAL unit header in bytes.
fn header_len(codec: Codec) -> usize {
    if codec == Codec::H264 { 1 } else { 2 }
}

fn unit_type(codec: Codec, unit: &[u8]) -> u8 {
    if codec == Codec::H264 { h264::unit_type(unit) } else { h265::unit_type(unit) }
}

fn set_id(codec: Codec, unit: &[u8]) -> Option<u32> {
    if codec == Codec::H264 { h264::set_id(unit) } else { h265::set_id(unit) }
}

fn size(codec: Codec, sps: &[u8]) -> Option<(u32, u32)> {
    if codec == Codec::H264 { h264::size(sps).ok() } else { h265::size(sps).ok() }
}

/// The sets of a record.
fn of_record(codec: Codec, record: &[u8]) -> Result<Vec<&[u8]>, Malformed> {
    Ok(match codec {
        Codec::H264 => {
            let record = h264::Record::parse(record)?;
            [record.sps, record.pps].concat()
        }
        _ => {
            let record = h265::Record::parse(record)?;
            [record.vps, record.sps, record.pps].concat()
        }
    })
}

/// Stores bytes in a block, if there is a room to charge them to.
fn block(data: Vec<u8>, room: Option<&dyn Room>) -> Result<Bytes, OverBudget> {
    match room {
        Some(room) => BlockMut::copy(room, &data),
        None => Ok(data.into()),
    }
}

#[cfg(test)]
mod tests;
