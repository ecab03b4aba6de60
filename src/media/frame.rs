//! A coded frame.

use super::{Kind, Ticks};
use crate::budget::Paid;

/// One access unit of one track.
///
/// H.264 and H.265 data are NAL units with 4-byte length prefixes and without
/// leading parameter sets or delimiters; AAC is raw, without ADTS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Decode time on the track's clock.
    pub dts: Ticks,
    /// Presentation time minus decode time, on the track's clock.
    pub cts: i32,
    /// Video or audio.
    pub kind: Kind,
    /// The index of the track among those of its kind.
    pub track: u8,
    /// True if decoding can begin here; always true for audio.
    pub key: bool,
    /// The coded bytes. A ring keeps them for many viewers, so they must be charged to an account: uncharged bytes
    /// cannot be converted to `Paid`. `hub::Publisher::paid` makes it of any bytes.
    pub data: Paid,
}

// A ring contains thousands of frames, so any growth of the type must be noticed.
const _: () = assert!(size_of::<Frame>() <= 56);

// No conversion from uncharged bytes to `Paid` may exist. If one did, `REFUSED` would be ambiguous here, which does
// not compile. Unit tests have a conversion.
#[cfg(not(test))]
const _: () = {
    trait Unpaid<Meaning> {
        const REFUSED: () = ();
    }
    struct Converts;
    impl<T> Unpaid<()> for T {}
    impl<T> Unpaid<Converts> for T where Paid: From<T> {}
    let () = <Vec<u8> as Unpaid<_>>::REFUSED;
    let () = <Box<[u8]> as Unpaid<_>>::REFUSED;
    let () = <&'static [u8] as Unpaid<_>>::REFUSED;
    <bytes::Bytes as Unpaid<_>>::REFUSED
};
