//! The kind of a tag's content, by its first bytes. FLV annex E.4.2.1 and E.4.3.1; Enhanced RTMP v2.

use runnel::media::Kind;

/// A tag at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glance {
    /// A frame, or a part of one.
    Frame { key: bool },
    /// Anything else: a decoder record, an end, an empty tag.
    Other,
}

impl Glance {
    /// Looks at the beginning of a tag; two bytes are enough.
    pub fn at(kind: Kind, tag: &[u8]) -> Self {
        let [first, second, ..] = *tag else { return Self::Other };
        let (format, low) = (first >> 4, first & 15);
        let (packet, key) = match kind {
            Kind::Video if format & 8 != 0 => (low, format & 7 == KEY_FRAME),
            Kind::Video => (second, format == KEY_FRAME),
            Kind::Audio if format == EXTENDED => (low, false),
            Kind::Audio if format == AAC => (second, false),
            Kind::Audio => (CODED_FRAMES, false),
        };
        match packet {
            CODED_FRAMES | CODED_FRAMES_X => Self::Frame { key },
            _ => Self::Other,
        }
    }
}

const KEY_FRAME: u8 = 1;
/// SoundFormat.
const EXTENDED: u8 = 9;
const AAC: u8 = 10;
/// AVCPacketType, AACPacketType, VideoPacketType and AudioPacketType.
const CODED_FRAMES: u8 = 1;
const CODED_FRAMES_X: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_told_from_records() {
        let cases = [
            (Kind::Video, [0x17, 0], Glance::Other),
            (Kind::Video, [0x17, 1], Glance::Frame { key: true }),
            (Kind::Video, [0x27, 1], Glance::Frame { key: false }),
            (Kind::Video, [0x90, b'h'], Glance::Other),
            (Kind::Video, [0x91, b'a'], Glance::Frame { key: true }),
            (Kind::Video, [0xa3, b'h'], Glance::Frame { key: false }),
            (Kind::Audio, [0xaf, 0], Glance::Other),
            (Kind::Audio, [0xaf, 1], Glance::Frame { key: false }),
            (Kind::Audio, [0x2f, 0xff], Glance::Frame { key: false }),
            (Kind::Audio, [0x90, b'O'], Glance::Other),
        ];
        for (kind, tag, want) in cases {
            assert_eq!(Glance::at(kind, &tag), want, "{kind:?} {tag:x?}");
        }
    }
}
