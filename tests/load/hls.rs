//! Playlists of what is published, and of what is not.

use std::io::Write;

use crate::CONFIG;
use crate::peer::Http;
use crate::program::Program;
use crate::steady::Steady;

#[test]
fn a_playlist_comes_with_segments_that_can_be_fetched() {
    let program = Program::start(CONFIG);
    let steady = Steady::start(program.rtmp, program.http, "a");
    let mut http = Http::new(program.http);
    let playlist = http.get("/hls/a.m3u8?token=x");
    assert_eq!(playlist.status, 200, "{}", playlist.text());
    let text = playlist.text();
    let uri = text.lines().find(|line| !line.starts_with('#')).unwrap();
    assert!(uri.ends_with(".ts?token=x"), "{text}");
    let segment = http.get(&format!("/hls/{uri}"));
    assert_eq!((segment.status, segment.body[0], segment.body.len() % 188), (200, 0x47, 0));
    steady.stop();
}

/// `hls.streams` is 1: what is asked for and not published must not take its place.
#[test]
fn playlists_of_absent_streams_keep_nobody_out() {
    let program = Program::start(&format!("log.level = \"debug\"\n{CONFIG}"));
    let steady = Steady::start(program.rtmp, program.http, "a");
    let mut absent = Http::new(program.http);
    absent.socket.write_all(b"GET /hls/nobody.m3u8 HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    program.says("stream=nobody HLS waits");
    let playlist = Http::new(program.http).get("/hls/a.m3u8");
    assert_eq!(playlist.status, 200, "{}", playlist.text());
    steady.stop();
}
