//! The interpretation of a request, for the fuzzer.

use super::{files, live};
use crate::container::FLV;
use crate::serve::hls;

/// The number of items of a path as a file's, and the query for the URLs of segments.
pub fn understand(path: &str, query: &str) -> (usize, String) {
    let _ = (live::parse(path), hls::Target::parse(path), FLV.wished(query).is_some());
    let _ = (hls::ask(query), hls::session(query));
    (files::items(path).map_or(0, |items| items.len()), hls::suffix(query))
}
