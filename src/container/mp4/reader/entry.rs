//! Reads a track's codec from its sample entry. ISO/IEC 14496-12 section 8.5.2, and the binding of each codec.

use bytes::Bytes;

use super::boxes::{BoxAt, Name, Walk, dig};
use crate::container::{Fault, Storage};
use crate::media::{Codec, Kind};
use crate::wire::{Reader as Fields, Short, Writer};

/// The codec that a sample entry names.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    /// A codec, and its decoder record; empty if it has none.
    Known(Codec, Bytes),
    /// A codec that runnel does not carry.
    Unknown(Name),
}

/// Sample entries, and the decoder configuration box in each.
const CODECS: &[(&Name, Codec, &Name)] = &[
    (b"avc1", Codec::H264, b"avcC"),
    (b"avc3", Codec::H264, b"avcC"),
    (b"hvc1", Codec::H265, b"hvcC"),
    (b"hev1", Codec::H265, b"hvcC"),
    (b"av01", Codec::Av1, b"av1C"),
    (b"vp08", Codec::Vp8, b"vpcC"),
    (b"vp09", Codec::Vp9, b"vpcC"),
    (b"mp4a", Codec::Aac, b"esds"),
    (b".mp3", Codec::Mp3, b"esds"),
    (b"Opus", Codec::Opus, b"dOps"),
    (b"fLaC", Codec::Flac, b"dfLa"),
    (b"ac-3", Codec::Ac3, b"dac3"),
    (b"ec-3", Codec::Eac3, b"dec3"),
];

/// objectTypeIndication of the codecs in `mp4a`. ISO/IEC 14496-1 table 5, and the list of the registration
/// authority.
const OBJECT_TYPES: &[(u8, Codec)] = &[
    (0x40, Codec::Aac),
    (0x66, Codec::Aac),
    (0x67, Codec::Aac),
    (0x68, Codec::Aac),
    (0x69, Codec::Mp3),
    (0x6b, Codec::Mp3),
    (0xa5, Codec::Ac3),
    (0xa6, Codec::Eac3),
    (0xad, Codec::Opus),
];

/// The maximum number of bytes that are read of a decoder configuration box.
const MAX_CONFIG: usize = 8 << 10;

/// Reads the first entry of `stsd`.
pub(super) fn read(storage: &mut dyn Storage, stsd: &BoxAt, kind: Kind) -> Result<Entry, Fault> {
    let entry = Walk::over(&stsd.behind(8)).next(storage)?.ok_or(Fault::Broken("a track without a description"))?;
    let Some((_, codec, config)) = CODECS.iter().find(|(name, ..)| **name == entry.name) else {
        return Ok(Entry::Unknown(entry.name));
    };
    let fields = match kind {
        Kind::Video => 78,
        // QuickTime's versions 1 and 2 have more fields
        Kind::Audio => match entry.first::<10>(storage)? {
            [.., 0, 1] => 28 + 16,
            [.., 0, 2] => 28 + 36,
            _ => 28,
        },
    };
    let inner = entry.behind(fields);
    let mut found = dig(storage, &inner, &[config])?;
    if found.is_none() && *codec == Codec::Aac {
        found = dig(storage, &inner, &[b"wave", config])?;
    }
    let content = found.map(|found| found.content(storage, MAX_CONFIG)).transpose()?.unwrap_or_default();
    // a damaged entry must not stop the other tracks
    Ok(record(*codec, &content).unwrap_or(Entry::Unknown(entry.name)))
}

/// Converts the box to the decoder record that is used inside runnel.
fn record(codec: Codec, content: &[u8]) -> Result<Entry, Short> {
    let record = match codec {
        Codec::Aac => return elementary(content),
        Codec::Opus => opus_head(content)?.into(),
        Codec::Flac => [b"fLaC", content.get(4..).ok_or(Short)?].concat().into(),
        Codec::H264 | Codec::H265 | Codec::Av1 | Codec::Vp9 => Bytes::copy_from_slice(content),
        _ => Bytes::new(),
    };
    Ok(Entry::Known(codec, record))
}

/// Converts OpusSpecificBox to OpusHead, which is little-endian.
fn opus_head(content: &[u8]) -> Result<Vec<u8>, Short> {
    let mut fields = Fields::new(content);
    let [_version, channels, s1, s0, r3, r2, r1, r0, g1, g0] = fields.array()?;
    let mut head = b"OpusHead\x01".to_vec();
    head.bytes(&[channels, s0, s1, r0, r1, r2, r3, g0, g1]);
    head.bytes(fields.rest());
    Ok(head)
}

/// ES_Descriptor: the codec, and its DecoderSpecificInfo. ISO/IEC 14496-1 section 7.2.6.
fn elementary(content: &[u8]) -> Result<Entry, Short> {
    let mut fields = Fields::new(content);
    fields.u32()?;
    let (3, mut stream) = descriptor(&mut fields)? else { return Err(Short) };
    stream.u16()?;
    let flags = stream.u8()?;
    for (flag, bytes) in [(0x80, 2), (0x20, 2)] {
        stream.take(if flags & flag != 0 { bytes } else { 0 })?;
    }
    if flags & 0x40 != 0 {
        let url = stream.u8()?;
        stream.take(url.into())?;
    }
    let (4, mut decoder) = descriptor(&mut stream)? else { return Err(Short) };
    let object_type = decoder.u8()?;
    let Some((_, codec)) = OBJECT_TYPES.iter().find(|(known, _)| *known == object_type) else {
        return Ok(Entry::Unknown([b'm', b'p', b'4', object_type]));
    };
    decoder.take(12)?;
    let record = match descriptor(&mut decoder) {
        Ok((5, info)) if *codec == Codec::Aac => Bytes::copy_from_slice(info.rest()),
        _ => Bytes::new(),
    };
    Ok(Entry::Known(*codec, record))
}

/// Reads the tag of the next descriptor, and its content.
fn descriptor<'a>(fields: &mut Fields<'a>) -> Result<(u8, Fields<'a>), Short> {
    let tag = fields.u8()?;
    let mut len: usize = 0;
    for _ in 0..4 {
        let byte = fields.u8()?;
        len = len << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    let content = fields.take(len.min(fields.len()))?;
    Ok((tag, Fields::new(content)))
}
