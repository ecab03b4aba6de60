//! The roles of H.264 and H.265 NAL units.

use super::{h264, h265};
use crate::media::Codec;

/// The role of a NAL unit. H.264 table 7-1, H.265 table 7-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Contains a part of the picture.
    Slice,
    /// A parameter set, which is stored in the record.
    Set,
    /// A delimiter at the start of an access unit, which is dropped.
    Delimiter,
    /// SEI before its picture.
    Lead,
    /// A unit after its picture.
    Tail,
    /// Filler, which is not needed.
    Filler,
    /// Any other unit.
    Other,
}

impl Role {
    /// The role of a unit, of which the header is enough.
    pub fn of(codec: Codec, unit: &[u8]) -> Self {
        match codec {
            _ if unit.is_empty() => Self::Filler,
            Codec::H264 => match h264::unit_type(unit) {
                h264::SLICE..=h264::IDR => Self::Slice,
                h264::SEI => Self::Lead,
                h264::SPS | h264::PPS => Self::Set,
                h264::AUD => Self::Delimiter,
                h264::END_OF_SEQUENCE | h264::END_OF_STREAM => Self::Tail,
                h264::FILLER => Self::Filler,
                _ => Self::Other,
            },
            _ => match h265::unit_type(unit) {
                ..h265::VPS => Self::Slice,
                // parameter sets of other layers have their own ids
                h265::VPS..=h265::PPS if h265::layer(unit) == 0 => Self::Set,
                h265::AUD => Self::Delimiter,
                h265::PREFIX_SEI => Self::Lead,
                h265::END_OF_SEQUENCE | h265::END_OF_STREAM | h265::SUFFIX_SEI => Self::Tail,
                h265::FILLER => Self::Filler,
                _ => Self::Other,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_higher_layers_are_no_sets() {
        assert_eq!(Role::of(Codec::H265, &[0x42, 1]), Role::Set);
        assert_eq!(Role::of(Codec::H265, &[0x42, 9]), Role::Other);
        assert_eq!(Role::of(Codec::H265, &[0x43, 1]), Role::Other);
        assert_eq!(Role::of(Codec::H265, &[]), Role::Filler);
    }
}
