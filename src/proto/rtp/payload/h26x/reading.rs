//! Reads access units from packets.

use bytes::Bytes;

use super::super::assembly::{Prefix, Units, whole};
use super::super::{Error, Packet, Unpack, Unpacked};
use super::{Shape, Syntax, cut, element, is_first, shape};
use crate::budget::Room;
use crate::codec::{Hints, Keys, Role, Sets};
use crate::media::nal;

/// Ticks of the clock in a millisecond.
const TICKS: i64 = 90;

/// Reads H.264 or H.265.
pub(in super::super) struct Reading<C> {
    max: usize,
    sets: Sets,
    units: Units,
    /// The timestamp of the units in `units`.
    time: u32,
    /// `units` contains a slice.
    slices: bool,
    open: Open,
    /// The timestamp of the last access unit that a marker bit ended.
    ended: Option<u32>,
    keys: Keys,
    /// Parameter sets were received since the last access unit.
    has_sets: bool,
    /// The marker bit is set on every slice, so it does not end access units.
    marker_on_every_slice: bool,
    /// Set while the start of the next access unit is not known.
    lost: Option<Lost>,
    syntax: std::marker::PhantomData<fn() -> C>,
}

/// The state of the unit whose fragments are being received.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Kept,
    /// A delimiter or filler, or a parameter set that takes several packets.
    Dropped,
}

/// The packets of an access unit whose start was lost.
#[derive(Default)]
struct Lost {
    /// Their timestamp, if one was received.
    time: Option<u32>,
    /// The last packet of the access unit was received.
    ended: bool,
}

impl<C: Syntax> Reading<C> {
    /// A reader that knows `sets`, for access units of at most `max` bytes.
    pub(in super::super) fn new(sets: Sets, max: usize) -> Self {
        Self {
            max,
            sets,
            units: Units::new(max),
            time: 0,
            slices: false,
            open: Open::Nothing,
            ended: None,
            keys: Keys::default(),
            has_sets: false,
            marker_on_every_slice: false,
            lost: Some(Lost::default()),
            syntax: std::marker::PhantomData,
        }
    }

    /// True if the packet is skipped because earlier ones are lost.
    fn is_skipped(&mut self, packet: &Packet, shape: &Shape) -> bool {
        let Some(lost) = &mut self.lost else { return false };
        let lead = shape.lead(C::HEADER);
        let role = lead.map(|(header, _)| C::role(header));
        let begins = match (role, lead) {
            (Some(Role::Set | Role::Delimiter | Role::Lead), _) => true,
            (Some(Role::Slice), Some((_, body))) => is_first(body),
            _ => false,
        };
        if begins || lost.ended || lost.time.is_some_and(|time| time != packet.timestamp) {
            self.lost = None;
            return false;
        }
        lost.time = Some(packet.timestamp);
        let of_slice = role == Some(Role::Slice) || matches!(shape, Shape::Part { .. });
        lost.ended = packet.marker && of_slice && !self.marker_on_every_slice;
        true
    }

    /// Ends the access unit if the timestamp changes.
    fn end_at(&mut self, time: u32, room: &dyn Room, out: &mut dyn FnMut(Unpacked)) -> Result<(), Error> {
        let done = if self.slices && time != self.time { self.end(room, out) } else { Ok(()) };
        self.time = time;
        done
    }

    fn take(&mut self, shape: Shape, room: &dyn Room) -> Result<(), Error> {
        match shape {
            Shape::Nothing => Ok(()),
            Shape::Unit(unit) => self.unit(unit, room),
            Shape::Units(mut rest, between) => {
                while !rest.is_empty() {
                    let (unit, tail) = element(rest, between)?;
                    self.unit(unit, room)?;
                    rest = tail;
                }
                Ok(())
            }
            Shape::Part { header, start: true, end, body } => {
                self.close(room)?;
                self.part(header.get(..C::HEADER), body, end, room)
            }
            Shape::Part { .. } if self.open == Open::Nothing => {
                Err(Error::Malformed("a fragment whose beginning is missing"))
            }
            Shape::Part { end, body, .. } => self.part(None, body, end, room),
        }
    }

    fn unit(&mut self, unit: &[u8], room: &dyn Room) -> Result<(), Error> {
        self.close(room)?;
        match unit.split_at_checked(C::HEADER) {
            Some((header, body)) => self.part(Some(header), body, true, room),
            None => Ok(()),
        }
    }

    /// Adds a unit with this header, or a further part of the open unit; `end` if that is its last part. Start
    /// codes also end units.
    fn part(&mut self, header: Option<&[u8]>, body: &[u8], end: bool, room: &dyn Room) -> Result<(), Error> {
        let (mut piece, mut rest) = cut(body);
        // a start code first: the header belongs to the packet, not to a unit
        if !(header.is_some() && piece.is_empty() && rest.is_some()) {
            self.piece(header, piece, end || rest.is_some(), room)?;
        }
        while let Some(more) = rest {
            (piece, rest) = cut(more);
            self.close(room)?;
            if let Some((header, body)) = piece.split_at_checked(C::HEADER) {
                self.piece(Some(header), body, end || rest.is_some(), room)?;
            }
        }
        Ok(())
    }

    fn piece(&mut self, header: Option<&[u8]>, body: &[u8], end: bool, room: &dyn Room) -> Result<(), Error> {
        if let Some(header) = header {
            self.open = Open::Dropped;
            match C::role(header) {
                Role::Set if end => {
                    self.has_sets = true;
                    self.sets.take(header, body, Some(room))?;
                    if self.sets.is_behind() {
                        self.open = Open::Kept;
                        self.units.push(header, room)?;
                    }
                }
                Role::Set | Role::Delimiter | Role::Filler => {}
                role => {
                    if role == Role::Slice {
                        self.slice(is_first(body));
                    }
                    self.open = Open::Kept;
                    self.units.push(header, room)?;
                }
            }
        }
        if self.open == Open::Kept {
            self.units.push(body, room)?;
        }
        if end { self.close(room) } else { Ok(()) }
    }

    fn slice(&mut self, first: bool) {
        if !self.slices && !first && self.ended == Some(self.time) {
            self.marker_on_every_slice = true;
        }
        self.slices = true;
    }

    fn close(&mut self, room: &dyn Room) -> Result<(), Error> {
        self.open = Open::Nothing;
        self.units.close(room)
    }

    /// Ends the access unit, and outputs it.
    fn end(&mut self, room: &dyn Room, out: &mut dyn FnMut(Unpacked)) -> Result<(), Error> {
        (self.slices, self.open) = (false, Open::Nothing);
        let data = self.units.finish(room, |_, len| Prefix { at: 0, bytes: (len as u32).to_be_bytes(), len: 4 })?;
        self.emit(data, room, out)
    }

    /// Outputs an access unit. New parameter sets are announced at the next key frame, and stay in the pictures
    /// before it: otherwise viewers would have to wait for that key frame too.
    fn emit(&mut self, mut data: Bytes, room: &dyn Room, out: &mut dyn FnMut(Unpacked)) -> Result<(), Error> {
        let at = i64::from(self.time) / TICKS;
        let hints = Hints { at, flagged: false, sets: std::mem::take(&mut self.has_sets) };
        let key = self.keys.is_key(C::CODEC, &data, hints);
        if (key || !self.sets.is_known())
            && let Some(params) = self.sets.news::<Error>(&data, Some(room))?
        {
            out(Unpacked::Params(params));
        }
        if !self.sets.is_behind() {
            // the record contains them
            while let Some((_, tail)) = nal::split(&data, 4).filter(|(unit, _)| C::role(unit) == Role::Set) {
                data = data.slice_ref(tail);
            }
        }
        if self.sets.is_known() {
            out(Unpacked::Frame { time: self.time, key, data });
        }
        Ok(())
    }

    /// The access unit if it consists of this packet alone, without a copy into `units`.
    fn single(&mut self, packet: &Packet, shape: &Shape, room: &dyn Room) -> Result<Option<Bytes>, Error> {
        let Shape::Unit(unit) = shape else { return Ok(None) };
        let Some((header, body)) = unit.split_at_checked(C::HEADER) else { return Ok(None) };
        if !packet.marker || !self.units.is_empty() || C::role(header) != Role::Slice || cut(body).1.is_some() {
            return Ok(None);
        }
        self.slice(is_first(body));
        if self.marker_on_every_slice {
            return Ok(None);
        }
        let data = whole(&[&(unit.len() as u32).to_be_bytes(), unit], self.max, room);
        self.slices = false;
        data.map(Some)
    }

    fn packet(&mut self, packet: &Packet, room: &dyn Room, out: &mut dyn FnMut(Unpacked)) -> Result<(), Error> {
        let shape = shape::<C>(&packet.payload)?;
        if let Some(data) = self.single(packet, &shape, room)? {
            self.ended = Some(self.time);
            return self.emit(data, room, out);
        }
        self.take(shape, room)?;
        if packet.marker && self.slices && !self.marker_on_every_slice {
            self.ended = Some(self.time);
            return self.end(room, out);
        }
        Ok(())
    }

    fn give_up(&mut self, lost: Lost) {
        self.units.clear();
        (self.slices, self.open) = (false, Open::Nothing);
        self.lost = Some(lost);
    }
}

impl<C: Syntax> Unpack for Reading<C> {
    fn packet(&mut self, packet: &Packet, room: &dyn Room, out: &mut dyn FnMut(Unpacked)) -> Result<(), Error> {
        if self.lost.is_some() && self.is_skipped(packet, &shape::<C>(&packet.payload).unwrap_or(Shape::Nothing)) {
            return Ok(());
        }
        let turned = self.end_at(packet.timestamp, room, out);
        let taken = self.packet(packet, room, out);
        if taken.is_err() {
            let ended = packet.marker && !self.marker_on_every_slice;
            self.give_up(Lost { time: Some(packet.timestamp), ended });
        }
        turned.and(taken)
    }

    fn gap(&mut self) {
        self.give_up(Lost::default());
    }
}
