//! Whether a packet belongs to a key frame. RFC 6184, RFC 7798, the AV1 payload format.

use runnel::proto::rtp::Format;

/// The coding of pictures, as far as it tells which are key frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    H264,
    H265,
    Av1,
    /// Decoding can begin anywhere.
    Other,
}

impl Coding {
    pub fn of(format: &Format) -> Self {
        match format.encoding.as_str() {
            "H264" => Self::H264,
            "H265" => Self::H265,
            "AV1" => Self::Av1,
            _ => Self::Other,
        }
    }

    /// True if `payload` has a part of a key frame.
    pub fn is_key(self, payload: &[u8]) -> bool {
        match self {
            Self::H264 => match h264_type(payload) {
                STAP_A => units(payload.get(1..)).any(|unit| h264_type(unit) == IDR),
                FU_A => payload.get(1).is_some_and(|header| header & 0x1f == IDR),
                kind => kind == IDR,
            },
            Self::H265 => match h265_type(payload) {
                AP => units(payload.get(2..)).any(|unit| IRAP.contains(&h265_type(unit))),
                FU => payload.get(2).is_some_and(|header| IRAP.contains(&(header & 0x3f))),
                kind => IRAP.contains(&kind),
            },
            Self::Av1 => payload.first().is_some_and(|header| header & NEW_SEQUENCE != 0),
            Self::Other => true,
        }
    }
}

fn h264_type(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |header| header & 0x1f)
}

/// TRAIL_N, which is no key frame, if there is no unit.
fn h265_type(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |header| header >> 1 & 0x3f)
}

/// The units of an aggregate, each behind two bytes of length.
fn units(aggregate: Option<&[u8]>) -> impl Iterator<Item = &[u8]> {
    let mut rest = aggregate.unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, tail) = rest.split_first_chunk()?;
        let (unit, tail) = tail.split_at_checked(u16::from_be_bytes(*length).into())?;
        rest = tail;
        Some(unit)
    })
}

/// nal_unit_type of H.264.
const IDR: u8 = 5;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;
/// nal_unit_type of H.265.
const IRAP: std::ops::RangeInclusive<u8> = 16..=23;
const AP: u8 = 48;
const FU: u8 = 49;
/// The bit N of an aggregation header.
const NEW_SEQUENCE: u8 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_frames_are_told_in_any_packing() {
        use Coding::{Av1, H264, H265, Other};
        let cases: [(_, &[u8], _); 15] = [
            (H264, &[0x65, 1], true),
            (H264, &[0x41, 1], false),
            (H264, &[0x18, 0, 1, 0x67, 0, 1, 0x68, 0, 1, 0x65], true),
            (H264, &[0x18, 0, 1, 0x67, 0, 9, 0x65], false),
            (H264, &[0x7c, 0x85, 1], true),
            (H264, &[0x5c, 0x81, 1], false),
            (H264, &[], false),
            (H265, &[0x26, 1, 1], true),
            (H265, &[0x02, 1, 1], false),
            (H265, &[0x60, 1, 0, 2, 0x40, 1, 0, 2, 0x28, 1], true),
            (H265, &[0x62, 1, 0x93], true),
            (H265, &[0x62, 1, 0x81], false),
            (Av1, &[0x18], true),
            (Av1, &[0x10], false),
            (Other, &[0], true),
        ];
        for (coding, payload, want) in cases {
            assert_eq!(coding.is_key(payload), want, "{coding:?} {payload:x?}");
        }
    }
}
