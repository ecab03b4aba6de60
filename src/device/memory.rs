//! Memory that stays where it is.

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Locks all that the process has and will have, so that a page that was
/// promised is there. Before the user is changed: only root may lift the limit.
pub fn lock_memory() -> Result<(), String> {
    let unlimited = Rlimit { current: None, maximum: None };
    if getrlimit(Resource::Memlock).current.is_some() {
        // without the right to do so, it is tried within the limit
        let _ = setrlimit(Resource::Memlock, unlimited);
    }
    mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE).map_err(|error| {
        format!("memory.prefault: memory cannot be locked: {error}: start as root, or raise the limit (ulimit -l, LimitMEMLOCK=)")
    })
}
