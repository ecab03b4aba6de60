//! The API: what it tells of the server, and what it changes.

#[cfg(fuzzing)]
pub(super) mod fuzz;
pub(super) mod lal;
pub(super) mod mediamtx;
pub(super) mod pulls;
mod reply;
pub(crate) mod v1;
