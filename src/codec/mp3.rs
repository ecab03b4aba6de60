//! MPEG audio frame headers. ISO/IEC 11172-3, ISO/IEC 13818-3.

use super::{Malformed, ensure};
use crate::wire::bits::Bits;

/// The properties of a frame in its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// MPEG-1; otherwise MPEG-2, or MPEG-2.5 for low rates.
    pub mpeg1: bool,
    /// The layer, 1 to 3; MP3 is layer 3.
    pub layer: u8,
    /// The sample rate in Hz.
    pub sample_rate: u32,
    /// The number of channels, 1 or 2.
    pub channels: u8,
    /// The number of samples per channel in the frame.
    pub samples: u32,
    /// The length of the frame in bytes, including the header.
    pub frame_len: usize,
}

impl Header {
    /// Parses header(). 11172-3 section 2.4.1.3. Free format is refused, because its frames do not contain their
    /// length.
    pub fn parse(data: &[u8]) -> Result<Self, Malformed> {
        let mut bits = Bits::new(data);
        ensure(bits.bits(11)? == 0x7ff, "MPEG audio syncword")?;
        let version = bits.bits(2)?;
        let layer_code = bits.bits(2)?;
        ensure(version != 1 && layer_code != 0, "MPEG audio version and layer")?;
        let (mpeg1, layer) = (version == 3, (4 - layer_code) as u8);
        let _protection = bits.bit()?;
        let kbps = bit_rate(mpeg1, layer, bits.bits(4)?)?;
        let rate = RATES.get(bits.bits(2)? as usize).ok_or(Malformed { what: "MPEG audio rate" })?;
        let sample_rate = match version {
            3 => *rate,
            2 => rate / 2,
            _ => rate / 4,
        };
        let padding = bits.bits(1)?;
        let _private = bits.bit()?;
        let channels = if bits.bits(2)? == 3 { 1 } else { 2 };
        let samples = match (layer, mpeg1) {
            (1, _) => 384,
            (3, false) => 576,
            _ => 1152,
        };
        // a slot, the unit of padding, has four bytes in layer 1
        let slot = if layer == 1 { 4 } else { 1 };
        let frame_len = ((samples / 8 / slot * kbps * 1000 / sample_rate + padding) * slot) as usize;
        Ok(Self { mpeg1, layer, sample_rate, channels, samples, frame_len })
    }
}

/// bitrate_index in kbit/s.
fn bit_rate(mpeg1: bool, layer: u8, index: u32) -> Result<u32, Malformed> {
    let table = match (mpeg1, layer) {
        (true, 1) => [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
        (true, 2) => [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
        (true, _) => [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
        (false, 1) => [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
        (false, _) => [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    };
    let entry = index.checked_sub(1).and_then(|index| table.get(index as usize).copied());
    entry.ok_or(Malformed { what: "MPEG audio bit rate" })
}

/// sampling_frequency of MPEG-1; MPEG-2 and 2.5 have a half and a quarter of it.
const RATES: [u32; 3] = [44_100, 48_000, 32_000];

#[cfg(test)]
mod tests {
    use super::super::hex;
    use super::*;

    // ffmpeg -f lavfi -i sine=sample_rate=48000 -write_xing 0 OPTIONS x.mp3, the first bytes.
    #[test]
    fn headers_of_all_versions() {
        let header = |mpeg1, layer, sample_rate, channels, samples, frame_len| {
            Ok(Header { mpeg1, layer, sample_rate, channels, samples, frame_len })
        };
        // -ac 2 -ar 44100 -b:a 128k
        assert_eq!(Header::parse(&hex("fffb9064")), header(true, 3, 44_100, 2, 1152, 417));
        // -ac 1 -ar 22050 -b:a 32k
        assert_eq!(Header::parse(&hex("fff340c4")), header(false, 3, 22_050, 1, 576, 104));
        // -ac 1 -ar 8000 -b:a 8k
        assert_eq!(Header::parse(&hex("ffe318c4")), header(false, 3, 8000, 1, 576, 72));
        // -ac 2 -ar 44100 -b:a 128k x.mp2
        assert_eq!(Header::parse(&hex("fffd8004")), header(true, 2, 44_100, 2, 1152, 417));
        // layer 1, 32 kHz, 448 kbit/s, padded, made by hand
        assert_eq!(Header::parse(&hex("ffffea00")), header(true, 1, 32_000, 2, 384, 676));
    }

    #[test]
    fn what_is_not_a_header() {
        for text in ["fffb90", "ffdb9064", "ffeb9064", "fff99064", "fffb0064", "fffbf064", "fffb9c64"] {
            assert!(Header::parse(&hex(text)).is_err(), "{text}");
        }
    }
}
