//! URLs: where a session goes.

use std::net::{SocketAddr, ToSocketAddrs};

use runnel::proto::Url;
use runnel::proto::rtmp::Address;

use crate::failed::Failed;

/// The protocol by which streams are published and played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Rtmp,
    Rtsp,
    /// FLV as the body of an answer, or HLS.
    Http,
}

/// By name, with whether it is under TLS and its port.
const SCHEMES: [(&str, Scheme, bool, u16); 6] = [
    ("rtmp", Scheme::Rtmp, false, 1935),
    ("rtmps", Scheme::Rtmp, true, 443),
    ("rtsp", Scheme::Rtsp, false, 554),
    ("rtsps", Scheme::Rtsp, true, 322),
    ("http", Scheme::Http, false, 80),
    ("https", Scheme::Http, true, 443),
];

/// The end of a playlist's path.
const PLAYLIST: &str = ".m3u8";

/// A stream at a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub scheme: Scheme,
    /// Under TLS.
    pub sealed: bool,
    /// As the URL has it, with the port.
    pub host: String,
    pub address: SocketAddr,
    /// Without the first slash.
    pub path: String,
}

impl Target {
    /// Reads a URL and looks the host up.
    pub fn parse(url: &str) -> Result<Self, Failed> {
        let wrong = |why| Failed::asked(format!("{why}: {url:?}"));
        let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("not a URL"))?;
        let known = SCHEMES.into_iter().find(|known| known.0 == scheme);
        let (_, scheme, sealed, port) =
            known.ok_or_else(|| wrong("neither rtmp:// nor rtsp:// nor http://, nor one of these under TLS"))?;
        let (host, path) = rest.split_once('/').ok_or_else(|| wrong("no path"))?;
        let file = path.split('?').next().unwrap_or_default();
        match scheme {
            Scheme::Rtmp if !path.contains('/') => return Err(wrong("no APP/NAME")),
            Scheme::Http if !file.ends_with(".flv") && !file.ends_with(PLAYLIST) => {
                return Err(wrong("neither an .flv nor an .m3u8"));
            }
            _ => {}
        }
        let found = match host.to_socket_addrs() {
            Err(_) => (host, port).to_socket_addrs(),
            found => found,
        };
        let address = found.ok().and_then(|mut all| all.next()).ok_or_else(|| wrong("no such host"))?;
        Ok(Self { scheme, sealed, host: host.into(), address, path: path.into() })
    }

    /// True if it is played by HLS.
    pub fn is_playlist(&self) -> bool {
        self.path.split('?').next().is_some_and(|file| file.ends_with(PLAYLIST))
    }

    /// As RTSP wants it.
    pub fn url(&self) -> Result<Url, Failed> {
        Url::parse(&format!("rtsp://{}/{}", self.host, self.path)).map_err(Failed::asked)
    }

    /// As RTMP wants it. The name begins behind the last slash before a query.
    pub fn rtmp(&self) -> Address {
        let query = self.path.find('?').unwrap_or(self.path.len());
        let slash = self.path.get(..query).and_then(|path| path.rfind('/')).unwrap_or_default();
        let (app, name) = self.path.split_at(slash);
        Address::new(&format!("rtmp://{}", self.host), app, name.trim_start_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_fall_into_their_parts() {
        let target = Target::parse("rtmp://127.0.0.1:19350/a/b/cam?key=x/y").unwrap();
        assert_eq!(target.address, ([127, 0, 0, 1], 19350).into());
        let Address { app, name, .. } = target.rtmp();
        assert_eq!((&*app, &*name), ("a/b", "cam?key=x/y"));
        let target = Target::parse("rtsp://127.0.0.1/live/cam?a=b").unwrap();
        assert_eq!((target.address.port(), target.url().unwrap().path.as_str()), (554, "/live/cam?a=b"));
        let target = Target::parse("http://127.0.0.1/live/cam.flv?hevc=12").unwrap();
        assert_eq!((target.address.port(), target.path.as_str()), (80, "live/cam.flv?hevc=12"));
        let target = Target::parse("rtsps://127.0.0.1/live/cam").unwrap();
        assert_eq!((target.scheme, target.sealed, target.address.port()), (Scheme::Rtsp, true, 322));
    }

    #[test]
    fn what_is_no_stream_is_refused() {
        for url in ["127.0.0.1", "srt://127.0.0.1/a/b", "rtmp://127.0.0.1/a", "http://127.0.0.1/a.ts", "rtmp:///a/b"] {
            assert!(Target::parse(url).is_err(), "{url}");
        }
    }
}
