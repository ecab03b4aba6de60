//! The types that all modules share: time, tracks and frames.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod frame;
pub mod nal;
mod time;
mod track;

pub use frame::Frame;
pub use time::{Hz, Ticks, Unwrap, Wall};
pub use track::{Change, Codec, Info, Kind, MAX_TRACKS, Params, Track, TrackSet, Tracks};
