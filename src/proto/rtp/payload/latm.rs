//! Reads AAC as MP4A-LATM, which is never sent. RFC 6416 section 6, ISO/IEC 14496-3 section 1.7.3.
//!
//! Supported is one program with one layer, whose frames contain their length (frameLengthType 0).

use bytes::Bytes;

use super::assembly::Rope;
use super::{Error, Format, Incoming, MAX_FRAMES, Packet, TOO_MANY, Unpack, Unpacked};
use crate::budget::Room;
use crate::codec::{self, aac};
use crate::media::{Codec, Hz, Params};
use crate::wire::Reader;
use crate::wire::bits::Bits;

/// StreamMuxConfig(). Table 1.42.
struct Config {
    /// AudioSpecificConfig, padded with zero bits.
    record: Vec<u8>,
    /// The number of access units in an AudioMuxElement.
    frames: u32,
    /// Other data follows the access units.
    other_data: bool,
    /// Its length in bits.
    len: usize,
}

impl Config {
    fn parse(bits: &mut Bits) -> Result<Self, Error> {
        let version = bits.bit()?;
        let mut len = 1;
        if version {
            if bits.bit()? {
                return Err(Error::Malformed("audioMuxVersionA"));
            }
            len += 1;
            value(bits, &mut len)?;
        }
        let _same_time_framing = bits.bit()?;
        let frames = bits.bits(6)? + 1;
        if bits.bits(4 + 3)? != 0 {
            return Err(Error::Malformed("more than one program or layer"));
        }
        len += 1 + 6 + 4 + 3;
        let config_len = if version { value(bits, &mut len)? as usize } else { aac::config_len(bits)? };
        let record = copy(bits, config_len)?;
        if bits.bits(3)? != 0 {
            return Err(Error::Malformed("frameLengthType"));
        }
        let _buffer_fullness = bits.bits(8)?;
        len += config_len + 3 + 8;
        let other_data = bits.bit()?;
        if other_data && version {
            value(bits, &mut len)?;
        } else if other_data {
            // otherDataLenEsc and otherDataLenTmp
            while bits.bits(1 + 8).inspect(|_| len += 9)? > 0xff {}
        }
        let checksum = bits.bit()?;
        bits.skip(if checksum { 8 } else { 0 })?;
        len += 1 + 1 + if checksum { 8 } else { 0 };
        Ok(Self { record, frames, other_data, len })
    }
}

/// LatmGetValue(). Table 1.43.
fn value(bits: &mut Bits, len: &mut usize) -> Result<u32, Error> {
    let bytes = bits.bits(2)? + 1;
    *len += 2 + bytes as usize * 8;
    Ok(bits.bits(bytes * 8)?)
}

/// The maximum length of an AudioSpecificConfig in bits, enough for many channels.
const MAX_CONFIG: usize = 8 * 64;

/// Reads the next `len` bits as bytes.
fn copy(bits: &mut Bits, len: usize) -> Result<Vec<u8>, Error> {
    if len > MAX_CONFIG {
        return Err(Error::Malformed("an AudioSpecificConfig that is too long"));
    }
    let whole = (0..len / 8).map(|_| bits.bits(8).map(|byte| byte as u8));
    let mut out = whole.collect::<Result<Vec<u8>, _>>()?;
    let rest = (len % 8) as u32;
    if rest > 0 {
        out.push((bits.bits(rest)? << (8 - rest)) as u8);
    }
    Ok(out)
}

/// Reads AudioMuxElements.
struct Reading {
    max: usize,
    clock: Hz,
    /// The config is sent with the frames: cpresent. RFC 6416 section 7.3.
    in_band: bool,
    config: Option<Config>,
    /// The record that was last announced.
    record: Bytes,
    ticks: u32,
    time: u32,
    /// The fragments of an element.
    parts: Rope,
    /// Packets are skipped until the marker bit or another timestamp than this.
    lost: Option<Option<u32>>,
}

impl Reading {
    fn packet(&mut self, packet: &Packet, room: &dyn Room, out: &mut dyn FnMut(Unpacked)) -> Result<(), Error> {
        if !self.parts.is_empty() && self.time != packet.timestamp {
            self.parts.clear(); // the packet with its marker bit is missing
        }
        self.time = packet.timestamp;
        if packet.marker && self.parts.is_empty() {
            return self.element(&packet.payload, room, out);
        }
        self.parts.push(&packet.payload, room)?;
        if packet.marker {
            let element = self.parts.finish(room)?;
            return self.element(&element, room, out);
        }
        Ok(())
    }

    /// Reads AudioMuxElement(). The data after its config is shifted to byte positions first. Table 1.41.
    fn element(&mut self, data: &Bytes, room: &dyn Room, out: &mut dyn FnMut(Unpacked)) -> Result<(), Error> {
        if !self.in_band {
            return self.frames(data, out);
        }
        let mut bits = Bits::new(data);
        let mut skip = 1;
        let same = bits.bit()?;
        if !same {
            let config = Config::parse(&mut bits)?;
            skip += config.len;
            self.set_config(config, out)?;
        }
        if self.config.is_none() {
            return Ok(()); // skipped until the config is sent again
        }
        let data = data.get(skip / 8..).unwrap_or_default();
        let data = shifted(data, (skip % 8) as u32, room)?;
        self.frames(&data, out)
    }

    fn set_config(&mut self, config: Config, out: &mut dyn FnMut(Unpacked)) -> Result<(), Error> {
        if self.config.is_none() || config.record != self.record {
            let params = self.params(&config)?;
            out(Unpacked::Params(params));
        }
        self.config = Some(config);
        Ok(())
    }

    fn params(&mut self, config: &Config) -> Result<Params, Error> {
        let params = codec::params(Codec::Aac, config.record.clone().into())?;
        self.record = params.record.clone();
        self.ticks = super::aac::ticks(&self.record, self.clock);
        Ok(params)
    }

    /// Reads the access units after their lengths: those of one element, or of several.
    fn frames(&self, data: &Bytes, out: &mut dyn FnMut(Unpacked)) -> Result<(), Error> {
        let Some(config) = &self.config else { return Ok(()) };
        let most = if self.in_band || config.other_data { config.frames as usize } else { MAX_FRAMES };
        let mut is_all = true;
        // a first pass checks that the lengths add up, because this may be a fragment
        for mut out in [None, Some(out)] {
            let (mut r, mut time, mut count) = (Reader::new(data), self.time, 0);
            while !r.is_empty() && count < most {
                let len = length(&mut r)?;
                let unit = r.take(len)?;
                if len > self.max {
                    return Err(Error::TooLong);
                }
                if let Some(out) = &mut out
                    && !unit.is_empty()
                {
                    out(Unpacked::Frame { time, key: true, data: data.slice_ref(unit) });
                }
                (time, count) = (time.wrapping_add(self.ticks), count + 1);
            }
            is_all = r.is_empty() || count < MAX_FRAMES;
        }
        if is_all { Ok(()) } else { Err(TOO_MANY) }
    }
}

/// PayloadLengthInfo(): a byte of 255 is followed by another. Table 1.44.
fn length(r: &mut Reader) -> Result<usize, Error> {
    let mut len = 0;
    loop {
        let byte = r.u8()?;
        len += usize::from(byte);
        if byte < 255 {
            return Ok(len);
        }
    }
}

/// `data` without its first `bits` bits, 0 to 7; the last byte is padded with zero bits.
fn shifted(data: &[u8], bits: u32, room: &dyn Room) -> Result<Bytes, Error> {
    let mut block = room.block(data.len())?;
    let next = data.iter().skip(1).chain(&[0]);
    for (byte, next) in data.iter().zip(next) {
        block.fill(&[(u16::from_be_bytes([*byte, *next]) << bits >> 8) as u8]);
    }
    Ok(block.freeze())
}

impl Unpack for Reading {
    fn packet(&mut self, packet: &Packet, room: &dyn Room, out: &mut dyn FnMut(Unpacked)) -> Result<(), Error> {
        if let Some(lost) = self.lost {
            let other = lost.is_some_and(|time| time != packet.timestamp);
            self.lost = if packet.marker || other { None } else { Some(Some(packet.timestamp)) };
            if self.lost.is_some() {
                return Ok(());
            }
            if packet.marker && !other {
                // the end of an element, or a whole one: then the lengths add up
                return self.packet(packet, room, out).or(Ok(()));
            }
        }
        let done = self.packet(packet, room, out);
        if done.is_err() {
            self.parts.clear();
            self.lost = if packet.marker { None } else { Some(Some(packet.timestamp)) };
        }
        done
    }

    fn gap(&mut self) {
        self.parts.clear();
        self.lost = Some(None);
    }
}

/// A reader; `None` if the config is neither in the description nor sent with the frames.
pub(super) fn incoming(format: &Format, max: usize) -> Option<Incoming> {
    let in_band = format.parameter("cpresent").is_none_or(|value| value != "0");
    let given = format.parameter("config").map(|text| text.trim_matches('"'));
    let given = given.and_then(|text| base16ct::mixed::decode_vec(text).ok());
    // GStreamer omits the bits after the AudioSpecificConfig if they are zeros
    let config = given.and_then(|data| Config::parse(&mut Bits::new(&[&data[..], &[0; 4]].concat())).ok());
    let mut reading = Reading {
        max,
        clock: format.clock,
        in_band,
        config: None,
        record: Bytes::new(),
        ticks: 0,
        time: 0,
        parts: Rope::new(max),
        lost: None,
    };
    let params = config.as_ref().and_then(|config| reading.params(config).ok());
    reading.config = config.filter(|_| params.is_some());
    let known = in_band || params.is_some();
    known.then(|| Incoming { codec: Codec::Aac, params, unpack: Box::new(reading) })
}

#[cfg(test)]
mod tests;
