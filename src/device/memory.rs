//! Memory that stays where it is.

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, Rlimit, geteuid, getrlimit, setrlimit};

use super::User;

/// Locks all that the process has and will have, so that what it has written to
/// is there for good. Root may lock what it likes; everybody else, and whoever
/// root `will_become`, needs a limit of none, which only root can set.
pub fn lock_memory(will_become: Option<User>) -> Result<(), String> {
    let remedy = "start as root, or lift the limit (ulimit -l unlimited, LimitMEMLOCK=infinity)";
    let unlimited = Rlimit { current: None, maximum: None };
    let limited = getrlimit(Resource::Memlock).current.is_some() && setrlimit(Resource::Memlock, unlimited).is_err();
    if limited && (will_become.is_some() || !geteuid().is_root()) {
        return Err(format!("memory.prefault: memory cannot be locked beyond a limit: {remedy}"));
    }
    let all = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE;
    // before Linux 4.4 untouched pages, such as those of stacks, are taken as well
    let locked = mlockall(all | MlockAllFlags::ONFAULT).or_else(|_| mlockall(all));
    locked.map_err(|error| format!("memory.prefault: memory cannot be locked: {error}: {remedy}"))
}
