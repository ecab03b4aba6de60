//! Readers for the fuzzer that are private otherwise.

pub use super::api::fuzz::understand_body;
pub use super::http::fuzz::understand;
pub use super::rtsp::decoded;
