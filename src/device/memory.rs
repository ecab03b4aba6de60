//! Memory that stays where it is, and memory that is given back.

#[cfg(target_env = "gnu")]
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, Rlimit, geteuid, getrlimit, setrlimit};

use super::{Error, User};
use crate::conf::machine;

/// Lifts the limit for memory that is locked. Root may lock what it likes; everybody else, and the
/// user that root `will_become`, needs the limit lifted, which only root can do.
pub fn lift_lock_limit(will_become: Option<User>) -> Result<(), Error> {
    let unlimited = Rlimit { current: None, maximum: None };
    let limited = getrlimit(Resource::Memlock).current.is_some() && setrlimit(Resource::Memlock, unlimited).is_err();
    if limited && (will_become.is_some() || !geteuid().is_root()) {
        return Err(Error::LockLimit);
    }
    Ok(())
}

/// Locks all that the process has and will have, so that what it has written to
/// is there for good.
pub fn lock_memory(will_become: Option<User>) -> Result<(), Error> {
    lift_lock_limit(will_become)?;
    let all = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE;
    // before Linux 4.4 untouched pages, such as those of stacks, are taken as well
    let locked = mlockall(all | MlockAllFlags::ONFAULT).or_else(|_| mlockall(all));
    locked.map_err(|error| Error::Lock(error.into()))
}

/// Whether the machine has so many bytes now.
pub fn check_free_memory(wanted: u64) -> Result<(), Error> {
    match machine::available() {
        Some(free) if free < wanted => Err(Error::Memory { wanted, free }),
        _ => Ok(()),
    }
}

/// Memory that was freed and is still the process's. glibc gives back by itself only the end of its
/// heap, where some frame of a stream that goes on always stands; musl gives back all.
#[cfg(target_env = "gnu")]
#[derive(Debug, Default)]
pub struct Slack {
    /// The most bytes that were held since.
    most: AtomicUsize,
    /// Seconds until it is looked at again.
    rest: AtomicUsize,
}

/// So much is worth the work, in bytes.
#[cfg(target_env = "gnu")]
const MUCH: usize = 512 << 10;
/// Seconds from one time to the next: what is given back is often wanted again.
#[cfg(target_env = "gnu")]
const REST: usize = 5;

#[cfg(target_env = "gnu")]
impl Slack {
    /// Called once a second, with about the bytes that are held.
    pub fn settle(&self, held: usize) {
        let most = self.most.fetch_max(held, Relaxed).max(held);
        let rest = self.rest.load(Relaxed);
        self.rest.store(rest.saturating_sub(1), Relaxed);
        if rest == 0 && most - held >= MUCH {
            self.most.store(held, Relaxed);
            self.rest.store(REST, Relaxed);
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
