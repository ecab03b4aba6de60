//! Fragmented MP4: a head that describes the tracks, then a fragment for each frame.
//! ISO/IEC 14496-12 section 8.8, CMAF (ISO/IEC 23000-19).

mod boxes;
mod clock;
mod entry;
mod init;
mod mux;
#[cfg(feature = "replay")]
pub mod reader;
#[cfg(feature = "record")]
mod recorded;
#[cfg(test)]
mod tests;

pub use mux::mux;
#[cfg(feature = "record")]
pub use recorded::rebase;
