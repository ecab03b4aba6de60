//! Plays a camera's side of a conversation that was written down, and checks ours.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use runnel::budget::Account;
use runnel::media::{Frame, Track};
use runnel::proto::rtp::{Demux, Event};
use runnel::proto::rtsp::{Client, ClientEvent, Lower, Message, Purpose, Request, Transport, message};
use runnel::proto::{Machine, Url};

use crate::receiver::PATIENCE;
use crate::records::hex;

/// A client of ours in front of a camera.
pub struct Scene {
    pub client: Client,
    pub events: Vec<ClientEvent>,
    pub tracks: Vec<Track>,
    pub frames: Vec<Frame>,
    pub lost: usize,
    demux: Demux,
    account: Account,
    /// The way of each track that was set up, and its number in `demux`.
    ways: Vec<(usize, Transport)>,
    numbers: Vec<Option<usize>>,
    now: Instant,
    cseq: String,
}

/// Runs the conversation in `tests/rtsp/cameras`.
pub fn run(name: &str) -> Scene {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/rtsp/cameras/{name}.txt"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let url = text.lines().find_map(|line| line.strip_prefix("@ ")).expect("a URL");
    let mut scene = Scene::new(url);
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(mark) = line.chars().next() else { continue };
        let mut block = vec![line[1..].trim_start()];
        while let Some(line) = lines.next_if(|line| matches!(mark, '>' | '<') && line.starts_with(mark)) {
            block.push(line[1..].trim_start());
        }
        match mark {
            '>' => scene.expect(&block),
            '<' => scene.answer(&block),
            '$' => scene.packet(block[0]),
            '!' => scene.keep_alive(),
            _ => {}
        }
    }
    assert_eq!(String::from_utf8_lossy(scene.client.transmit()), "", "nothing more was to be asked");
    scene
}

impl Scene {
    fn new(url: &str) -> Self {
        let account = Account::root("camera", 1 << 20);
        let (now, cseq) = (Instant::now(), String::new());
        let client = Client::new(&Url::parse(url).unwrap(), Purpose::Play, Lower::Tcp, 7, account.clone(), now);
        let (events, tracks, frames, ways, numbers) = Default::default();
        let demux = Demux::new(64 << 10, PATIENCE);
        Self { client, events, tracks, frames, lost: 0, demux, account, ways, numbers, now, cseq }
    }

    /// The session has lasted for half of its timeout.
    fn keep_alive(&mut self) {
        let due = self.client.deadline().expect("it has begun");
        self.client.timeout(due - Duration::from_millis(1));
        assert!(self.client.transmit().is_empty(), "it is not time yet");
        self.client.timeout(due);
        assert_eq!(self.client.deadline(), Some(due + self.client.session_timeout() / 2));
    }

    /// The next request is this one.
    fn expect(&mut self, block: &[&str]) {
        let said = std::mem::take(self.client.transmit());
        let Ok(Some((length, Message::Request(request)))) = message::read(&said, 4096) else {
            panic!("no request, but {:?} is wanted", block[0])
        };
        assert_eq!(length, said.len(), "one request at a time");
        let Request { method, url, fields, .. } = request;
        assert_eq!(format!("{} {url}", method.name()), block[0]);
        for field in &block[1..] {
            if let Some(name) = field.strip_prefix('!') {
                assert_eq!(fields.get(name), None, "{}: {name}", block[0]);
            } else {
                let (name, value) = field.split_once(": ").unwrap();
                assert_eq!(fields.get(name), Some(value), "{}: {name}", block[0]);
            }
        }
        self.cseq = fields.get("CSeq").expect("a number").into();
    }

    fn answer(&mut self, block: &[&str]) {
        let end = block.iter().position(|line| line.is_empty()).unwrap();
        let body: String = block[end + 1..].iter().map(|line| format!("{line}\r\n")).collect();
        let head = block[..=end].iter().map(|line| match *line {
            "CSeq: *" => format!("CSeq: {}\r\n", self.cseq),
            "Content-Length: *" => format!("Content-Length: {}\r\n", body.len()),
            line => format!("{line}\r\n"),
        });
        let text = head.collect::<String>() + &body;
        self.feed(text.as_bytes());
    }

    /// A packet, inside the connection or as a datagram.
    fn packet(&mut self, line: &str) {
        let (channel, data) = line.split_once(' ').unwrap();
        let (channel, data) = (channel.parse::<u8>().unwrap(), hex(data));
        let over_udp = self.ways.iter().any(|(_, way)| way.lower == Lower::Udp);
        if over_udp {
            let (track, _) = self.ways[usize::from(channel / 2)];
            return self.rtp(track, &data.into());
        }
        let head = [b'$', channel, (data.len() >> 8) as u8, data.len() as u8];
        self.feed(&[&head[..], &data].concat());
    }

    fn feed(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let used = self.client.input(data).unwrap_or_else(|error| panic!("{error}"));
            assert!(used > 0, "{} bytes are left over", data.len());
            data = &data[used..];
            while let Some(event) = self.client.event() {
                self.react(&event);
                self.events.push(event);
            }
        }
    }

    fn react(&mut self, event: &ClientEvent) {
        match event {
            ClientEvent::Described(description) => {
                self.numbers = description.medias.iter().map(|media| self.demux.add(&media.formats)).collect();
                self.tracks.extend(self.demux.tracks().cloned());
                let wanted = self.numbers.iter().enumerate().filter(|(_, number)| number.is_some());
                self.client.choose(wanted.map(|(track, _)| track));
            }
            ClientEvent::WantsPorts(track) => {
                let port = 6000 + 2 * *track as u16;
                self.client.ports(Some((port, port + 1)));
            }
            ClientEvent::SetUp(track, transport) => self.ways.push((*track, transport.clone())),
            ClientEvent::Packet { channel, data } => {
                let on = |(_, way): &&(usize, Transport)| way.interleaved.is_some_and(|(rtp, _)| rtp == *channel);
                let track = self.ways.iter().find(on).map(|(track, _)| *track);
                self.rtp(track.unwrap_or_else(|| panic!("nobody set up channel {channel}")), data);
            }
            _ => {}
        }
    }

    fn rtp(&mut self, track: usize, data: &Bytes) {
        let Self { demux, account, now, tracks, frames, lost, .. } = self;
        demux.rtp(self.numbers[track].unwrap(), *now, data, account, &mut |event| match event {
            Event::Track(track) => tracks.push(track),
            Event::Frame(frame) => frames.push(frame),
            Event::Lost(..) => *lost += 1,
        });
    }

    /// The way of each track that was set up.
    pub fn ways(&self) -> Vec<&Transport> {
        self.ways.iter().map(|(_, way)| way).collect()
    }
}
