//! VP8 and VP9: their key frames, and the decoder record and size of VP9. RFC 6386, VP Codec
//! ISO Media File Format Binding 1.0, VP9 Bitstream & Decoding Process Specification.

use super::{Malformed, ensure, picture};
use crate::wire::Reader;
use crate::wire::bits::Bits;

/// Checks a VPCodecConfigurationRecord. The version and flags of its box, "vpcC", may precede it. Section "Syntax".
/// It does not contain the size.
pub fn check(record: &[u8]) -> Result<(), Malformed> {
    // a bare record cannot begin like this, because its third byte contains the bit depth
    let record = record.strip_prefix(&[1, 0, 0, 0]).unwrap_or(record);
    let mut r = Reader::new(record);
    let [profile, _level, depth_and_chroma] = r.array()?;
    ensure(profile <= 3, "vpcC profile")?;
    ensure(matches!(depth_and_chroma >> 4, 8 | 10 | 12), "vpcC bit depth")?;
    let _colour = r.take(3)?;
    let initialization = r.u16()?;
    r.take(initialization.into())?;
    Ok(())
}

/// True if a VP8 frame is a key frame. RFC 6386 section 9.1.
pub fn is_vp8_key(frame: &[u8]) -> bool {
    matches!(frame, [tag, _, _, 0x9d, 0x01, 0x2a, ..] if tag & 1 == 0)
}

/// True if the first frame of a VP9 superframe is a key frame. Section 6.2.
pub fn is_vp9_key(frame: &[u8]) -> bool {
    key_header(&mut Bits::new(frame)).is_ok()
}

/// The size of a key frame's picture, in pixels. Section 6.2.
pub fn size(frame: &[u8]) -> Result<(u32, u32), Malformed> {
    let mut bits = Bits::new(frame);
    let profile = key_header(&mut bits)?;
    bits.skip(usize::from(profile >= 2))?;
    let rgb = bits.bits(3)? == 7;
    let subsampling = (profile & 1) as usize * if rgb { 1 } else { 3 };
    bits.skip(usize::from(!rgb) + subsampling)?;
    picture(bits.bits(16)? + 1, bits.bits(16)? + 1)
}

/// Parses uncompressed_header() of a key frame up to the sync code. Gives the profile.
fn key_header(bits: &mut Bits) -> Result<u32, Malformed> {
    ensure(bits.bits(2)? == 2, "VP9 frame_marker")?;
    let profile = bits.bits(1)? | bits.bits(1)? << 1;
    bits.skip(usize::from(profile == 3))?;
    let shows_another = bits.bit()?;
    let depends = bits.bit()?;
    ensure(!shows_another && !depends, "VP9 key frame")?;
    bits.skip(2)?;
    ensure(bits.bits(24)? == 0x49_8342, "VP9 frame_sync_code")?;
    Ok(profile)
}

#[cfg(test)]
mod tests {
    use super::super::hex;
    use super::*;

    // ffmpeg -f lavfi -i testsrc2=size=642x362:rate=25 -c:v libvpx-vp9 x.mp4
    const BOX: &str = "01000000 0015820202020000";

    #[test]
    fn with_and_without_version() {
        let data = hex(BOX);
        assert_eq!(check(&data), Ok(()));
        assert_eq!(check(&data[4..]), Ok(()));
        assert!((0..data.len()).all(|length| check(&data[..length]).is_err()));
    }

    // the first frame of the same file
    #[test]
    fn a_key_frame_says_its_size() {
        let frame = hex("824983420028101696");
        assert_eq!(size(&frame), Ok((642, 362)));
        assert!((0..frame.len() - 1).all(|length| size(&frame[..length]).is_err()));
        assert!(size(&hex("8649834200281028")).is_err());
    }

    #[test]
    fn key_frames_are_told() {
        // the first two frames of similar files
        assert!(is_vp9_key(&hex("8249834200")) && !is_vp9_key(&hex("8600408040")) && !is_vp9_key(&[]));
        // show_existing_frame
        assert!(!is_vp9_key(&hex("8849834200")));
        assert!(is_vp8_key(&hex("5042009d012a8002")) && !is_vp8_key(&hex("b1050004")) && !is_vp8_key(&hex("50420000")));
    }

    #[test]
    fn profile_and_depth_are_checked() {
        assert!(check(&hex("0415820202020000")).is_err());
        assert!(check(&hex("0015920202020000")).is_err());
        assert!(check(&hex("0015820202020001")).is_err());
    }
}
