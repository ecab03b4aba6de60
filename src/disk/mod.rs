//! Work that may wait for a disk, or for the look-up of a name: threads of their own do it, so that nobody
//! else waits with them.

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

/// Threads for all that read from a disk.
static READERS: BlockingPool = BlockingPool::new("runnel-disk", 1, STACK);

/// The stack that system calls on paths and the making of keys need, and some more.
const STACK: usize = 128 << 10;

/// The bytes of a thread that waits for a disk: its stack as far as it is touched, paths, its allocator's
/// cache. Measured on x86-64 with glibc.
pub const THREAD: usize = 20 << 10;

/// Has as many threads as that at most wait for disks.
pub fn allow(threads: usize) {
    READERS.allow(threads);
}
