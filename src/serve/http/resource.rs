//! The meaning of a request's path.

use crate::container::{FORMS, Form};
use crate::hub::Name;
use crate::proto::http::Status;
use crate::wire::percent_decode;

/// The meaning of a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Resource {
    /// `/live/S.flv`, at any depth.
    Live(Name, &'static Form),
    /// `/hls/S.m3u8` or `/hls/S/playlist.m3u8`.
    Playlist(Name),
    /// `/hls/S/record.m3u8`: all that there is.
    Record(Name),
    /// `/hls/S/S-TIME-ID.ts` or `/hls/S-TIME-ID.ts`, with more extensions where
    /// segments are MP4.
    Segment(Name, String),
}

impl Resource {
    /// `None` for a path that means nothing here.
    pub(super) fn parse(path: &str) -> Option<Result<Self, Status>> {
        let items: Option<Vec<_>> = path.split('/').skip(1).map(percent_decode).collect();
        let Some(items) = items else { return Some(Err(Status::BAD_REQUEST)) };
        let items: Vec<_> = items.iter().map(String::as_str).collect();
        let name = |name: &str| Name::new(name).map_err(|_| Status::BAD_REQUEST);
        Some(match items.as_slice() {
            ["hls", stream, "playlist.m3u8"] => name(stream).map(Self::Playlist),
            ["hls", stream, "record.m3u8"] => name(stream).map(Self::Record),
            ["hls", rest @ ..] if !rest.is_empty() => {
                let (stem, extension) = rest.last()?.rsplit_once('.')?;
                match (extension, rest.len()) {
                    ("m3u8", 1) => name(stem).map(Self::Playlist),
                    ("ts" | "m4s" | "mp4", 1 | 2) => {
                        let (stream, _) = stem.rsplit_once('-').and_then(|(stem, _)| stem.rsplit_once('-'))?;
                        name(stream).map(|name| Self::Segment(name, format!("{stem}.{extension}")))
                    }
                    _ => return None,
                }
            }
            [.., last] => {
                let (stem, extension) = last.rsplit_once('.')?;
                let form = FORMS.iter().find(|form| form.extension == extension)?;
                name(stem).map(|name| Self::Live(name, form))
            }
            [] => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::{FLV, TS};

    #[test]
    fn paths_of_the_url_table() {
        let name = || Name::new("test110").unwrap();
        let cases = [
            ("/live/test110.flv", Resource::Live(name(), &FLV)),
            ("/test110.flv", Resource::Live(name(), &FLV)),
            ("/a/b/test110.ts", Resource::Live(name(), &TS)),
            ("/hls/test110.m3u8", Resource::Playlist(name())),
            ("/hls/test110/playlist.m3u8", Resource::Playlist(name())),
            ("/hls/test110/record.m3u8", Resource::Record(name())),
            ("/hls/test110/test110-1700-3.ts", Resource::Segment(name(), "test110-1700-3.ts".into())),
            ("/hls/test110-1700-3.ts", Resource::Segment(name(), "test110-1700-3.ts".into())),
            ("/hls/test110-1700-3.2.m4s", Resource::Segment(name(), "test110-1700-3.2.m4s".into())),
            ("/hls/test110/test110-1700-3.mp4", Resource::Segment(name(), "test110-1700-3.mp4".into())),
        ];
        for (path, resource) in cases {
            assert_eq!(Resource::parse(path), Some(Ok(resource)), "{path}");
        }
    }

    #[test]
    fn paths_that_mean_nothing_or_lie() {
        for path in ["/", "/x", "/live/test110", "/live/test110.mp3", "/hls/", "/hls/a/b.m3u8", "/hls/x.ts", "/live/"] {
            assert_eq!(Resource::parse(path), None, "{path}");
        }
        for path in [
            "/live/%2e%2e%2fx.flv",
            "/live/...flv",
            "/live/a%00.flv",
            "/live/%zz.flv",
            "/hls/%2e%2e/playlist.m3u8",
            "/live/.flv",
        ] {
            assert_eq!(Resource::parse(path), Some(Err(Status::BAD_REQUEST)), "{path}");
        }
    }
}
