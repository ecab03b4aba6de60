//! What was recorded, as JSON: `GET /api/record/list`.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::retain::{self, Found};
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
    let mut add = |one: Listed| {
        if one.begun < before && stream.is_none_or(|stream| stream == one.stream) {
            newest.push(Reverse(one));
        }
        if newest.len() > MOST {
            newest.pop();
        }
    };
    for rule in rules {
        let shape = Shape::of(rule.format);
        let mut oldest: Option<Listed> = None;
        // a folder that is not there has nothing
        let _ = retain::visit(rule, &mut |found| {
            let Some(one) = Listed::new(shape, &found) else { return };
            if !shape.is_segments() {
                return add(one);
            }
            // segments come folder by folder
            let (older, newer) = match oldest.take() {
                Some(before) if before.stream == one.stream && one.begun < before.begun => (one, Some(before)),
                Some(before) if before.stream == one.stream => (before, Some(one)),
                Some(before) => {
                    add(before);
                    (one, None)
                }
                None => (one, None),
            };
            oldest = Some(older);
            newer.filter(|newer| newer.begins).into_iter().for_each(&mut add);
        });
        oldest.into_iter().for_each(&mut add);
    }
    let mut out = String::from("{\"error_code\":0,\"desp\":\"succ\",\"data\":{\"records\":[");
    for (at, Reverse(one)) in newest.into_sorted_vec().into_iter().enumerate() {
        let Listed { begun, stream, file, size, .. } = one;
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

/// What is told of a recording: of one in segments the first that is left stands for it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Listed {
    /// In milliseconds since 1970.
    begun: u64,
    stream: String,
    /// Where it can be had.
    file: String,
    size: u64,
    /// It continues nothing.
    begins: bool,
}

impl Listed {
    fn new(shape: Shape, found: &Found) -> Option<Self> {
        let name = found.path.file_name()?.to_str()?;
        let stem = name.rsplit_once('.')?.0;
        let (stream, file) = if shape.is_segments() {
            let stream = found.path.parent()?.file_name()?.to_str()?;
            (stream.into(), format!("/record/{stream}/{}", listing::NAME))
        } else {
            (retain::stream_of(shape, stem)?, format!("/record/{name}"))
        };
        Some(Self { begun: found.begun, stream, file, size: found.size, begins: stem.ends_with("-0") })
    }
}
