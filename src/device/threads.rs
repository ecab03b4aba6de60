//! Whether there may be threads at all.

use std::thread::Builder;

/// Makes sure that the kernel allows a second thread: the log has one of its own.
pub fn reserve_thread() -> Result<(), String> {
    let thread = Builder::new().stack_size(STACK).spawn(|| {});
    let ended = thread.map(std::thread::JoinHandle::join);
    ended.map(drop).map_err(|error| {
        format!(
            "a second thread cannot be started: {error}: raise the limit of processes (ulimit -u, TasksMax=, \
             LimitNPROC=, pids.max)"
        )
    })
}

/// It does nothing.
const STACK: usize = 16 << 10;
