//! Motion JPEG. RFC 2435.
//!
//! Packets carry the scan and the parts that differ between pictures; the rest of the file is the same for all.
//! Received pictures become whole JFIF files. Pictures are sent if they are baseline with 4:2:2 or 4:2:0 chroma,
//! have the Huffman tables of T.81 annex K and sides of at most 2040 pixels; other pictures are left out.

mod picture;
mod tables;
#[cfg(test)]
pub(super) mod tests;

use bytes::Bytes;

use super::assembly::Rope;
use super::{Error, Format, Incoming, MAX_PAYLOAD, Pack, Packet, Payload, Unpack, Unpacked};
use crate::budget::Room;
use crate::media::{Codec, Frame, Hz, Params};
use crate::wire::Reader;
use picture::{EOI, Picture};
use tables::Quantizers;

/// The bit of types with restart markers. Section 3.1.3.
const RESTART: u8 = 64;
/// Q of quantizers that are sent in every picture's first packet. Section 4.2.
const Q_IN_BAND: u8 = 255;

/// Reads pictures.
struct Reading {
    begun: Option<Begun>,
    /// The part of the file that was received.
    parts: Rope,
    /// The last Q, and the quantizers sent with it.
    known: Option<(u8, Quantizers)>,
    /// The width and height that were last announced.
    sides: (u16, u16),
    /// Packets are skipped up to the next picture.
    lost: bool,
}

/// A picture that is being received.
struct Begun {
    time: u32,
    /// The number of bytes received of the scan, and the last two of them.
    len: usize,
    end: [u8; 2],
    sides: (u16, u16),
}

/// The main JPEG header after its offset, and the restart marker header. Sections 3.1 and 3.1.7.
struct Header {
    kind: u8,
    q: u8,
    sides: (u16, u16),
    restart: u16,
}

impl Header {
    fn parse(r: &mut Reader) -> Result<Self, Error> {
        let [kind, q, width, height] = r.array()?;
        if !matches!(kind & !RESTART, 0 | 1) {
            return Err(Error::Malformed("JPEG of an unknown type"));
        }
        if width == 0 || height == 0 {
            return Err(Error::Malformed("a JPEG of more than 2040 pixels"));
        }
        let mut restart = 0;
        if kind & RESTART != 0 {
            restart = r.u16()?;
            let _first_last_count = r.u16()?;
        }
        Ok(Self { kind, q, sides: (u16::from(width) * 8, u16::from(height) * 8), restart })
    }
}

impl Reading {
    fn part(&mut self, packet: &Packet, room: &dyn Room, out: &mut dyn FnMut(Unpacked)) -> Result<(), Error> {
        let mut r = Reader::new(&packet.payload);
        let _type_specific = r.u8()?;
        let offset = r.u24()? as usize;
        if self.lost && offset > 0 {
            return Ok(());
        }
        let header = Header::parse(&mut r)?;
        if offset == 0 {
            self.begin(packet.timestamp, &header, &mut r, room)?;
        }
        let (Some(begun), data) = (&mut self.begun, r.rest()) else {
            return Err(Error::Malformed("a fragment of a JPEG whose beginning is missing"));
        };
        if begun.len != offset || begun.time != packet.timestamp {
            return Err(Error::Malformed("fragment offset of a JPEG"));
        }
        self.parts.push(data, room)?;
        begun.len += data.len();
        begun.end = match data {
            [.., a, b] => [*a, *b],
            [b] => {
                let [_, a] = begun.end;
                [a, *b]
            }
            [] => begun.end,
        };
        if packet.marker { self.end(room, out) } else { Ok(()) }
    }

    fn begin(&mut self, time: u32, header: &Header, r: &mut Reader, room: &dyn Room) -> Result<(), Error> {
        self.give_up(false);
        let (width, height) = header.sides;
        let (half_height, restart) = (header.kind & 1 == 1, header.restart);
        let quantizers = self.quantizers(header.q, r)?;
        let picture = Picture { width, height, half_height, restart, quantizers };
        self.parts.push(&picture.write(), room)?;
        self.begun = Some(Begun { time, len: 0, end: [0; 2], sides: header.sides });
        Ok(())
    }

    /// The quantizers of a Q; those from 128 on are in the packet. Sections 3.1.8 and 4.2.
    fn quantizers(&mut self, q: u8, r: &mut Reader) -> Result<Quantizers, Error> {
        if let 1..=99 = q {
            return Ok(tables::quantizers(q));
        }
        if q < 128 {
            return Err(Error::Malformed("Q of a JPEG"));
        }
        let [_, precision] = r.array()?;
        let length = usize::from(r.u16()?);
        let mut tables = Reader::new(r.take(length)?);
        if precision & 3 != 0 {
            return Err(Error::Malformed("quantization tables of 16 bits"));
        }
        if length == 0 {
            let known = self.known.filter(|(known, _)| *known == q).map(|(_, quantizers)| quantizers);
            return known.ok_or(Error::Malformed("missing quantization tables"));
        }
        let luma = tables.array()?;
        let quantizers = [luma, tables.array().unwrap_or(luma)];
        self.known = Some((q, quantizers));
        Ok(quantizers)
    }

    fn end(&mut self, room: &dyn Room, out: &mut dyn FnMut(Unpacked)) -> Result<(), Error> {
        let Some(begun) = self.begun.take() else { return Ok(()) };
        if begun.end != EOI {
            self.parts.push(&EOI, room)?;
        }
        let data = self.parts.finish(room)?;
        if self.sides != begun.sides {
            self.sides = begun.sides;
            let (width, height) = (begun.sides.0.into(), begun.sides.1.into());
            out(Unpacked::Params(Params { width, height, ..Params::default() }));
        }
        out(Unpacked::Frame { time: begun.time, key: true, data });
        Ok(())
    }

    fn give_up(&mut self, lost: bool) {
        self.begun = None;
        self.parts.clear();
        self.lost = lost;
    }
}

impl Unpack for Reading {
    fn packet(&mut self, packet: &Packet, room: &dyn Room, out: &mut dyn FnMut(Unpacked)) -> Result<(), Error> {
        let done = self.part(packet, room, out);
        if done.is_err() {
            self.give_up(true);
        }
        done
    }

    fn gap(&mut self) {
        self.give_up(true);
    }
}

/// A reader; the first picture gives width and height.
pub(super) fn incoming(max: usize) -> Incoming {
    let reading = Reading { begun: None, parts: Rope::new(max), known: None, sides: (0, 0), lost: false };
    Incoming { codec: Codec::Mjpeg, params: None, unpack: Box::new(reading) }
}

/// Packs pictures.
struct Cutting;

/// Bytes of two quantizers.
const TABLES: usize = 128;

impl Pack for Cutting {
    fn frame(&self, frame: &Frame, out: &mut dyn FnMut(Payload<'_>)) {
        let Some((picture, scan)) = Picture::read(&frame.data) else { return };
        let sides = [picture.width, picture.height].map(|side| u8::try_from(side.div_ceil(8)).ok());
        let [Some(width), Some(height)] = sides else { return };
        let mut rest = frame.data.slice_ref(scan.strip_suffix(&EOI).unwrap_or(scan));
        let kind = u8::from(picture.half_height) | if picture.restart > 0 { RESTART } else { 0 };
        // all restart intervals count as one: F and L set, and a count of all ones
        let [r1, r0] = picture.restart.to_be_bytes();
        let restart = [r1, r0, 0xff, 0xff];
        let restart = if picture.restart > 0 { &restart[..] } else { &[] };
        let mut offset = 0u32;
        while !rest.is_empty() && offset < 1 << 24 {
            let [_, o2, o1, o0] = offset.to_be_bytes();
            let main = [0, o2, o1, o0, kind, Q_IN_BAND, width, height];
            let (tables, most) = match offset {
                0 => (&[0, 0, 0, TABLES as u8][..], MAX_PAYLOAD - 16 - TABLES),
                _ => (&[][..], MAX_PAYLOAD - 12),
            };
            let mut body = rest.split_to(rest.len().min(most));
            let after = offset + body.len() as u32;
            if offset == 0 {
                // the only bytes that are copied: tables and scan are not contiguous in the file
                body = Bytes::from([picture.quantizers.as_flattened(), &body].concat());
            }
            let mut head = main.iter().chain(restart).chain(tables).copied();
            let mut bytes = [0; 16];
            let len = bytes.iter_mut().zip(&mut head).map(|(to, from)| *to = from).count();
            let head = bytes.get(..len).unwrap_or_default();
            out(Payload { head, body, later: 0, marker: rest.is_empty() });
            offset = after;
        }
    }
}

/// The static payload type. RFC 3551 section 5.
pub(super) fn outgoing() -> Option<(Format, Box<dyn Pack>)> {
    Some((super::format(26, "JPEG", Hz::MPEG, 1, []), Box::new(Cutting)))
}
