//! Publisher, hub and viewers on a clock of the tests' own: no sockets, no waiting.

mod budget;
mod clocks;
#[cfg(feature = "http")]
mod dates;
mod frames;
mod harness;
mod join;
mod losses;
#[cfg(feature = "http")]
mod packed;
mod places;
mod publishers;
mod silence;
#[cfg_attr(not(feature = "http"), allow(unused_imports))]
mod slow;
