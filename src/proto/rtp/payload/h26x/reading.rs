//! Access units out of packets.

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
    /// The timestamp of what `units` holds.
    time: u32,
    /// `units` has a slice.
    slices: bool,
    open: Open,
    /// The timestamp of the last unit that a marker bit ended.
    ended: Option<u32>,
    keys: Keys,
    /// Parameter sets have come since the last unit.
    led: bool,
    /// The marker bit is set on every slice.
    markers_lie: bool,
    /// Set as long as it is not known where the next access unit begins.
    lost: Option<Lost>,
    syntax: std::marker::PhantomData<fn() -> C>,
}

/// The unit that fragments are waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Kept,
    /// A delimiter or filler, or a parameter set too long for one packet.
    Dropped,
}

/// Packets of an access unit whose start was lost.
#[derive(Default)]
struct Lost {
    /// Their timestamp, once one was seen.
    time: Option<u32>,
    /// Its last packet was seen.
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
            led: false,
            markers_lie: false,
            lost: Some(Lost::default()),
            syntax: std::marker::PhantomData,
        }
    }

    /// Whether the packet is passed over because of what was lost before it.
    fn passes(&mut self, packet: &Packet, shape: &Shape) -> bool {
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
        lost.ended = packet.marker && of_slice && !self.markers_lie;
        true
    }

    /// Ends the access unit that a new timestamp ends.
    fn turn(&mut self, time: u32, room: &dyn Room, out: &mut dyn FnMut(Unpacked)) -> Result<(), Error> {
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
            Shape::Part { .. } if self.open == Open::Nothing => Err(Error::Malformed("a fragment without its first")),
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

    /// Takes the unit with that header, or what follows of the open one; `end`
    /// if nothing of it is to come. Start codes end units too.
    fn part(&mut self, header: Option<&[u8]>, body: &[u8], end: bool, room: &dyn Room) -> Result<(), Error> {
        let (mut piece, mut rest) = cut(body);
        // a start code at once: the header was that of the packet alone
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
                    self.led = true;
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
            self.markers_lie = true;
        }
        self.slices = true;
    }

    fn close(&mut self, room: &dyn Room) -> Result<(), Error> {
        self.open = Open::Nothing;
        self.units.close(room)
    }

    /// Ends the access unit.
    fn end(&mut self, room: &dyn Room, out: &mut dyn FnMut(Unpacked)) -> Result<(), Error> {
        (self.slices, self.open) = (false, Open::Nothing);
        let data = self.units.finish(room, |_, len| Prefix { at: 0, bytes: (len as u32).to_be_bytes(), len: 4 })?;
        self.emit(data, room, out)
    }

    /// Sets that are news wait for a key frame, and stay in the pictures before it:
    /// viewers would have to wait for one too.
    fn emit(&mut self, mut data: Bytes, room: &dyn Room, out: &mut dyn FnMut(Unpacked)) -> Result<(), Error> {
        let at = i64::from(self.time) / TICKS;
        let hints = Hints { at, flagged: false, sets: std::mem::take(&mut self.led) };
        let key = self.keys.is_key(C::CODEC, &data, hints);
        if (key || !self.sets.is_known())
            && let Some(params) = self.sets.news::<Error>(&data, Some(room))?
        {
            out(Unpacked::Params(params));
        }
        if !self.sets.is_behind() {
            // the record has them
            while let Some((_, tail)) = nal::split(&data, 4).filter(|(unit, _)| C::role(unit) == Role::Set) {
                data = data.slice_ref(tail);
            }
        }
        if self.sets.is_known() {
            out(Unpacked::Frame { time: self.time, key, data });
        }
        Ok(())
    }

    /// The access unit, if that packet is all of it: no need to collect anything.
    fn lone(&mut self, packet: &Packet, shape: &Shape, room: &dyn Room) -> Result<Option<Bytes>, Error> {
        let Shape::Unit(unit) = shape else { return Ok(None) };
        let Some((header, body)) = unit.split_at_checked(C::HEADER) else { return Ok(None) };
        if !packet.marker || !self.units.is_empty() || C::role(header) != Role::Slice || cut(body).1.is_some() {
            return Ok(None);
        }
        self.slice(is_first(body));
        if self.markers_lie {
            return Ok(None);
        }
        let data = whole(&[&(unit.len() as u32).to_be_bytes(), unit], self.max, room);
        self.slices = false;
        data.map(Some)
    }

    fn packet(&mut self, packet: &Packet, room: &dyn Room, out: &mut dyn FnMut(Unpacked)) -> Result<(), Error> {
        let shape = shape::<C>(&packet.payload)?;
        if let Some(data) = self.lone(packet, &shape, room)? {
            self.ended = Some(self.time);
            return self.emit(data, room, out);
        }
        self.take(shape, room)?;
        if packet.marker && self.slices && !self.markers_lie {
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
        if self.lost.is_some() && self.passes(packet, &shape::<C>(&packet.payload).unwrap_or(Shape::Nothing)) {
            return Ok(());
        }
        let turned = self.turn(packet.timestamp, room, out);
        let taken = self.packet(packet, room, out);
        if taken.is_err() {
            let ended = packet.marker && !self.markers_lie;
            self.give_up(Lost { time: Some(packet.timestamp), ended });
        }
        turned.and(taken)
    }

    fn gap(&mut self) {
        self.give_up(Lost::default());
    }
}
