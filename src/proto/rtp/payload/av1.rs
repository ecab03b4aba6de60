//! AV1. The AV1 RTP payload specification of AOMedia, version 1.0.
//!
//! RTP carries OBUs without their sizes; frames inside runnel contain the sizes.

use bytes::Bytes;

use super::assembly::{Prefix, Units};
use super::{Error, Format, Incoming, MAX_PAYLOAD, Pack, Packet, Payload, Unpack, Unpacked};
use crate::budget::Room;
use crate::codec::{self, av1};
use crate::media::{Codec, Frame, Hz, Track};
use crate::wire::Reader;

/// Flags of the aggregation header. Section 4.4.
const Z: u8 = 0x80;
const Y: u8 = 0x40;
const N: u8 = 0x08;
/// W: the packet has one OBU element, without a length.
const W_ONE: u8 = 0x10;

/// Flags of an OBU header. AV1 section 5.3.2.
const HAS_SIZE: u8 = 0x02;
const HAS_EXTENSION: u8 = 0x04;

/// OBU_TILE_LIST, which RTP must not carry. Section 5.
const TILE_LIST: u8 = 8;
/// The maximum length of a sequence header in bytes: encoders send less than 30.
const MAX_SEQUENCE: usize = 256;

/// Reads temporal units.
struct Reading {
    units: Units,
    time: u32,
    open: Open,
    /// The last sequence header that was announced.
    sequence: Vec<u8>,
    lost: Option<Lost>,
}

/// The state of the OBU that continues in the next packet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Kept,
    Dropped,
}

/// The packets of a temporal unit whose start was lost.
#[derive(Default)]
struct Lost {
    /// Their timestamp, if one was received.
    time: Option<u32>,
    /// The last packet of the temporal unit was received.
    ended: bool,
}

impl Reading {
    /// True if the packet is skipped because earlier ones are lost.
    fn is_skipped(&mut self, packet: &Packet, header: u8) -> bool {
        let Some(lost) = &mut self.lost else { return false };
        let other = lost.ended || lost.time.is_some_and(|time| time != packet.timestamp);
        if header & N != 0 || other && header & Z == 0 {
            self.lost = None;
            return false;
        }
        *lost = Lost { time: Some(packet.timestamp), ended: packet.marker };
        true
    }

    /// Reads the OBU elements of a packet.
    fn elements(&mut self, payload: &[u8], room: &dyn Room) -> Result<(), Error> {
        let mut r = Reader::new(payload);
        let header = r.u8()?;
        let goes_on = header & Z != 0;
        if goes_on != (self.open != Open::Nothing) {
            return Err(Error::Malformed("a fragment of an OBU whose neighbour is missing"));
        }
        let count = header >> 4 & 3;
        let mut at = 0;
        while !r.is_empty() {
            at += 1;
            let length = if at == u32::from(count) { r.len() } else { av1::leb128(&mut r)? as usize };
            let element = r.take(length)?;
            let last = r.is_empty();
            self.element(element, at == 1 && goes_on, last && header & Y != 0, room)?;
        }
        Ok(())
    }

    fn element(&mut self, element: &[u8], goes_on: bool, more: bool, room: &dyn Room) -> Result<(), Error> {
        if goes_on {
            if self.open == Open::Kept {
                self.units.push(element, room)?;
            }
        } else {
            let Some((header, rest)) = element.split_first() else { return Ok(()) };
            let kept = !matches!(header >> 3 & 15, av1::TEMPORAL_DELIMITER | TILE_LIST);
            self.open = if kept { Open::Kept } else { Open::Dropped };
            if kept {
                self.units.push(&[header | HAS_SIZE], room)?;
                self.push_without_size(*header, rest, room)?;
            }
        }
        if !more {
            self.open = Open::Nothing;
            self.units.close(room)?;
        }
        Ok(())
    }

    /// Adds the bytes after an OBU header, without the size that some senders include.
    fn push_without_size(&mut self, header: u8, rest: &[u8], room: &dyn Room) -> Result<(), Error> {
        let mut r = Reader::new(rest);
        if header & HAS_SIZE == 0 {
            return self.units.push(rest, room);
        }
        if header & HAS_EXTENSION != 0 {
            self.units.push(&[r.u8()?], room)?;
        }
        let _size = av1::leb128(&mut r)?;
        self.units.push(r.rest(), room)
    }

    /// Ends the temporal unit, and outputs it.
    fn end(&mut self, room: &dyn Room, out: &mut dyn FnMut(Unpacked)) -> Result<(), Error> {
        if self.open != Open::Nothing {
            return Err(Error::Malformed("an OBU whose end is missing"));
        }
        if self.units.is_empty() {
            return Ok(());
        }
        let data = self.units.finish(room, size_field)?;
        let sequence = av1::obus(&data).find(|obu| obu.kind == av1::SEQUENCE_HEADER).map(|obu| obu.payload);
        if let Some(sequence) = sequence.filter(|sequence| *sequence != self.sequence) {
            let record = av1::write(sequence).filter(|_| sequence.len() <= MAX_SEQUENCE);
            let record = record.ok_or(Error::Malformed("a damaged sequence header"))?;
            out(Unpacked::Params(codec::params(Codec::Av1, record.into())?));
            self.sequence = sequence.to_vec();
        }
        if !self.sequence.is_empty() {
            out(Unpacked::Frame { time: self.time, key: av1::is_key(&data), data });
        }
        Ok(())
    }

    fn give_up(&mut self, lost: Option<Lost>) {
        self.units.clear();
        (self.open, self.lost) = (Open::Nothing, lost);
    }
}

impl Unpack for Reading {
    fn packet(&mut self, packet: &Packet, room: &dyn Room, out: &mut dyn FnMut(Unpacked)) -> Result<(), Error> {
        let Some(header) = packet.payload.first().copied() else { return Ok(()) };
        if self.is_skipped(packet, header) {
            return Ok(());
        }
        let mut turned = Ok(());
        if packet.timestamp != self.time && (!self.units.is_empty() || self.open != Open::Nothing) {
            turned = self.end(room, out);
            self.give_up(None);
        }
        self.time = packet.timestamp;
        let mut taken = self.elements(&packet.payload, room);
        if packet.marker && taken.is_ok() {
            taken = self.end(room, out);
        }
        if taken.is_err() {
            self.give_up(Some(Lost { time: Some(packet.timestamp), ended: packet.marker }));
        }
        turned.and(taken)
    }

    fn gap(&mut self) {
        self.give_up(Some(Lost::default()));
    }
}

/// obu_size, which is placed after the OBU header.
fn size_field(header: u8, len: usize) -> Prefix {
    let at = if header & HAS_EXTENSION == 0 { 1 } else { 2 };
    let mut size = len.saturating_sub(at);
    let mut prefix = Prefix { at, bytes: [0; 4], len: 0 };
    for byte in &mut prefix.bytes {
        *byte = size as u8 & 0x7f;
        size >>= 7;
        prefix.len += 1;
        if size == 0 {
            break;
        }
        *byte |= 0x80;
    }
    prefix
}

/// A reader; the first key frame contains the sequence header.
pub(super) fn incoming(max: usize) -> Incoming {
    let (units, sequence) = (Units::new(max), Vec::new());
    let reading = Reading { units, time: 0, open: Open::Nothing, sequence, lost: None };
    Incoming { codec: Codec::Av1, params: None, unpack: Box::new(reading) }
}

/// Packs temporal units. Each OBU has its own packets.
struct Cutting {
    /// The sequence header, sent before key frames that contain none.
    sequence: Option<Obu>,
}

/// An OBU without its size.
#[derive(Clone)]
struct Obu {
    header: [u8; 2],
    header_len: usize,
    body: Bytes,
}

impl Obu {
    fn kind(&self) -> u8 {
        let [first, _] = self.header;
        first >> 3 & 15
    }

    /// The OBUs of a temporal unit, except those that RTP must not carry.
    fn all(data: &Bytes) -> impl Iterator<Item = Self> {
        let mut r = Reader::new(data);
        let next = move || Self::read(&mut r, data).filter(|_| !data.is_empty());
        std::iter::from_fn(next).filter(|obu| !matches!(obu.kind(), av1::TEMPORAL_DELIMITER | TILE_LIST))
    }

    fn read(r: &mut Reader, data: &Bytes) -> Option<Self> {
        let first = r.u8().ok()?;
        let extended = first & HAS_EXTENSION != 0;
        let extension = if extended { r.u8().ok()? } else { 0 };
        let len = if first & HAS_SIZE != 0 { av1::leb128(r).ok()? as usize } else { r.len() };
        let body = data.slice_ref(r.take(len).ok()?);
        Some(Self { header: [first & !HAS_SIZE, extension], header_len: 1 + usize::from(extended), body })
    }

    fn cut(mut self, flags: u8, last: bool, out: &mut dyn FnMut(Payload<'_>)) {
        let [header, extension] = self.header;
        let (mut flags, mut header_len) = (flags, self.header_len);
        loop {
            let body = self.body.split_to(self.body.len().min(MAX_PAYLOAD - 1 - header_len));
            let more = if self.body.is_empty() { 0 } else { Y };
            let head = [W_ONE | flags | more, header, extension];
            let head = head.get(..1 + header_len).unwrap_or_default();
            out(Payload { head, body, later: 0, marker: last && more == 0 });
            if more == 0 {
                return;
            }
            (flags, header_len) = (Z, 0);
        }
    }
}

impl Pack for Cutting {
    fn frame(&self, frame: &Frame, out: &mut dyn FnMut(Payload<'_>)) {
        let has_sequence = || Obu::all(&frame.data).any(|obu| obu.kind() == av1::SEQUENCE_HEADER);
        let leading = self.sequence.clone().filter(|_| frame.key && !has_sequence());
        let mut obus = Obu::all(&frame.data).peekable();
        if obus.peek().is_none() {
            return;
        }
        let mut flags = if frame.key { N } else { 0 };
        if let Some(obu) = leading {
            obu.cut(std::mem::take(&mut flags), false, out);
        }
        while let Some(obu) = obus.next() {
            obu.cut(std::mem::take(&mut flags), obus.peek().is_none(), out);
        }
    }
}

/// The format and the packer of a track, with the parameters of its record. Section 7.1.
pub(super) fn outgoing(track: &Track) -> Option<(Format, Box<dyn Pack>)> {
    let record = &track.params.record;
    let mut fmtp = Vec::new();
    if let Some([_, profile_and_level, tier, _]) = record.first_chunk() {
        fmtp.push(("profile", (profile_and_level >> 5).to_string()));
        fmtp.push(("level-idx", (profile_and_level & 31).to_string()));
        fmtp.push(("tier", (tier >> 7).to_string()));
    }
    let units = record.get(4..).map(|units| record.slice_ref(units)).unwrap_or_default();
    let sequence = Obu::all(&units).find(|obu| obu.kind() == av1::SEQUENCE_HEADER);
    Some((super::format(99, "AV1", Hz::MPEG, 1, fmtp), Box::new(Cutting { sequence })))
}

#[cfg(test)]
mod tests;
