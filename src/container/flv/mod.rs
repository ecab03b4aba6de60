//! Flash Video: tags, which RTMP messages also carry, and the file structure around them. Adobe FLV and F4V 10.1
//! annex E; Enhanced RTMP v2.

mod demux;
mod file;
mod mux;
#[cfg(feature = "record")]
mod reader;
#[cfg(feature = "record")]
pub mod recorded;
mod script;
mod tag;

pub use demux::Demux;
pub use file::{Tag, TagKind, file_header, read_tag, tag_header};
pub use mux::{mux, mux_all_tracks, mux_legacy_hevc};
#[cfg(feature = "record")]
pub use reader::Reader;
pub use script::{clean, write_metadata};
pub use tag::{FourCc, Style, frame_head, sequence_start};
