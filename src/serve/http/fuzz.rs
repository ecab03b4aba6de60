//! The meaning of a request, for the fuzzer.

use super::{files, hls, resource};
use crate::container::FLV;

/// The number of items that a path has as a file's, and the query that a player shows with segments.
pub fn understand(path: &str, query: &str) -> (usize, String) {
    let _ = (resource::Resource::parse(path), FLV.wished(query).is_some());
    let _ = (hls::ask(query), hls::session(query));
    (files::items(path).map_or(0, |items| items.len()), hls::suffix(query))
}
