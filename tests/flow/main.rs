//! Publisher, hub and viewers on a clock of the tests' own: no sockets, no waiting.

mod budget;
mod clocks;
#[cfg(all(feature = "hls", feature = "ts"))]
mod dates;
mod harness;
mod join;
mod losses;
#[cfg(feature = "ts")]
mod packed;
mod publishers;
mod silence;
#[cfg_attr(not(feature = "ts"), allow(unused_imports))]
mod slow;
