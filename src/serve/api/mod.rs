//! The API: what it tells of the server, and what it changes.

pub(super) mod lal;
pub(super) mod pulls;
mod reply;
