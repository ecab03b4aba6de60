//! HLS: one collector for each requested stream, and the answers to requests.
//!
//! A stream has an entry, and the entry a window. The collector fills the window, the keeper writes it to a disk, and
//! requests read it. Each room has one of these.

mod collector;
#[cfg(feature = "record")]
mod disk;
#[cfg(not(feature = "record"))]
#[path = "no_disk.rs"]
mod disk;
mod entry;
mod http;
#[cfg(feature = "record")]
mod keeper;
#[cfg(feature = "record")]
mod kept;
mod packing;
mod path;
mod places;
mod query;
mod sessions;
mod settings;
mod shares;
#[cfg(feature = "record")]
mod store;
#[cfg(feature = "record")]
mod stored;
mod streams;
#[cfg(feature = "record")]
mod tidy;
mod waiting;
#[cfg(feature = "record")]
mod ward;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Server;
use crate::budget::Key::Size;
use crate::conf::{Config, Cost};
use crate::hub::Name;

pub(super) use http::answer;
#[cfg(feature = "record")]
pub(super) use stored::Listener;
pub(super) use streams::Hls;
#[cfg(fuzzing)]
pub(super) use {
    path::Target,
    query::{ask, session, suffix},
};

/// The prefixes of ids: of collectors, and of players.
pub(crate) const SESSIONS: [&str; 2] = [MUXER, PLAYER];
const MUXER: &str = "HLSMUXER";
const PLAYER: &str = "HLSSUB";
/// The segments of all streams, their lists, and the sessions of players.
pub(crate) static SEGMENTS: Cost =
    Cost { what: "HLS segments", keys: &[Size("hls.memory")], count: |_| 1, user: Config::hls_memory, kernel: |_| 0 };
/// The longest time that a request waits for a stream's first segment.
const MAX_WAIT: Duration = Duration::from_secs(10);

fn is_live(server: &Server, name: &Name) -> bool {
    server.core.hub.find(name).is_some_and(|stream| stream.is_live())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
