//! The limit of open files.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Makes sure that `needed` files may be open at once: raises the soft limit
/// if it has to.
pub fn reserve_descriptors(needed: usize) -> Result<(), String> {
    let needed = needed as u64;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum });
    raised.map_err(|_| {
        let limit = maximum.unwrap_or(u64::MAX);
        format!(
            "the plan needs {needed} open files, but the limit is {limit}: raise it (ulimit -n, LimitNOFILE=, \
             procd's limits), or lower viewers.max, streams.max or connections.spare"
        )
    })
}
