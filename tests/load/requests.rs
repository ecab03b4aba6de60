//! Requests that are not what one would wish for, on real sockets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use base64ct::{Base64, Encoding};
use socket2::{Domain, SockRef, Socket, Type};

use crate::CONFIG;
use crate::peer::{Http, connect};
use crate::program::{PATIENCE, Program};

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
    let reading = socket.try_clone().unwrap();
    SockRef::from(&reading).set_recv_buffer_size(16 << 10).unwrap();
    answers_by(reading, socket, requests.into_bytes(), answer, count)
}

/// The same where answers come by another socket.
fn answers_by(mut reading: TcpStream, socket: TcpStream, requests: Vec<u8>, answer: &str, count: usize) -> usize {
    let (written, all) = sync_channel(1);
    let writer = std::thread::spawn(move || {
        let written_all = { socket }.write_all(&requests);
        let _ = written.send(());
        written_all
    });
    let _ = all.recv_timeout(Duration::from_millis(500));
    until_no_more_comes(&reading);
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

/// Nothing more goes before something is read.
fn until_no_more_comes(socket: &TcpStream) {
    let (mut queue, mut before) = (vec![0; 1 << 20], 0);
    while let Ok(len) = socket.peek(&mut queue)
        && len > before
    {
        before = len;
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A request of HTTP after whose answer the connection is no more one of HTTP.
fn opened(program: &Program, head: &str, status: &str) -> TcpStream {
    // before it connects: a window that was offered is not taken back
    let socket = Socket::new(Domain::for_address(program.http), Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(&program.http.into()).unwrap();
    let mut socket = TcpStream::from(socket);
    socket.write_all(format!("{head}\r\n\r\n").as_bytes()).unwrap();
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).unwrap();
        answer.extend(byte);
    }
    assert!(answer.starts_with(format!("HTTP/1.1 {status} ").as_bytes()), "{}", String::from_utf8_lossy(&answer));
    socket
}

#[test]
fn requests_of_rtsp_through_http_may_too_however_late_their_answers_are_read() {
    let program = Program::start(CONFIG);
    for count in [1, 100, 700] {
        let requests = "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n".repeat(count);
        let asked = |reading, socket, requests| answers_by(reading, socket, requests, "RTSP/1.0 200 OK", count);
        let upgrade = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                       Sec-WebSocket-Protocol: rtsp";
        let socket = opened(&program, upgrade, "101");
        // one binary message under a mask of zeros. RFC 6455 section 5.2
        let length = u64::try_from(requests.len()).unwrap().to_be_bytes();
        let message = [&[0x82, 0xff][..], &length, &[0; 4], requests.as_bytes()].concat();
        assert_eq!(asked(socket.try_clone().unwrap(), socket, message), count, "in a WebSocket");

        let cookie = format!("x-sessioncookie: {count}");
        let get = opened(&program, &format!("GET / HTTP/1.0\r\n{cookie}"), "200");
        let mut post = connect(program.http);
        post.write_all(format!("POST / HTTP/1.0\r\n{cookie}\r\nContent-Length: 32767\r\n\r\n").as_bytes()).unwrap();
        let requests = Base64::encode_string(requests.as_bytes()).into_bytes();
        assert_eq!(asked(get, post, requests), count, "in a tunnel");
    }
}

#[test]
fn an_answer_does_not_wait_with_the_request_behind_it() {
    let program = Program::start(&format!("rtsp.hold = \"1s\"\n{CONFIG}"));
    let Some(rtsp) = program.rtsp else { return };
    let mut socket = connect(rtsp);
    let describe = format!("DESCRIBE rtsp://{rtsp}/live/absent RTSP/1.0\r\nCSeq: 2\r\n\r\n");
    socket.write_all(format!("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n{describe}").as_bytes()).unwrap();
    let mut buffer = [0; 4096];
    let mut next = || {
        let len = socket.read(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..len]).into_owned()
    };
    let first = next();
    assert!(first.contains("CSeq: 1\r\n") && !first.contains("CSeq: 2\r\n"), "{first}");
    assert!(next().starts_with("RTSP/1.0 404 "));
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
