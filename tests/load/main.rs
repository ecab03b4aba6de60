//! The real binary, asked for more than its plan has.

mod beside;
mod beyond;
#[path = "../support/encoder.rs"]
mod encoder;
mod endless;
mod flood;
mod hls;
mod holding;
mod idle;
mod neighbours;
mod parted;
mod partings;
#[path = "../support/peer.rs"]
mod peer;
mod playlists;
#[path = "../support/program.rs"]
mod program;
mod pushes;
#[path = "../support/records.rs"]
mod records;
mod refusals;
mod requests;
#[path = "../support/rtsp_talks.rs"]
mod rtsp_talks;
mod steady;
#[path = "../support/sweep.rs"]
mod sweep;
mod waiting;

/// A plan that is small enough to ask for more.
pub const CONFIG: &str = include_str!("config.toml");
/// All connections that it may have at once.
pub const CONNECTIONS: usize = 2 + 4 + 2;
