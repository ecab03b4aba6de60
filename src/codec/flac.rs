//! FLAC: the STREAMINFO block. RFC 9639.

use super::{Malformed, ensure};
use crate::wire::bits::Bits;

/// What STREAMINFO says of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// Samples a second.
    pub sample_rate: u32,
    /// 1 to 8.
    pub channels: u8,
}

impl Info {
    /// Reads a STREAMINFO block, section 8.2, alone or behind its block header,
    /// and the stream's signature if that is there.
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
}

/// Bytes of a STREAMINFO block.
const LENGTH: u8 = 34;

#[cfg(test)]
mod tests {
    use super::super::hex;
    use super::*;

    // ffmpeg -f lavfi -i sine=sample_rate=48000 -ac 1 -c:a flac x.flac
    const START: &str = "664c6143 00000022 12001200 0000c200 04ff0bb8 00f00000 2580bad7 bf8f781a \
                         2330b6b7 b8712dac b304";

    #[test]
    fn with_and_without_signature_and_block_header() {
        let data = hex(START);
        for start in [0, 4, 8] {
            assert_eq!(Info::parse(&data[start..]), Ok(Info { sample_rate: 48_000, channels: 1 }));
        }
    }

    #[test]
    fn what_is_not_a_block() {
        let data = hex(START);
        assert!((0..data.len()).all(|length| Info::parse(&data[..length]).is_err()));
        assert!(Info::parse(&[0; 34]).is_err());
    }
}
