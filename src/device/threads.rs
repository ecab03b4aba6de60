//! Whether there may be threads at all.

use std::thread::Builder;

use super::Error;

/// Makes sure that the kernel allows a second thread: the log has one of its own.
pub fn reserve_thread() -> Result<(), Error> {
    let thread = Builder::new().stack_size(STACK).spawn(|| {});
    let ended = thread.map(std::thread::JoinHandle::join);
    ended.map(drop).map_err(Error::Thread)
}

/// It does nothing.
const STACK: usize = 16 << 10;
