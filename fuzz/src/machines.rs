//! Conversations with every machine.

use std::fmt::Debug;
use std::sync::OnceLock;

use runnel::budget::Account;
use runnel::proto::rtmp::Role;
use runnel::proto::rtsp::{Lower, Purpose};
use runnel::proto::ws;

use crate::drive::{Dice, Guarded, Outcome, React, converse};
use crate::encoder::{Encoder, simple};
use crate::{answers, rtsp_talks, talks};

/// C0, C1 and C2, or S0, S1 and S2: random bytes for the most part.
const HANDSHAKE: usize = 1 + 2 * 1536;
/// The most that a machine may answer at once: a handshake, or a message that repeats
/// what it was asked.
const ANSWER: usize = HANDSHAKE + 1024 + 2 * (4 << 10);
/// The most that it may answer to each byte.
const ANSWER_BY_BYTE: usize = 32;

/// The first byte of an input: its account has little room.
const SMALL: u8 = 1;
/// Nothing is put before it.
const RAW: u8 = 2;
/// Bits that choose one of two instructions.
const OTHER: u8 = 4;
const THIRD: u8 = 8;

/// A machine and what it hears give back all that they were charged for, say little,
/// report no more than they heard, and hear the same however it is cut.
fn endures<M>(options: u8, new: impl Fn(Account) -> M, data: &[u8])
where
    M: React,
    M::Event: Debug + PartialEq,
{
    let (longest, cuts) = cuts(options, data);
    let (account, whole) = hear(options, &new, data, Vec::new());
    let (other, cut) = hear(options, &new, data, cuts);
    assert_eq!((&whole.events, &whole.error), (&cut.events, &cut.error), "cut into at most {longest}");
    drop((whole, cut));
    assert_eq!((account.used(), other.used()), (0, 0));
}

/// The longest piece, and where pieces end.
fn cuts(options: u8, data: &[u8]) -> (usize, Vec<usize>) {
    let longest = 1 + usize::from(options >> 4) * 40;
    (longest, Dice(42).cuts(data.len(), longest))
}

fn hear<M: React>(
    options: u8,
    new: impl Fn(Account) -> M,
    data: &[u8],
    cuts: Vec<usize>,
) -> (Account, Outcome<M::Event>) {
    let room = if options & SMALL == 0 { talks::ROOM } else { 1 << 10 };
    let account = Account::root("conversation", room);
    let outcome = converse(&mut new(account.clone()), data, cuts);
    assert!(outcome.events.len() <= data.len() + 1, "{} events", outcome.events.len());
    assert!(outcome.most_sent <= ANSWER, "{} bytes at once", outcome.most_sent);
    let sent = outcome.sent.len();
    assert!(sent <= ANSWER + ANSWER_BY_BYTE * data.len(), "{sent} bytes sent for {}", data.len());
    (account, outcome)
}

fn split(data: &[u8]) -> (u8, &[u8]) {
    data.split_first().map_or((0, data), |(options, data)| (*options, data))
}

/// Behind a handshake, unless it brings its own.
fn shaken(options: u8, handshake: &[u8], data: &[u8]) -> Vec<u8> {
    if options & RAW == 0 { [handshake, data].concat() } else { data.to_vec() }
}

fn with(options: u8, data: &[u8]) -> Vec<u8> {
    [&[options], data].concat()
}

pub fn rtmp_server(data: &[u8]) {
    static HELLO: OnceLock<Vec<u8>> = OnceLock::new();
    let (options, data) = split(data);
    let data = shaken(options, HELLO.get_or_init(|| Encoder::new(&simple()).bytes), data);
    endures(options, talks::rtmp_server, &data);
}

pub fn rtmp_server_seeds() -> Vec<Vec<u8>> {
    let mut connected = Encoder::new(&simple());
    connected.connect();
    let publishers = [talks::publisher(), talks::old_publisher(), Encoder::publishing("test").bytes, connected.bytes];
    let mut seeds: Vec<_> = publishers.iter().map(|talk| with(0x30, &talk[HANDSHAKE..])).collect();
    seeds.push(with(SMALL, &publishers[0][HANDSHAKE..]));
    seeds.extend([8, 772].map(|base| with(0xf0 | RAW, &talks::player(base))));
    seeds.push(with(0x10, &talks::player(8)[HANDSHAKE..]));
    seeds
}

pub fn rtmp_client(data: &[u8]) {
    static HELLO: OnceLock<Vec<u8>> = OnceLock::new();
    let (options, data) = split(data);
    let role = if options & OTHER == 0 { Role::Play } else { Role::Publish };
    let data = shaken(options, HELLO.get_or_init(|| talks::server(Role::Play)[..HANDSHAKE].into()), data);
    endures(options, |account| talks::rtmp_client(role, account), &data);
}

pub fn rtmp_client_seeds() -> Vec<Vec<u8>> {
    let (played, published) = (talks::server(Role::Play), talks::server(Role::Publish));
    vec![
        with(0x30, &played[HANDSHAKE..]),
        with(SMALL, &played[HANDSHAKE..]),
        with(0xf0 | RAW, &played),
        with(0x10 | OTHER, &published[HANDSHAKE..]),
    ]
}

pub fn rtsp_server(data: &[u8]) {
    let (options, data) = split(data);
    match options & OTHER {
        0 => endures(options, rtsp_talks::server, data),
        _ => endures(options, |account| Guarded::new(rtsp_talks::server(account), rtsp_talks::USER), data),
    }
}

pub fn rtsp_server_seeds() -> Vec<Vec<u8>> {
    let (publisher, player) = (rtsp_talks::publisher(&[120]), rtsp_talks::player());
    vec![
        with(0x30, &publisher),
        with(SMALL, &publisher),
        with(0xf0, &rtsp_talks::publisher(&[4097])),
        with(0x10, &player),
        with(0xf0 | OTHER, &player),
        with(0x50 | OTHER, &rtsp_talks::asked_player()),
    ]
}

pub fn rtsp_client(data: &[u8]) {
    let (options, data) = split(data);
    let purpose = if options & OTHER == 0 { Purpose::Play } else { rtsp_talks::publishing() };
    let lower = if options & THIRD == 0 { Lower::Tcp } else { Lower::Udp };
    endures(options, |account| rtsp_talks::client(purpose.clone(), lower, account), data);
}

pub fn rtsp_client_seeds() -> Vec<Vec<u8>> {
    let udp = "Transport: RTP/AVP;unicast;client_port=6000-6001;server_port=7000-7001;source=10.0.0.1";
    let tcp = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1";
    vec![
        with(0x30, &rtsp_talks::camera(100)),
        with(SMALL, &rtsp_talks::camera(100)),
        with(0xf0, &rtsp_talks::choosy_server(udp)),
        with(0x10 | THIRD, &rtsp_talks::choosy_server(tcp)),
        with(THIRD, &rtsp_talks::moved()),
        with(OTHER, &rtsp_talks::receiver()),
    ]
}

pub fn http(data: &[u8]) {
    let (options, data) = split(data);
    endures(options, |_| talks::http_server(), data);
}

pub fn http_seeds() -> Vec<Vec<u8>> {
    let browser = "GET /recordings/a.mp4 HTTP/1.1\r\nHost: h\r\nRange: bytes=0-99\r\nIf-Range: \"1\"\r\n\
                   If-None-Match: \"x\", W/\"y\"\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
                   Cookie: a=b; c=d\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    vec![with(0x30, &talks::requests()), with(0x10, browser.as_bytes())]
}

pub fn http_client(data: &[u8]) {
    let (options, data) = split(data);
    endures(options, answers::http_client, data);
}

pub fn http_client_seeds() -> Vec<Vec<u8>> {
    let answers = answers::answers();
    vec![with(0x30, &answers), with(SMALL, &answers), with(0x10, &answers[25..])]
}

pub fn websocket(data: &[u8]) {
    let (options, data) = split(data);
    match options & OTHER {
        0 => endures(options, |_| ws::Server::default(), data),
        _ => {
            // its data comes in the pieces that were read
            let [whole, cut] = [Vec::new(), cuts(options, data).1].map(|cuts| {
                let (_, outcome) = hear(options, |_| ws::Server::with_data(), data, cuts);
                let data: Vec<u8> = outcome.events.iter().flat_map(|event| said(event).to_vec()).collect();
                (data, outcome.error)
            });
            assert_eq!(whole, cut);
        }
    }
}

fn said(event: &ws::Event) -> &[u8] {
    match event {
        ws::Event::Data(data) => data,
        _ => b"|",
    }
}

pub fn websocket_seeds() -> Vec<Vec<u8>> {
    let frames = talks::frames();
    let short = [&frames[..600], &frames[frames.len() - 60..]];
    short.into_iter().flat_map(|frames| [with(0x10, frames), with(0x30 | OTHER, frames)]).collect()
}
