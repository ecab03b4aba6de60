//! Peers of the real binary: sockets of the standard library, in blocking calls.

#![allow(dead_code, reason = "each test uses a part")]

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use runnel::budget::Account;
use runnel::container::flv::{self, TagKind};
use runnel::media::Codec;
use runnel::proto::Machine;
use runnel::proto::rtmp::{Address, Client, ClientEvent, Role};
use runnel::wire::Reader;

use super::program::{PATIENCE, dial};
use super::records;

pub const AUDIO: u8 = 8;
pub const VIDEO: u8 = 9;

pub fn connect(address: SocketAddr) -> TcpStream {
    let socket = dial(address);
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

/// An RTMP client.
pub struct Rtmp {
    pub socket: TcpStream,
    machine: Client,
    rest: Vec<u8>,
    events: VecDeque<ClientEvent>,
}

impl Rtmp {
    /// Connects; what becomes of the request is the first `event`.
    pub fn new(address: SocketAddr, role: Role, name: &str) -> Self {
        Self::at(address, role, Address::new("rtmp://127.0.0.1", "live", name))
    }

    /// The same, where the server is told these parts of a URL.
    pub fn at(address: SocketAddr, role: Role, told: Address) -> Self {
        let account = Account::root("client", 16 << 20);
        let machine = Client::new(role, told, 4 << 20, 7, account);
        Self { socket: connect(address), machine, rest: Vec::new(), events: VecDeque::new() }
    }

    /// One that publishes H.264 and AAC, and is let in.
    pub fn publisher(address: SocketAddr, name: &str) -> Self {
        let mut it = Self::new(address, Role::Publish, name);
        assert_eq!(it.event(), Some(ClientEvent::Started));
        it.tracks();
        it
    }

    /// Says that H.264 and AAC come.
    pub fn tracks(&mut self) {
        self.send(VIDEO, 0, &[&[0x17, 0, 0, 0, 0][..], &records::record(Codec::H264)].concat()).unwrap();
        self.send(AUDIO, 0, &[&[0xaf, 0][..], &records::record(Codec::Aac)].concat()).unwrap();
    }

    /// The server's next event; `None` if it has closed the connection.
    pub fn event(&mut self) -> Option<ClientEvent> {
        loop {
            self.flush().ok()?;
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            self.take_in()?;
        }
    }

    /// Takes up to 16 KiB from the socket; `None` if the server has closed the connection.
    pub fn take_in(&mut self) -> Option<()> {
        let mut buffer = [0; 16 << 10];
        match self.socket.read(&mut buffer) {
            Ok(0) => return None,
            Ok(len) => self.rest.extend(&buffer[..len]),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return None,
            Err(error) => panic!("{error}"),
        }
        self.digest();
        Some(())
    }

    /// The code with which the server refuses, if it does.
    pub fn refusal(&mut self) -> Option<String> {
        match self.event() {
            // its description is behind the code
            Some(ClientEvent::Refused(why)) => why.split(": ").next().map(str::to_string),
            other => panic!("{other:?}"),
        }
    }

    pub fn send(&mut self, kind: u8, time: u32, body: &[u8]) -> io::Result<()> {
        self.machine.send_media(kind, time, body);
        self.flush()
    }

    /// Sends messages of a kind in one piece.
    pub fn send_at_once(&mut self, kind: u8, bodies: &[Vec<u8>]) {
        bodies.iter().for_each(|body| self.machine.send_media(kind, 0, body));
        self.flush().unwrap();
    }

    /// Sends a picture: a slice of `len` bytes that begins with a number.
    pub fn picture(&mut self, time: u32, key: bool, number: u32, len: usize) -> io::Result<()> {
        let mut body = vec![if key { 0x17 } else { 0x27 }, 1, 0, 0, 0];
        body.extend((len as u32).to_be_bytes());
        body.push(if key { 0x65 } else { 0x41 });
        body.extend(number.to_be_bytes());
        body.resize(9 + len, 0x55);
        self.send(VIDEO, time, &body)
    }

    fn flush(&mut self) -> io::Result<()> {
        let out = std::mem::take(self.machine.transmit());
        self.socket.write_all(&out)
    }

    fn digest(&mut self) {
        let mut at = 0;
        loop {
            match self.machine.input(&self.rest[at..]) {
                Ok(0) => break,
                Ok(used) => at += used,
                Err(error) => panic!("what the server says is no RTMP: {error}"),
            }
            self.events.extend(std::iter::from_fn(|| self.machine.event()));
        }
        self.rest.drain(..at);
    }
}

/// Looks at the metrics until they are as `wanted`.
pub fn until(http: SocketAddr, what: &str, wanted: impl Fn(&str) -> bool) -> String {
    let mut asking = Http::new(http);
    let begun = Instant::now();
    loop {
        let page = asking.get("/metrics").text();
        if wanted(&page) {
            return page;
        }
        assert!(begun.elapsed() < PATIENCE, "{what} does not come:\n{page}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The number in a picture, as `Rtmp::picture` wrote it.
pub fn number(body: &[u8]) -> u32 {
    u32::from_be_bytes(body[10..14].try_into().unwrap())
}

/// An HTTP client.
pub struct Http {
    pub socket: TcpStream,
    rest: Vec<u8>,
}

/// A response to it.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Http {
    pub fn new(address: SocketAddr) -> Self {
        Self { socket: connect(address), rest: Vec::new() }
    }

    /// Asks for `path` and reads the head of the response.
    pub fn open(&mut self, path: &str) -> Response {
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
        // one that is turned away may be closed before it has spoken
        let _ = self.socket.write_all(request.as_bytes());
        self.head()
    }

    pub fn head(&mut self) -> Response {
        let end = loop {
            match self.rest.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(end) => break end + 4,
                None => assert!(self.read() > 0, "closed in the head: {}", self.rest.escape_ascii()),
            }
        };
        let head = String::from_utf8(self.rest.drain(..end).collect()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Response { status, head, body: Vec::new() }
    }

    /// Asks for `path` and reads the whole response.
    pub fn get(&mut self, path: &str) -> Response {
        let response = self.open(path);
        self.body(response)
    }

    /// Reads what belongs to a response's head.
    pub fn body(&mut self, mut response: Response) -> Response {
        let length = response.head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let length = length.unwrap().parse().unwrap();
        while self.rest.len() < length {
            assert!(self.read() > 0, "closed in the body");
        }
        response.body = self.rest.drain(..length).collect();
        response
    }

    /// The bytes that were read and not looked at.
    pub fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.rest)
    }

    /// The next tag of an FLV stream; the file header goes first and is passed over.
    pub fn tag(&mut self) -> (TagKind, u32, Vec<u8>) {
        loop {
            if self.rest.starts_with(b"FLV") && self.rest.len() >= 13 {
                self.rest.drain(..13);
            }
            let mut reader = Reader::new(&self.rest);
            if let Ok(tag) = flv::read_tag(&mut reader) {
                let found = (tag.kind.unwrap(), tag.timestamp, tag.body.to_vec());
                let used = self.rest.len() - reader.len();
                self.rest.drain(..used);
                return found;
            }
            assert!(self.read() > 0, "the stream ends");
        }
    }

    /// The next picture of an FLV stream.
    pub fn picture(&mut self) -> Vec<u8> {
        loop {
            let (kind, _, body) = self.tag();
            if kind == TagKind::Video && body[1] == 1 {
                return body;
            }
        }
    }

    fn read(&mut self) -> usize {
        let mut buffer = [0; 16 << 10];
        let len = self.socket.read(&mut buffer).unwrap();
        self.rest.extend(&buffer[..len]);
        len
    }
}

impl Response {
    pub fn has(&self, field: &str) -> bool {
        self.head.lines().any(|line| line == field)
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

/// A figure of `/metrics`; 0 if it is not there yet.
pub fn metric(page: &str, name: &str) -> u64 {
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().unwrap())
}
