//! The limit on open files.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Error;

/// Makes sure that `needed` files can be open at once. Raises the soft limit if necessary.
pub fn reserve_descriptors(needed: usize) -> Result<(), Error> {
    let needed = needed as u64;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum });
    raised.map_err(|_| Error::Descriptors { needed, limit: maximum.unwrap_or(u64::MAX) })
}
