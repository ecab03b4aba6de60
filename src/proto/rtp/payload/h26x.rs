//! The part that H.264 and H.265 share: reads access units from packets, and packs them.
//!
//! Deviations of senders from the specification, and their treatment. Each line has a test.
//!
//! | input | treatment |
//! |---|---|
//! | the marker bit on delimiters, parameter sets and SEI | an access unit without a slice does not end |
//! | the marker bit on every slice of a picture | after a slice that follows the marker bit, access units end where
//! the timestamp changes |
//! | parameter sets and SEI with another timestamp than their slice | they belong to the next slice |
//! | Annex B start codes at the start of a payload or inside it (V380) | the payload is split there |
//! | a fragment with another type than the first | it is read with the type of the first |
//! | a first fragment while another unit is incomplete | that unit ends there |
//! | no IDR pictures, or few | other pictures count as key frames: see `codec::Keys` |
//! | zeros after parameter sets | they are removed |
//! | empty payloads, and empty units in an aggregate | they are skipped |

mod cutting;
mod reading;
#[cfg(test)]
mod tests;

pub(super) use cutting::Cutting;
pub(super) use reading::Reading;

use super::{Error, Incoming};
use crate::codec::{Role, Sets};
use crate::media::Codec;
use crate::wire::Reader;

/// The differences between H.264 and H.265.
pub(super) trait Syntax: Send + 'static {
    /// The codec: one of the two.
    const CODEC: Codec;
    /// Bytes of a NAL unit header; 1 or 2.
    const HEADER: usize;
    /// Parses a payload.
    fn shape(payload: &[u8]) -> Result<Shape<'_>, Error>;
    /// The role of a NAL unit with this header.
    fn role(header: &[u8]) -> Role {
        Role::of(Self::CODEC, header)
    }
    /// The header of a fragment of the unit with this header, in the first [`Self::HEADER`] + 1 bytes.
    fn fragment(header: &[u8], first: bool, last: bool) -> [u8; 3];
}

/// A parsed payload.
pub(super) enum Shape<'a> {
    /// One NAL unit.
    Unit(&'a [u8]),
    /// NAL units after their lengths, with this number of bytes between length and unit.
    Units(&'a [u8], usize),
    /// A part of a NAL unit.
    Part {
        /// The whole unit's header.
        header: [u8; 2],
        /// True if it is the first part.
        start: bool,
        /// True if it is the last part.
        end: bool,
        /// The part.
        body: &'a [u8],
    },
    /// Nothing that is used.
    Nothing,
}

/// A reader; `units` are the parameter sets in the session description.
pub(super) fn incoming<C: Syntax>(units: impl Iterator<Item = Vec<u8>>, max: usize) -> Incoming {
    let mut sets = Sets::new(C::CODEC);
    for unit in units {
        if let Some((header, body)) = unit.split_at_checked(C::HEADER)
            && C::role(header) == Role::Set
        {
            // cannot fail: without a room nothing is charged
            _ = sets.take(header, body, None);
        }
    }
    let params = sets.news::<Error>(&[], None).ok().flatten();
    Incoming { codec: C::CODEC, params, unpack: Box::new(Reading::<C>::new(sets, max)) }
}

/// Parses a payload; one that wrongly begins with a start code is a unit.
fn shape<C: Syntax>(payload: &[u8]) -> Result<Shape<'_>, Error> {
    annex_b(payload).map_or_else(|| C::shape(payload), |unit| Ok(Shape::Unit(unit)))
}

/// The bytes after a start code at the front; `None` if there is none.
fn annex_b(data: &[u8]) -> Option<&[u8]> {
    data.first().filter(|byte| **byte == 0)?;
    start_code(data).filter(|(before, _)| before.is_empty()).map(|(_, unit)| unit)
}

impl<'a> Shape<'a> {
    /// Header and body of the first unit that begins in the payload.
    fn lead(&self, header_len: usize) -> Option<(&[u8], &'a [u8])> {
        match self {
            Self::Unit(unit) => unit.split_at_checked(header_len),
            Self::Units(rest, between) => element(rest, *between).ok()?.0.split_at_checked(header_len),
            Self::Part { header, start: true, body, .. } => match annex_b(body) {
                Some(unit) => unit.split_at_checked(header_len),
                None => Some((header.get(..header_len)?, body)),
            },
            _ => None,
        }
    }
}

/// The first unit of an aggregate, and the rest.
fn element(rest: &[u8], between: usize) -> Result<(&[u8], &[u8]), Error> {
    let mut r = Reader::new(rest);
    let length = r.u16()?;
    r.take(between)?;
    Ok((r.take(length.into())?, r.rest()))
}

/// True if a slice begins a picture: first_mb_in_slice is 0, or first_slice_segment_in_pic_flag is set.
fn is_first(body: &[u8]) -> bool {
    body.first().is_some_and(|byte| byte & 0x80 != 0)
}

/// The bytes before a start code, without trailing zeros, and the bytes after it.
fn cut(data: &[u8]) -> (&[u8], Option<&[u8]>) {
    start_code(data).map_or((data, None), |(before, after)| (before, Some(after)))
}

/// Finds 00 00 01 and any zeros before it. H.264 Annex B. It checks only every third byte where it can.
fn start_code(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = 2;
    loop {
        match data.get(at)? {
            0 => at += 1,
            1 if data.get(at - 2..at) == Some(&[0, 0]) => break,
            _ => at += 3,
        }
    }
    let (before, after) = (data.get(..at)?, data.get(at + 1..)?);
    let len = before.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    Some((before.get(..len)?, after))
}
