//! H.265: parameter sets and the decoder record. ITU-T H.265, ISO/IEC 14496-15 section 8.

use super::{Malformed, cropped, ensure, picture};
use crate::media::nal;
use crate::wire::bits::Bits;
use crate::wire::{Reader, Short, Writer};

/// Video parameter set. Table 7-1.
pub const VPS: u8 = 32;
/// Sequence parameter set.
pub const SPS: u8 = 33;
/// Picture parameter set.
pub const PPS: u8 = 34;
/// Access unit delimiter.
pub const AUD: u8 = 35;
/// End of sequence.
pub const END_OF_SEQUENCE: u8 = 36;
/// End of bitstream.
pub const END_OF_STREAM: u8 = 37;
/// Filler data.
pub const FILLER: u8 = 38;
/// Supplemental enhancement information before its picture.
pub const PREFIX_SEI: u8 = 39;
/// Supplemental enhancement information after its picture.
pub const SUFFIX_SEI: u8 = 40;

/// The type of a NAL unit; 0 (a trailing picture) if it is empty.
pub fn unit_type(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |byte| byte >> 1 & 0x3f)
}

/// nuh_layer_id. Section 7.3.1.2.
pub fn layer(unit: &[u8]) -> u8 {
    let [first, second, ..] = unit else { return 0 };
    (first & 1) << 5 | second >> 3
}

/// True if a slice belongs to an intra random access point picture.
pub fn is_random_access(slice: &[u8]) -> bool {
    matches!(unit_type(slice), 16..=23)
}

/// The id of a parameter set; `None` if the set is invalid. Sections 7.4.3.1 to 7.4.3.3.
pub fn set_id(unit: &[u8]) -> Option<u32> {
    let body = unit.get(2..)?;
    match unit_type(unit) {
        VPS => body.first().map(|byte| u32::from(byte >> 4)),
        SPS => Sps::parse(unit).ok().map(|sps| sps.id).filter(|id| *id < 16),
        PPS => Bits::new(body).ue().ok().filter(|id| *id < 64),
        _ => None,
    }
}

/// pps_seq_parameter_set_id in a picture parameter set. Section 7.3.2.3.1.
pub fn pps_sps(pps: &[u8]) -> Option<u32> {
    let mut bits = Bits::new(pps.get(2..)?);
    let _id = bits.ue().ok()?;
    bits.ue().ok()
}

/// slice_pic_parameter_set_id in a slice segment header. Section 7.3.6.1.
pub fn slice_pps(slice: &[u8]) -> Option<u32> {
    let mut bits = Bits::new(slice.get(2..)?);
    let _first_in_picture = bits.bit().ok()?;
    if is_random_access(slice) {
        let _no_output_of_prior_pictures = bits.bit().ok()?;
    }
    bits.ue().ok()
}

/// Width and height in pixels from a sequence parameter set.
pub fn size(sps: &[u8]) -> Result<(u32, u32), Malformed> {
    Sps::parse(sps).map(|sps| (sps.width, sps.height))
}

/// The reordering depth: the maximum number of pictures that are decoded before a picture and shown after it. It is
/// sps_max_num_reorder_pics of the highest temporal layer.
pub fn reorder_depth(sps: &[u8]) -> Option<usize> {
    Sps::parse(sps).ok()?.reorder_depth
}

/// The offset of the record's byte that contains lengthSizeMinusOne in its lowest bits. 14496-15 section 8.3.3.1.
pub const LENGTH_SIZE_AT: usize = 21;

/// HEVCDecoderConfigurationRecord, "hvcC". 14496-15 section 8.3.3.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The length of the prefixes of NAL units, 1 to 4 bytes.
    pub nal_prefix: u8,
    /// Video parameter sets.
    pub vps: Vec<&'a [u8]>,
    /// Sequence parameter sets.
    pub sps: Vec<&'a [u8]>,
    /// Picture parameter sets.
    pub pps: Vec<&'a [u8]>,
}

impl<'a> Record<'a> {
    /// Parses a record. Units other than parameter sets are skipped.
    pub fn parse(data: &'a [u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(data);
        // some encoders write version 0, from a draft
        ensure(r.u8()? <= 1, "hvcC version")?;
        let _profile_to_frame_rate = r.take(20)?;
        let nal_prefix = (r.u8()? & 3) + 1;
        let mut record = Self { nal_prefix, vps: Vec::new(), sps: Vec::new(), pps: Vec::new() };
        for _ in 0..r.u8()? {
            let kind = r.u8()? & 0x3f;
            for _ in 0..r.u16()? {
                let length = r.u16()?;
                record.take(kind, r.take(length.into())?)?;
            }
        }
        Ok(record)
    }

    /// Width and height in pixels.
    pub fn size(&self) -> Result<(u32, u32), Malformed> {
        size(self.sps.first().ok_or(Malformed { what: "hvcC without SPS" })?)
    }

    fn take(&mut self, kind: u8, unit: &'a [u8]) -> Result<(), Malformed> {
        let sets = match kind {
            VPS => &mut self.vps,
            SPS => &mut self.sps,
            PPS => &mut self.pps,
            _ => return Ok(()),
        };
        ensure(sets.len() < MAX_SETS, "number of parameter sets")?;
        sets.push(unit);
        Ok(())
    }
}

/// Makes a record for units with 4-byte prefixes; `None` if the sequence parameter set is invalid, or a set is too
/// long for a record.
pub fn write(vps: &[u8], sps: &[u8], pps: &[u8]) -> Option<Vec<u8>> {
    write_sets(&[vps], &[sps], &[pps])
}

/// Like [`write()`], with any number of sets. Profile and level are taken from the first sequence parameter set.
pub fn write_sets(vps: &[&[u8]], sps: &[&[u8]], pps: &[&[u8]]) -> Option<Vec<u8>> {
    let facts = Sps::parse(sps.first()?).ok()?;
    let len: usize = [vps, sps, pps].into_iter().flatten().map(|set| set.len() + 2).sum();
    let mut out = Vec::with_capacity(len + 32);
    out.u8(1);
    out.bytes(&facts.profile_tier_level);
    out.u16(0xf000); // min_spatial_segmentation_idc: unspecified
    out.u8(0xfc); // parallelismType: unspecified
    out.bytes(&[0xfc | facts.chroma_format, 0xf8 | facts.luma_depth, 0xf8 | facts.chroma_depth]);
    out.u16(0); // avgFrameRate: unspecified
    out.u8(facts.temporal_layers << 3 | u8::from(facts.temporal_nesting) << 2 | 3);
    out.u8(3);
    for (kind, units) in [(VPS, vps), (SPS, sps), (PPS, pps)] {
        out.u8(0x80 | kind);
        out.u16(units.len().try_into().ok()?);
        for unit in units {
            out.u16(unit.len().try_into().ok()?);
            out.bytes(unit);
        }
    }
    Some(out)
}

/// The fields of a sequence parameter set that records and tracks need; bit depths are stored minus 8.
struct Sps {
    id: u32,
    temporal_layers: u8,
    temporal_nesting: bool,
    /// general_profile_space to general_level_idc, in the format of records.
    profile_tier_level: [u8; 12],
    chroma_format: u8,
    width: u32,
    height: u32,
    luma_depth: u8,
    chroma_depth: u8,
    reorder_depth: Option<usize>,
}

impl Sps {
    /// Parses seq_parameter_set_rbsp() up to sps_max_num_reorder_pics. Section 7.3.2.2.1.
    fn parse(unit: &[u8]) -> Result<Self, Malformed> {
        ensure(unit_type(unit) == SPS, "SPS unit type")?;
        let plain = nal::unescape(unit);
        let mut r = Reader::new(&plain);
        let [_, _, layers] = r.array()?;
        let profile_tier_level = r.array()?;
        let sub_layers = layers >> 1 & 7;
        ensure(sub_layers < 7, "sps_max_sub_layers_minus1")?;
        let mut bits = Bits::new(r.rest());
        skip_sub_layers(&mut bits, sub_layers)?;
        let id = bits.ue()?;
        let chroma_format = bits.ue()?;
        if chroma_format == 3 {
            let _separate_colour_planes = bits.bit()?;
        }
        let (across, down) = match chroma_format {
            0 | 3 => (1, 1),
            1 => (2, 2),
            2 => (2, 1),
            _ => return Err(Malformed { what: "chroma_format_idc" }),
        };
        let (width, height) = picture(bits.ue()?, bits.ue()?)?;
        let crop = if bits.bit()? { [bits.ue()?, bits.ue()?, bits.ue()?, bits.ue()?] } else { [0; 4] };
        let [left, right, top, bottom] = crop;
        let (width, height) = picture(cropped(width, left, right, across), cropped(height, top, bottom, down))?;
        Ok(Self {
            id,
            temporal_layers: sub_layers + 1,
            temporal_nesting: layers & 1 == 1,
            profile_tier_level,
            chroma_format: chroma_format as u8,
            width,
            height,
            luma_depth: depth(&mut bits)?,
            chroma_depth: depth(&mut bits)?,
            reorder_depth: reordering(&mut bits, sub_layers).ok(),
        })
    }
}

/// Skips the part of profile_tier_level() for the lower temporal layers. Section 7.3.3.
fn skip_sub_layers(bits: &mut Bits, count: u8) -> Result<(), Short> {
    if count == 0 {
        return Ok(());
    }
    let mut present = bits.bits(16)?;
    for _ in 0..count {
        let profile = if present & 0x8000 != 0 { 88 } else { 0 };
        let level = if present & 0x4000 != 0 { 8 } else { 0 };
        bits.skip(profile + level)?;
        present <<= 2;
    }
    Ok(())
}

/// Parses sps_max_num_reorder_pics from the fields after the bit depths.
fn reordering(bits: &mut Bits, sub_layers: u8) -> Result<usize, Short> {
    let _log2_max_order_count = bits.ue()?;
    let for_each_layer = bits.bit()?;
    let mut depth = 0;
    for _ in 0..=if for_each_layer { sub_layers } else { 0 } {
        let _buffering = bits.ue()?;
        depth = bits.ue()? as usize;
        let _latency = bits.ue()?;
    }
    Ok(depth)
}

/// bit_depth_luma_minus8 or bit_depth_chroma_minus8.
fn depth(bits: &mut Bits) -> Result<u8, Malformed> {
    let depth = bits.ue()?;
    ensure(depth <= 8, "bit depth")?;
    Ok(depth as u8)
}

/// The maximum number of sets of one kind: the range of pps_pic_parameter_set_id.
const MAX_SETS: usize = 64;

#[cfg(test)]
mod tests {
    use super::super::{binary, hex};
    use super::*;

    // ffmpeg -f lavfi -i testsrc2=size=642x362:rate=25 -frames:v 30 -c:v libx265 -preset ultrafast
    //     -x265-params OPTIONS x.mp4, of ffmpeg 5.1.9: hvcC without its SEI.
    const PLAIN: [&str; 4] = [
        "0101600000009000000000003ff000fcfdf8f800000f03",
        "40010c01ffff01600000030090000003000003003f959409",
        "42010101600000030090000003000003003fa005220171c449965654a4c2f0168080000003008000000c84",
        "4401c073c18927",
    ];
    // OPTIONS: temporal-layers=1
    const LAYERED: [&str; 4] = [
        "0101600000009000000000003ff000fcfdf8f800001303",
        "40010c02ffff01600000030090000003000003003f00009594aca0",
        "42010201600000030090000003000003003f0000a005220171c449965652b2a5261780b4040000030004000003006420",
        "4401c073c18927",
    ];
    // -pix_fmt yuv422p10
    const SPS_422: &str = "4201010408000003009d0800000300003fb005220171c44ed965654a4c2f016808000003000800000300c840";

    fn units(record: [&str; 4]) -> [Vec<u8>; 3] {
        let [_, sets @ ..] = record;
        sets.map(hex)
    }

    fn hvcc(record: [&str; 4]) -> Vec<u8> {
        let mut out = hex(record[0]);
        for (kind, unit) in [VPS, SPS, PPS].into_iter().zip(units(record)) {
            out.extend([0x80 | kind, 0, 1, 0, unit.len() as u8]);
            out.extend(unit);
        }
        out
    }

    #[test]
    fn size_less_the_conformance_window() {
        assert_eq!(size(&hex(PLAIN[2])), Ok((642, 362)));
        assert_eq!(size(&hex(LAYERED[2])), Ok((642, 362)));
        assert_eq!(size(&hex(SPS_422)), Ok((642, 362)));
    }

    #[test]
    fn profiles_and_levels_of_lower_layers_are_passed_over() {
        // made by hand: three layers, the first with profile and level, the second with a level
        let head = format!("01000010 00000001 0000 010 1 {}", "0".repeat(96));
        let layers = format!("11 01 000000000000 {}", "1".repeat(88 + 8 + 8));
        let rest = "1 00100 1 0000001000001 00000100000 0 1 1 1";
        assert_eq!(size(&binary(&[&head, &layers, rest].concat())), Ok((64, 31)));
    }

    #[test]
    fn a_record_says_what_ffmpeg_says() {
        for record in [PLAIN, LAYERED] {
            let [vps, sps, pps] = units(record);
            assert_eq!(write(&vps, &sps, &pps).unwrap(), hvcc(record));
        }
    }

    #[test]
    fn a_record_gives_its_sets_and_passes_over_others() {
        let mut data = hvcc(PLAIN);
        data[22] = 4;
        data.extend([PREFIX_SEI, 0, 1, 0, 2, 0x4e, 1]);
        let [vps, sps, pps] = units(PLAIN);
        let record = Record::parse(&data).unwrap();
        assert_eq!((record.vps, record.sps, record.pps), (vec![&vps[..]], vec![&sps[..]], vec![&pps[..]]));
        assert_eq!(record.nal_prefix, 4);
        assert!((0..data.len()).all(|length| Record::parse(&data[..length]).is_err()));
    }

    #[test]
    fn a_record_holds_several_picture_sets() {
        let [vps, sps, pps] = units(PLAIN);
        let record = write_sets(&[&vps], &[&sps], &[&pps, &pps[..5]]).unwrap();
        assert_eq!(Record::parse(&record).unwrap().pps, [&pps[..], &pps[..5]]);
    }

    #[test]
    fn sets_are_bounded() {
        let mut data = hex(PLAIN[0]);
        data[22] = 1;
        data.extend([VPS, 0xff, 0xff]);
        data.extend(vec![0; 0x20000]);
        assert_eq!(Record::parse(&data), Err(Malformed { what: "number of parameter sets" }));
    }

    #[test]
    fn a_cut_sps_is_refused() {
        for sps in [PLAIN[2], LAYERED[2], SPS_422].map(hex) {
            assert!((0..20).all(|length| size(&sps[..length]).is_err()));
            assert!((0..sps.len()).all(|length| !matches!(size(&sps[..length]), Ok(size) if size != (642, 362))));
        }
    }

    #[test]
    fn random_access_points_are_told() {
        assert!(is_random_access(&[0x26, 1, 0xaf]) && is_random_access(&[0x2a, 1, 0xaf]));
        assert!(!is_random_access(&[0x02, 1, 0xd0]));
    }
}
