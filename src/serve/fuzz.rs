//! Readers that are private otherwise, for the fuzzer.

pub use super::http::fuzz::understand;
pub use super::rtsp::decoded;
