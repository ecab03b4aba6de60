//! AC-3 and E-AC-3 frame headers. ETSI TS 102 366, ATSC A/52.

use super::{Malformed, ensure};
use crate::wire::bits::Bits;

/// What a frame says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Samples a second.
    pub sample_rate: u32,
    /// Channels, that for low frequencies included.
    pub channels: u8,
    /// Whether it is E-AC-3.
    pub eac3: bool,
}

impl Header {
    /// Reads the start of a frame. The two codecs share the place of bsid,
    /// which tells them apart. Sections 4.3 and E.1.2.
    pub fn parse(data: &[u8]) -> Result<Self, Malformed> {
        let mut bits = Bits::new(data);
        ensure(bits.bits(16)? == 0x0b77, "AC-3 syncword")?;
        match data.get(5).map(|byte| byte >> 3) {
            Some(bsid @ 0..=10) => Self::ac3(bits, bsid),
            Some(11..=16) => Self::eac3(bits),
            _ => Err(Malformed { what: "AC-3 bsid" }),
        }
    }

    /// syncinfo() behind the syncword, then bsi().
    fn ac3(mut bits: Bits, bsid: u8) -> Result<Self, Malformed> {
        let _crc = bits.bits(16)?;
        let rate = rate(bits.bits(2)?)?;
        bits.skip(6 + 5 + 3)?;
        let mode = bits.bits(3)?;
        let three_front_channels = mode & 1 != 0 && mode != 1;
        let surround = mode & 4 != 0;
        for mix_level in [three_front_channels, surround, mode == 2] {
            bits.skip(if mix_level { 2 } else { 0 })?;
        }
        let low_frequency = bits.bit()?;
        // Above 8, bsid stands for the half and the quarter of the rate.
        let sample_rate = rate >> bsid.saturating_sub(8);
        Ok(Self { sample_rate, channels: channels(mode, low_frequency), eac3: false })
    }

    /// bsi() of Annex E.
    fn eac3(mut bits: Bits) -> Result<Self, Malformed> {
        bits.skip(2 + 3 + 11)?;
        let sample_rate = match bits.bits(2)? {
            3 => rate(bits.bits(2)?)? / 2,
            code => {
                let _blocks = bits.bits(2)?;
                rate(code)?
            }
        };
        let mode = bits.bits(3)?;
        let low_frequency = bits.bit()?;
        Ok(Self { sample_rate, channels: channels(mode, low_frequency), eac3: true })
    }
}

/// fscod, and fscod2 for the halves.
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
        let header = |sample_rate, channels, eac3| Ok(Header { sample_rate, channels, eac3 });
        // -ac 2
        assert_eq!(Header::parse(&hex("0b77fe95144043e106f46370")), header(48_000, 2, false));
        // -ac 6 -ar 44100
        assert_eq!(Header::parse(&hex("0b77e1e75e40ebf8403eff9d")), header(44_100, 6, false));
        // -ac 1
        assert_eq!(Header::parse(&hex("0b77480d0c402f842bc1")), header(48_000, 1, false));
        // The same with a bsid of 9, by hand.
        assert_eq!(Header::parse(&hex("0b77480d0c482f842bc1")), header(24_000, 1, false));
        assert_eq!(Header::parse(&hex("0b7703ce7f87c00020802000")), header(44_100, 6, true));
    }

    #[test]
    fn what_is_not_a_header() {
        assert!(Header::parse(&hex("0b77fe9514")).is_err());
        assert!(Header::parse(&hex("0b78fe95144043e1")).is_err());
        assert!(Header::parse(&hex("0b77fe95d44043e1")).is_err());
        assert!(Header::parse(&hex("0b77fe95148843e1")).is_err());
    }
}
