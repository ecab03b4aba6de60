//! The paths of HLS.
//!
//! A list on a disk is sent as it is, so it cannot contain a player's session in each file's URL. Instead the session
//! is a folder in the path, which the names in the list are relative to: `/hls/S/session_id=NUMBER/record.m3u8`.

use super::query::{self, number};
use crate::hub::Name;
use crate::proto::http::{Request, Status};
use crate::serve::http::decoded;
use crate::wire::percent_decode;

/// The target of a path.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::serve) enum Target {
    /// `/hls/S.m3u8` or `/hls/S/playlist.m3u8`.
    Playlist(Name),
    /// `/hls/S/record.m3u8`: all segments.
    Record(Name),
    /// `/hls/S/S-TIME-ID.ts` or `/hls/S-TIME-ID.ts`, with more extensions where segments are MP4.
    Segment(Name, String),
}

impl Target {
    /// `None` for a path that is not one of HLS.
    pub(in crate::serve) fn parse(path: &str) -> Option<Result<Self, Status>> {
        let items = match decoded(path) {
            Ok(items) => items,
            Err(status) => return Some(Err(status)),
        };
        let items: Vec<_> = items.iter().map(String::as_str).collect();
        let ["hls", rest @ ..] = items.as_slice() else { return None };
        let name = |name: &str| Name::new(name).map_err(|_| Status::BAD_REQUEST);
        let without;
        let rest = match rest {
            [stream, session, file] if number(session).is_some() => {
                without = [*stream, *file];
                &without[..]
            }
            rest => rest,
        };
        if let [stream, list] = rest {
            match *list {
                "playlist.m3u8" => return Some(name(stream).map(Self::Playlist)),
                "record.m3u8" => return Some(name(stream).map(Self::Record)),
                _ => {}
            }
        }
        let (stem, extension) = rest.last()?.rsplit_once('.')?;
        match (extension, rest.len()) {
            ("m3u8", 1) => Some(name(stem).map(Self::Playlist)),
            ("ts" | "m4s" | "mp4", 1 | 2) => {
                let (stream, _) = stem.rsplit_once('-').and_then(|(stem, _)| stem.rsplit_once('-'))?;
                Some(name(stream).map(|name| Self::Segment(name, format!("{stem}.{extension}"))))
            }
            _ => None,
        }
    }
}

/// The session in a request's path, or else in its query.
pub(super) fn session(request: &Request) -> Option<u64> {
    in_path(request).or_else(|| query::session(&request.query))
}

/// The session in a request's path.
pub(super) fn in_path(request: &Request) -> Option<u64> {
    number(&percent_decode(request.path.split('/').nth(3)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_url_table() {
        let name = || Name::new("test110").unwrap();
        let cases = [
            ("/hls/test110.m3u8", Target::Playlist(name())),
            ("/hls/test110/playlist.m3u8", Target::Playlist(name())),
            ("/hls/test110/record.m3u8", Target::Record(name())),
            ("/hls/test110/test110-1700-3.ts", Target::Segment(name(), "test110-1700-3.ts".into())),
            ("/hls/test110-1700-3.ts", Target::Segment(name(), "test110-1700-3.ts".into())),
            ("/hls/test110-1700-3.2.m4s", Target::Segment(name(), "test110-1700-3.2.m4s".into())),
            ("/hls/test110/session_id=12ab/record.m3u8", Target::Record(name())),
            ("/hls/test110/session_id=12ab/test110-1700-3.ts", Target::Segment(name(), "test110-1700-3.ts".into())),
            ("/hls/test110/session_id%3D12ab/record.m3u8", Target::Record(name())),
            ("/hls/test110/test110-1700-3.mp4", Target::Segment(name(), "test110-1700-3.mp4".into())),
        ];
        for (path, target) in cases {
            assert_eq!(Target::parse(path), Some(Ok(target)), "{path}");
        }
    }

    #[test]
    fn paths_that_mean_nothing_or_lie() {
        for path in ["/hls/", "/hls/a/b.m3u8", "/hls/x.ts", "/hls/x.flv", "/hls/a/b/a-1-2.ts"] {
            assert_eq!(Target::parse(path), None, "{path}");
        }
        for path in ["/hls/%2e%2e/playlist.m3u8", "/hls/a%00.m3u8", "/hls/%zz.m3u8"] {
            assert_eq!(Target::parse(path), Some(Err(Status::BAD_REQUEST)), "{path}");
        }
    }
}
