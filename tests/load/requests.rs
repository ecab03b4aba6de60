//! Requests that are not what one would wish for, on real sockets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use socket2::SockRef;

use crate::CONFIG;
use crate::peer::{Http, connect};
use crate::program::Program;

/// Sends `request` and reads to the end: the response as far as it arrived.
fn answer(program: &Program, request: &[u8]) -> String {
    let mut socket = connect(program.http);
    let _ = socket.write_all(request);
    let mut text = Vec::new();
    let _ = socket.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn a_body_that_nobody_wants_does_not_cost_the_answer() {
    let program = Program::start(CONFIG);
    for length in [0, 100, 16 << 10, 20_000, 64 << 10] {
        let head =
            format!("POST /live/a.flv HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
        let text = answer(&program, &[head.as_bytes(), &vec![b'x'; length]].concat());
        assert!(text.starts_with("HTTP/1.1 405 "), "a body of {length} bytes: {text:?}");
    }
}

/// Writes `requests` and reads nothing until they are all taken, or no more is taken for a while;
/// then reads until `count` answers are there.
fn answers(socket: TcpStream, requests: String, answer: &str, count: usize) -> usize {
    let mut reading = socket.try_clone().unwrap();
    SockRef::from(&reading).set_recv_buffer_size(16 << 10).unwrap();
    let (written, all) = sync_channel(1);
    let writer = std::thread::spawn(move || {
        let written_all = { socket }.write_all(requests.as_bytes());
        let _ = written.send(());
        written_all
    });
    let _ = all.recv_timeout(Duration::from_millis(500));
    let (mut text, mut found, mut buffer) = (String::new(), 0, [0; 4096]);
    while found < count {
        match reading.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(len) => text.push_str(&String::from_utf8_lossy(&buffer[..len])),
        }
        // the rest may be the beginning of another
        found += text.matches(answer).count();
        text = text.rsplit(answer).next().unwrap_or_default().into();
    }
    assert!(writer.join().unwrap().is_ok() || found < count);
    found
}

#[test]
fn requests_may_follow_each_other_at_once() {
    let program = Program::start(CONFIG);
    // with more than the receive buffer holds, Linux 6.18 drops what acknowledges our answers too
    for count in [1, 2, 100, 300] {
        let requests = "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n".repeat(count);
        assert_eq!(answers(connect(program.http), requests, "HTTP/1.1 200 OK", count), count);
        let Some(rtsp) = program.rtsp else { continue };
        let requests = "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n".repeat(count);
        assert_eq!(answers(connect(rtsp), requests, "RTSP/1.0 200 OK", count), count, "by RTSP");
    }
}

#[test]
fn heads_that_are_too_long_are_refused() {
    let program = Program::start(CONFIG);
    let long = "x".repeat(20_000);
    for (request, status) in [
        (format!("GET / HTTP/1.1\r\nHost: h\r\nCookie: {long}\r\n\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "a: b\r\n".repeat(300)), 431),
        ("GET / HTTP/1.1\r\n\r\n".into(), 400),
        ("GET / HTTP/9.1\r\nHost: h\r\n\r\n".into(), 505),
    ] {
        let text = answer(&program, request.as_bytes());
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{:.200}", text);
    }
}

#[test]
fn paths_lead_nowhere_but_to_streams() {
    let program = Program::start(CONFIG);
    let mut http = Http::new(program.http);
    for path in ["/live/..%2f..%2fetc%2fpasswd.flv", "/live/%2e%2e.flv", "/live/a%00.flv", "/hls/..%2fa.m3u8"] {
        assert_eq!(http.get(path).status, 400, "{path}");
    }
    for path in ["/", "/etc/passwd", "/../../etc/passwd", "/live/a.mp3", "/hls/a/b/c.ts", "/hls/"] {
        assert_eq!(http.get(path).status, 404, "{path}");
    }
}
