//! The meaning of a request, for the fuzzer.

use super::{files, hls, resource};
use crate::container::FLV;

/// How many items a path has as a file's, and the query that a player shows with segments.
pub fn understand(path: &str, query: &str) -> (usize, String) {
    let _ = (resource::Resource::parse(path), resource::wished(&FLV, query));
    let _ = (hls::ask(query), hls::session(query));
    (files::items(path).map_or(0, |items| items.len()), hls::suffix(query))
}
