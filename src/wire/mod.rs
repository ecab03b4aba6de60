//! Bytes and bits: bounds-checked readers and writers, and checksums.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod bits;
pub mod crc;
mod date;
#[cfg(feature = "auth")]
pub mod json;
mod percent;
mod reader;
mod writer;

pub use date::{civil, iso8601, unix_ms};
pub use percent::{Percent, percent_decode, percent_encode};
pub use reader::Reader;
pub use writer::Writer;

/// Input ended inside a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short;

impl std::fmt::Display for Short {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("data ends inside a field")
    }
}

impl std::error::Error for Short {}
