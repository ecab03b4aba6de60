//! The needs of a device besides streaming: a log, a watchdog, a separate user, limits. It contains all code that
//! uses the operating system for the program as a whole.

#[cfg(feature = "tls")]
mod certificate;
mod descriptors;
mod error;
mod inspect;
mod memory;
mod signals;
mod threads;
mod user;
mod watchdog;

pub mod log;
pub mod supervisor;

pub use crate::net::random;
#[cfg(feature = "tls")]
pub use certificate::{Unmade, make_certificate};
pub use descriptors::reserve_descriptors;
pub use error::Error;
pub use inspect::{Fault, Place, Weight, opened_first, opened_later, places, read_again};
#[cfg(target_env = "gnu")]
pub use memory::Slack;
pub use memory::{check_free_memory, lift_lock_limit, lock_memory};
pub use signals::{Signal, Signals};
pub use threads::reserve_thread;
pub use user::User;
pub use watchdog::Watchdog;
