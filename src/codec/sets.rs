//! Parameter sets of H.264 and H.265: kept by their ids, and the record that is made of them.

use bytes::Bytes;

use super::{MAX_RECORD, Malformed, Role, h264, h265};
use crate::budget::{BlockMut, OverBudget, Room};
use crate::media::{Codec, Params, nal};

/// The sets of one track that are in force: a set replaces the one of its kind with
/// its id, and others stay.
#[derive(Debug)]
pub struct Sets {
    codec: Codec,
    list: Vec<Set>,
    /// A set has changed since the record was made.
    changed: bool,
    record: Bytes,
    /// The last record that did not come from here.
    told: Bytes,
}

/// A set with its id.
#[derive(Debug)]
struct Set {
    kind: u8,
    id: u32,
    unit: Bytes,
}

/// The most bytes that all sets of a track may take in a record, with their lengths: the
/// rest is for the record's own fields.
const MAX_BYTES: usize = MAX_RECORD - 64;

impl Sets {
    /// No sets of H.264 or H.265.
    pub fn new(codec: Codec) -> Self {
        Self { codec, list: Vec::new(), changed: false, record: Bytes::new(), told: Bytes::new() }
    }

    /// The codec whose sets these are.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Takes in a set in two parts: its header and the rest. Zeros behind it are not of
    /// it; what is damaged or too much is passed over. It is kept in a block of `room`;
    /// a session description is read before there is one.
    pub fn take(&mut self, header: &[u8], body: &[u8], room: Option<&dyn Room>) -> Result<(), OverBudget> {
        let len = body.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        let body = body.get(..len).unwrap_or_default();
        let kind = unit_type(self.codec, header);
        // nal_ref_idc may differ in a repeat
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

    /// Takes in a record with 4-byte prefixes. One that repeats the last restores its
    /// sets and leaves others; any other is the start of something new.
    pub fn record<E: From<Malformed> + From<OverBudget>>(
        &mut self,
        record: Bytes,
        room: &dyn Room,
    ) -> Result<Option<Params>, E> {
        let units = of_record(self.codec, &record)?;
        if record == self.told {
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
        (self.changed, self.record, self.told) = (false, record.clone(), record);
        Ok(Some(params))
    }

    /// The parameters that decoders need from the access unit `data` on; `None` if they are
    /// the same as before, or as long as a kind of set is missing.
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

    /// Whether decoders know enough.
    pub fn is_known(&self) -> bool {
        !self.record.is_empty()
    }

    /// Whether a set has come that is not in the record yet.
    pub fn is_behind(&self) -> bool {
        self.changed
    }

    /// Moves the sequence parameter set of a picture to the front where it tells of
    /// another size: records and tracks have the properties of the first.
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

    /// Whether a record has room for a set of that length, in its place or as another.
    fn has_room(&self, kind: u8, place: Option<usize>, len: usize) -> bool {
        let others = || (0..).zip(&self.list).filter(|(at, _)| Some(*at) != place).map(|(_, set)| set);
        let bytes: usize = others().map(|set| set.unit.len() + 2).sum();
        let count = others().filter(|set| set.kind == kind).count();
        bytes + len + 2 <= MAX_BYTES && count < most(self.codec, kind)
    }

    /// Lets the sets be a part of the record.
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

/// The references from one set to another.
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

/// The kinds of sets without which nothing is decoded, in the order of a record.
fn kinds(codec: Codec) -> &'static [u8] {
    if codec == Codec::H264 { &[h264::SPS, h264::PPS] } else { &[h265::VPS, h265::SPS, h265::PPS] }
}

/// The most sets of a kind, by the count in a record or by the range of their ids.
fn most(codec: Codec, kind: u8) -> usize {
    match (codec, kind) {
        (Codec::H264, h264::SPS) => 31,
        (Codec::H264, _) => 255,
        (_, h265::PPS) => 64,
        _ => 16,
    }
}

/// Bytes of a NAL unit header.
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

/// Keeps bytes in a block, if there is room to charge.
fn block(data: Vec<u8>, room: Option<&dyn Room>) -> Result<Bytes, OverBudget> {
    match room {
        Some(room) => BlockMut::copy(room, &data),
        None => Ok(data.into()),
    }
}

#[cfg(test)]
mod tests;
