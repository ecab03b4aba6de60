//! One connection that sends without end what costs it least does not keep others waiting.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use runnel::proto::rtmp::Role;

use crate::beside::Beside;
use crate::peer::Rtmp;
use crate::program::Program;
use crate::sweep::one_in;

/// The time that each goes on.
pub fn length() -> Duration {
    Duration::from_millis((2000 / one_in() as u64).max(250))
}

/// Sends `data` over and over on a connection that `begin` makes, until `end`; once more
/// with another if it is closed. What is answered is read by nobody.
pub fn send(begin: &dyn Fn() -> TcpStream, data: &[u8], end: Instant) {
    let data = data.repeat((32 << 10) / data.len() + 1);
    while Instant::now() < end {
        let mut socket = begin();
        socket.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
        while Instant::now() < end && socket.write_all(&data).is_ok() {}
    }
}

pub fn asked(address: SocketAddr, head: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(head.as_bytes()).unwrap();
    socket
}

/// A POST of a tunnel through HTTP, and the GET that it belongs to in `get`.
fn tunnel(http: SocketAddr, get: &std::cell::RefCell<Option<TcpStream>>) -> TcpStream {
    get.take();
    let cookie = format!("{:?}", Instant::now()).replace(|c: char| !c.is_ascii_digit(), "");
    let cookie = &cookie[..cookie.len().min(64)];
    let mut other = asked(http, &format!("GET /live/b HTTP/1.1\r\nHost: h\r\nx-sessioncookie: {cookie}\r\n\r\n"));
    other.read_exact(&mut [0; 15]).unwrap();
    get.replace(Some(other));
    let fields = "Content-Type: application/x-rtsp-tunnelled\r\nContent-Length: 32767";
    asked(http, &format!("POST /live/b HTTP/1.1\r\nHost: h\r\nx-sessioncookie: {cookie}\r\n{fields}\r\n\r\n"))
}

/// A name, a connection, and what goes there over and over.
type Attack<'a> = (&'a str, &'a dyn Fn() -> TcpStream, &'a [u8]);

#[test]
fn nobody_holds_the_server() {
    let program = Program::start("profile = \"router\"\npublish.conflict = \"replace\"\n");
    let (rtmp, http, Some(rtsp)) = (program.rtmp, program.http, program.rtsp) else { return };
    if program.is_emulated() {
        return;
    }
    let get = std::cell::RefCell::new(None);
    let post = || tunnel(http, &get);
    let plain = |to| move || TcpStream::connect(to).unwrap();
    let socket = || {
        let fields = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13";
        let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
        asked(http, &format!("GET /live/b.flv HTTP/1.1\r\nHost: h\r\n{fields}\r\n{key}\r\n\r\n"))
    };
    let publisher = || Rtmp::publisher(rtmp, "c").socket;
    let waiting = || Rtmp::new(rtmp, Role::Play, "d").socket;
    let options = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n";
    let attacks: [Attack<'_>; 14] = [
        ("blanks in a tunnel", &post, b" "),
        ("requests in a tunnel", &post, b"T1BUSU9OUyAqIFJUU1AvMS4wDQpDU2VxOiAxDQoNCg=="),
        ("nothing in a tunnel", &post, b"AAAA"),
        ("empty lines of RTSP", &plain(rtsp), b"\r\n"),
        ("requests of RTSP", &plain(rtsp), options),
        ("empty packets of RTSP", &plain(rtsp), b"$\0\0\0"),
        ("requests of HTTP", &plain(http), b"OPTIONS / HTTP/1.1\r\nHost: h\r\n\r\n"),
        ("empty lines of HTTP", &plain(http), b"\r\n"),
        ("empty frames of a WebSocket", &socket, b"\x82\x80\0\0\0\0"),
        ("pings of a WebSocket", &socket, b"\x89\x80\0\0\0\0"),
        ("sounds of a byte", &publisher, &[4, 0, 0, 0, 0, 0, 1, 8, 1, 0, 0, 0, 0xaf, 0xc4, 0xaf]),
        ("damaged pictures", &publisher, &[4, 0, 0, 0, 0, 0, 1, 9, 1, 0, 0, 0, 0x17, 0xc4, 0x17]),
        ("pings of RTMP", &waiting, &[2, 0, 0, 0, 0, 0, 6, 4, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0]),
        ("chunks of nothing", &waiting, &[4, 0, 0, 0, 0, 0, 0, 9, 1, 0, 0, 0]),
    ];
    let beside = Beside::start(&program);
    for (what, begin, data) in attacks {
        beside.bears(what, &|| send(begin, data, Instant::now() + length()));
    }
    beside.stop();
}
