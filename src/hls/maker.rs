//! The bytes of parts, made from units.

use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;

use super::Packing;
use super::fragment::Fragments;
use super::transport::Transport;
use crate::budget::{Account, OverBudget};
use crate::hub::Unit;

/// Makes the bytes of one part after another.
pub(super) trait Maker: Debug + Send {
    /// Called with the next unit before a part is ended in front of it, for a sample that waits for its successor.
    fn precede(&mut self, _next: &Unit) {}

    /// Makes room for `unit`. After a refusal the room made so far stays.
    fn reserve(&mut self, account: &Account, unit: &Unit) -> Result<(), OverBudget>;

    /// Adds a unit for which there is room.
    fn take(&mut self, unit: &Unit);

    /// The bytes of the running part.
    fn pending(&self) -> usize;

    /// Ends the running part, unless it is empty.
    fn end(&mut self, account: &Account, follows: Follows) -> Option<Made>;

    /// Drops the running part: later units do not continue it.
    fn clear(&mut self);
}

/// The continuation of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follows {
    /// Another part, which continues this one.
    More,
    /// None, or one that does not continue it.
    Break,
}

/// The bytes of a part.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) blocks: Arc<[Bytes]>,
    pub(super) len: usize,
    /// True if it begins with a key frame.
    pub(super) independent: bool,
}

/// The size of a block in bytes: about 170 transport packets.
pub(super) const BLOCK: usize = 32 << 10;

pub(super) fn maker(packing: Packing) -> Box<dyn Maker> {
    match packing {
        Packing::Mp4 => Box::new(Fragments::default()),
        _ => Box::new(Transport::default()),
    }
}
