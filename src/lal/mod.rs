//! lal's JSON: what it tells of a server, of its streams, and of a session that begins or ends. Keys, their order, their
//! types and the time format are lal's, so that programs that were written for it can read them.

mod event;
#[cfg(feature = "api")]
mod import;
mod list;
mod outcome;
mod role;
mod stat;
#[cfg(test)]
mod tests;
mod time;
mod zone;

pub use event::SessionEvent;
#[cfg(feature = "api")]
pub use import::{LEFT_OUT, Unreadable, import};
pub use outcome::Outcome;
pub use role::{Base, Role};
pub use stat::{LalInfo, write_group, write_groups};
pub use time::Stamp;
pub use zone::Zone;
