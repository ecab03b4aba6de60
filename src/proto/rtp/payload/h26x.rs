//! The common part of H.264 and H.265: access units out of packets, and packets out of
//! access units.
//!
//! Deviations of senders from the specification, and their treatment; each line
//! has a test of its own:
//!
//! | what comes | what happens |
//! |---|---|
//! | the marker bit on delimiters, parameter sets and SEI | a unit without a slice does not end |
//! | the marker bit on every slice of a picture | once a slice came behind the mark, units end where the timestamp changes |
//! | parameter sets and SEI with another timestamp than their slice | they go with the slice that follows |
//! | Annex B start codes at the start of a payload or inside it (V380) | the payload is cut there |
//! | a fragment whose type is not that of the first | it is taken as the first was |
//! | a first fragment although another unit did not end | that unit ends there |
//! | no IDR pictures, or few | others count as key: see `codec::Keys` |
//! | zeros behind parameter sets | they are cut off |
//! | empty payloads, and empty units in an aggregate | they are passed over |

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
    /// The content of a payload.
    fn shape(payload: &[u8]) -> Result<Shape<'_>, Error>;
    /// The purpose of a NAL unit with that header.
    fn role(header: &[u8]) -> Role {
        Role::of(Self::CODEC, header)
    }
    /// The header of a fragment of the unit with that header: the first
    /// [`Self::HEADER`] + 1 bytes.
    fn fragment(header: &[u8], first: bool, last: bool) -> [u8; 3];
}

/// The content of a payload.
pub(super) enum Shape<'a> {
    /// One NAL unit.
    Unit(&'a [u8]),
    /// NAL units behind their lengths, with so many bytes between length and unit.
    Units(&'a [u8], usize),
    /// A part of a NAL unit.
    Part {
        /// The whole unit's header.
        header: [u8; 2],
        /// Whether it is the first part.
        start: bool,
        /// Whether it is the last part.
        end: bool,
        /// The part.
        body: &'a [u8],
    },
    /// Nothing of use.
    Nothing,
}

/// A reader of what the session description announces with parameter sets among `units`.
pub(super) fn incoming<C: Syntax>(units: impl Iterator<Item = Vec<u8>>, max: usize) -> Incoming {
    let mut sets = Sets::new(C::CODEC);
    for unit in units {
        if let Some((header, body)) = unit.split_at_checked(C::HEADER)
            && C::role(header) == Role::Set
        {
            // nothing is refused where nothing is charged
            _ = sets.take(header, body, None);
        }
    }
    let params = sets.news::<Error>(&[], None).ok().flatten();
    Incoming { codec: C::CODEC, params, unpack: Box::new(Reading::<C>::new(sets, max)) }
}

/// The content of a payload, also of one that begins with a start code against the specification.
fn shape<C: Syntax>(payload: &[u8]) -> Result<Shape<'_>, Error> {
    annex_b(payload).map_or_else(|| C::shape(payload), |unit| Ok(Shape::Unit(unit)))
}

/// The bytes behind a start code at the front; `None` if there is none.
fn annex_b(data: &[u8]) -> Option<&[u8]> {
    data.first().filter(|byte| **byte == 0)?;
    start_code(data).filter(|(before, _)| before.is_empty()).map(|(_, unit)| unit)
}

impl<'a> Shape<'a> {
    /// Header and body of the unit that begins first.
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

/// The first unit of an aggregate, and what follows it.
fn element(rest: &[u8], between: usize) -> Result<(&[u8], &[u8]), Error> {
    let mut r = Reader::new(rest);
    let length = r.u16()?;
    r.take(between)?;
    Ok((r.take(length.into())?, r.rest()))
}

/// first_mb_in_slice is 0, or first_slice_segment_in_pic_flag is set.
fn is_first(body: &[u8]) -> bool {
    body.first().is_some_and(|byte| byte & 0x80 != 0)
}

/// The bytes before a start code, without zeros at their end, and the bytes behind it.
fn cut(data: &[u8]) -> (&[u8], Option<&[u8]>) {
    start_code(data).map_or((data, None), |(before, after)| (before, Some(after)))
}

/// Finds 00 00 01 and any zeros before it. H.264 Annex B. Most bytes are not
/// looked at.
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
