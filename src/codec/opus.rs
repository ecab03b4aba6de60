//! Opus: the record (OpusHead), and packet durations. RFC 7845, RFC 6716.

use super::{Malformed, ensure};
use crate::wire::Reader;

/// The output rate of decoders in Hz, in which all numbers of samples here are counted.
pub const RATE: u32 = 48_000;

/// OpusHead, the identification header. RFC 7845 section 5.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Output channels.
    pub channels: u8,
    /// The number of samples that a decoder discards at the start.
    pub pre_skip: u16,
    /// The rate of the original sound in Hz; decoders do not need it.
    pub sample_rate: u32,
    /// The channel mapping family: 0 for mono or stereo, 1 for the Vorbis orders.
    pub family: u8,
}

impl Head {
    /// Parses the head; the mapping table of family 1 and above is not read.
    pub fn parse(data: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(data);
        ensure(r.take(8)? == MAGIC, "OpusHead")?;
        ensure(r.u8()? < 16, "OpusHead version")?;
        let channels = r.u8()?;
        let pre_skip = r.array().map(u16::from_le_bytes)?;
        let sample_rate = r.u32_le()?;
        let _gain = r.u16()?;
        let family = r.u8()?;
        let most = match family {
            0 => 2,
            1 => 8,
            _ => u8::MAX,
        };
        ensure((1..=most).contains(&channels), "OpusHead channels")?;
        Ok(Self { channels, pre_skip, sample_rate, family })
    }

    /// True if the number of channels alone determines the streams and their order in the head `data`. That is the
    /// case in family 0, and in family 1 with the usual mapping table. RFC 7845 section 5.1.1.
    pub fn is_usual(data: &[u8]) -> bool {
        let Ok(head) = Self::parse(data) else { return false };
        let Some(order) = usize::from(head.channels).checked_sub(1).and_then(|at| ORDERS.get(at)) else { return false };
        let coupled = [0, 1, 1, 2, 2, 2, 3, 3].get(order.len() - 1).copied().unwrap_or(0);
        match (head.family, data.get(19..)) {
            (0, _) => true,
            (1, Some([streams, pairs, table @ ..])) => {
                (*streams, *pairs) == (head.channels - coupled, coupled) && table.get(..order.len()) == Some(order)
            }
            _ => false,
        }
    }

    /// The head for mono or stereo without gain; always family 0.
    pub fn write(&self) -> [u8; 19] {
        let [skip_low, skip_high] = self.pre_skip.to_le_bytes();
        let [a, b, c, d] = self.sample_rate.to_le_bytes();
        let [m0, m1, m2, m3, m4, m5, m6, m7] = *MAGIC;
        let channels = self.channels.clamp(1, 2);
        [m0, m1, m2, m3, m4, m5, m6, m7, 1, channels, skip_low, skip_high, a, b, c, d, 0, 0, 0]
    }
}

/// The number of samples per channel in a packet. RFC 6716 section 3.1. `None` if the packet is cut off or longer
/// than the allowed 120 ms.
pub fn duration(packet: &[u8]) -> Option<u32> {
    let (toc, rest) = packet.split_first()?;
    let frame = match toc >> 3 {
        config @ 0..=11 => [480, 960, 1920, 2880].get(usize::from(config & 3)).copied()?,
        config @ 12..=15 => 480 << (config & 1),
        config => 120 << (config & 3),
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(rest.first()? & 0x3f),
    };
    let samples: u32 = frame * frames;
    (1..=5760).contains(&samples).then_some(samples)
}

const MAGIC: &[u8; 8] = b"OpusHead";

/// The usual mapping tables, from one channel on: the index of each channel among the decoded channels, of which
/// coupled pairs come first. This is the Vorbis order, which libopus's encoder also uses.
const ORDERS: [&[u8]; 8] = [
    &[0],
    &[0, 1],
    &[0, 2, 1],
    &[0, 1, 2, 3],
    &[0, 4, 1, 2, 3],
    &[0, 4, 1, 2, 3, 5],
    &[0, 4, 1, 2, 3, 5, 6],
    &[0, 6, 1, 2, 3, 4, 5, 7],
];

#[cfg(test)]
mod tests {
    use super::super::hex;
    use super::*;

    // ffmpeg -f lavfi -i sine=sample_rate=48000 -ac CHANNELS -c:a libopus x.ogg
    const STEREO: &str = "4f70757348656164 0102 3801 80bb0000 0000 00";
    const SURROUND: &str = "4f70757348656164 0106 3801 80bb0000 0000 01 0402000401020305";

    #[test]
    fn a_head_is_read_and_written() {
        let stereo = Head { channels: 2, pre_skip: 312, sample_rate: 48_000, family: 0 };
        assert_eq!(Head::parse(&hex(STEREO)), Ok(stereo));
        assert_eq!(stereo.write()[..], hex(STEREO));
        assert_eq!(Head::parse(&hex(SURROUND)), Ok(Head { channels: 6, family: 1, ..stereo }));
    }

    #[test]
    fn usual_tables_are_told_from_others() {
        assert!(Head::is_usual(&hex(STEREO)) && Head::is_usual(&hex(SURROUND)));
        assert!(Head::is_usual(&hex("4f70757348656164 0101 3801 80bb0000 0000 01 0100 00")));
        for other in [
            "4f70757348656164 0106 3801 80bb0000 0000 01 0600 000102030405", // no pairs
            "4f70757348656164 0106 3801 80bb0000 0000 01 0402 000401020503",
            "4f70757348656164 0106 3801 80bb0000 0000 01 0402 0004010203",
            "4f70757348656164 0102 3801 80bb0000 0000 01 0200 0001",
            "4f70757348656164 0102 3801 80bb0000 0000 ff 0101 0001",
            "4f70757348656164 0102 3801",
        ] {
            assert!(!Head::is_usual(&hex(other)), "{other}");
        }
    }

    #[test]
    fn what_is_not_a_head() {
        let stereo = hex(STEREO);
        assert!((0..stereo.len()).all(|length| Head::parse(&stereo[..length]).is_err()));
        for (at, value) in [(0, b'o'), (8, 16), (9, 0), (9, 3)] {
            let mut head = stereo.clone();
            head[at] = value;
            assert!(Head::parse(&head).is_err());
        }
    }

    #[test]
    fn durations_of_the_table() {
        // SILK 60 ms, hybrid 10 and 20 ms, CELT 2.5 and 20 ms.
        let frames = [3, 12, 13, 16, 31].map(|config: u8| duration(&[config << 3]));
        assert_eq!(frames, [2880, 480, 960, 120, 960].map(Some));
        assert_eq!(duration(&[31 << 3 | 1]), Some(1920));
        assert_eq!(duration(&[31 << 3 | 3, 0xc6]), Some(5760));
        for packet in [&[][..], &[31 << 3 | 3], &[31 << 3 | 3, 0], &[31 << 3 | 3, 7]] {
            assert_eq!(duration(packet), None);
        }
    }
}
