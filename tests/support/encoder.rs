//! An encoder's half of an RTMP conversation, written by hand: nothing here knows
//! how runnel writes chunks.

#![allow(dead_code, reason = "each test uses a part")]

use hmac::{Hmac, KeyInit, Mac};
use runnel::container::amf::{self, Value};
use sha2::Sha256;

pub const AUDIO: u8 = 8;
pub const VIDEO: u8 = 9;
pub const DATA: u8 = 18;
pub const COMMAND: u8 = 20;

/// The fields of a chunk's message header.
#[derive(Clone, Copy)]
pub struct Head {
    pub format: u8,
    pub csid: u32,
    /// The timestamp, or the difference to the last one.
    pub time: u32,
    pub kind: u8,
    pub stream: u32,
    /// True if format 3 chunks repeat an extended timestamp.
    pub repeats: bool,
}

impl Head {
    /// A format 0 header, as the media of a published stream have it.
    pub fn media(csid: u32, kind: u8, time: u32) -> Self {
        Self { format: 0, csid, time, kind, stream: 1, repeats: true }
    }
}

/// A message in chunks of `size` bytes. RTMP 1.0 section 5.3.1.
pub fn chunks(head: Head, payload: &[u8], size: usize) -> Vec<Vec<u8>> {
    let extended = head.time >= 0xff_ffff;
    let mut parts = payload.chunks(size);
    let mut first = basic(head.format, head.csid);
    if head.format < 3 {
        first.extend(&head.time.min(0xff_ffff).to_be_bytes()[1..]);
    }
    if head.format < 2 {
        first.extend(&(payload.len() as u32).to_be_bytes()[1..]);
        first.push(head.kind);
    }
    if head.format == 0 {
        first.extend(head.stream.to_le_bytes());
    }
    if extended && (head.format < 3 || head.repeats) {
        first.extend(head.time.to_be_bytes());
    }
    first.extend(parts.next().unwrap_or_default());
    let rest = parts.map(|part| {
        let mut chunk = basic(3, head.csid);
        if extended && head.repeats {
            chunk.extend(head.time.to_be_bytes());
        }
        chunk.extend(part);
        chunk
    });
    std::iter::once(first).chain(rest).collect()
}

/// Chunks of two messages, one of each in turn.
pub fn interleave(a: Vec<Vec<u8>>, b: Vec<Vec<u8>>) -> Vec<u8> {
    let (mut a, mut b) = (a.into_iter(), b.into_iter());
    let mut out = Vec::new();
    loop {
        match (a.next(), b.next()) {
            (None, None) => return out,
            pair => out.extend([pair.0, pair.1].into_iter().flatten().flatten()),
        }
    }
}

/// Basic header in its one, two and three byte forms. Section 5.3.1.1.
fn basic(format: u8, csid: u32) -> Vec<u8> {
    match csid {
        2..64 => vec![format << 6 | csid as u8],
        64..320 => vec![format << 6, (csid - 64) as u8],
        _ => vec![format << 6 | 1, ((csid - 64) & 0xff) as u8, ((csid - 64) >> 8) as u8],
    }
}

/// The bytes that an encoder has sent so far.
pub struct Encoder {
    pub bytes: Vec<u8>,
    /// The chunk size that it has announced.
    pub chunk: usize,
}

impl Encoder {
    /// C0, C1 and C2.
    pub fn new(c1: &[u8]) -> Self {
        Self { bytes: [&[3], c1, &[0xc2; 1536]].concat(), chunk: 128 }
    }

    /// A simple handshake, `connect` and `publish`.
    pub fn publishing(name: &str) -> Self {
        let mut encoder = Self::new(&simple());
        encoder.connect();
        encoder.command("createStream", 2.0, &[Value::Null]);
        encoder.command("publish", 0.0, &[Value::Null, Value::text(name), Value::text("live")]);
        encoder
    }

    pub fn connect(&mut self) {
        let object = Value::object([("app", Value::text("live")), ("tcUrl", Value::text("rtmp://h/live"))]);
        self.command("connect", 1.0, &[object]);
    }

    pub fn message(&mut self, head: Head, payload: &[u8]) {
        self.bytes.extend(chunks(head, payload, self.chunk).concat());
    }

    pub fn media(&mut self, kind: u8, time: u32, payload: &[u8]) {
        let csid = if kind == VIDEO { 6 } else { 4 };
        self.message(Head::media(csid, kind, time), payload);
    }

    /// A message of protocol or user control.
    pub fn control(&mut self, kind: u8, payload: &[u8]) {
        self.message(Head { format: 0, csid: 2, time: 0, kind, stream: 0, repeats: true }, payload);
    }

    pub fn set_chunk_size(&mut self, size: u32) {
        self.control(1, &size.to_be_bytes());
        self.chunk = size as usize;
    }

    pub fn command(&mut self, name: &str, transaction: f64, args: &[Value]) {
        let payload = command(name, transaction, args);
        self.message(Head { stream: 0, ..Head::media(3, COMMAND, 0) }, &payload);
    }
}

/// The payload of a command message.
pub fn command(name: &str, transaction: f64, args: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    amf::write(&mut out, &Value::text(name));
    amf::write(&mut out, &Value::Number(transaction));
    args.iter().for_each(|value| amf::write(&mut out, value));
    out
}

/// C1 of the simple handshake.
pub fn simple() -> Vec<u8> {
    let filler = (0..1528u32).map(|at| (at * 7 + 1) as u8);
    [0; 8].into_iter().chain(filler).collect()
}

/// C1 with a digest behind the offset that stands at `base`: 8 or 772.
pub fn digested(base: usize) -> Vec<u8> {
    let mut c1 = simple();
    c1[4..8].copy_from_slice(&[9, 0, 124, 2]);
    let distance: usize = c1[base..base + 4].iter().map(|byte| usize::from(*byte)).sum();
    let at = base + 4 + distance % 728;
    let mut mac = Hmac::<Sha256>::new_from_slice(b"Genuine Adobe Flash Player 001").unwrap();
    mac.update(&c1[..at]);
    mac.update(&c1[at + 32..]);
    c1[at..at + 32].copy_from_slice(&mac.finalize().into_bytes());
    c1
}
