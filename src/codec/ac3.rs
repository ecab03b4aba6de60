//! AC-3 and E-AC-3 frame headers. ETSI TS 102 366, ATSC A/52.

use super::{Malformed, ensure};
use crate::wire::bits::Bits;

/// The properties of a frame in its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The sample rate in Hz.
    pub sample_rate: u32,
    /// The number of channels, including the low-frequency channel.
    pub channels: u8,
    /// True if it is E-AC-3.
    pub eac3: bool,
    /// The number of samples per channel in the frame.
    pub samples: u32,
    /// The length of the frame in bytes, including the header.
    pub frame_len: usize,
}

impl Header {
    /// Parses the start of a frame. The field bsid, at the same place in both codecs, distinguishes them. Sections
    /// 4.3 and E.1.2.
    pub fn parse(data: &[u8]) -> Result<Self, Malformed> {
        let mut bits = Bits::new(data);
        ensure(bits.bits(16)? == 0x0b77, "AC-3 syncword")?;
        match data.get(5).map(|byte| byte >> 3) {
            Some(bsid @ 0..=10) => Self::ac3(bits, bsid),
            Some(11..=16) => Self::eac3(bits),
            _ => Err(Malformed { what: "AC-3 bsid" }),
        }
    }

    /// Parses syncinfo() after the syncword, then bsi().
    fn ac3(mut bits: Bits, bsid: u8) -> Result<Self, Malformed> {
        let _crc = bits.bits(16)?;
        let rate = rate(bits.bits(2)?)?;
        let frame_len = frame_len(rate, bits.bits(6)?)?;
        bits.skip(5 + 3)?;
        let mode = bits.bits(3)?;
        let three_front_channels = mode & 1 != 0 && mode != 1;
        let surround = mode & 4 != 0;
        for mix_level in [three_front_channels, surround, mode == 2] {
            bits.skip(if mix_level { 2 } else { 0 })?;
        }
        let low_frequency = bits.bit()?;
        // above 8, bsid means half or a quarter of the rate
        let sample_rate = rate >> bsid.saturating_sub(8);
        let channels = channels(mode, low_frequency);
        Ok(Self { sample_rate, channels, eac3: false, samples: 6 * BLOCK, frame_len })
    }

    /// Parses bsi() of Annex E.
    fn eac3(mut bits: Bits) -> Result<Self, Malformed> {
        bits.skip(2 + 3)?;
        let frame_len = 2 * (bits.bits(11)? as usize + 1);
        let (sample_rate, blocks) = match bits.bits(2)? {
            3 => (rate(bits.bits(2)?)? / 2, 6),
            code => {
                let blocks = [1, 2, 3, 6].get(bits.bits(2)? as usize).copied().unwrap_or(6);
                (rate(code)?, blocks)
            }
        };
        let mode = bits.bits(3)?;
        let low_frequency = bits.bit()?;
        let channels = channels(mode, low_frequency);
        Ok(Self { sample_rate, channels, eac3: true, samples: blocks * BLOCK, frame_len })
    }
}

/// Samples per channel in an audio block.
const BLOCK: u32 = 256;

/// frmsizecod: two codes for each bit rate, of which the second may mean one word more. Table 4.13.
fn frame_len(rate: u32, code: u32) -> Result<usize, Malformed> {
    let kbps = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];
    let kbps = kbps.get(code as usize / 2).ok_or(Malformed { what: "AC-3 frmsizecod" })?;
    let words = 6 * BLOCK * kbps * 1000 / 16 / rate;
    Ok(2 * (words + if rate == 44_100 { code % 2 } else { 0 }) as usize)
}

/// fscod, and fscod2 for half rates.
fn rate(code: u32) -> Result<u32, Malformed> {
    match code {
        0 => Ok(48_000),
        1 => Ok(44_100),
        2 => Ok(32_000),
        _ => Err(Malformed { what: "AC-3 fscod" }),
    }
}

/// acmod: front and surround channels.
fn channels(mode: u32, low_frequency: bool) -> u8 {
    let full = match mode {
        1 => 1,
        3 | 4 => 3,
        5 | 6 => 4,
        7 => 5,
        _ => 2,
    };
    full + u8::from(low_frequency)
}

#[cfg(test)]
mod tests {
    use super::super::hex;
    use super::*;

    // ffmpeg -f lavfi -i sine=sample_rate=48000 OPTIONS -f ac3 (or eac3), the first bytes.
    #[test]
    fn headers_of_both_codecs() {
        let header = |sample_rate, channels, eac3, frame_len| {
            Ok(Header { sample_rate, channels, eac3, samples: 1536, frame_len })
        };
        // -ac 2
        assert_eq!(Header::parse(&hex("0b77fe95144043e106f46370")), header(48_000, 2, false, 768));
        // -ac 6 -ar 44100
        assert_eq!(Header::parse(&hex("0b77e1e75e40ebf8403eff9d")), header(44_100, 6, false, 1950));
        // -ac 1
        assert_eq!(Header::parse(&hex("0b77480d0c402f842bc1")), header(48_000, 1, false, 384));
        // the same with a bsid of 9, made by hand
        assert_eq!(Header::parse(&hex("0b77480d0c482f842bc1")), header(24_000, 1, false, 384));
        assert_eq!(Header::parse(&hex("0b7703ce7f87c00020802000")), header(44_100, 6, true, 1950));
    }

    #[test]
    fn what_is_not_a_header() {
        assert!(Header::parse(&hex("0b77fe9514")).is_err());
        assert!(Header::parse(&hex("0b78fe95144043e1")).is_err());
        assert!(Header::parse(&hex("0b77fe95d44043e1")).is_err());
        assert!(Header::parse(&hex("0b77fe95148843e1")).is_err());
    }
}
