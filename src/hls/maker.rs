//! Makes the bytes of parts out of units.

use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;

use super::Packing;
use super::fragment::Fragments;
use super::transport::Transport;
use crate::budget::{Account, OverBudget};
use crate::hub::Unit;

/// Makes the bytes of one part after the other.
pub(super) trait Maker: Debug + Send {
    /// Told what comes next, before a part is ended in front of it: what waits for its
    /// successor has it now.
    fn precede(&mut self, _next: &Unit) {}

    /// Has room for `unit`. What a refusal leaves of it stays for another try.
    fn reserve(&mut self, account: &Account, unit: &Unit) -> Result<(), OverBudget>;

    /// Takes a unit in that there is room for.
    fn take(&mut self, unit: &Unit);

    /// Bytes of the running part.
    fn pending(&self) -> usize;

    /// Ends the running part, if there is anything in it.
    fn end(&mut self, account: &Account, follows: Follows) -> Option<Made>;

    /// Gives the running part up: what follows does not continue it.
    fn clear(&mut self);
}

/// The continuation of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follows {
    /// Another one, which goes on where this one ends.
    More,
    /// Nothing, or what does not continue it.
    Break,
}

/// The bytes of a part.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) blocks: Arc<[Bytes]>,
    pub(super) len: usize,
    /// It begins with a key frame.
    pub(super) independent: bool,
}

/// The size of a block in bytes: 170 transport packets and a bit.
pub(super) const BLOCK: usize = 32 << 10;

pub(super) fn maker(packing: Packing) -> Box<dyn Maker> {
    match packing {
        Packing::Mp4 => Box::new(Fragments::default()),
        _ => Box::new(Transport::default()),
    }
}
