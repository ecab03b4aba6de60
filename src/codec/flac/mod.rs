//! FLAC: the STREAMINFO block, and an encoder for 16-bit samples. RFC 9639.

mod frame;
mod subframe;
#[cfg(test)]
mod tests;

pub use frame::{Block, MAX_BLOCK, MAX_CHANNELS};

use super::{Malformed, ensure};
use crate::wire::bits::Bits;

/// The properties of a stream in its STREAMINFO block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// The sample rate in Hz.
    pub sample_rate: u32,
    /// The number of channels: 1 to 8.
    pub channels: u8,
}

impl Info {
    /// Parses a STREAMINFO block, section 8.2. Its block header and the stream's signature may precede it.
    pub fn parse(data: &[u8]) -> Result<Self, Malformed> {
        let data = data.strip_prefix(b"fLaC").unwrap_or(data);
        let data = match data {
            [0x00 | 0x80, 0, 0, LENGTH, block @ ..] => block,
            block => block,
        };
        ensure(data.len() >= usize::from(LENGTH), "STREAMINFO length")?;
        let mut bits = Bits::new(data);
        let (least_block, most_block) = (bits.bits(16)?, bits.bits(16)?);
        ensure(16 <= least_block && least_block <= most_block, "STREAMINFO block size")?;
        bits.skip(24 + 24)?;
        let sample_rate = bits.bits(20)?;
        ensure(sample_rate > 0, "STREAMINFO sample rate")?;
        let channels = bits.bits(3)? as u8 + 1;
        Ok(Self { sample_rate, channels })
    }

    /// The STREAMINFO block of a live stream: blocks of any length with 16 bits per sample, total number of samples
    /// and checksum unknown. `None` if the rate or the number of channels is out of range.
    pub fn write(&self) -> Option<[u8; LENGTH as usize]> {
        let rate = Some(self.sample_rate).filter(|rate| (1..MAX_RATE).contains(rate))?;
        let channels = Some(u32::from(self.channels)).filter(|channels| (1..=MAX_CHANNELS).contains(channels))?;
        let ([a, b], [c, d]) = (LEAST_BLOCK.to_be_bytes(), (MAX_BLOCK as u16).to_be_bytes());
        let [e, f, g, h] = (rate << 12 | (channels - 1) << 9 | (BITS - 1) << 4).to_be_bytes();
        let mut block = [0; LENGTH as usize];
        block.iter_mut().zip([a, b, c, d, 0, 0, 0, 0, 0, 0, e, f, g, h]).for_each(|(to, from)| *to = from);
        Some(block)
    }
}

/// The limit of rates, which have 20 bits.
const MAX_RATE: u32 = 1 << 20;
/// The smallest value for the minimum block size. Section 8.2.
const LEAST_BLOCK: u16 = 16;
/// Bits per sample.
const BITS: u32 = 16;

/// The length of a STREAMINFO block in bytes.
const LENGTH: u8 = 34;
