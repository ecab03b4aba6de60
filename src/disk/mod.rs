//! Work that may wait for a disk, or for a name lookup. It runs in separate threads, so that no other task waits
//! for it.

#[cfg(feature = "record")]
mod files;
mod mounts;
mod pool;
mod small;

#[cfg(feature = "record")]
pub use files::{Opened, read, tidy, write};
pub use mounts::disk_of;
#[cfg(feature = "record")]
pub use mounts::{followed, may_be_mounted};
#[cfg(feature = "record")]
pub use pool::JOB;
pub use pool::{BlockingPool, Lane, Use};
pub use small::{aside, open_at_once, read_once, read_small};

/// Threads for everything that reads from disks.
static READERS: BlockingPool = BlockingPool::new("runnel-disk", 1, STACK);

/// The stack that system calls with paths and key generation need, with a margin.
const STACK: usize = 128 << 10;

/// The memory that a thread waiting for a disk takes, in bytes: the used part of its stack, paths, its allocator's
/// cache. Measured on x86-64 with glibc.
pub const THREAD: usize = 20 << 10;

/// Sets the maximum number of threads that wait for disks.
pub fn allow(threads: usize) {
    READERS.allow(threads);
}
