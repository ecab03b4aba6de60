//! What was recorded, as JSON: `GET /api/record/list`.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::retain;
use super::shape::Shape;
use crate::conf::Record;
use crate::serve::listing;
use crate::wire::iso8601;

/// So many are told of at most, the newest first.
const MOST: usize = 100;

/// Of the streams that `query` asks for: `stream=NAME`, and `before=UNIX_MS` for those that
/// began earlier. What cannot be read is not there.
pub(super) fn list(rules: &[Arc<Record>], query: &str) -> String {
    let wanted = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let stream = wanted("stream");
    let before = wanted("before").and_then(|before| before.parse().ok()).unwrap_or(u64::MAX);
    let mut newest = BinaryHeap::new();
    for rule in rules {
        let shape = Shape::of(rule.format);
        // a folder that is not there has nothing
        let _ = retain::visit(rule, &mut |found| {
            let Some(entry) = entry(shape, &found.path) else { return };
            if found.begun >= before || stream.is_some_and(|stream| stream != entry.0) {
                return;
            }
            newest.push(Reverse((found.begun, entry, found.size)));
            if newest.len() > MOST {
                newest.pop();
            }
        });
    }
    let mut out = String::from("{\"error_code\":0,\"desp\":\"succ\",\"data\":{\"records\":[");
    for (at, Reverse((begun, (stream, file), size))) in newest.into_sorted_vec().into_iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        let date = iso8601(UNIX_EPOCH + Duration::from_millis(begun));
        // names have nothing that JSON would have to escape; writing does not fail
        let _ = write!(
            out,
            "{comma}{{\"stream_name\":\"{stream}\",\"file\":\"{file}\",\"size\":{size},\"begin_unix_ms\":{begun},\"begin\":\"{date}\"}}"
        );
    }
    out.push_str("]}}");
    out
}

/// The stream of a file, and where it can be had. Of segments the first stands for all.
fn entry(shape: Shape, path: &Path) -> Option<(String, String)> {
    let name = path.file_name()?.to_str()?;
    let stem = name.rsplit_once('.')?.0;
    if !shape.is_segments() {
        let stream = retain::stream_of(shape, stem)?;
        return Some((stream, format!("/record/{name}")));
    }
    let stream = path.parent()?.file_name()?.to_str()?;
    stem.ends_with("-0").then(|| (stream.into(), format!("/record/{stream}/{}", listing::NAME)))
}
