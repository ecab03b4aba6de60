//! Input without end under TLS, over UDP, from an upstream and out of a file keeps nobody
//! waiting either.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use runnel::budget::Account;
use runnel::net::{Files, Trust, make_certificate};
use runnel::proto::Machine;
use runnel::proto::rtmp::{Event, Limits, Server};
use rustls::ClientConnection;
use socket2::SockRef;

use crate::beside::Beside;
use crate::holding::{asked, length, send};
use crate::peer::connect;
use crate::program::{PATIENCE, Program};
use crate::rtsp_talks::sdp;

/// A peer that takes nothing for so long is pushed no further.
const PUSHED: Duration = Duration::from_millis(300);

fn listener() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()
}

/// A certificate of this test's own, in files that go with it.
struct Certificate(PathBuf);

impl Certificate {
    fn new() -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("endless-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        let files = Files { certificate: folder.join("cert.pem"), key: folder.join("key.pem") };
        make_certificate(&files, vec!["localhost".into()]).unwrap();
        Self(folder)
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Records under TLS, as `write` makes them a few hundred at a time.
fn sealed(address: SocketAddr, write: &dyn Fn(&mut ClientConnection)) {
    let end = Instant::now() + length();
    while Instant::now() < end {
        let mut socket = connect(address);
        let name = "localhost".try_into().unwrap();
        let mut tls = ClientConnection::new(Trust::anybody().unwrap().config(), name).unwrap();
        while tls.is_handshaking() {
            if tls.complete_io(&mut socket).is_err() {
                break;
            }
        }
        socket.set_write_timeout(Some(PUSHED)).unwrap();
        let mut records = Vec::new();
        while Instant::now() < end && socket.write_all(&records).is_ok() {
            records.clear();
            (0..200).for_each(|_| write(&mut tls));
            while tls.wants_write() {
                tls.write_tls(&mut records).unwrap();
            }
        }
    }
}

#[test]
fn nobody_holds_the_server_under_tls() {
    let certificate = Certificate::new();
    let [https, rtmps, rtsps] = [(); 3].map(|()| listener()).map(|one| one.local_addr().unwrap());
    let file = |name: &str| certificate.0.join(name).display().to_string();
    let config = format!(
        "profile = \"router\"\nmemory.total = \"64MiB\"\n[tls]\ncert = {:?}\nkey = {:?}\n\
         http_listen = \"{https}\"\nrtmp_listen = \"{rtmps}\"\nrtsp_listen = \"{rtsps}\"\n",
        file("cert.pem"),
        file("key.pem")
    );
    let program = Program::start(&config);
    if program.rtsp.is_none() || program.is_emulated() {
        return;
    }
    program.says("https listens on");
    let beside = Beside::start(&program);
    // a ClientHello of 64 KiB, in pieces of a byte
    let hello = || {
        let mut socket = connect(https);
        socket.set_write_timeout(Some(PUSHED)).unwrap();
        let _ = socket.write_all(b"\x16\x03\x01\0\x04\x01\0\xff\xff");
        socket
    };
    let end = || Instant::now() + length();
    beside.bears("pieces of a ClientHello", &|| send(&hello, b"\x16\x03\x01\0\x01\0", end()));
    beside.bears("empty records before a ClientHello", &|| send(&hello, b"\x16\x03\x01\0\0", end()));
    beside.bears("alerts before a ClientHello", &|| send(&hello, b"\x15\x03\x01\0\x02\x01\x5a", end()));
    let byte = |tls: &mut ClientConnection| assert_eq!(tls.writer().write(b"\n").unwrap(), 1);
    beside.bears("records of a byte", &|| sealed(https, &byte));
    beside.bears("records of a byte of RTSP", &|| sealed(rtsps, &byte));
    beside.bears("other keys", &|| {
        sealed(https, &|tls| {
            let _ = tls.refresh_traffic_keys();
        });
    });
    beside.stop();
}

/// The packet of a number.
type Packet<'a> = &'a dyn Fn(u16) -> Vec<u8>;

/// A session whose pictures come or go over UDP, and the ports of the server.
struct OverUdp {
    session: TcpStream,
    asked: u32,
    name: String,
    socket: UdpSocket,
    ports: Vec<SocketAddr>,
}

impl OverUdp {
    fn new(rtsp: SocketAddr) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        Self { session: connect(rtsp), asked: 0, name: String::new(), socket, ports: Vec::new() }
    }

    fn publisher(rtsp: SocketAddr) -> Self {
        let (mut it, url) = (Self::new(rtsp), format!("rtsp://{rtsp}/live/udp"));
        let sdp = sdp("streamid=");
        it.ask("ANNOUNCE", &url, &format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n", sdp.len()), &sdp);
        it.set_up(&url, ";mode=record");
        it.ask("RECORD", &url, "", "");
        it
    }

    fn player(rtsp: SocketAddr) -> Self {
        let (mut it, url) = (Self::new(rtsp), format!("rtsp://{rtsp}/live/a"));
        it.set_up(&url, "");
        it.ask("PLAY", &url, "", "");
        it
    }

    fn set_up(&mut self, url: &str, mode: &str) {
        let port = self.socket.local_addr().unwrap().port();
        let ports = format!("client_port={port}-{}", port.wrapping_add(1));
        let answer = self.ask(
            "SETUP",
            &format!("{url}/streamid=0"),
            &format!("Transport: RTP/AVP;unicast;{ports}{mode}\r\n"),
            "",
        );
        let behind = |name: &str| answer.split_once(name).unwrap().1.split([';', '\r']).next().unwrap();
        self.name = format!("Session: {}\r\n", behind("Session: "));
        let ports = behind("server_port=").split('-').map(|port| port.parse().unwrap());
        self.ports = ports.map(|port: u16| (Ipv4Addr::LOCALHOST, port).into()).collect();
    }

    fn ask(&mut self, method: &str, url: &str, fields: &str, body: &str) -> String {
        self.asked += 1;
        let head = format!("{method} {url} RTSP/1.0\r\nCSeq: {}\r\n{}{fields}\r\n{body}", self.asked, self.name);
        self.session.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.session.read_exact(&mut byte).unwrap();
            answer.extend(byte);
        }
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("RTSP/1.0 200"), "{method}: {answer}");
        answer
    }

    fn flood(&self, packet: Packet<'_>) {
        let end = Instant::now() + length();
        let mut number = 0;
        while Instant::now() < end {
            for _ in 0..64 {
                number = u16::wrapping_add(number, 1);
                self.ports.iter().for_each(|port| drop(self.socket.send_to(&packet(number), port)));
            }
        }
    }
}

#[test]
fn nobody_holds_the_server_over_udp() {
    let program = Program::start("profile = \"router\"\npublish.conflict = \"replace\"\n");
    let Some(rtsp) = program.rtsp.filter(|_| !program.is_emulated()) else { return };
    let beside = Beside::start(&program);
    let rtp = |number: u16, kind: u8| [&[0x80, kind][..], &number.to_be_bytes(), &[0; 8], &[0x65, 0]].concat();
    let packets: [(&str, Packet<'_>); 5] = [
        ("nothing", &|_| Vec::new()),
        ("the same packet", &|_| rtp(1, 96)),
        ("packets with holes between", &|number| rtp(number.wrapping_mul(3), 96)),
        ("packets that jump", &|number| rtp(number.wrapping_mul(20_011), 0xe0)),
        ("reports", &|_| [&[0x81, 200, 0, 12][..], &[0; 48]].concat()),
    ];
    for (what, packet) in packets {
        beside.bears(&format!("{what} from a publisher"), &|| OverUdp::publisher(rtsp).flood(packet));
        beside.bears(&format!("{what} from a player"), &|| OverUdp::player(rtsp).flood(packet));
    }
    beside.stop();
}

/// A server that we fetch from; `begin` says what it says first.
fn upstream(listener: &TcpListener, program: &Program, name: &str, begin: &fn(&mut TcpStream), data: &[u8]) {
    let _viewer = asked(program.http, &format!("GET /live/{name}.flv HTTP/1.1\r\nHost: h\r\n\r\n"));
    let connected = || {
        SockRef::from(listener).set_read_timeout(Some(PATIENCE)).unwrap();
        let (mut socket, _) = listener.accept().unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        begin(&mut socket);
        socket
    };
    let first = std::cell::Cell::new(Some(connected()));
    // one that has gone away comes back after a while
    send(&|| first.take().unwrap_or_else(connected), data, Instant::now() + length());
}

fn greets(socket: &mut TcpStream) {
    let mut hello = [0; 1537];
    socket.read_exact(&mut hello).unwrap();
    socket.write_all(&[&[3][..], &[0; 1536], &hello[1..]].concat()).unwrap();
}

/// Plays as an RTMP server up to the media.
fn plays(socket: &mut TcpStream) {
    let limits = Limits { max_message: 1 << 20, max_answers: 1 << 20 };
    let mut server = Server::new(limits, 7, Account::root("upstream", 1 << 24));
    let (mut rest, mut playing) = (Vec::new(), false);
    while !playing {
        let mut buffer = [0; 4096];
        let len = socket.read(&mut buffer).unwrap();
        assert!(len > 0, "it has hung up");
        rest.extend_from_slice(&buffer[..len]);
        loop {
            let used = server.input(&rest).unwrap();
            rest.drain(..used);
            while let Some(event) = server.event() {
                if matches!(event, Event::Play(_)) {
                    server.accept();
                    playing = true;
                }
            }
            if used == 0 || rest.is_empty() {
                break;
            }
        }
        let said = std::mem::take(server.transmit());
        socket.write_all(&said).unwrap();
    }
}

/// An FLV file of `tag` many times over.
fn movie(name: &str, tag: &[u8]) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.flv", std::process::id()));
    let head =
        [&b"FLV\x01\x05\0\0\0\x09\0\0\0\0"[..], &[8, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0xaf, 0, 0x12, 0x10, 0, 0, 0, 15]];
    std::fs::write(&path, [head.concat(), tag.repeat((8 << 20) / tag.len())].concat()).unwrap();
    path
}

/// The bytes that an upstream sends first, and those that it sends without end.
type Upstream = (&'static str, fn(&mut TcpStream), &'static [u8]);

const OVER_RTMP: [Upstream; 6] = [
    ("zeros instead of a greeting", |_| {}, &[0]),
    ("pings before an answer", greets, PING),
    ("pings while it plays", plays, PING),
    ("chunks of nothing while it plays", plays, &[4, 0, 0, 0, 0, 0, 0, 9, 1, 0, 0, 0]),
    ("sounds of a byte", plays, &[4, 0, 0, 0, 0, 0, 1, 8, 1, 0, 0, 0, 0xaf, 0xc4, 0xaf]),
    ("sounds of three bytes", plays, &[4, 0, 0, 0, 0, 0, 3, 8, 1, 0, 0, 0, 0xaf, 1, 0]),
];
const OVER_RTSP: [Upstream; 4] = [
    ("empty lines", |_| {}, b"\r\n"),
    ("empty packets", |_| {}, b"$\0\0\0"),
    ("answers to nothing", |_| {}, b"RTSP/1.0 200 OK\r\nCSeq: 99\r\n\r\n"),
    ("requests", |_| {}, b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"),
];
const PING: &[u8] = &[2, 0, 0, 0, 0, 0, 6, 4, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0];
const MOVIES: [(&str, &[u8]); 3] = [
    ("sounds", &[8, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0xaf, 1, 0, 0, 0, 0, 14]),
    ("nothing", &[8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11]),
    ("scripts", &[18, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 12]),
];

/// A table that has `url` fetched as `name` while somebody watches.
fn pull(name: &str, url: &str) -> String {
    format!("[[pull]]\nstream = \"{name}\"\nurl = \"{url}\"\non_demand = true\n")
}

#[test]
fn no_upstream_holds_the_server() {
    // each has a name of its own: after a failure a name is left alone for longer and longer
    let over = |scheme: &'static str, all: &'static [Upstream]| {
        all.iter().map(move |what| (scheme, what, listener())).collect::<Vec<_>>()
    };
    let mut all = over("rtmp", &OVER_RTMP);
    all.extend(over("rtsp", &OVER_RTSP));
    let url = |(scheme, _, listener): &(&str, _, TcpListener)| {
        format!("{scheme}://{}/live/x", listener.local_addr().unwrap())
    };
    let pulls: String = (0..).zip(&all).map(|(number, one)| pull(&format!("u{number}"), &url(one))).collect();
    let program = Program::start(&format!("profile = \"box\"\n{pulls}"));
    if program.rtsp.is_none() || program.is_emulated() {
        return;
    }
    let beside = Beside::start(&program);
    for (number, (scheme, (what, begin, data), listener)) in (0..).zip(&all) {
        let attack = || upstream(listener, &program, &format!("u{number}"), begin, data);
        beside.bears(&format!("{what} by {scheme}"), &attack);
    }
    beside.stop();
}

#[test]
fn no_file_holds_the_server() {
    let files = MOVIES.map(|(name, tag)| (name, movie(name, tag)));
    let pulls = files.each_ref().map(|(name, path)| pull(name, &format!("file:{}", path.display()))).concat();
    let program = Program::start(&format!("profile = \"box\"\n{pulls}"));
    if program.rtsp.is_some() && !program.is_emulated() {
        let beside = Beside::start(&program);
        for (name, _) in &files {
            beside.bears(&format!("a file of {name}"), &|| {
                let _viewer = asked(program.http, &format!("GET /live/{name}.flv HTTP/1.1\r\nHost: h\r\n\r\n"));
                std::thread::sleep(length());
            });
        }
        beside.stop();
    }
    files.iter().for_each(|(_, path)| std::fs::remove_file(path).unwrap());
}
