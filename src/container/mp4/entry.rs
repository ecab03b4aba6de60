//! Writes a track's sample entry, which describes its coding. ISO/IEC 14496-12 section 8.5.2, and the binding of
//! each codec.

use super::boxes::{boxed, full};
use super::sound;
use crate::media::{Codec, Kind, Track};
use crate::wire::Writer;

/// The types of a codec's sample entry, and of the decoder configuration box in it.
fn names(codec: Codec) -> Option<(&'static [u8; 4], &'static [u8; 4])> {
    Some(match codec {
        Codec::H264 => (b"avc1", b"avcC"),
        Codec::H265 => (b"hvc1", b"hvcC"),
        Codec::Av1 => (b"av01", b"av1C"),
        Codec::Vp9 => (b"vp09", b"vpcC"),
        Codec::Aac | Codec::Mp3 => (b"mp4a", b"esds"),
        Codec::Opus => (b"Opus", b"dOps"),
        Codec::Flac | Codec::Pcma | Codec::Pcmu => (b"fLaC", b"dfLa"),
        Codec::Ac3 => (b"ac-3", b"dac3"),
        Codec::Eac3 => (b"ec-3", b"dec3"),
        _ => return None,
    })
}

/// True if a track can be written: it is the first of its kind, and the decoder's configuration is known.
pub(super) fn is_carried(track: &Track) -> bool {
    let described = match track.codec {
        Codec::Mp3 => track.params.sample_rate > 0,
        Codec::Ac3 => rate_code(track.params.sample_rate).is_some(),
        Codec::Eac3 => eac3_rate_code(track.params.sample_rate).is_some(),
        Codec::Pcma | Codec::Pcmu => sound::streaminfo(track).is_some(),
        _ => !track.params.record.is_empty(),
    };
    track.id == 0 && described && names(track.codec).is_some()
}

/// The sample entry.
pub(super) fn write(out: &mut Vec<u8>, track: &Track) {
    let Some((entry, config)) = names(track.codec) else { return };
    boxed(out, entry, |out| {
        out.bytes(&[0; 6]);
        out.u16(1); // data_reference_index
        match track.codec.kind() {
            Kind::Video => visual(out, track),
            Kind::Audio => audible(out, track),
        }
        boxed(out, config, |out| configuration(out, track));
    });
}

/// VisualSampleEntry. Section 12.1.3.
fn visual(out: &mut Vec<u8>, track: &Track) {
    out.bytes(&[0; 16]);
    out.u16(track.params.width as u16);
    out.u16(track.params.height as u16);
    out.u32(0x0048_0000); // 72 dpi
    out.u32(0x0048_0000);
    out.u32(0);
    out.u16(1); // frame_count
    out.bytes(&[0; 32]); // compressorname
    out.u16(0x18); // depth
    out.u16(0xffff);
}

/// AudioSampleEntry. Section 12.2.3.
fn audible(out: &mut Vec<u8>, track: &Track) {
    out.bytes(&[0; 8]);
    out.u16(track.params.channels.into());
    out.u16(16); // samplesize
    out.u32(0);
    // a rate above 16 bits is in the decoder's configuration
    out.u32(u32::from(u16::try_from(track.params.sample_rate).unwrap_or(0)) << 16);
}

/// The content of the decoder configuration box.
fn configuration(out: &mut Vec<u8>, track: &Track) {
    let record = &track.params.record;
    match track.codec {
        Codec::Aac => esds(out, 0x40, record),
        // ISO/IEC 11172-3 defines rates from 32 kHz, 13818-3 the lower ones
        Codec::Mp3 => esds(out, if track.params.sample_rate >= 32_000 { 0x6b } else { 0x69 }, &[]),
        Codec::Opus => dops(out, record),
        Codec::Flac => dfla(out, record),
        Codec::Pcma | Codec::Pcmu => sound::streaminfo(track).iter().for_each(|record| dfla(out, record)),
        Codec::Ac3 => dac3(out, track),
        Codec::Eac3 => dec3(out, track),
        // records may or may not begin with this box's version and flags
        Codec::Vp9 if !record.starts_with(&[1, 0, 0, 0]) => {
            out.u32(0x0100_0000);
            out.bytes(record);
        }
        _ => out.bytes(record),
    }
}

/// An elementary stream descriptor. ISO/IEC 14496-1 section 7.2.6, 14496-14 section 5.6.
fn esds(out: &mut Vec<u8>, object_type: u8, config: &[u8]) {
    let mut decoder = vec![object_type, 0x15];
    decoder.u24(0); // bufferSizeDB, then the bit rates
    decoder.bytes(&[0; 8]);
    if !config.is_empty() {
        descriptor(&mut decoder, 5, config);
    }
    let mut stream = vec![0, 0, 0]; // ES_ID, and no optional fields
    descriptor(&mut stream, 4, &decoder);
    descriptor(&mut stream, 6, &[2]);
    out.u32(0);
    descriptor(out, 3, &stream);
}

fn descriptor(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    // a length of 28 bits, in four bytes of seven bits
    let length = content.len() as u32;
    let byte = |shift: u32, more: u8| (length >> shift) as u8 & 0x7f | more;
    out.bytes(&[tag, byte(21, 0x80), byte(14, 0x80), byte(7, 0x80), byte(0, 0)]);
    out.bytes(content);
}

/// OpusSpecificBox: OpusHead in big-endian order, without its magic.
fn dops(out: &mut Vec<u8>, head: &[u8]) {
    let [_, _, _, _, _, _, _, _, _, channels, s0, s1, r0, r1, r2, r3, g0, g1, rest @ ..] = head else { return };
    out.bytes(&[0, *channels, *s1, *s0, *r3, *r2, *r1, *r0, *g1, *g0]);
    out.bytes(rest);
}

/// FLACSpecificBox: the metadata blocks, each after its header.
fn dfla(out: &mut Vec<u8>, record: &[u8]) {
    let blocks = record.strip_prefix(b"fLaC").unwrap_or(record);
    out.u32(0);
    if blocks.len() == STREAMINFO {
        out.bytes(&[0x80, 0, 0, STREAMINFO as u8]);
    }
    out.bytes(blocks);
}

/// Bytes of a STREAMINFO block without its header.
const STREAMINFO: usize = 34;

/// AC3SpecificBox. ETSI TS 102 366 Annex F.4. Other values, such as the bit rate, are in the frames.
fn dac3(out: &mut Vec<u8>, track: &Track) {
    let (mode, low) = channel_mode(track.params.channels);
    let bits = rate_code(track.params.sample_rate).unwrap_or(3) << 22 | 8 << 17 | mode << 11 | low << 10;
    out.u24(bits);
}

/// EC3SpecificBox, with one independent substream. Annex F.6.
fn dec3(out: &mut Vec<u8>, track: &Track) {
    let (mode, low) = channel_mode(track.params.channels);
    out.u16(0); // data_rate, num_ind_sub
    out.u24(eac3_rate_code(track.params.sample_rate).unwrap_or(3) << 22 | 16 << 17 | mode << 9 | low << 8);
}

/// fscod. Table 4.1; AC-3 has no code for other rates.
fn rate_code(rate: u32) -> Option<u32> {
    match rate {
        48_000 => Some(0),
        44_100 => Some(1),
        32_000 => Some(2),
        _ => None,
    }
}

/// fscod of E-AC-3, where 3 means half of one of these rates. Section E.1.3.1.3.
fn eac3_rate_code(rate: u32) -> Option<u32> {
    rate_code(rate).or_else(|| rate_code(rate.saturating_mul(2)).map(|_| 3))
}

/// acmod and lfeon of the usual layouts.
fn channel_mode(channels: u8) -> (u32, u32) {
    match channels {
        1 => (1, 0),
        3 => (3, 0),
        4 => (6, 0),
        5 => (7, 0),
        6.. => (7, 1),
        _ => (2, 0),
    }
}

/// `stsd`, with the sample entry. Section 8.5.2.
pub(super) fn description(out: &mut Vec<u8>, track: &Track) {
    full(out, b"stsd", 0, 0, |out| {
        out.u32(1);
        write(out, track);
    });
}
