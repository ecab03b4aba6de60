//! H.264: parameter sets and the decoder record. ITU-T H.264, ISO/IEC 14496-15 section 5.

use super::{Malformed, cropped, ensure, picture};
use crate::media::nal;
use crate::wire::bits::Bits;
use crate::wire::{Reader, Short, Writer};

/// Coded slice of a picture that is not an IDR picture. Table 7-1.
pub const SLICE: u8 = 1;
/// Coded slice of an IDR picture.
pub const IDR: u8 = 5;
/// Supplemental enhancement information.
pub const SEI: u8 = 6;
/// Sequence parameter set.
pub const SPS: u8 = 7;
/// Picture parameter set.
pub const PPS: u8 = 8;
/// Access unit delimiter.
pub const AUD: u8 = 9;
/// End of sequence.
pub const END_OF_SEQUENCE: u8 = 10;
/// End of stream.
pub const END_OF_STREAM: u8 = 11;
/// Filler data.
pub const FILLER: u8 = 12;

/// The type of a NAL unit; 0, which the specification does not define, if it is empty.
pub fn unit_type(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |byte| byte & 0x1f)
}

/// True if a slice is an I slice; other slices of its picture may not be. Section 7.4.3.
pub fn is_intra(slice: &[u8]) -> bool {
    let mut bits = Bits::new(slice.get(1..).unwrap_or_default());
    let _first_macroblock = bits.ue();
    bits.ue().is_ok_and(|slice_type| slice_type % 5 == 2)
}

/// The id of a parameter set; `None` if the set is invalid. Sections 7.4.2.1.1 and 7.4.2.2.
pub fn set_id(unit: &[u8]) -> Option<u32> {
    match unit_type(unit) {
        SPS => Sps::parse(unit).ok().map(|sps| sps.id).filter(|id| *id < 32),
        PPS => Bits::new(unit.get(1..)?).ue().ok().filter(|id| *id < 256),
        _ => None,
    }
}

/// seq_parameter_set_id in a picture parameter set. Section 7.3.2.2.
pub fn pps_sps(pps: &[u8]) -> Option<u32> {
    let mut bits = Bits::new(pps.get(1..)?);
    let _id = bits.ue().ok()?;
    bits.ue().ok()
}

/// pic_parameter_set_id in a slice header. Section 7.3.3.
pub fn slice_pps(slice: &[u8]) -> Option<u32> {
    let mut bits = Bits::new(slice.get(1..)?);
    let _first_macroblock_and_type = [bits.ue().ok()?, bits.ue().ok()?];
    bits.ue().ok()
}

/// Width and height in pixels from a sequence parameter set.
pub fn size(sps: &[u8]) -> Result<(u32, u32), Malformed> {
    Sps::parse(sps).map(|sps| (sps.width, sps.height))
}

/// The reordering depth: the maximum number of pictures that are decoded before a picture and shown after it,
/// max_num_reorder_frames; `None` if it is not given. Section E.2.1.
pub fn reorder_depth(sps: &[u8]) -> Option<usize> {
    let plain = nal::unescape(sps);
    let mut bits = Bits::new(&plain);
    let read = Sps::read(&mut bits).ok()?;
    let never = plain.get(1) == Some(&BASELINE) || read.order_count_type == 2;
    let given = if bits.bit() == Ok(true) { skip_vui(&mut bits).ok()? } else { None };
    if never { Some(0) } else { given }
}

/// The offset of the record's byte that contains lengthSizeMinusOne in its lowest bits. 14496-15 section 5.3.3.1.
pub const LENGTH_SIZE_AT: usize = 4;

/// AVCDecoderConfigurationRecord, "avcC". 14496-15 section 5.3.3.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The length of the prefixes of NAL units, 1 to 4 bytes.
    pub nal_prefix: u8,
    /// Sequence parameter sets.
    pub sps: Vec<&'a [u8]>,
    /// Picture parameter sets.
    pub pps: Vec<&'a [u8]>,
}

impl<'a> Record<'a> {
    /// Parses a record. The fields after the picture parameter sets are ignored: they only repeat values, and are
    /// often missing.
    pub fn parse(data: &'a [u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(data);
        ensure(r.u8()? == 1, "avcC version")?;
        let _profile_and_level = r.take(3)?;
        let nal_prefix = (r.u8()? & 3) + 1;
        let sps_count = r.u8()? & 0x1f;
        let sps = sets(&mut r, sps_count)?;
        let pps_count = r.u8()?;
        let pps = sets(&mut r, pps_count)?;
        Ok(Self { nal_prefix, sps, pps })
    }

    /// Width and height in pixels.
    pub fn size(&self) -> Result<(u32, u32), Malformed> {
        size(self.sps.first().ok_or(Malformed { what: "avcC without SPS" })?)
    }
}

/// Makes a record for units with 4-byte prefixes; `None` if the sequence parameter set is invalid, or a set is too
/// long for a record.
pub fn write(sps: &[u8], pps: &[u8]) -> Option<Vec<u8>> {
    write_sets(&[sps], &[pps])
}

/// Like [`write()`], with any number of sets. Profile and level are taken from the first sequence parameter set.
pub fn write_sets(sps: &[&[u8]], pps: &[&[u8]]) -> Option<Vec<u8>> {
    let first = sps.first()?;
    let facts = Sps::parse(first).ok()?;
    let (_, [profile, compatibility, level, ..]) = first.split_first()? else { return None };
    let len: usize = sps.iter().chain(pps).map(|set| set.len() + 2).sum();
    let mut out = Vec::with_capacity(len + 11);
    out.bytes(&[1, *profile, *compatibility, *level, 0xff]);
    out.u8(0xe0 | u8::try_from(sps.len()).ok().filter(|count| *count < 32)?);
    put_sets(&mut out, sps)?;
    out.u8(pps.len().try_into().ok()?);
    put_sets(&mut out, pps)?;
    if has_chroma_format(*profile) {
        out.bytes(&[0xfc | facts.chroma_format, 0xf8 | facts.luma_depth, 0xf8 | facts.chroma_depth, 0]);
    }
    Some(out)
}

fn put_sets(out: &mut Vec<u8>, sets: &[&[u8]]) -> Option<()> {
    for set in sets {
        out.u16(set.len().try_into().ok()?);
        out.bytes(set);
    }
    Some(())
}

fn sets<'a>(r: &mut Reader<'a>, count: u8) -> Result<Vec<&'a [u8]>, Short> {
    (0..count).map(|_| r.u16().and_then(|length| r.take(length.into()))).collect()
}

/// The fields of a sequence parameter set that records and tracks need; bit depths are stored minus 8.
struct Sps {
    id: u32,
    order_count_type: u32,
    width: u32,
    height: u32,
    chroma_format: u8,
    luma_depth: u8,
    chroma_depth: u8,
}

impl Sps {
    /// Parses seq_parameter_set_data() up to the cropping. Section 7.3.2.1.1.
    fn parse(unit: &[u8]) -> Result<Self, Malformed> {
        ensure(unit_type(unit) == SPS, "SPS unit type")?;
        Self::read(&mut Bits::new(&nal::unescape(unit)))
    }

    fn read(bits: &mut Bits) -> Result<Self, Malformed> {
        bits.skip(8)?;
        let profile = bits.bits(8)? as u8;
        bits.skip(16)?;
        let id = bits.ue()?;
        let mut sps =
            Self { id, order_count_type: 0, width: 0, height: 0, chroma_format: 1, luma_depth: 0, chroma_depth: 0 };
        if has_chroma_format(profile) {
            sps.chroma(bits)?;
        }
        let _log2_max_frame_num = bits.ue()?;
        sps.order_count_type = skip_order_count(bits)?;
        let _max_num_ref_frames = bits.ue()?;
        let _gaps_allowed = bits.bit()?;
        sps.sides(bits)?;
        Ok(sps)
    }

    /// Parses chroma format, bit depths and scaling matrices of the high profiles.
    fn chroma(&mut self, bits: &mut Bits) -> Result<(), Malformed> {
        self.chroma_format = up_to(bits.ue()?, 3, "chroma_format_idc")?;
        if self.chroma_format == 3 {
            let _separate_colour_planes = bits.bit()?;
        }
        self.luma_depth = up_to(bits.ue()?, 6, "bit_depth_luma_minus8")?;
        self.chroma_depth = up_to(bits.ue()?, 6, "bit_depth_chroma_minus8")?;
        let _lossless = bits.bit()?;
        if bits.bit()? {
            let lists = if self.chroma_format == 3 { 12 } else { 8 };
            for list in 0..lists {
                if bits.bit()? {
                    skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
        Ok(())
    }

    /// The size in macroblocks minus the cropping rectangle. Equations 7-19 to 7-22.
    fn sides(&mut self, bits: &mut Bits) -> Result<(), Malformed> {
        let width = bits.ue()?.saturating_add(1).saturating_mul(16);
        let map_units = bits.ue()?.saturating_add(1).saturating_mul(16);
        let frames_only = bits.bit()?;
        if !frames_only {
            let _adaptive_frame_field = bits.bit()?;
        }
        let _direct_8x8_inference = bits.bit()?;
        let fields = if frames_only { 1 } else { 2 };
        let (across, down) = match self.chroma_format {
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        };
        let crop = if bits.bit()? { [bits.ue()?, bits.ue()?, bits.ue()?, bits.ue()?] } else { [0; 4] };
        let [left, right, top, bottom] = crop;
        let height = map_units.saturating_mul(fields);
        picture(width, height)?;
        (self.width, self.height) =
            picture(cropped(width, left, right, across), cropped(height, top, bottom, down * fields))?;
        Ok(())
    }
}

/// Skips pic_order_cnt_type and the fields that depend on it.
fn skip_order_count(bits: &mut Bits) -> Result<u32, Malformed> {
    let kind = bits.ue()?;
    match kind {
        0 => {
            let _log2_max_lsb = bits.ue()?;
        }
        1 => {
            let _delta_always_zero = bits.bit()?;
            let _offsets = [bits.se()?, bits.se()?];
            for _ in 0..up_to(bits.ue()?, 255, "num_ref_frames_in_pic_order_cnt_cycle")? {
                bits.se()?;
            }
        }
        kind => ensure(kind == 2, "pic_order_cnt_type")?,
    }
    Ok(kind)
}

/// Parses vui_parameters() up to max_num_reorder_frames. Section E.1.1.
fn skip_vui(bits: &mut Bits) -> Result<Option<usize>, Short> {
    if bits.bit()? && bits.bits(8)? == EXTENDED_SAR {
        bits.skip(32)?;
    }
    let _overscan = bits.bit()? && bits.bit()?;
    if bits.bit()? {
        bits.skip(3 + 1)?;
        if bits.bit()? {
            bits.skip(24)?;
        }
    }
    if bits.bit()? {
        let _chroma_location = [bits.ue()?, bits.ue()?];
    }
    if bits.bit()? {
        bits.skip(32 + 32 + 1)?;
    }
    let nal_hrd = bits.bit()?;
    if nal_hrd {
        skip_hrd(bits)?;
    }
    let vcl_hrd = bits.bit()?;
    if vcl_hrd {
        skip_hrd(bits)?;
    }
    bits.skip(if nal_hrd || vcl_hrd { 2 } else { 1 })?;
    if !bits.bit()? {
        return Ok(None);
    }
    bits.skip(1)?;
    let _denominators_and_vectors = [bits.ue()?, bits.ue()?, bits.ue()?, bits.ue()?];
    Ok(Some(bits.ue()? as usize))
}

/// Skips hrd_parameters(). Section E.1.2.
fn skip_hrd(bits: &mut Bits) -> Result<(), Short> {
    let count = bits.ue()?.min(31);
    bits.skip(8)?;
    for _ in 0..=count {
        let _rate_and_size = [bits.ue()?, bits.ue()?];
        bits.skip(1)?;
    }
    bits.skip(20)
}

/// profile_idc of the Baseline profile, which has no B slices.
const BASELINE: u8 = 66;
/// aspect_ratio_idc after which the ratio follows explicitly. Table E-1.
const EXTENDED_SAR: u32 = 255;

/// Skips scaling_list(). Section 7.3.2.1.1.1.
fn skip_scaling_list(bits: &mut Bits, size: u32) -> Result<(), Short> {
    let mut last = 8;
    for _ in 0..size {
        let next = bits.se()?.wrapping_add(last) & 0xff;
        if next == 0 {
            break;
        }
        last = next;
    }
    Ok(())
}

/// True if the profile's sequence parameter sets contain their chroma format.
fn has_chroma_format(profile: u8) -> bool {
    matches!(profile, 44 | 83 | 86 | 100 | 110 | 118 | 122 | 128 | 134 | 135 | 138 | 139 | 244)
}

/// `value` as a byte; an error if it is above `max`.
fn up_to(value: u32, max: u8, what: &'static str) -> Result<u8, Malformed> {
    u8::try_from(value).ok().filter(|value| *value <= max).ok_or(Malformed { what })
}

#[cfg(test)]
mod tests {
    use super::super::{binary, hex};
    use super::*;

    // ffmpeg -f lavfi -i testsrc2=size=SIZE:rate=25 -frames:v 3 -c:v libx264 OPTIONS -f h264,
    // of ffmpeg 5.1.9; the SPS of each.
    const SPS_OF: [(&str, (u32, u32)); 6] = [
        // -profile:v baseline -pix_fmt yuv420p
        ("6742c00bd902c4ec0440000003004000000c83c50a92", (176, 144)),
        // -preset veryfast -pix_fmt yuv420p
        ("6764001eacd940a02ff97011000003000100000300320f162d96", (640, 360)),
        // -pix_fmt yuv420p -flags +ildct+ilme
        ("67640028acd94078044fde0220000003002000000643e2c5b2c0", (1920, 1080)),
        // -pix_fmt yuv422p -flags +ildct+ilme -x264-params cqm=jvt
        ("677a0020bcd940560c3cd5808800000300080000030190f8b16cb0", (1366, 766)),
        // -pix_fmt yuv444p10
        ("67f4000d90d9b282a33c7c5e0220000003002000000641e28532c0", (322, 182)),
        // -pix_fmt gray
        ("6764000df365054678f8bc05b2000003000200000300641e28532c", (322, 182)),
    ];
    const PPS_HEX: &str = "68ef8fcb";
    // The avcC of the second: the same command with .mp4 output.
    const AVCC: &str = "0164001effe1001a6764001eacd940a02ff97011000003000100000300320f162d96\
                        01000468ef8fcbfdf8f800";

    #[test]
    fn size_of_all_chroma_formats() {
        for (sps, expected) in SPS_OF {
            assert_eq!(size(&hex(sps)), Ok(expected), "{sps}");
        }
    }

    #[test]
    fn a_record_is_what_ffmpeg_writes() {
        assert_eq!(write(&hex(SPS_OF[1].0), &hex(PPS_HEX)).unwrap(), hex(AVCC));
    }

    #[test]
    fn a_record_holds_several_picture_sets() {
        let (sps, pps) = (hex(SPS_OF[0].0), hex(PPS_HEX));
        let record = write_sets(&[&sps], &[&pps, &pps[..3]]).unwrap();
        assert_eq!(Record::parse(&record).unwrap().pps, [&pps[..], &pps[..3]]);
    }

    #[test]
    fn a_record_is_read_with_and_without_its_tail() {
        let avcc = hex(AVCC);
        for length in [avcc.len() - 4, avcc.len()] {
            let record = Record::parse(&avcc[..length]).unwrap();
            assert_eq!(record.nal_prefix, 4);
            assert_eq!(record.sps, [hex(SPS_OF[1].0)]);
            assert_eq!(record.pps, [hex(PPS_HEX)]);
            assert_eq!(record.size(), Ok((640, 360)));
        }
        assert!(Record::parse(&avcc[..avcc.len() - 5]).is_err());
    }

    #[test]
    fn the_depth_of_reordering_is_read() {
        // all but the first use x264's defaults for their preset, with a B-frame pyramid
        let depths = SPS_OF.map(|(sps, _)| reorder_depth(&hex(sps)));
        assert_eq!(depths, [Some(0), Some(2), Some(2), Some(2), Some(2), Some(2)]);
        for (sps, _) in SPS_OF {
            let sps = hex(sps);
            assert!((0..sps.len() - 8).all(|len| reorder_depth(&sps[..len]).is_none_or(|depth| depth == 0)));
        }
    }

    #[test]
    fn cut_parameter_sets_are_refused() {
        for (sps, expected) in SPS_OF {
            let sps = hex(sps);
            for length in 0..sps.len() {
                assert!(size(&sps[..length]).map_or(true, |size| size == expected), "{length}");
            }
            assert!(size(&sps[..6]).is_err() && write(&sps[..6], &[]).is_none());
        }
    }

    #[test]
    fn scaling_lists_and_separate_planes_are_passed_over() {
        // made by hand: a 4x4 list that ends early, and an 8x8 list of ones
        let head = "01100111 11110100 00000000 00101000 1 00100 1 1 1 0 1";
        let lists = format!("1 010 000010011 00000 1 {} 00000", "1".repeat(64));
        let sides = "1 011 010 0 00100 00100 1 1 1 010 1 1 011 0 1";
        assert_eq!(size(&binary(&[head, &lists, sides].concat())), Ok((63, 62)));
    }

    #[test]
    fn a_cycle_of_picture_orders_is_passed_over() {
        let sps = "01100111 01000010 00000000 00101000 1 1 010 0 1 1 011 00110 00111 010 0 00100 011 1 1 0 0 1";
        assert_eq!(size(&binary(sps)), Ok((64, 48)));
    }

    #[test]
    fn sides_that_lie_are_refused() {
        let wide = "01100111 01000010 00000000 00101010 1 1 011 1 0 00000000000000001 0000000000000000 1 1 1 0 1";
        assert_eq!(size(&binary(wide)), Err(Malformed { what: "picture size" }));
    }

    #[test]
    fn intra_slices_are_told() {
        // first_mb_in_slice 0; slice_type I as 2 and as 7, P, and cut short
        let intra = [0b1011_0000, 0b1000_1000, 0b1100_0000, 0b1000_0000].map(|slice| is_intra(&[0x41, slice]));
        assert_eq!(intra, [true, true, false, false]);
        assert_eq!((unit_type(&[]), unit_type(&[0x67, 0x65])), (0, SPS));
    }
}
