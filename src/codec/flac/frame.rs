//! Writes frames: a header, a subframe for each channel, and a checksum. RFC 9639 section 9.

use bytes::Bytes;

use super::BITS;
use super::subframe::{Bits, Subframe};
use crate::budget::{BlockMut, OverBudget, Room};
use crate::wire::crc::{crc8_flac, crc16_flac};

/// The maximum number of samples per channel in a frame.
pub const MAX_BLOCK: usize = 65_535;
/// The maximum number of channels.
pub const MAX_CHANNELS: u32 = 8;

/// The samples of a frame.
pub struct Block<F> {
    /// The sample rate in Hz.
    pub rate: u32,
    /// The number of the first sample in the stream; its lower 36 bits are used.
    pub number: u64,
    /// The number of samples per channel: 1 to `MAX_BLOCK`.
    pub len: usize,
    /// The number of channels: 1 to `MAX_CHANNELS`.
    pub channels: u8,
    /// Gives the sample at an index of a channel.
    pub sample: F,
}

impl<F: Fn(usize, usize) -> i16> Block<F> {
    /// Encodes the frame into a block of `room` with its exact size, which is at most that of the samples plus 33
    /// bytes. `None` if the number of samples or channels is out of range.
    pub fn encode(&self, room: &dyn Room) -> Result<Option<Bytes>, OverBudget> {
        let channels = usize::from(self.channels);
        let fits = (1..=MAX_BLOCK).contains(&self.len) && (1..=MAX_CHANNELS).contains(&self.channels.into());
        if !fits {
            return Ok(None);
        }
        let mut subframes = [Subframe::default(); MAX_CHANNELS as usize];
        let mut bits: u64 = 0;
        for (at, subframe) in subframes.iter_mut().take(channels).enumerate() {
            *subframe = Subframe::of(|| self.channel(at));
            bits += subframe.bits();
        }
        let header = self.header();
        let len = header.len() as u64 + bits.div_ceil(8) + 2;
        let mut out = Out { block: room.block(usize::try_from(len).unwrap_or(usize::MAX))?, crc: 0, bits: 0, count: 0 };
        header.iter().for_each(|byte| out.put((*byte).into(), 8));
        for (at, subframe) in subframes.iter().take(channels).enumerate() {
            subframe.write(|| self.channel(at), &mut out);
        }
        out.align();
        out.put(out.crc.into(), 16);
        Ok(Some(out.block.freeze()))
    }

    fn channel(&self, channel: usize) -> impl Iterator<Item = i32> {
        (0..self.len).map(move |at| (self.sample)(at, channel).into())
    }

    /// The header, for a stream with variable block sizes. Section 9.1.
    fn header(&self) -> Vec<u8> {
        let last = (self.len - 1) as u32;
        let (len_code, len_bytes) = if last < 256 { (6, 1) } else { (7, 2) };
        let (rate_code, rate_bytes) = self.rate_code();
        let channels = self.channels - 1;
        let mut out = Vec::with_capacity(16);
        out.extend([0xff, 0xf9, len_code << 4 | rate_code, channels << 4 | SIXTEEN_BITS]);
        coded_number(&mut out, self.number & 0xf_ffff_ffff);
        for (value, bytes) in [(last, len_bytes), (self.rate, rate_bytes)] {
            let [.., high, low] = value.to_be_bytes();
            out.extend([high, low].into_iter().skip(2 - bytes));
        }
        out.push(crc8_flac(&out));
        out
    }

    /// The code of the rate, and the number of bytes of it that follow. Section 9.1.2.
    fn rate_code(&self) -> (u8, usize) {
        match (RATES.iter().find(|(rate, _)| *rate == self.rate), u16::try_from(self.rate)) {
            (Some((_, code)), _) => (*code, 0),
            (None, Ok(_)) => (13, 2),
            // the rate is in STREAMINFO
            _ => (0, 0),
        }
    }
}

/// Rates with a code. Table 15.
const RATES: [(u32, u8); 11] = [
    (88_200, 1),
    (176_400, 2),
    (192_000, 3),
    (8_000, 4),
    (16_000, 5),
    (22_050, 6),
    (24_000, 7),
    (32_000, 8),
    (44_100, 9),
    (48_000, 10),
    (96_000, 11),
];
/// The code of the bit depth, at its position in the byte. Table 17.
const SIXTEEN_BITS: u8 = 4 << 1;
const _: () = assert!(BITS == 16);

/// Writes a number of up to 36 bits, coded like UTF-8. Section 9.1.5.
fn coded_number(out: &mut Vec<u8>, number: u64) {
    if number < 0x80 {
        return out.push(number as u8);
    }
    // each further byte adds five bits
    let more = (1..6).find(|more| number >> (5 * more + 6) == 0).unwrap_or(6);
    // as many ones as there are bytes, a zero, and the upper bits of the number
    let lead = !(0x7f_u8 >> more);
    out.push(lead | (number >> (6 * more)) as u8);
    out.extend((0..more).rev().map(|at| 0x80 | (number >> (6 * at)) as u8 & 0x3f));
}

/// Collects bits into the bytes of a block.
struct Out {
    block: BlockMut,
    crc: u16,
    bits: u64,
    /// The number of bits that are not in the block yet: less than eight.
    count: u32,
}

impl Bits for Out {
    fn put(&mut self, value: u32, count: u32) {
        self.bits = self.bits << count | u64::from(value) & ((1 << count) - 1);
        self.count += count;
        while self.count >= 8 {
            self.count -= 8;
            let byte = (self.bits >> self.count) as u8;
            self.crc = crc16_flac(self.crc, byte);
            self.block.fill(&[byte]);
        }
    }
}

impl Out {
    /// Pads the last byte with zero bits.
    fn align(&mut self) {
        self.put(0, self.count.wrapping_neg() % 8);
    }
}
