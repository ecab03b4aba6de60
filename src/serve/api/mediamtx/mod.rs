//! The API of MediaMTX below `/v3/`, for dashboards and libraries that were written for it: its paths, its JSON and its
//! status codes. It calls a stream a path, a player a reader.

pub(in crate::serve) mod config;
mod ids;
mod kinds;
pub(in crate::serve) mod paths;
#[cfg(feature = "record")]
pub(in crate::serve) mod recordings;
#[cfg(not(feature = "record"))]
#[path = "no_recordings.rs"]
mod recordings;
mod reply;
pub(in crate::serve) mod sessions;
mod sources;
mod tracks;

pub(in crate::serve) use reply::{info, nothing};
