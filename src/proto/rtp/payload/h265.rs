//! H.265. RFC 7798.
//!
//! Single NAL units, aggregation packets and fragmentation units in decoding order. `sprop-max-don-diff` above 0 is
//! not supported, and PACI packets are skipped.

use base64ct::{Base64, Encoding};

use super::base64::base64;
use super::h26x::{self, Cutting, Shape, Syntax};
use super::{Error, Format, Incoming, Pack};
use crate::codec::h265;
use crate::media::{Codec, Hz, Track};
use crate::wire::Reader;

/// The syntax elements in which H.265 differs from H.264.
pub(super) struct H265;

/// Aggregation packet. Section 4.4.2.
const AP: u8 = 48;
/// Fragmentation unit. Section 4.4.3.
const FU: u8 = 49;

impl Syntax for H265 {
    const CODEC: Codec = Codec::H265;
    const HEADER: usize = 2;

    fn shape(payload: &[u8]) -> Result<Shape<'_>, Error> {
        if payload.is_empty() {
            return Ok(Shape::Nothing);
        }
        let mut r = Reader::new(payload);
        let [first, second] = r.array()?;
        Ok(match h265::unit_type(payload) {
            AP => Shape::Units(r.rest(), 0),
            FU => {
                let fu = r.u8()?;
                let header = [first & 0x81 | (fu & 0x3f) << 1, second];
                Shape::Part { header, start: fu & 0x80 != 0, end: fu & 0x40 != 0, body: r.rest() }
            }
            50.. => Shape::Nothing,
            _ => Shape::Unit(payload),
        })
    }

    fn fragment(header: &[u8], first: bool, last: bool) -> [u8; 3] {
        let [a, b] = header.first_chunk().copied().unwrap_or_default();
        [a & 0x81 | FU << 1, b, u8::from(first) << 7 | u8::from(last) << 6 | a >> 1 & 0x3f]
    }
}

/// The parameters that contain parameter sets, in the order of a record. Section 7.1.
const SPROP: [&str; 3] = ["sprop-vps", "sprop-sps", "sprop-pps"];

/// A reader; damaged sets in the session description are skipped.
pub(super) fn incoming(format: &Format, max: usize) -> Incoming {
    let lists = SPROP.iter().filter_map(|name| format.parameter(name));
    h26x::incoming::<H265>(lists.flat_map(|list| list.split(',')).map(base64), max)
}

/// The format and the packer, in decoding order, without decoding order numbers.
pub(super) fn outgoing(track: &Track) -> Option<(Format, Box<dyn Pack>)> {
    let record = h265::Record::parse(&track.params.record).ok()?;
    record.size().ok()?;
    let kinds = [&record.vps, &record.sps, &record.pps];
    let lists = kinds.map(|sets| sets.iter().map(|set| Base64::encode_string(set)).collect::<Vec<_>>());
    let fmtp = SPROP.into_iter().zip(lists.map(|list| list.join(","))).filter(|(_, list)| !list.is_empty());
    let format = super::format(98, "H265", Hz::MPEG, 1, fmtp);
    let sets: Vec<&[u8]> = kinds.into_iter().flatten().copied().filter(|set| !set.is_empty()).collect();
    Some((format, Box::new(Cutting::<H265>::new(&[AP << 1, 1], &sets))))
}
