//! AAC: AudioSpecificConfig, ADTS headers, silence. ISO/IEC 14496-3.

mod specific;

pub use specific::config_len;

use super::{Malformed, ensure};
use crate::wire::bits::Bits;

/// Samples per channel in a frame, before SBR doubles them.
pub const SAMPLES: u32 = 1024;
/// An AAC-LC frame of silence with one channel.
pub const SILENCE_MONO: &[u8] = &[0x01, 0x18, 0x20, 0x07];
/// An AAC-LC frame of silence with two channels.
pub const SILENCE_STEREO: &[u8] = &[0x21, 0x10, 0x04, 0x60, 0x8c, 0x1c];

/// AudioSpecificConfig. Section 1.6.2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// The audio object type: 2 is AAC-LC, 5 is AAC-LC with SBR, 29 with SBR and PS.
    pub object_type: u8,
    /// The core coder's sampling frequency as an index of table 1.18; the nearest index if the frequency is given
    /// explicitly.
    pub frequency_index: u8,
    /// The decoder's output rate in Hz, including SBR.
    pub sample_rate: u32,
    /// The decoder's output channels, including PS; 0 if unknown.
    pub channels: u8,
}

impl Config {
    /// A config of AAC-LC; `None` if the rate is not in table 1.18, or the number of channels not in table 1.19.
    pub fn lc(sample_rate: u32, channels: u8) -> Option<Self> {
        let frequency_index = FREQUENCIES.iter().position(|rate| *rate == sample_rate)?;
        let known = matches!(channels, 1..=6 | 8);
        known.then_some(Self { object_type: LC, frequency_index: frequency_index as u8, sample_rate, channels })
    }

    /// The number of samples per channel that the decoder outputs for each frame.
    pub fn samples(&self) -> u32 {
        if matches!(self.object_type, SBR | PS) { 2 * SAMPLES } else { SAMPLES }
    }

    /// The config of the core coder only, as AAC-LC.
    pub fn write(&self) -> [u8; 2] {
        let fields = u16::from(LC) << 11
            | u16::from(self.frequency_index & 0xf) << 7
            | u16::from(self.channel_configuration()) << 3;
        fields.to_be_bytes()
    }

    /// The ADTS header, adts_frame() without CRC, for a raw frame of `frame_len` bytes. Annex 1.A. `None` if the
    /// frame is too long, or ADTS cannot express its object type, rate or channels.
    pub fn adts(&self, frame_len: usize) -> Option<[u8; 7]> {
        let profile = match self.object_type {
            core @ 1..=4 => core - 1,
            SBR | PS => LC - 1,
            _ => return None,
        };
        let length = u16::try_from(frame_len.checked_add(7)?).ok().filter(|length| *length < 1 << 13)?;
        let core = FREQUENCIES.get(usize::from(self.frequency_index))?;
        // the header has no field for the output rate of SBR
        let is_exact = [*core, 2 * core].contains(&self.sample_rate);
        let channels = Some(self.channel_configuration()).filter(|channels| is_exact && *channels > 0)?;
        let [high, middle] = (length >> 3).to_be_bytes();
        Some([
            0xff,
            0xf1,
            profile << 6 | (self.frequency_index & 0xf) << 2 | channels >> 2,
            (channels & 3) << 6 | high,
            middle,
            (length << 5) as u8 | 0x1f,
            0xfc,
        ])
    }

    /// The core coder's channels as a channelConfiguration of table 1.19; 0 if there is none.
    fn channel_configuration(&self) -> u8 {
        match self.channels {
            2 if self.object_type == PS => 1,
            channels @ 1..=6 => channels,
            8 => 7,
            _ => 0,
        }
    }
}

/// The header of a frame in a stream without other description. Annex 1.A.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adts {
    /// An equivalent AudioSpecificConfig.
    pub config: [u8; 2],
    /// The sample rate in Hz, before SBR doubles it.
    pub sample_rate: u32,
    /// The length of the header in bytes.
    pub header_len: usize,
    /// The length of the frame in bytes, including the header.
    pub frame_len: usize,
}

impl Adts {
    /// Parses adts_fixed_header() and adts_variable_header() of a frame with one raw data block; frames with more
    /// are refused.
    pub fn parse(data: &[u8]) -> Result<Self, Malformed> {
        let mut bits = Bits::new(data);
        ensure(bits.bits(12)? == 0xfff, "ADTS syncword")?;
        let _version = bits.bit()?;
        ensure(bits.bits(2)? == 0, "ADTS layer")?;
        let header_len = if bits.bit()? { 7 } else { 9 };
        let object_type = bits.bits(2)? as u16 + 1;
        let index = bits.bits(4)? as u16;
        let sample_rate = *FREQUENCIES.get(usize::from(index)).ok_or(Malformed { what: "ADTS sampling frequency" })?;
        let _private = bits.bit()?;
        let channels = bits.bits(3)? as u16;
        bits.skip(4)?;
        let frame_len = bits.bits(13)? as usize;
        ensure(frame_len >= header_len, "ADTS frame length")?;
        let _fullness = bits.bits(11)?;
        ensure(bits.bits(2)? == 0, "ADTS with more than one block")?;
        let config = (object_type << 11 | index << 7 | channels << 3).to_be_bytes();
        Ok(Self { config, sample_rate, header_len, frame_len })
    }
}

const LC: u8 = 2;
const SBR: u8 = 5;
const PS: u8 = 29;

/// Table 1.18.
const FREQUENCIES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350];

#[cfg(test)]
mod tests {
    use super::super::{binary, hex};
    use super::*;

    // ffmpeg -f lavfi -i sine=sample_rate=48000 -ac 2 -c:a aac x.aac, the first bytes.
    #[test]
    fn adts_headers_say_what_a_config_does() {
        let adts = Adts::parse(&hex("fff14c80423ffcde02")).unwrap();
        assert_eq!(adts, Adts { config: [0x11, 0x90], sample_rate: 48_000, header_len: 7, frame_len: 529 });
        let config = Config::parse(&adts.config).unwrap();
        assert_eq!((config.object_type, config.sample_rate, config.channels), (2, 48_000, 2));
        assert_eq!(config.adts(522), Some(hex("fff14c80423ffc").try_into().unwrap()));
        // no syncword, a layer, a rate out of the table, shorter than its header, two blocks
        for text in ["ffe14c80423ffc", "fff34c80423ffc", "fff17480423ffc", "fff14c8000dffc", "fff14c80423ffd", "fff14c"]
        {
            assert!(Adts::parse(&hex(text)).is_err(), "{text}");
        }
    }

    fn config(object_type: u8, frequency_index: u8, sample_rate: u32, channels: u8) -> Config {
        Config { object_type, frequency_index, sample_rate, channels }
    }

    #[test]
    fn configs_without_sbr() {
        assert_eq!(Config::parse(&hex("1210")), Ok(config(2, 4, 44_100, 2)));
        assert_eq!(Config::parse(&hex("1188")), Ok(config(2, 3, 48_000, 1)));
        // ffmpeg -f lavfi -i sine=sample_rate=48000 -ac 6 -c:a aac x.mp4: says that there is no SBR.
        assert_eq!(Config::parse(&hex("11b056e500")), Ok(config(2, 3, 48_000, 6)));
    }

    #[test]
    fn configs_with_sbr_in_front_and_behind() {
        // AAC-LC at 22050 Hz, output at 44100 Hz.
        assert_eq!(Config::parse(&binary("00101 0111 0010 0100 00010 000")), Ok(config(5, 7, 44_100, 2)));
        let behind = binary("00010 0111 0010 000 01010110111 00101 1 0100");
        assert_eq!(Config::parse(&behind), Ok(config(5, 7, 44_100, 2)));
    }

    #[test]
    fn parametric_stereo_gives_two_channels_from_one() {
        let front = Config::parse(&binary("11101 0110 0001 0011 00010 000")).unwrap();
        let behind = Config::parse(&binary("00010 0110 0001 000 01010110111 00101 1 0011 10101001000 1"));
        assert_eq!(front, config(29, 6, 48_000, 2));
        assert_eq!(behind, Ok(front));
        assert_eq!(front.write(), [0x13, 0x08]);
    }

    #[test]
    fn configs_say_where_they_end() {
        let len = |text: &str| config_len(&Bits::new(&binary(text))).ok();
        assert_eq!(len("00010 0111 0010 000"), Some(16));
        assert_eq!(len("00010 0111 0010 01 11111111111111 0"), Some(30));
        assert_eq!(len("00010 1111 000000001011101110000000 0010 000"), Some(40));
        assert_eq!(len("00101 0111 0010 0100 00010 000"), Some(25));
        assert_eq!(len("11101 0111 0010 1111 000000001011101110000000 00010 000"), Some(49));
        // error resilient, and with a program config that is aligned and has a comment
        assert_eq!(len("10001 0100 0010 001 000 0 00"), Some(22));
        let program = "0000 01 0100 0001 0000 0000 00 000 0000 0 0 0 10000 0 00000001 11111111";
        assert_eq!(len(&format!("00010 0100 0000 000 {program} 000")), Some(72));
        // after it no SBR, SBR, or SBR and PS may be signalled; similar bits are something else
        assert_eq!(len("00010 0011 0010 000 01010110111 00101 0"), Some(33));
        assert_eq!(len("00010 0111 0010 000 01010110111 00101 1 0100 000"), Some(37));
        assert_eq!(len("00010 0110 0001 000 01010110111 00101 1 0011 10101001000 1"), Some(49));
        assert_eq!(len("00010 0110 0001 000 01010110111 00101 1 1111 000000001011101110000000 000"), Some(61));
        assert_eq!(len("00010 0110 0001 000 01010110111 00110 1"), Some(16));
        for other in ["00010 0111 0000 000", "10111 0111 0010 000", "11111 000111 0111 0010 000", "00010 01"] {
            assert_eq!(len(other), None);
        }
    }

    #[test]
    fn a_written_out_frequency_takes_the_nearest_index() {
        let odd = binary("00010 1111 000000001011101110000001 0010 000");
        assert_eq!(Config::parse(&odd), Ok(config(2, 3, 48_001, 2)));
        assert!(Config::parse(&binary("00010 1101 0010 000")).is_err());
    }

    #[test]
    fn channels_of_a_program_config() {
        // One front centre, a front pair, a back pair and a low frequency channel.
        let program = "0000 01 0011 0010 0000 0001 01 000 0000 0 0 0 00000 10000 10001 0000";
        let data = binary(&format!("00010 0011 0000 000 {program}"));
        assert_eq!(Config::parse(&data), Ok(config(2, 3, 48_000, 6)));
        assert_eq!(Config::parse(&data[..4]), Ok(config(2, 3, 48_000, 0)));
    }

    #[test]
    fn adts_is_what_ffmpeg_writes() {
        // ffmpeg -f lavfi -i anullsrc=r=RATE:cl=LAYOUT -c:a aac x.aac: header and frame.
        let frames = [
            (44_100, 1, "fff15040017ffc 01182007"),
            (44_100, 2, "fff1508001bffc 21100460 8c1c"),
            (48_000, 1, "fff14c40017ffc 01182007"),
            (48_000, 2, "fff14c8001bffc 21100460 8c1c"),
        ];
        for (rate, channels, expected) in frames {
            let silence = if channels == 1 { SILENCE_MONO } else { SILENCE_STEREO };
            let config = Config::lc(rate, channels).unwrap();
            let header = config.adts(silence.len()).unwrap();
            assert_eq!([&header, silence].concat(), hex(expected));
            assert_eq!(Config::parse(&config.write()), Ok(config));
        }
    }

    #[test]
    fn adts_says_no_where_it_has_no_words() {
        let lc = config(2, 3, 48_000, 2);
        assert_eq!(lc.adts(8184).unwrap()[3..6], [0x83, 0xff, 0xff]);
        assert_eq!(lc.adts(8185), None);
        assert_eq!(lc.adts(usize::MAX), None);
        assert_eq!(config(39, 3, 48_000, 2).adts(1), None);
        assert_eq!(config(5, 6, 48_000, 2).adts(1), config(2, 6, 24_000, 2).adts(1));
        // an explicit rate, 6.1 channels, and channels of a program config
        assert_eq!(
            [(50_000, 2), (48_000, 7), (48_000, 0)].map(|(rate, channels)| config(2, 3, rate, channels).adts(1)),
            [None; 3]
        );
    }
}
