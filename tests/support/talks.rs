//! Conversations for every machine: what one side says from the first byte on.

#![allow(dead_code, reason = "each test uses a part")]

use runnel::budget::Account;
use runnel::container::amf::{self, Value};
use runnel::media::{Codec, Ticks, Tracks};
use runnel::proto::rtmp::{self, Address, Client, Limits, Role};
use runnel::proto::{Machine, http};

use super::drive::React;
use super::encoder::{AUDIO, COMMAND, DATA, Encoder, Head, VIDEO, chunks, command, digested, interleave, simple};
use super::records;

/// Bytes that the messages of a conversation may take at once.
pub const ROOM: usize = 64 << 10;

pub fn account() -> Account {
    Account::root("conversation", ROOM)
}

pub fn rtmp_server(account: Account) -> rtmp::Server {
    rtmp::Server::new(Limits { max_message: 16 << 10, max_answers: 16 << 10 }, 7, account)
}

pub fn rtmp_client(role: Role, account: Account) -> Client {
    Client::new(role, Address::new("rtmp://127.0.0.1", "live", "test"), 16 << 10, 7, account)
}

pub fn http_server() -> http::Server {
    http::Server::new(1024)
}

/// An encoder that does all that encoders do, and that some do.
pub fn publisher() -> Vec<u8> {
    let mut it = Encoder::new(&simple());
    it.control(5, &(1u32 << 20).to_be_bytes());
    it.connect();
    let name = || Value::text("test?key=1");
    for call in ["releaseStream", "FCPublish", "_checkbw", "somethingNew"] {
        it.command(call, 2.0, &[Value::Null, name()]);
    }
    it.set_chunk_size(50);
    it.command("createStream", 3.0, &[Value::Null]);
    // an AMF3 command: a version, then AMF0
    let publish = command("publish", 4.0, &[Value::Null, name(), Value::text("live")]);
    it.message(
        Head { format: 0, csid: 8, time: 0, kind: 17, stream: 1, repeats: true },
        &[&[0], &publish[..]].concat(),
    );
    let metadata = metadata();
    it.message(Head::media(5, DATA, 0), &metadata);
    it.message(Head::media(5, 15, 0), &[&[0], &metadata[..]].concat());
    it.media(VIDEO, 0, &[&[0x17, 0, 0, 0, 0][..], &records::record(Codec::H264)].concat());
    it.media(AUDIO, 0, &[0xaf, 0, 0x12, 0x10]);
    interleaved(&mut it);
    extended(&mut it);
    it.message(Head::media(7, 22, 0x0200_0000), &aggregate());
    it.control(4, &[0, 6, 0, 0, 0, 9]); // ping
    abandoned(&mut it);
    it.command("FCUnpublish", 5.0, &[Value::Null, name()]);
    it.command("deleteStream", 6.0, &[Value::Null, Value::Number(1.0)]);
    it.bytes
}

/// A picture and two sounds, in chunks that alternate, in all header formats and
/// on chunk streams whose ids take one, two and three bytes.
fn interleaved(it: &mut Encoder) {
    for (n, (video, audio)) in [(6, 4), (80, 90), (400, 64)].into_iter().enumerate() {
        let picture = chunks(Head::media(video, VIDEO, 40 * n as u32), &tag(0x27, 170), it.chunk);
        let sound = chunks(Head::media(audio, AUDIO, 40 * n as u32), &tag(0xaf, 70), it.chunk);
        it.bytes.extend(interleave(picture, sound));
        for format in [1, 2, 3] {
            it.message(Head { format, time: 20, ..Head::media(audio, AUDIO, 0) }, &tag(0xaf, 70));
        }
    }
}

/// Timestamps beyond 24 bits, as themselves, as differences, and at the edge.
fn extended(it: &mut Encoder) {
    for time in [0xff_fffe, 0xff_ffff, 0x0100_0000, u32::MAX] {
        it.message(Head::media(6, VIDEO, time), &tag(0x27, 120));
    }
    it.message(Head { format: 1, ..Head::media(6, VIDEO, 0x0100_0001) }, &tag(0x27, 120));
    it.message(Head { format: 2, ..Head::media(6, VIDEO, 0x0100_0002) }, &tag(0x27, 120));
}

/// A message that is begun, given up, and begun again.
fn abandoned(it: &mut Encoder) {
    let begun = chunks(Head::media(6, VIDEO, 50), &tag(0x27, 170), it.chunk);
    it.bytes.extend(&begun[0]);
    it.control(2, &6u32.to_be_bytes());
    it.media(VIDEO, 60, &tag(0x27, 90));
}

/// Sound and pictures as FLV tags in one message. RTMP 1.0 section 7.1.6.
fn aggregate() -> Vec<u8> {
    let mut out = Vec::new();
    for (kind, time, body) in [(VIDEO, 5u32, tag(0x27, 40)), (AUDIO, 10, tag(0xaf, 30)), (DATA, 15, metadata())] {
        let len = (body.len() as u32).to_be_bytes();
        let [high, mid, low] = [time >> 16, time >> 8, time].map(|byte| byte as u8);
        out.extend([kind, len[1], len[2], len[3], high, mid, low, 0, 0, 0, 0]);
        out.extend(&body);
        out.extend((body.len() as u32 + 11).to_be_bytes());
    }
    out
}

/// A legacy tag of `len` bytes.
fn tag(first: u8, len: usize) -> Vec<u8> {
    let filler = (0..len.saturating_sub(5)).map(|at| at as u8);
    [first, 1, 0, 0, 0].into_iter().chain(filler).take(len).collect()
}

fn metadata() -> Vec<u8> {
    let mut out = Vec::new();
    amf::write(&mut out, &Value::text("@setDataFrame"));
    amf::write(&mut out, &Value::text("onMetaData"));
    let members = [("width", 640.0), ("framerate", 25.0), ("videodatarate", 800.0)];
    amf::write(&mut out, &Value::Ecma(members.map(|(name, value)| (name.into(), Value::Number(value))).into()));
    out
}

/// A librtmp of old, which does not repeat extended timestamps. Once that is
/// known, what looks like one at the start of a chunk is data.
pub fn old_publisher() -> Vec<u8> {
    let mut it = Encoder::publishing("test");
    for time in [0x0100_0000u32, 0x0100_0028] {
        let mut body = tag(0x27, 700);
        body[256..260].copy_from_slice(&time.to_be_bytes());
        it.message(Head { repeats: false, ..Head::media(6, VIDEO, time) }, &body);
    }
    it.media(AUDIO, 10, &tag(0xaf, 100));
    it.bytes
}

/// A Flash player with digests at `base`, which says what it reads.
pub fn player(base: usize) -> Vec<u8> {
    let mut it = Encoder::new(&digested(base));
    let codecs = Value::List(vec![Value::text("av01"), Value::text("hvc1")]);
    let object = Value::object([
        ("app", Value::text("live/_definst_")),
        ("objectEncoding", Value::Number(3.0)),
        ("fourCcList", codecs),
        ("capsEx", Value::Number(2.0)),
    ]);
    it.command("connect", 1.0, &[object]);
    it.command("createStream", 2.0, &[Value::Null]);
    it.command("FCSubscribe", 3.0, &[Value::Null, Value::text("test")]);
    it.command("getStreamLength", 4.0, &[Value::Null, Value::text("test")]);
    let play = command("play", 0.0, &[Value::Null, Value::text("test"), Value::Number(-2000.0)]);
    it.message(Head { format: 0, csid: 8, time: 0, kind: COMMAND, stream: 1, repeats: true }, &play);
    it.control(4, &[0, 3, 0, 0, 0, 1, 0, 0, 0x0b, 0xb8]); // buffer length
    it.control(3, &3000u32.to_be_bytes()); // acknowledgement
    it.command("pause", 0.0, &[Value::Null, Value::Boolean(true)]);
    it.command("receiveVideo", 5.0, &[Value::Null, Value::Boolean(false)]);
    it.command("publish", 0.0, &[Value::Null, Value::text("other")]); // it plays already
    it.command("closeStream", 0.0, &[Value::Null]);
    it.bytes
}

/// The server's bytes to our own client, with the media that it plays.
pub fn server(role: Role) -> Vec<u8> {
    let (mut client, mut server) = (rtmp_client(role, account()), rtmp_server(account()));
    let mut said = Vec::new();
    loop {
        let asked = std::mem::take(client.transmit());
        if asked.is_empty() {
            break;
        }
        tell(&mut server, &asked);
        let answer = std::mem::take(server.transmit());
        tell(&mut client, &answer);
        said.extend(answer);
    }
    if role == Role::Play {
        said.extend(media());
    }
    // a ping, and what a client of ours has no use for
    let mut rest = Encoder { bytes: said, chunk: rtmp::CHUNK_SIZE };
    rest.control(4, &[0, 6, 0, 0, 0, 9]);
    rest.control(6, &[0, 0x26, 0x25, 0xa0, 2]);
    rest.bytes
}

fn tell<M: React>(machine: &mut M, mut data: &[u8]) {
    while !data.is_empty() {
        let used = machine.input(data).unwrap_or_else(|error| panic!("{error}"));
        assert!(used > 0, "{} bytes are left over", data.len());
        data = &data[used..];
        while let Some(event) = machine.event() {
            machine.react(&event);
        }
    }
}

/// Tracks, pictures and sound as players get them.
fn media() -> Vec<u8> {
    let mut mux = (rtmp::RTMP.mux)();
    let mut tracks = Tracks::default();
    let (video, audio) = (records::track(0, Codec::H265), records::track(0, Codec::Aac));
    tracks.set(video.clone());
    tracks.set(audio.clone());
    let mut out = mux.head(&tracks, Ticks(0)).to_vec();
    for n in 0..4 {
        for frame in [records::frame(&video, n << 23, 40, n == 0, 600), records::frame(&audio, n << 23, 0, true, 90)] {
            let track = tracks.find(frame.kind, 0).unwrap();
            let packed = mux.frame(track, &frame, &account()).unwrap().unwrap();
            packed.slices().for_each(|slice| out.extend_from_slice(slice));
        }
    }
    out
}

/// Requests that follow each other, and one that upgrades.
pub fn requests() -> Vec<u8> {
    [
        "GET /live/test.flv?token=a%20b HTTP/1.1\r\nHost: h\r\nUser-Agent: x/1\r\n\r\n",
        "HEAD http://h:8080/hls/test.m3u8 HTTP/1.1\r\nhost: h\r\nAccept: */*\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: h\r\nOrigin: http://p\r\n\r\n",
        "POST /metrics HTTP/1.1\r\nHost: h\r\nContent-Length: 25\r\n\r\nGET / HTTP/1.1\r\nHost: no\r\n",
        "\r\n", // a client may leave one behind its body. RFC 9112 section 2.2
        "POST /chunks HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n\
         5\r\nGET /\r\n13;x=y\r\n HTTP/1.1\r\nHost: no\r\n0\r\nDigest: x\r\n\r\n",
        "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "GET /live/test.flv HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        "GET /late HTTP/1.1\r\nHost: h\r\n\r\n",
    ]
    .concat()
    .into_bytes()
}

/// Frames of a WebSocket client: data in all three length forms and in parts,
/// pings between, and the end.
pub fn frames() -> Vec<u8> {
    let mut out = Vec::new();
    for (first, len) in [(0x81, 5), (0x89, 0), (0x02, 200), (0x89, 4), (0x80, 125), (0x82, 70_000), (0x8a, 3)] {
        ws_frame(&mut out, first, &vec![first; len]);
    }
    ws_frame(&mut out, 0x89, b"still there?");
    ws_frame(&mut out, 0x88, &[0x03, 0xe8, b'b', b'y', b'e']);
    out
}

/// A masked frame. RFC 6455 section 5.2.
pub fn ws_frame(out: &mut Vec<u8>, first: u8, payload: &[u8]) {
    const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
    out.push(first);
    match payload.len() {
        len @ 0..126 => out.push(0x80 | len as u8),
        len @ 126..65_536 => out.extend([&[0x80 | 126][..], &(len as u16).to_be_bytes()].concat()),
        len => out.extend([&[0x80 | 127][..], &(len as u64).to_be_bytes()].concat()),
    }
    out.extend(MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}
