//! Fragmented MP4: a head that describes the tracks, then fragments of one frame or of several. ISO/IEC 14496-12
//! section 8.8, CMAF (ISO/IEC 23000-19).

mod boxes;
mod clock;
mod entry;
mod fragment;
mod init;
mod mux;
#[cfg(feature = "record")]
pub mod reader;
#[cfg(feature = "record")]
mod recorded;
mod sample;
mod sound;
#[cfg(test)]
mod tests;

pub use fragment::{HEADS, Run, write as write_fragment};
pub use mux::mux;
pub use mux::samples;
#[cfg(feature = "record")]
pub use recorded::RECORDED;
pub use sample::{ROW, Sample};
