//! Checks of the places for recordings in a build without them.

use super::{Fault, Place};
use crate::conf::Config;

/// The places that are written to: there are none.
pub(super) fn places(_: &Config) -> Vec<Place> {
    Vec::new()
}

/// The faults of missing cards, and of folders that are used twice: there are none.
pub(super) fn faults(_: &Config) -> Vec<Fault> {
    Vec::new()
}
