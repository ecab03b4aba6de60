//! Playlists of what is published, and of what is not.

use std::io::Write;

use crate::CONFIG;
use crate::peer::{Http, until};
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

/// A collector of HLS is one of them, and gives way while nobody publishes what it waits for.
const FEW: &str = "log.level = \"debug\"\nprofile = \"tiny\"\n[streams]\nmax = 2\n[viewers]\nmax = 2\n[connections]\nper_peer = 100\n";

#[test]
fn who_waits_for_a_collector_that_gives_way_is_answered_by_the_next() {
    let program = Program::start(FEW);
    let nobody = |page: &str| !page.lines().any(|line| line.starts_with("runnel_viewers{"));
    // a machine that is slow may let one wait for too long
    let mut answers = (0..3).map(|number| {
        let name = format!("later{number}");
        let mut waiting = Http::new(program.http);
        waiting.socket.write_all(format!("GET /hls/{name}.m3u8 HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).unwrap();
        program.says(&format!("stream={name} HLS waits"));
        let steady = Steady::start(program.rtmp, program.http, "a");
        let mut other = Http::new(program.http);
        assert_eq!(other.open("/live/a.flv").status, 200);
        drop(other);
        steady.stop();
        until(program.http, "an end of all viewers", nobody);
        let steady = Steady::start(program.rtmp, program.http, &name);
        let answer = waiting.head();
        let answer = waiting.body(answer);
        steady.stop();
        answer
    });
    assert!(answers.any(|answer| answer.status == 200 && answer.text().contains("#EXTINF")));
}
