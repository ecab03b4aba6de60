//! Packs access units.

use bytes::Bytes;

use super::super::{MAX_PAYLOAD, Pack, Payload};
use super::Syntax;
use crate::media::{Frame, nal};

/// Packs access units into packets.
pub(in super::super) struct Cutting<C> {
    /// The parameter sets, sent before each key frame.
    leading: Vec<Bytes>,
    syntax: std::marker::PhantomData<fn() -> C>,
}

impl<C: Syntax> Cutting<C> {
    /// A packer for tracks with these parameter sets. If they fit, they are sent in one packet with the header of
    /// an aggregate.
    pub(in super::super) fn new(aggregate: &[u8], sets: &[&[u8]]) -> Self {
        let mut together = aggregate.to_vec();
        for set in sets {
            together.extend((set.len() as u16).to_be_bytes());
            together.extend_from_slice(set);
        }
        let leading = match together.len() {
            ..=MAX_PAYLOAD => vec![Bytes::from(together)],
            _ => sets.iter().map(|set| Bytes::copy_from_slice(set)).collect(),
        };
        Self { leading, syntax: std::marker::PhantomData }
    }

    fn cut(unit: Bytes, last: bool, out: &mut dyn FnMut(Payload<'_>)) {
        if unit.len() <= MAX_PAYLOAD {
            return out(Payload { head: &[], body: unit, later: 0, marker: last });
        }
        let mut rest = unit.clone();
        let header = rest.split_to(C::HEADER);
        let mut first = true;
        while !rest.is_empty() {
            let body = rest.split_to(rest.len().min(MAX_PAYLOAD - C::HEADER - 1));
            let head = C::fragment(&header, first, rest.is_empty());
            let head = head.get(..C::HEADER + 1).unwrap_or_default();
            out(Payload { head, body, later: 0, marker: last && rest.is_empty() });
            first = false;
        }
    }
}

impl<C: Syntax> Pack for Cutting<C> {
    fn frame(&self, frame: &Frame, out: &mut dyn FnMut(Payload<'_>)) {
        let mut units = nal::units(&frame.data).filter(|unit| unit.len() >= C::HEADER).peekable();
        if frame.key && units.peek().is_some() {
            self.leading.iter().for_each(|set| Self::cut(set.clone(), false, out));
        }
        while let Some(unit) = units.next() {
            Self::cut(frame.data.slice_ref(unit), units.peek().is_none(), out);
        }
    }
}
