//! Work that may wait for a disk, or for somebody who looks up a name: threads of their own do it, so that nobody
//! else waits with them.

#[cfg(feature = "record")]
mod files;
mod mounts;
mod pool;
mod small;

#[cfg(feature = "record")]
pub use files::{Opened, allow, read, tidy, write};
pub use mounts::disk_of;
#[cfg(feature = "record")]
pub use mounts::followed;
pub use pool::{BlockingPool, Lane, Use};
pub use small::{aside, open_at_once, read_once, read_small};
