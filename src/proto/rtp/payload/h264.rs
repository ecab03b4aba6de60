//! H.264. RFC 6184.
//!
//! Single NAL units, STAP-A and FU-A are read and sent. STAP-B, MTAP and FU-B are read as if they were not
//! interleaved.

use base64ct::{Base64, Encoding};

use super::base64::base64;
use super::h26x::{self, Cutting, Shape, Syntax};
use super::{Error, Format, Incoming, Pack};
use crate::codec::h264;
use crate::media::{Codec, Hz, Track};
use crate::wire::Reader;

/// The syntax elements in which H.264 differs from H.265.
pub(super) struct H264;

/// Payload types other than single NAL units. Section 5.2, table 1.
const STAP_A: u8 = 24;
const STAP_B: u8 = 25;
const MTAP16: u8 = 26;
const MTAP24: u8 = 27;
const FU_A: u8 = 28;
const FU_B: u8 = 29;
/// Bytes of a decoding order number. Section 5.5.
const DON: usize = 2;

impl Syntax for H264 {
    const CODEC: Codec = Codec::H264;
    const HEADER: usize = 1;

    fn shape(payload: &[u8]) -> Result<Shape<'_>, Error> {
        let mut r = Reader::new(payload);
        let Ok(header) = r.u8() else { return Ok(Shape::Nothing) };
        Ok(match header & 0x1f {
            0 | 30 | 31 => Shape::Nothing,
            STAP_A => Shape::Units(r.rest(), 0),
            kind @ (STAP_B | MTAP16 | MTAP24) => {
                r.take(DON)?;
                // between length and unit are DOND and a timestamp offset of 16 or 24 bits
                Shape::Units(r.rest(), [0, 3, 4].get(usize::from(kind - STAP_B)).copied().unwrap_or(0))
            }
            kind @ (FU_A | FU_B) => {
                let fu = r.u8()?;
                let start = fu & 0x80 != 0;
                if kind == FU_B && start {
                    r.take(DON)?;
                }
                let header = [header & 0xe0 | fu & 0x1f, 0];
                Shape::Part { header, start, end: fu & 0x40 != 0, body: r.rest() }
            }
            _ => Shape::Unit(payload),
        })
    }

    fn fragment(header: &[u8], first: bool, last: bool) -> [u8; 3] {
        let header = header.first().copied().unwrap_or(0);
        [header & 0xe0 | FU_A, u8::from(first) << 7 | u8::from(last) << 6 | header & 0x1f, 0]
    }
}

/// A reader; damaged sets in `sprop-parameter-sets` are skipped. Section 8.1.
pub(super) fn incoming(format: &Format, max: usize) -> Incoming {
    let units = format.parameter("sprop-parameter-sets").unwrap_or_default().split(',').map(base64);
    h26x::incoming::<H264>(units, max)
}

/// The format and the packer, with packetization mode 1. Section 6.3.
pub(super) fn outgoing(track: &Track) -> Option<(Format, Box<dyn Pack>)> {
    let record = h264::Record::parse(&track.params.record).ok()?;
    let sets: Vec<&[u8]> = record.sps.iter().chain(&record.pps).copied().filter(|set| !set.is_empty()).collect();
    let sps = record.sps.first()?;
    let level: String = sps.get(1..4)?.iter().map(|byte| format!("{byte:02X}")).collect();
    let all: Vec<String> = sets.iter().map(|set| Base64::encode_string(set)).collect();
    let fmtp =
        [("packetization-mode", "1".to_owned()), ("profile-level-id", level), ("sprop-parameter-sets", all.join(","))];
    let format = super::format(96, "H264", Hz::MPEG, 1, fmtp);
    // nal_ref_idc 3: the content is referenced
    Some((format, Box::new(Cutting::<H264>::new(&[0x60 | STAP_A], &sets))))
}
