//! Elementary streams: how each codec's frames are written, and how the map describes them.

use bytes::Bytes;

use super::pes;
use crate::codec::{aac, h264, h265, opus};
use crate::media::{Codec, Frame, Track, nal};

/// The way in which the frames of a track are written.
pub(super) enum Coding {
    /// Access units of H.264.
    H264(Units),
    /// Access units of H.265.
    H265(Units),
    /// Raw AAC, with ADTS headers.
    Aac(aac::Config),
    /// Opus packets with control headers; contains the descriptors.
    Opus([u8; 10]),
    /// MPEG audio unchanged, of MPEG-1 or of MPEG-2.
    Mp3 { mpeg1: bool },
    /// AC-3 unchanged.
    Ac3,
    /// E-AC-3 unchanged.
    Eac3,
}

/// Converts NAL units with length prefixes to a byte stream.
pub(super) struct Units {
    unit_type: fn(&[u8]) -> u8,
    /// An access unit delimiter that allows any kind of picture.
    delimiter: &'static [u8],
    /// The record's parameter sets.
    sets: Vec<Bytes>,
    /// The types, as bits, that `delimiter` replaces in all access units.
    delimiters: u64,
    /// The types, as bits, that `sets` replaces in key frames.
    supplied: u64,
}

impl Coding {
    /// The coding of `track`; `None` if transport streams do not carry it or its record is invalid.
    pub(super) fn of(track: &Track) -> Option<Self> {
        let record = &track.params.record;
        Some(match track.codec {
            Codec::H264 => Self::H264(Units::h264(record)?),
            Codec::H265 => Self::H265(Units::h265(record)?),
            Codec::Aac => {
                let config = aac::Config::parse(record).ok()?;
                config.adts(0)?;
                Self::Aac(config)
            }
            Codec::Opus => {
                // channel_config_code can describe other channel layouts, but few decoders know them
                let head = opus::Head::parse(record).ok().filter(|_| opus::Head::is_usual(record))?;
                Self::Opus(opus_descriptors(head.channels))
            }
            Codec::Mp3 => Self::Mp3 { mpeg1: !(1..32_000).contains(&track.params.sample_rate) },
            Codec::Ac3 => Self::Ac3,
            Codec::Eac3 => Self::Eac3,
            _ => return None,
        })
    }

    /// stream_type. Table 2-34; ATSC A/53 defines 0x81 and 0x87.
    pub(super) fn stream_type(&self) -> u8 {
        match self {
            Self::H264(_) => 0x1b,
            Self::H265(_) => 0x24,
            Self::Aac(_) => 0x0f,
            Self::Opus(_) => 0x06,
            Self::Mp3 { mpeg1: true } => 0x03,
            Self::Mp3 { mpeg1: false } => 0x04,
            Self::Ac3 => 0x81,
            Self::Eac3 => 0x87,
        }
    }

    /// stream_id. Table 2-22.
    pub(super) fn stream_id(&self) -> u8 {
        match self {
            Self::H264(_) | Self::H265(_) => pes::VIDEO,
            Self::Aac(_) | Self::Mp3 { .. } => pes::AUDIO,
            Self::Opus(_) | Self::Ac3 | Self::Eac3 => pes::PRIVATE,
        }
    }

    /// Registration and other descriptors. Section 2.6.
    pub(super) fn descriptors(&self) -> &[u8] {
        match self {
            Self::Opus(descriptors) => descriptors,
            Self::Ac3 => b"\x05\x04AC-3",
            Self::Eac3 => b"\x05\x04EAC3",
            _ => &[],
        }
    }

    /// The number of bytes that `frame` takes; `None` if there is nothing to send.
    pub(super) fn len(&self, frame: &Frame) -> Option<usize> {
        let mut len: usize = 0;
        self.write(frame, |piece| len = len.saturating_add(piece.len()))?;
        Some(len)
    }

    /// Passes the bytes of `frame` to `put`, piece by piece.
    pub(super) fn write(&self, frame: &Frame, mut put: impl FnMut(&[u8])) -> Option<()> {
        let data = &frame.data[..];
        if data.is_empty() {
            return None;
        }
        match self {
            Self::H264(units) | Self::H265(units) => return units.write(frame, put),
            Self::Aac(config) => put(&config.adts(data.len())?),
            Self::Opus(_) => put_control_header(data.len(), &mut put),
            Self::Mp3 { .. } | Self::Ac3 | Self::Eac3 => {}
        }
        put(data);
        Some(())
    }
}

impl Units {
    fn h264(record: &Bytes) -> Option<Self> {
        let sets = h264::Record::parse(record).ok()?;
        let types = [(h264::SPS, sets.sps), (h264::PPS, sets.pps)];
        Some(Self::new(record, h264::unit_type, &[0, 0, 0, 1, 9, 0xf0], h264::AUD, &types))
    }

    fn h265(record: &Bytes) -> Option<Self> {
        let sets = h265::Record::parse(record).ok()?;
        let types = [(h265::VPS, sets.vps), (h265::SPS, sets.sps), (h265::PPS, sets.pps)];
        Some(Self::new(record, h265::unit_type, &[0, 0, 0, 1, 0x46, 1, 0x50], h265::AUD, &types))
    }

    fn new(
        record: &Bytes,
        unit_type: fn(&[u8]) -> u8,
        delimiter: &'static [u8],
        delimiter_type: u8,
        types: &[(u8, Vec<&[u8]>)],
    ) -> Self {
        let supplied = types.iter().filter(|(_, sets)| !sets.is_empty());
        Self {
            unit_type,
            delimiter,
            sets: types.iter().flat_map(|(_, sets)| sets).map(|set| record.slice_ref(set)).collect(),
            delimiters: 1 << delimiter_type,
            supplied: supplied.fold(0, |bits, (kind, _)| bits | 1 << kind),
        }
    }

    fn write(&self, frame: &Frame, mut put: impl FnMut(&[u8])) -> Option<()> {
        let (dropped, sets) = match frame.key {
            true => (self.delimiters | self.supplied, &self.sets[..]),
            false => (self.delimiters, &[][..]),
        };
        let stays = |unit: &&[u8]| !unit.is_empty() && dropped >> (self.unit_type)(unit) & 1 == 0;
        let mut units = nal::units(&frame.data).filter(stays).peekable();
        units.peek()?;
        put(self.delimiter);
        for unit in sets.iter().map(|set| &set[..]).chain(units) {
            put(&[0, 0, 0, 1]);
            put(unit);
        }
        Some(())
    }
}

/// Writes opus_control_header(): its prefix, no flags, and the packet's size as a sum of bytes. Draft ETSI TS "Opus
/// Interactive Audio Codec; Transport Multiplexing".
fn put_control_header(len: usize, put: &mut impl FnMut(&[u8])) {
    put(&[0x7f, 0xe0]);
    for _ in 0..len / 255 {
        put(&[255]);
    }
    put(&[(len % 255) as u8]);
}

/// A registration descriptor, and DVB's extension descriptor with the channel_config_code, which is the number of
/// channels in Vorbis order.
fn opus_descriptors(channels: u8) -> [u8; 10] {
    [0x05, 4, b'O', b'p', b'u', b's', 0x7f, 2, 0x80, channels]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{hex, params};
    use crate::media::{Hz, Params, Ticks};

    const AVCC: &str = "0164001effe1001a6764001eacd940a02ff97011000003000100000300320f162d96\
                        01000468ef8fcbfdf8f800";

    fn coding(codec: Codec, record: &[u8]) -> Option<Coding> {
        let params = params(codec, Bytes::copy_from_slice(record)).ok()?;
        Coding::of(&Track { id: 0, codec, clock: Hz::MS, params })
    }

    fn written(coding: &Coding, key: bool, data: &[u8]) -> Option<Vec<u8>> {
        let data = Bytes::copy_from_slice(data).into();
        let frame = Frame { dts: Ticks(0), cts: 0, kind: crate::media::Kind::Video, track: 0, key, data };
        let mut out = Vec::new();
        let written = coding.write(&frame, |piece| out.extend_from_slice(piece));
        assert_eq!(coding.len(&frame), written.map(|()| out.len()));
        written.map(|()| out)
    }

    #[test]
    fn key_frames_carry_the_sets_of_the_record_once() {
        let coding = coding(Codec::H264, &hex(AVCC)).unwrap();
        // AUD, SPS, PPS, SEI, IDR.
        let data = hex("00000002 0910 00000002 6764 00000002 68ef 00000002 0605 00000003 658884");
        let key = "00000001 09f0 00000001 6764001eacd940a02ff97011000003000100000300320f162d96 \
                   00000001 68ef8fcb 00000001 0605 00000001 658884";
        assert_eq!(written(&coding, true, &data), Some(hex(key)));
        let other = "00000001 09f0 00000001 6764 00000001 68ef 00000001 0605 00000001 658884";
        assert_eq!(written(&coding, false, &data), Some(hex(other)));
    }

    #[test]
    fn sets_stay_in_the_frame_if_the_record_has_none() {
        let mut record = hex(AVCC);
        record.truncate(34);
        record.push(0);
        let coding = coding(Codec::H264, &record).unwrap();
        let out = written(&coding, true, &hex("00000002 6764 00000002 68ef 00000001 65")).unwrap();
        assert_eq!(out[out.len() - 11..], hex("00000001 68ef 00000001 65")[..]);
    }

    #[test]
    fn h265_units_have_their_own_types() {
        let (vps, pps) = (hex("40010c01"), hex("4401c073c18927"));
        let sps = hex("42010101600000030090000003000003003fa005220171c449965654a4c2f0168080000003008000000c84");
        let record = crate::codec::h265::write(&vps, &sps, &pps).unwrap();
        let coding = coding(Codec::H265, &record).unwrap();
        let code = [0, 0, 0, 1];
        let sets = [&code[..], &vps, &code, &sps, &code, &pps].concat();
        let key = written(&coding, true, &hex("00000003 460150 00000003 420101 00000003 2601af")).unwrap();
        assert_eq!(key, [hex("00000001 460150"), sets, hex("00000001 2601af")].concat());
        let other = written(&coding, false, &hex("00000003 0201d0")).unwrap();
        assert_eq!(other, hex("00000001 460150 00000001 0201d0"));
    }

    #[test]
    fn lies_are_cut_off() {
        let coding = coding(Codec::H264, &hex(AVCC)).unwrap();
        for nothing in ["", "00", "00000000", "ffffffff 65", "00000002 0910"] {
            assert_eq!(written(&coding, true, &hex(nothing)), None, "{nothing}");
        }
        let cut = written(&coding, false, &hex("00000002 419a 00000009 41")).unwrap();
        assert_eq!(cut, hex("00000001 09f0 00000001 419a"));
    }

    #[test]
    fn sound_has_the_headers_of_its_codec() {
        let aac = coding(Codec::Aac, &hex("1210")).unwrap();
        assert_eq!(written(&aac, true, &hex("21100460 8c1c")), Some(hex("fff15080 01bffc 21100460 8c1c")));
        assert_eq!(written(&aac, true, &[0; 8185]), None);
        let head = hex("4f70757348656164 0106 3801 80bb0000 0000 01 0402000401020305");
        let opus = coding(Codec::Opus, &head).unwrap();
        assert_eq!(opus.descriptors(), b"\x05\x04Opus\x7f\x02\x80\x06");
        assert_eq!(written(&opus, true, &[7; 254]).unwrap()[..4], [0x7f, 0xe0, 254, 7]);
        assert_eq!(written(&opus, true, &[7; 255]).unwrap()[..5], [0x7f, 0xe0, 255, 0, 7]);
        assert_eq!(written(&opus, true, &[7; 600]).unwrap()[..6], [0x7f, 0xe0, 255, 255, 90, 7]);
    }

    #[test]
    fn what_is_not_carried() {
        for codec in [Codec::Pcma, Codec::Pcmu, Codec::Vp8] {
            assert!(coding(codec, &[]).is_none());
        }
        assert!(coding(Codec::Av1, &hex("81010c00")).is_none());
        assert!(coding(Codec::Opus, &hex("4f70757348656164 0102 3801 80bb0000 0000 ff 01010001")).is_none());
        // AAC-ELD, which has no ADTS.
        assert!(coding(Codec::Aac, &hex("f8e65000")).is_none());
        let track = Track { id: 0, codec: Codec::H264, clock: Hz::MS, params: Params::default() };
        assert!(Coding::of(&track).is_none());
    }

    #[test]
    fn the_rate_tells_the_version_of_mpeg_audio() {
        let stream_type = |sample_rate| {
            let params = Params { sample_rate, ..Params::default() };
            Coding::of(&Track { id: 0, codec: Codec::Mp3, clock: Hz::MS, params }).unwrap().stream_type()
        };
        assert_eq!([0, 22_050, 24_000, 32_000, 48_000].map(stream_type), [3, 4, 4, 3, 3]);
    }
}
