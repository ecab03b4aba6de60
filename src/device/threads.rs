//! Checks whether threads can be started.

use std::thread::Builder;

use super::Error;

/// Makes sure that the kernel allows a second thread, because the log needs one.
pub fn reserve_thread() -> Result<(), Error> {
    let thread = Builder::new().stack_size(STACK).spawn(|| {});
    let ended = thread.map(std::thread::JoinHandle::join);
    ended.map(drop).map_err(Error::Thread)
}

/// Enough, because the thread does nothing.
const STACK: usize = 16 << 10;
