//! AAC as MPEG4-GENERIC. RFC 3640.

use bytes::Bytes;

use super::assembly::Rope;
use super::{Error, Format, Incoming, MAX_FRAMES, MAX_PAYLOAD, Pack, Packet, Payload, TOO_MANY, Unpack, Unpacked};
use crate::budget::Room;
use crate::codec::{self, aac};
use crate::media::{Codec, Frame, Hz, Params, Ticks, Track};
use crate::wire::bits::Bits;
use crate::wire::{Reader, Short};

/// The width in bits of each field of an AU header; 0 for a field that is absent. Section 4.1.
#[derive(Clone, Copy, Debug, Default)]
struct Layout {
    size: u32,
    index: u32,
    delta: u32,
    cts: u32,
    dts: u32,
    random_access: bool,
    stream_state: u32,
    auxiliary_size: u32,
    /// The length of every access unit in bytes, if headers do not give it.
    constant_size: usize,
}

impl Layout {
    fn new(format: &Format) -> Self {
        let mode = format.parameter("mode").unwrap_or_default();
        let (size, index, delta) = match mode {
            _ if mode.eq_ignore_ascii_case("AAC-lbr") => (6, 2, 2),
            _ if mode.eq_ignore_ascii_case("generic") => (0, 0, 0),
            _ => (13, 3, 3),
        };
        let number = |name| format.parameter(name).and_then(|text| text.parse::<u32>().ok());
        let bits = |name, default| number(name).unwrap_or(default).min(32);
        let constant_size = number("constantsize").unwrap_or(0) as usize;
        Self {
            size: if constant_size > 0 { 0 } else { bits("sizelength", size) },
            index: bits("indexlength", index),
            delta: bits("indexdeltalength", delta),
            cts: bits("ctsdeltalength", 0),
            dts: bits("dtsdeltalength", 0),
            random_access: bits("randomaccessindication", 0) > 0,
            stream_state: bits("streamstateindication", 0),
            auxiliary_size: bits("auxiliarydatasizelength", 0),
            constant_size,
        }
    }

    /// True if there is an AU header section. Section 3.2.1.
    fn has_headers(&self) -> bool {
        let optional = self.cts + self.dts + u32::from(self.random_access) + self.stream_state;
        self.size + self.index + self.delta + optional > 0
    }

    /// Reads an AU header. Section 3.2.1.1.
    fn header(&self, bits: &mut Bits, first: bool) -> Result<Header, Short> {
        let size = bits.bits(self.size)? as usize;
        let index_bits = if first { self.index } else { self.delta };
        let index = bits.bits(index_bits)?;
        let mut used = self.size + index_bits + self.stream_state + u32::from(self.random_access);
        for length in [self.cts, self.dts].into_iter().filter(|length| *length > 0) {
            let given = if bits.bit()? { length } else { 0 };
            bits.skip(given as usize)?;
            used += 1 + given;
        }
        bits.skip(self.stream_state as usize + usize::from(self.random_access))?;
        let size = if self.size == 0 { self.constant_size } else { size };
        Ok(Header { size, skipped: if first { 0 } else { index }, used })
    }
}

/// AU headers, and their length in bits.
type Headers<'a> = (&'a [u8], u32);

/// An AU header.
struct Header {
    /// The length of the access unit in bytes.
    size: usize,
    /// The number of access units left out before it.
    skipped: u32,
    /// The length of the header in bits.
    used: u32,
}

/// Reads access units.
struct Reading {
    layout: Layout,
    max: usize,
    /// The duration of an access unit in ticks.
    ticks: u32,
    /// Payloads are ADTS frames instead of AU headers and access units, as some cameras send them.
    adts: bool,
    /// Timestamp and length of the access unit whose fragments are being collected.
    begun: Option<(u32, usize)>,
    parts: Rope,
    lost: Lost,
}

/// Fragments that are skipped because earlier ones are missing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lost {
    Nothing,
    /// Those with the timestamp of the next fragment.
    Next,
    /// Those with this timestamp.
    Of(u32),
}

/// The length of an access unit that is not given: it ends at the marker bit.
const UNTIL_MARKER: usize = usize::MAX;

impl Reading {
    /// Splits a payload into the AU headers, if there are any, and the data after them. Section 3.2.
    fn sections<'a>(&self, payload: &'a [u8]) -> Result<(Option<Headers<'a>>, &'a [u8]), Error> {
        let mut r = Reader::new(payload);
        let mut headers = None;
        if self.layout.has_headers() {
            let bits = r.u16()?;
            headers = Some((r.take(usize::from(bits).div_ceil(8))?, u32::from(bits)));
        }
        if self.layout.auxiliary_size > 0 {
            let size = Bits::new(r.rest()).bits(self.layout.auxiliary_size)?;
            r.take(size.saturating_add(self.layout.auxiliary_size).div_ceil(8) as usize)?;
        }
        Ok((headers, r.rest()))
    }

    fn units(&mut self, packet: &Packet, room: &dyn Room, out: &mut dyn FnMut(Unpacked)) -> Result<(), Error> {
        self.adts |= is_adts(&packet.payload, packet.marker);
        if self.adts {
            return self.adts_frames(packet, room, out);
        }
        let (headers, data) = self.sections(&packet.payload)?;
        let mut data = packet.payload.slice_ref(data);
        let Some((headers, mut left)) = headers else {
            let constant = self.layout.constant_size;
            let size = if constant > 0 { constant } else { UNTIL_MARKER };
            return self.unit(packet.timestamp, packet.marker, size, data, room, out);
        };
        let mut bits = Bits::new(headers);
        let (mut time, mut count) = (packet.timestamp, 0);
        while left > 0 && !data.is_empty() {
            if count == MAX_FRAMES {
                return Err(TOO_MANY);
            }
            let first = count == 0;
            let header = self.layout.header(&mut bits, first)?;
            left = left.saturating_sub(header.used.max(1));
            time = time.wrapping_add(self.ticks.wrapping_mul(header.skipped));
            if header.size > data.len() && !first {
                return Err(Error::Malformed("a fragment after a whole access unit"));
            }
            let unit = data.split_to(header.size.min(data.len()));
            self.unit(time, packet.marker, header.size, unit, room, out)?;
            (time, count) = (time.wrapping_add(self.ticks), count + 1);
        }
        Ok(())
    }

    /// Reads `data` of an access unit of `size` bytes.
    fn unit(
        &mut self,
        time: u32,
        marker: bool,
        size: usize,
        data: Bytes,
        room: &dyn Room,
        out: &mut dyn FnMut(Unpacked),
    ) -> Result<(), Error> {
        let until_marker = size == UNTIL_MARKER;
        let whole = size <= data.len() || until_marker && marker && self.begun.is_none();
        let data = if whole {
            self.lost = Lost::Nothing;
            self.give_up();
            data.slice(..size.min(data.len()))
        } else {
            match self.fragment(time, marker, size, &data, room)? {
                Some(data) => data,
                None => return Ok(()),
            }
        };
        if data.len() > self.max {
            return Err(Error::TooLong);
        }
        let data = without_adts(data);
        if !data.is_empty() {
            out(Unpacked::Frame { time, key: true, data });
        }
        Ok(())
    }

    /// Reads ADTS frames, or a part of one.
    fn adts_frames(&mut self, packet: &Packet, room: &dyn Room, out: &mut dyn FnMut(Unpacked)) -> Result<(), Error> {
        let (mut data, mut time) = (packet.payload.clone(), packet.timestamp);
        if let Some((_, size)) = self.begun.filter(|(begun, _)| *begun == time) {
            return self.unit(time, packet.marker, size, data, room, out);
        }
        for _ in 0..MAX_FRAMES {
            if data.is_empty() {
                return Ok(());
            }
            let size = aac::Adts::parse(&data)?.frame_len;
            let frame = data.split_to(size.min(data.len()));
            self.unit(time, packet.marker, size, frame, room, out)?;
            time = time.wrapping_add(self.ticks);
        }
        if data.is_empty() { Ok(()) } else { Err(TOO_MANY) }
    }

    /// Adds a fragment; gives the access unit with its last fragment. Section 3.2.3.
    fn fragment(
        &mut self,
        time: u32,
        marker: bool,
        size: usize,
        data: &[u8],
        room: &dyn Room,
    ) -> Result<Option<Bytes>, Error> {
        match self.lost {
            Lost::Nothing => {}
            Lost::Of(lost) if lost != time => {}
            _ => {
                self.lost = if marker { Lost::Nothing } else { Lost::Of(time) };
                return Ok(None);
            }
        }
        self.lost = Lost::Of(time); // applies if an error follows
        if self.begun != Some((time, size)) {
            self.give_up();
            self.begun = Some((time, size));
        }
        if size != UNTIL_MARKER && size > self.max {
            return Err(Error::TooLong);
        }
        self.parts.push(data, room)?;
        let whole = if size == UNTIL_MARKER { marker } else { self.parts.len() >= size };
        if marker && !whole || whole && size < self.parts.len() {
            return Err(Error::Malformed("fragments that do not add up to their access unit"));
        }
        self.lost = Lost::Nothing;
        if !whole {
            return Ok(None);
        }
        self.begun = None;
        Ok(Some(self.parts.finish(room)?))
    }

    fn give_up(&mut self) {
        self.begun = None;
        self.parts.clear();
    }
}

impl Unpack for Reading {
    fn packet(&mut self, packet: &Packet, room: &dyn Room, out: &mut dyn FnMut(Unpacked)) -> Result<(), Error> {
        let done = self.units(packet, room, out);
        if done.is_err() {
            self.give_up();
            // after the marker bit no fragments remain to be skipped
            self.lost = if packet.marker { Lost::Nothing } else { self.lost };
        }
        done
    }

    fn gap(&mut self) {
        self.give_up();
        self.lost = Lost::Next;
    }
}

/// True if a payload is ADTS: frames whose lengths add up to it, or a part of one that continues in the next
/// packet. As a length of AU headers, the sync word would exceed any packet.
fn is_adts(payload: &[u8], marker: bool) -> bool {
    let mut rest = payload;
    while let Ok(header) = aac::Adts::parse(rest) {
        match rest.get(header.frame_len..) {
            Some([]) => return true,
            Some(next) => rest = next,
            None => return !marker && rest.len() == payload.len(),
        }
    }
    false
}

/// Removes an ADTS header, which some cameras leave in place. It cannot be confused with a raw frame: read as one,
/// it would have a negative length.
fn without_adts(data: Bytes) -> Bytes {
    let Some([0xff, flags, _, high, middle, low, _]) = data.first_chunk() else { return data };
    let length = usize::from(high & 3) << 11 | usize::from(*middle) << 3 | usize::from(low >> 5);
    if flags & 0xf6 != 0xf0 || length != data.len() {
        return data;
    }
    let header = if flags & 1 == 1 { 7 } else { 9 };
    data.slice(header.min(length)..)
}

/// The decoder record: `config`, or one made from rate and channels.
fn params(format: &Format) -> Option<Params> {
    let given = format.parameter("config").map(|text| text.trim_matches('"'));
    let given = given.and_then(|text| base16ct::mixed::decode_vec(text).ok());
    let given = given.and_then(|record| codec::params(Codec::Aac, record.into()).ok());
    given.or_else(|| {
        let config = aac::Config::lc(format.clock.get(), format.channels)?;
        codec::params(Codec::Aac, config.write().to_vec().into()).ok()
    })
}

/// The duration of an access unit in ticks of `clock`.
pub(super) fn ticks(record: &[u8], clock: Hz) -> u32 {
    let Ok(config) = aac::Config::parse(record) else { return aac::SAMPLES };
    let samples = match config.object_type {
        5 | 29 => aac::SAMPLES * 2,  // SBR doubles the samples
        23 | 39 => aac::SAMPLES / 2, // low delay halves them
        _ => aac::SAMPLES,
    };
    Ticks(samples.into()).rescale(Hz::new(config.sample_rate), clock).0 as u32
}

/// A reader; `None` if the format is not AAC, or cannot be decoded for want of parameters.
pub(super) fn incoming(format: &Format, max: usize) -> Option<Incoming> {
    let mode = format.parameter("mode").unwrap_or_default().to_ascii_uppercase();
    let params = params(format).filter(|_| !mode.starts_with("CELP"))?;
    let constant = format.parameter("constantduration").and_then(|text| text.parse().ok());
    let reading = Reading {
        layout: Layout::new(format),
        max,
        ticks: constant.unwrap_or_else(|| ticks(&params.record, format.clock)),
        adts: false,
        begun: None,
        parts: Rope::new(max),
        lost: Lost::Nothing,
    };
    Some(Incoming { codec: Codec::Aac, params: Some(params), unpack: Box::new(reading) })
}

/// Packs one access unit or fragment per packet. Access units whose length exceeds 13 bits are left out.
struct Cutting;

/// Bytes of the AU header section: the length of the headers in bits, and one header.
const HEADERS: usize = 4;

impl Pack for Cutting {
    fn frame(&self, frame: &Frame, out: &mut dyn FnMut(Payload<'_>)) {
        let Ok(size @ 1..0x2000) = u16::try_from(frame.data.len()) else { return };
        let [high, low] = (size << 3).to_be_bytes();
        let mut rest = frame.data.share();
        while !rest.is_empty() {
            let body = rest.split_to(rest.len().min(MAX_PAYLOAD - HEADERS));
            out(Payload { head: &[0, 16, high, low], body, later: 0, marker: rest.is_empty() });
        }
    }
}

/// AAC-hbr. Section 3.3.6.
pub(super) fn outgoing(track: &Track) -> Option<(Format, Box<dyn Pack>)> {
    let config = aac::Config::parse(&track.params.record).ok().filter(|config| config.sample_rate > 0)?;
    let fmtp = [
        ("streamtype", "5"),
        ("profile-level-id", "1"),
        ("mode", "AAC-hbr"),
        ("sizelength", "13"),
        ("indexlength", "3"),
        ("indexdeltalength", "3"),
        ("config", &base16ct::upper::encode_string(&track.params.record)),
    ];
    let fmtp = fmtp.map(|(name, value)| (name, value.to_owned()));
    let format = super::format(97, "MPEG4-GENERIC", Hz::new(config.sample_rate), config.channels.max(1), fmtp);
    Some((format, Box::new(Cutting)))
}

#[cfg(test)]
mod tests;
