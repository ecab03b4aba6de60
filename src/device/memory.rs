//! Locking memory, and returning free memory to the system.

#[cfg(target_env = "gnu")]
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, Rlimit, geteuid, getrlimit, setrlimit};

use super::{Error, User};
use crate::conf::machine;

/// Lifts the limit on locked memory. Root may lock any amount. Other users, also one that root `will_become`, need
/// a higher limit, which only root can set.
pub fn lift_lock_limit(will_become: Option<User>) -> Result<(), Error> {
    let unlimited = Rlimit { current: None, maximum: None };
    let limited = getrlimit(Resource::Memlock).current.is_some() && setrlimit(Resource::Memlock, unlimited).is_err();
    if limited && (will_become.is_some() || !geteuid().is_root()) {
        return Err(Error::LockLimit);
    }
    Ok(())
}

/// Locks all present and future memory of the process, so that pages that were written stay in memory.
pub fn lock_memory(will_become: Option<User>) -> Result<(), Error> {
    lift_lock_limit(will_become)?;
    let all = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE;
    // before Linux 4.4 this also allocates untouched pages, such as those of stacks
    let locked = mlockall(all | MlockAllFlags::ONFAULT).or_else(|_| mlockall(all));
    locked.map_err(|error| Error::Lock(error.into()))
}

/// Checks whether the machine has `wanted` bytes of free memory now.
pub fn check_free_memory(wanted: u64) -> Result<(), Error> {
    match machine::available() {
        Some(free) if free < wanted => Err(Error::Memory { wanted, free }),
        _ => Ok(()),
    }
}

/// Returns freed memory to the system. glibc itself only returns the end of its heap, where a frame of a running
/// stream is nearly always stored; musl returns everything.
#[cfg(target_env = "gnu")]
#[derive(Debug, Default)]
pub struct Slack {
    /// The maximum number of bytes in use since the last return.
    most: AtomicUsize,
    /// The number of seconds until the next check.
    rest: AtomicUsize,
}

/// The minimum number of bytes that is worth the work.
#[cfg(target_env = "gnu")]
const MIN_SLACK: usize = 512 << 10;
/// The minimum interval in seconds, because memory that is returned is often needed again.
#[cfg(target_env = "gnu")]
const TRIM_INTERVAL: usize = 5;

#[cfg(target_env = "gnu")]
impl Slack {
    /// Must be called once a second with the approximate number of bytes in use.
    pub fn settle(&self, held: usize) {
        let most = self.most.fetch_max(held, Relaxed).max(held);
        let rest = self.rest.load(Relaxed);
        self.rest.store(rest.saturating_sub(1), Relaxed);
        if rest == 0 && most - held >= MIN_SLACK {
            self.most.store(held, Relaxed);
            self.rest.store(TRIM_INTERVAL, Relaxed);
            give_back();
        }
    }
}

#[cfg(target_env = "gnu")]
#[allow(unsafe_code, reason = "no crate has this call; it takes no pointer, and any thread may make it at any time")]
fn give_back() {
    unsafe extern "C" {
        safe fn malloc_trim(keep: usize) -> std::ffi::c_int;
    }
    let _ = malloc_trim(0);
}
