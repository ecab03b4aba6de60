//! The headers of video and audio tags, legacy and enhanced.

use crate::container::Head;
use crate::media::{Codec, Frame, Hz, Kind, Ticks, Track, Tracks};
use crate::wire::Writer;

/// A codec's name in enhanced tags.
pub type FourCc = [u8; 4];

/// The tag variants that the viewer supports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// HEVC is sent as codec id 12, for older players, and not as `hvc1`.
    pub legacy_hevc: bool,
    /// Tracks after the first of each kind are sent as multitrack tags.
    pub all_tracks: bool,
}

/// FourCC names. Enhanced RTMP v2, "Extended VideoTagHeader" and "Extended AudioTagHeader".
pub const FOURCC: &[(Codec, FourCc)] = &[
    (Codec::H264, *b"avc1"),
    (Codec::H265, *b"hvc1"),
    (Codec::Av1, *b"av01"),
    (Codec::Vp9, *b"vp09"),
    (Codec::Vp8, *b"vp08"),
    (Codec::Aac, *b"mp4a"),
    (Codec::Opus, *b"Opus"),
    (Codec::Flac, *b"fLaC"),
    (Codec::Ac3, *b"ac-3"),
    (Codec::Eac3, *b"ec-3"),
    (Codec::Mp3, *b".mp3"),
];

/// CodecID and SoundFormat of tags without an enhanced header. Annex E.4.2.1 and E.4.3.1. No specification defines
/// 12 and 13, but they are widely used.
pub const LEGACY_VIDEO: &[(Codec, u8)] = &[(Codec::H264, 7), (Codec::H265, 12)];
/// As `LEGACY_VIDEO`, for sound; of several rows for a codec, the first is written.
pub const LEGACY_AUDIO: &[(Codec, u8)] =
    &[(Codec::Aac, 10), (Codec::Mp3, 2), (Codec::Mp3, 14), (Codec::Pcma, 7), (Codec::Pcmu, 8), (Codec::Opus, 13)];

/// VideoPacketType and AudioPacketType; 0 to 3 mean the same in both.
pub mod packet {
    #![allow(missing_docs, reason = "the specification's names")]
    pub const SEQUENCE_START: u8 = 0;
    pub const CODED_FRAMES: u8 = 1;
    pub const SEQUENCE_END: u8 = 2;
    pub const CODED_FRAMES_X: u8 = 3;
    pub const VIDEO_METADATA: u8 = 4;
    pub const AUDIO_MULTITRACK: u8 = 5;
    pub const VIDEO_MULTITRACK: u8 = 6;
    pub const MOD_EX: u8 = 7;
}

/// FrameType of a key frame, and of all other frames.
pub const KEY_FRAME: u8 = 1;
const INTER_FRAME: u8 = 2;

impl Style {
    /// The legacy id with which `track` is sent; `None` if it is not sent as legacy.
    fn legacy(self, track: &Track) -> Option<u8> {
        let table = match track.codec.kind() {
            Kind::Video => LEGACY_VIDEO,
            Kind::Audio => LEGACY_AUDIO,
        };
        let wanted = track.id == 0
            && match track.codec {
                Codec::H265 => self.legacy_hevc,
                Codec::Opus => false,
                // SoundRate has no value for 8 kHz, which these codecs always use
                Codec::Pcma | Codec::Pcmu => {
                    track.params.sample_rate == 8000 && (1..=2).contains(&track.params.channels)
                }
                _ => true,
            };
        let row = table.iter().find(|(codec, _)| *codec == track.codec)?;
        wanted.then_some(row.1)
    }

    /// True if tags of `track` are written at all.
    pub fn carries(self, track: &Track) -> bool {
        (track.id == 0 || self.all_tracks) && (self.legacy(track).is_some() || fourcc(track.codec).is_some())
    }

    /// True if tags of this kind are written.
    pub fn has(self, tracks: &Tracks, kind: Kind) -> bool {
        tracks.iter().any(|track| track.codec.kind() == kind && self.carries(track))
    }

    /// The codec's number in the metadata: the legacy id, or the FourCC as a big-endian number.
    pub fn codec_id(self, track: &Track) -> Option<u32> {
        self.legacy(track).map(u32::from).or_else(|| fourcc(track.codec).map(u32::from_be_bytes))
    }
}

/// The header bytes before a frame's data; empty if the codec has no tag.
pub fn frame_head(style: Style, track: &Track, frame: &Frame) -> Head {
    let mut head = Head::default();
    write_frame_head(&mut head, style, track, frame);
    head
}

fn write_frame_head(head: &mut impl Writer, style: Style, track: &Track, frame: &Frame) {
    let cts = composition_time(track, frame);
    let kind = if frame.key { KEY_FRAME } else { INTER_FRAME };
    match (style.legacy(track), track.codec) {
        (Some(id), Codec::H264 | Codec::H265) => {
            head.bytes(&[kind << 4 | id, 1]);
            head.u24(cts as u32);
        }
        (Some(id), Codec::Aac) => head.bytes(&[sound(id, track), 1]),
        (Some(id), _) => head.u8(sound(id, track)),
        (None, Codec::H264 | Codec::H265) if cts != 0 => {
            extended(head, track, kind, packet::CODED_FRAMES);
            head.u24(cts as u32);
        }
        (None, Codec::H264 | Codec::H265) => extended(head, track, kind, packet::CODED_FRAMES_X),
        (None, _) => extended(head, track, kind, packet::CODED_FRAMES),
    }
}

/// CompositionTime: presentation time minus decode time in milliseconds, each rounded before.
fn composition_time(track: &Track, frame: &Frame) -> i64 {
    let ms = |time: Ticks| time.rescale(track.clock, Hz::MS).0;
    ms(frame.dts + Ticks(frame.cts.into())) - ms(frame.dts)
}

/// The tag with a track's decoder record; `None` if the track has none.
pub fn sequence_start(style: Style, track: &Track) -> Option<Vec<u8>> {
    let record = &track.params.record;
    let mut tag = Vec::with_capacity(16 + record.len());
    match (style.legacy(track), track.codec) {
        _ if record.is_empty() => return None,
        (Some(id), Codec::H264 | Codec::H265) => tag.bytes(&[KEY_FRAME << 4 | id, 0, 0, 0, 0]),
        (Some(id), Codec::Aac) => tag.bytes(&[sound(id, track), 0]),
        (Some(_), _) => return None,
        (None, _) => extended(&mut tag, track, KEY_FRAME, packet::SEQUENCE_START),
    }
    tag.bytes(record);
    Some(tag)
}

/// ExVideoTagHeader or ExAudioTagHeader; a multitrack header if it is not the first track.
fn extended(out: &mut impl Writer, track: &Track, frame_kind: u8, packet_kind: u8) {
    let Some(fourcc) = fourcc(track.codec) else { return };
    let (lead, multitrack) = match track.codec.kind() {
        Kind::Video => (0x80 | frame_kind << 4, packet::VIDEO_MULTITRACK),
        Kind::Audio => (0x90, packet::AUDIO_MULTITRACK),
    };
    if track.id == 0 {
        out.u8(lead | packet_kind);
        out.bytes(&fourcc);
    } else {
        out.bytes(&[lead | multitrack, packet_kind]); // AvMultitrackType.OneTrack is 0
        out.bytes(&fourcc);
        out.u8(track.id);
    }
}

/// SoundFormat, SoundRate, SoundSize and SoundType. AAC always states 44 kHz stereo, G.711 always 16 bits and the
/// lowest rate.
fn sound(id: u8, track: &Track) -> u8 {
    let params = &track.params;
    let (rate, stereo) = match (track.codec, params.sample_rate) {
        (Codec::Aac, _) => (3, true),
        (Codec::Pcma | Codec::Pcmu, _) | (_, 1..=8_000) => (0, params.channels == 2),
        (_, 8_001..=16_000) => (1, params.channels != 1),
        (_, 16_001..=32_000) => (2, params.channels != 1),
        _ => (3, params.channels != 1),
    };
    id << 4 | rate << 2 | 1 << 1 | u8::from(stereo)
}

/// The FourCC of a codec; `None` if Enhanced RTMP defines none.
pub fn fourcc(codec: Codec) -> Option<FourCc> {
    FOURCC.iter().find(|(known, _)| *known == codec).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Params;
    use bytes::Bytes;

    fn track(codec: Codec, id: u8) -> Track {
        let params =
            Params { record: Bytes::from_static(b"rec"), sample_rate: 44_100, channels: 2, ..Params::default() };
        Track { id, codec, clock: Hz::MS, params }
    }

    fn head(style: Style, codec: Codec, id: u8, key: bool, cts: i32) -> Vec<u8> {
        let frame = Frame { dts: Ticks(0), cts, kind: codec.kind(), track: id, key, data: Bytes::new().into() };
        frame_head(style, &track(codec, id), &frame).bytes().to_vec()
    }

    #[test]
    fn golden_heads() {
        let enhanced = Style::default();
        let legacy = Style { legacy_hevc: true, ..enhanced };
        assert_eq!(head(enhanced, Codec::H264, 0, true, 0), [0x17, 1, 0, 0, 0]);
        assert_eq!(head(enhanced, Codec::H264, 0, false, -2), [0x27, 1, 0xff, 0xff, 0xfe]);
        assert_eq!(head(enhanced, Codec::H265, 0, true, 0), *b"\x93hvc1");
        assert_eq!(head(enhanced, Codec::H265, 0, false, 80), *b"\xa1hvc1\0\0\x50");
        assert_eq!(head(legacy, Codec::H265, 0, true, 0), [0x1c, 1, 0, 0, 0]);
        assert_eq!(head(enhanced, Codec::Av1, 0, true, 0), *b"\x91av01");
        assert_eq!(head(enhanced, Codec::H264, 1, true, 0), *b"\x96\x03avc1\x01");
        assert_eq!(head(enhanced, Codec::Aac, 0, true, 0), [0xaf, 1]);
        assert_eq!(head(enhanced, Codec::Mp3, 0, true, 0), [0x2f]);
        assert_eq!(head(enhanced, Codec::Opus, 0, true, 0), *b"\x91Opus");
        assert_eq!(head(enhanced, Codec::Aac, 2, true, 0), *b"\x95\x01mp4a\x02");
    }

    #[test]
    fn golden_sequence_starts() {
        let style = Style::default();
        assert_eq!(sequence_start(style, &track(Codec::H264, 0)).unwrap(), *b"\x17\0\0\0\0rec");
        assert_eq!(sequence_start(style, &track(Codec::H265, 0)).unwrap(), *b"\x90hvc1rec");
        assert_eq!(sequence_start(style, &track(Codec::Aac, 0)).unwrap(), *b"\xaf\0rec");
        assert_eq!(sequence_start(style, &track(Codec::Mp3, 0)), None);
    }
}
