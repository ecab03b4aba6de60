//! A stamp inside a picture, which a server does not touch even if it gives a stream times of its
//! own. H.264 section D.1.7, user data that is not registered.

use bytes::Bytes;
use runnel::media::Codec;

/// Names the message, in place of a UUID.
const NAME: &[u8; 16] = b"runnel-bench due";
/// The stamp follows in so many hexadecimal digits, which need no escape.
const DIGITS: usize = 8;
/// nal_unit_type 6; payloadType 5 and payloadSize.
const HEAD: [u8; 3] = [6, 5, (NAME.len() + DIGITS) as u8];
/// rbsp_trailing_bits.
const TRAIL: u8 = 0x80;
/// The stamp stands within so many bytes of a picture, or it has none.
pub const REACH: usize = 64;

/// A picture of units with 4-byte lengths, and the stamp in one before them; in
/// none if it is not H.264.
pub fn stamped(stamp: u32, codec: Codec, picture: &Bytes) -> Bytes {
    if codec != Codec::H264 {
        return picture.clone();
    }
    let unit = [&HEAD[..], NAME, format!("{stamp:08x}").as_bytes(), &[TRAIL]].concat();
    [&(unit.len() as u32).to_be_bytes()[..], &unit, picture].concat().into()
}

/// The stamp near the front of a picture, however it is packed.
pub fn stamp(picture: &[u8]) -> Option<u32> {
    let near = picture.get(..REACH).unwrap_or(picture);
    let at = near.windows(NAME.len()).position(|window| window == NAME)? + NAME.len();
    let digits = near.get(at..at + DIGITS)?;
    u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use runnel::media::nal;

    #[test]
    fn a_stamp_is_a_unit_of_its_own_and_is_found_behind_a_head() {
        let picture = stamped(0x12_abcd, Codec::H264, &Bytes::from_static(&[0, 0, 0, 1, 5]));
        assert_eq!(nal::units(&picture).map(<[u8]>::len).collect::<Vec<_>>(), [28, 1]);
        let tag = [&[0x17, 1, 0, 0, 0], &picture[..]].concat();
        assert_eq!((stamp(&tag), stamp(&picture[5..])), (Some(0x12_abcd), Some(0x12_abcd)));
        assert_eq!((stamp(&tag[..30]), stamp(b"")), (None, None));
    }
}
