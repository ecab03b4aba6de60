//! The types that everything speaks: time, tracks and frames.

mod frame;
pub mod nal;
mod time;
mod track;

pub use frame::Frame;
pub use time::{Hz, Ticks, Unwrap};
pub use track::{Change, Codec, Info, Kind, MAX_TRACKS, Params, Track, Tracks};
