//! VP9: its decoder record. VP Codec ISO Media File Format Binding 1.0.

use super::{Malformed, ensure};
use crate::wire::Reader;

/// Checks a VPCodecConfigurationRecord, which may stand behind the version and
/// flags of its box, "vpcC". Section "Syntax". It says nothing of the size.
pub fn check(record: &[u8]) -> Result<(), Malformed> {
    // Alone it cannot begin so: its third byte has the bit depth.
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

    #[test]
    fn profile_and_depth_are_checked() {
        assert!(check(&hex("0415820202020000")).is_err());
        assert!(check(&hex("0015920202020000")).is_err());
        assert!(check(&hex("0015820202020001")).is_err());
    }
}
