//! The range of a file that a request asks for, and whether the client has it already. RFC 9110 sections 8.8, 13, 14.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use crate::proto::http::{Request, Status};

/// The answer to a request for a file, without the bytes.
pub(super) struct Extract {
    pub(super) status: Status,
    /// The first byte, and the number of bytes.
    pub(super) range: (u64, u64),
    /// Content-Range.
    pub(super) told: Option<String>,
    /// ETag.
    pub(super) etag: String,
    /// Last-Modified.
    pub(super) modified: String,
}

impl Extract {
    /// The range of a file that a request asks for.
    pub(super) fn of(request: &Request, about: &Metadata) -> Self {
        let len = about.len();
        let etag = format!("\"{:x}-{:x}-{len:x}\"", about.mtime(), about.mtime_nsec());
        let modified = about.modified().map(httpdate::fmt_http_date).unwrap_or_default();
        let asked = request.fields.get("range").filter(|_| is_whole(request, &etag, &modified));
        let (status, range, told) = match asked.and_then(|range| byte_range(range, len)) {
            _ if is_known(request, &etag, about) => (Status::NOT_MODIFIED, (0, 0), None),
            Some(Ok((from, to))) => {
                (Status::PARTIAL_CONTENT, (from, to + 1 - from), Some(format!("bytes {from}-{to}/{len}")))
            }
            Some(Err(())) => (Status::RANGE_NOT_SATISFIABLE, (0, 0), Some(format!("bytes */{len}"))),
            None => (Status::OK, (0, len), None),
        };
        Self { status, range, told, etag, modified }
    }
}

/// True if the client has the present file. If-None-Match takes precedence over If-Modified-Since.
fn is_known(request: &Request, etag: &str, about: &Metadata) -> bool {
    match (request.fields.get("if-none-match"), request.fields.get("if-modified-since")) {
        (Some(_), _) => {
            request.fields.items("if-none-match").any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
        }
        (None, Some(date)) => httpdate::parse_http_date(date).is_ok_and(|date| {
            let seconds =
                |time: std::time::SystemTime| time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
            about.modified().is_ok_and(|modified| seconds(modified) <= seconds(date))
        }),
        (None, None) => false,
    }
}

/// True if the client's part belongs to the present file: If-Range.
fn is_whole(request: &Request, etag: &str, modified: &str) -> bool {
    request.fields.get("if-range").is_none_or(|has| has == etag || has == modified)
}

/// The first and last byte of one range of `len` bytes; an error if it is empty. `None` for another range, or for
/// several: those are answered with the whole file.
fn byte_range(range: &str, len: u64) -> Option<Result<(u64, u64), ()>> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().unwrap_or(u64::MAX));
    if first.is_empty() {
        let count: u64 = number(last).filter(|_| !last.is_empty())?;
        let from = len.saturating_sub(count);
        return Some(if count == 0 || len == 0 { Err(()) } else { Ok((from, len - 1)) });
    }
    let from = number(first)?;
    let to = if last.is_empty() { u64::MAX } else { number(last)? };
    if to < from {
        return None;
    }
    Some(if from >= len { Err(()) } else { Ok((from, to.min(len - 1))) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (range, expected) in [
            ("bytes=0-", Some(Ok((0, 99)))),
            ("bytes=10-19", Some(Ok((10, 19)))),
            ("bytes=90-1000", Some(Ok((90, 99)))),
            ("bytes=-10", Some(Ok((90, 99)))),
            ("bytes=-1000", Some(Ok((0, 99)))),
            ("bytes=100-", Some(Err(()))),
            ("bytes=-0", Some(Err(()))),
            ("bytes=99999999999999999999999-", Some(Err(()))),
            ("bytes=9-3", None),
            ("bytes=-", None),
            ("bytes=a-b", None),
            ("bytes=0-1,3-4", None),
            ("lines=0-1", None),
        ] {
            assert_eq!(byte_range(range, 100), expected, "{range}");
        }
        assert_eq!(byte_range("bytes=0-", 0), Some(Err(())));
    }
}
