//! AV1: sequence headers and the decoder record. AV1 bitstream specification,
//! AV1 codec ISO media file format binding.

use super::{Malformed, ensure, picture};
use crate::wire::bits::Bits;
use crate::wire::{Reader, Short};

/// OBU_SEQUENCE_HEADER. Section 6.2.2.
pub const SEQUENCE_HEADER: u8 = 1;
/// OBU_TEMPORAL_DELIMITER.
pub const TEMPORAL_DELIMITER: u8 = 2;
/// OBU_FRAME_HEADER.
pub const FRAME_HEADER: u8 = 3;
/// OBU_FRAME: a frame header and a tile group.
pub const FRAME: u8 = 6;

/// An open bitstream unit. Section 5.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Obu<'a> {
    /// obu_type.
    pub kind: u8,
    /// The bytes after header and size.
    pub payload: &'a [u8],
}

/// Iterates over OBUs in the low-overhead format; only the last may omit its size. It ends at an OBU whose size
/// exceeds the rest of the data.
pub fn obus(data: &[u8]) -> impl Iterator<Item = Obu<'_>> {
    let mut r = Reader::new(data);
    std::iter::from_fn(move || if r.is_empty() { None } else { obu(&mut r).ok() })
}

/// leb128(). Section 4.10.5. A value of more than 32 bits is refused as invalid.
pub fn leb128(r: &mut Reader) -> Result<u32, Short> {
    let mut value: u64 = 0;
    for at in 0..8 {
        let byte = r.u8()?;
        value |= u64::from(byte & 0x7f) << (at * 7);
        if byte & 0x80 == 0 {
            return value.try_into().map_err(|_| Short);
        }
    }
    Err(Short)
}

/// True if a temporal unit's first frame is a key frame that is shown. Section 5.9.2.
pub fn is_key(data: &[u8]) -> bool {
    let first = obus(data).find(|obu| matches!(obu.kind, FRAME | FRAME_HEADER));
    // show_existing_frame 0, frame_type KEY_FRAME, show_frame 1.
    first.and_then(|obu| obu.payload.first()).is_some_and(|byte| byte >> 4 == 0b0001)
}

/// Width and height in pixels from the sequence header in `data`.
pub fn size(data: &[u8]) -> Result<(u32, u32), Malformed> {
    let header = obus(data).find(|obu| obu.kind == SEQUENCE_HEADER);
    sequence_size(header.ok_or(Malformed { what: "no AV1 sequence header" })?.payload)
}

/// Width and height from an AV1CodecConfigurationRecord, "av1C", section 2.3; zero if it has no sequence header.
pub fn record_size(record: &[u8]) -> Result<(u32, u32), Malformed> {
    let mut r = Reader::new(record);
    ensure(r.u8()? == 0x81, "av1C marker and version")?;
    let _profile_to_delay = r.take(3)?;
    if r.is_empty() { Ok((0, 0)) } else { size(r.rest()) }
}

/// obu_header() and obu_size. Sections 5.3.2 and 5.3.1.
fn obu<'a>(r: &mut Reader<'a>) -> Result<Obu<'a>, Short> {
    let header = r.u8()?;
    if header & 0x04 != 0 {
        let _extension = r.u8()?;
    }
    let length = if header & 0x02 != 0 { leb128(r)? as usize } else { r.len() };
    Ok(Obu { kind: header >> 3 & 0xf, payload: r.take(length)? })
}

/// Makes an AV1CodecConfigurationRecord, section 2.3, from a sequence header without OBU header; `None` if that is
/// invalid or too long.
pub fn write(sequence: &[u8]) -> Option<Vec<u8>> {
    let mut bits = Bits::new(sequence);
    let head = Head::parse(&mut bits).ok()?;
    skip_tools(&mut bits, head.reduced).ok()?;
    let colours = colour_config(&mut bits, head.profile).ok()?;
    let length = u16::try_from(sequence.len()).ok().filter(|length| *length < 1 << 14)?;
    let mut out = vec![0x81, head.profile << 5 | head.level, head.tier << 7 | colours, 0];
    out.push(SEQUENCE_HEADER << 3 | 2);
    if length > 0x7f {
        out.push(length as u8 | 0x80);
    }
    out.push(if length > 0x7f { (length >> 7) as u8 } else { length as u8 });
    out.extend_from_slice(sequence);
    Some(out)
}

/// Parses sequence_header_obu() up to the size. Section 5.5.1.
fn sequence_size(payload: &[u8]) -> Result<(u32, u32), Malformed> {
    Head::parse(&mut Bits::new(payload)).map(|head| head.size)
}

/// The first fields of a sequence header.
struct Head {
    profile: u8,
    reduced: bool,
    /// Level and tier of the first operating point.
    level: u8,
    tier: u8,
    size: (u32, u32),
}

impl Head {
    /// Parses sequence_header_obu() up to the size. Section 5.5.1.
    fn parse(bits: &mut Bits) -> Result<Self, Malformed> {
        let profile = bits.bits(3)? as u8;
        let _still_picture = bits.bit()?;
        let reduced = bits.bit()?;
        let (level, tier);
        if reduced {
            (level, tier) = (bits.bits(5)?, false);
        } else {
            let delay_bits = skip_timing(bits)?;
            let mut first = bits.clone();
            first.skip(1 + 5 + 12)?;
            level = first.bits(5)?;
            tier = level > 7 && first.bit()?;
            skip_operating_points(bits, delay_bits)?;
        }
        let width_bits = bits.bits(4)? + 1;
        let height_bits = bits.bits(4)? + 1;
        let size = picture(bits.bits(width_bits)? + 1, bits.bits(height_bits)? + 1)?;
        Ok(Self { profile, reduced, level: level as u8, tier: tier.into(), size })
    }
}

/// Skips the fields between the size and color_config(). Section 5.5.1.
fn skip_tools(bits: &mut Bits, reduced: bool) -> Result<(), Short> {
    if !reduced && bits.bit()? {
        bits.skip(4 + 3)?; // lengths of frame ids
    }
    bits.skip(3)?; // superblocks, intra filters
    if !reduced {
        bits.skip(4)?; // compounds, warped motion, dual filter
        let order_hint = bits.bit()?;
        bits.skip(if order_hint { 2 } else { 0 })?;
        let choose_screen_content_tools = bits.bit()?;
        let screen_content_tools = choose_screen_content_tools || bits.bit()?;
        if screen_content_tools {
            let choose_integer_mv = bits.bit()?;
            bits.skip(if choose_integer_mv { 0 } else { 1 })?;
        }
        bits.skip(if order_hint { 3 } else { 0 })?;
    }
    bits.skip(3) // superres, cdef, restoration
}

/// color_config(), in the format of the lower seven bits of a record's third byte. Section 5.5.2.
fn colour_config(bits: &mut Bits, profile: u8) -> Result<u8, Short> {
    let high_bitdepth = bits.bit()?;
    let twelve_bit = profile == 2 && high_bitdepth && bits.bit()?;
    let monochrome = profile != 1 && bits.bit()?;
    let description = if bits.bit()? { bits.bits(24)? } else { UNSPECIFIED };
    let mut position = 0;
    let (across, down) = match profile {
        _ if monochrome => (true, true),
        _ if description == SRGB => (false, false),
        _ => {
            let _color_range = bits.bit()?;
            let subsampling = match profile {
                0 => (true, true),
                1 => (false, false),
                _ if twelve_bit => {
                    let across = bits.bit()?;
                    (across, across && bits.bit()?)
                }
                _ => (true, false),
            };
            position = if subsampling == (true, true) { bits.bits(2)? as u8 } else { 0 };
            subsampling
        }
    };
    let flags = [high_bitdepth, twelve_bit, monochrome, across, down];
    Ok(flags.iter().fold(0, |byte, flag| byte << 1 | u8::from(*flag)) << 2 | position)
}

/// Unspecified colour primaries, transfer characteristics and matrix.
const UNSPECIFIED: u32 = 0x02_02_02;
/// BT.709 primaries, sRGB transfer and identity matrix.
const SRGB: u32 = 0x01_0d_00;

/// Skips timing_info() and decoder_model_info(). Gives the length of the operating points' delay fields, if there
/// are any.
fn skip_timing(bits: &mut Bits) -> Result<Option<usize>, Short> {
    let timing_info = bits.bit()?;
    if !timing_info {
        return Ok(None);
    }
    bits.skip(32 + 32)?;
    let equal_picture_interval = bits.bit()?;
    if equal_picture_interval {
        let _ticks = bits.ue()?;
    }
    let decoder_model_info = bits.bit()?;
    if !decoder_model_info {
        return Ok(None);
    }
    let delay_bits = bits.bits(5)? as usize + 1;
    bits.skip(32 + 5 + 5)?;
    Ok(Some(delay_bits))
}

fn skip_operating_points(bits: &mut Bits, delay_bits: Option<usize>) -> Result<(), Short> {
    let initial_display_delay = bits.bit()?;
    for _ in 0..=bits.bits(5)? {
        let _idc = bits.bits(12)?;
        let level = bits.bits(5)?;
        if level > 7 {
            let _tier = bits.bit()?;
        }
        if let Some(delay_bits) = delay_bits
            && bits.bit()?
        {
            bits.skip(delay_bits * 2 + 1)?;
        }
        if initial_display_delay && bits.bit()? {
            bits.skip(4)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{binary, hex};
    use super::*;

    // ffmpeg -f lavfi -i testsrc2=size=642x362:rate=25 -frames:v 3 -c:v libaom-av1 -cpu-used 8
    //     -usage realtime x.mp4
    const RECORD: &str = "81010c00 0a0b 0000000cc5036936be4010";

    #[test]
    fn size_of_a_record() {
        let record = hex(RECORD);
        assert_eq!(record_size(&record), Ok((642, 362)));
        assert_eq!(record_size(&record[..4]), Ok((0, 0)));
        assert_eq!(record_size(&hex("81010c00 1200")), Err(Malformed { what: "no AV1 sequence header" }));
        assert!([1, 2, 3, 5, 6, 12].iter().all(|length| record_size(&record[..*length]).is_err()));
    }

    #[test]
    fn a_record_is_what_ffmpeg_writes() {
        let record = hex(RECORD);
        assert_eq!(write(&record[6..]).unwrap(), record);
        // the last byte contains only film grain and trailing bits
        assert!((0..record.len() - 7).all(|length| write(&record[6..6 + length]).is_none()));
    }

    #[test]
    fn colours_of_all_profiles() {
        // made by hand: 16x16 pixels, level 13, in the high tier where there is one
        let full = "000 0 0 0 0 00000 000000000000 01101 1";
        let size = "0011 0011 1111 1111";
        let reduced = |profile: &str, colours: &str| {
            write(&binary(&format!("{profile} 1 1 00011 {size} 000 000 {colours} 1"))).map(|out| [out[1], out[2]])
        };
        assert_eq!(reduced("000", "0 0 0 0 10"), Some([0x03, 0x0e]));
        assert_eq!(reduced("000", "1 1 0 0"), Some([0x03, 0x5c]));
        assert_eq!(reduced("001", "1 1 00000001 00001101 00000000"), Some([0x23, 0x40]));
        assert_eq!(reduced("001", "0 0 0"), Some([0x23, 0x00]));
        assert_eq!(reduced("010", "1 1 0 0 0 1 1 01"), Some([0x43, 0x6d]));
        assert_eq!(reduced("010", "1 1 0 0 0 0"), Some([0x43, 0x60]));
        assert_eq!(reduced("010", "1 0 0 0 0"), Some([0x43, 0x48]));
        let tools = "1 0000000 000 0000 1 00 0 1 0 0 000 000";
        let whole = write(&binary(&format!("{full} {size} {tools} 0 0 0 0 01 1"))).unwrap();
        assert_eq!(whole[1..3], [13, 0x8d]);
    }

    #[test]
    fn size_behind_timing_and_operating_points() {
        // 1920x1080 made by hand: timing info with a decoder model, two operating points
        let fields = [
            "000 0 0",
            "1",
            &"0".repeat(31),
            "1",
            &"0".repeat(31),
            "1",
            "1",
            "1",
            "1",
            "01001",
            &"0".repeat(32),
            "00000",
            "00000",
            "1",
            "00001",
            "000000000001",
            "01000",
            "0",
            "1",
            &"0".repeat(21),
            "1",
            "0000",
            "000000000011",
            "00100",
            "0",
            "0",
            "1010",
            "1010",
            "11101111111",
            "10000110111",
        ];
        let payload = binary(&fields.concat());
        let obu = [&[0x0a, payload.len() as u8], &payload[..]].concat();
        assert_eq!(size(&obu), Ok((1920, 1080)));
        assert!((0..obu.len()).all(|length| size(&obu[..length]).is_err()));
    }

    #[test]
    fn obus_end_where_a_size_lies() {
        let data = [0x12, 0, 0x0a, 1, 7, 0x34, 0, 8, 9];
        let found: Vec<_> = obus(&data).map(|obu| (obu.kind, obu.payload.to_vec())).collect();
        assert_eq!(found, [(TEMPORAL_DELIMITER, vec![]), (SEQUENCE_HEADER, vec![7]), (FRAME, vec![8, 9])]);
        assert_eq!(obus(&[0x12, 0, 0x32, 9, 1]).count(), 1);
    }

    #[test]
    fn leb128_takes_up_to_32_bits() {
        assert_eq!(leb128(&mut Reader::new(&[0xe5, 0x8e, 0x26])), Ok(624_485));
        assert_eq!(leb128(&mut Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x0f])), Ok(u32::MAX));
        assert_eq!(leb128(&mut Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x1f])), Err(Short));
        assert_eq!(leb128(&mut Reader::new(&[0x80; 9])), Err(Short));
    }

    #[test]
    fn keys_are_shown_key_frames() {
        // The starts of the first two temporal units of the file above.
        assert!(is_key(&hex("0a0b0000000cc5036936be4010 3203 100085")));
        assert!(!is_key(&hex("3203 300380")));
        assert!(!is_key(&hex("0a0b0000000cc5036936be4010")));
        // An intra-only frame, a key frame shown again, and one not shown.
        assert!(!["50", "80", "00"].iter().any(|start| is_key(&hex(&format!("3202{start}00")))));
    }
}
