//! Memory that both sides of RTSP keep of a conversation, and memory that readers of
//! packets keep beside what is charged.

use std::time::{Duration, Instant};

use bytes::Bytes;
use runnel::budget::Account;
use runnel::media::Hz;
use runnel::proto::rtp::{Demux, Event, Format, header};
use runnel::proto::rtsp::auth::Challenger;
use runnel::proto::rtsp::{self, Client, ClientEvent, Lower, Purpose, Server};
use runnel::proto::{Machine, Url};

use crate::limits::LIMITS;
use crate::meter::{Alone, NOISE, alone};
use crate::streams::STREAM;

/// The most that a connection holds before it is let in, of the 26 KiB in `session::connections`.
const GREETING: usize = 24 << 10;
/// The memory that a message may take while it is read: half of what `session::threads`
/// has for one.
const MOMENT: usize = 128 << 10;
const MACHINE: rtsp::Limits = rtsp::Limits { max_message: 12 << 10, max_answers: 16 << 10, timeout: 60 };

fn modest<M: Machine>(alone: &Alone, what: &str, new: fn(Account) -> M, answer: fn(&mut M, M::Event), mut data: &[u8]) {
    let meter = alone.meter();
    let account = Account::root("connection", 64 << 10);
    let mut machine = new(account.clone());
    while let Ok(used @ 1..) = machine.input(data) {
        data = &data[used..];
        while let Some(event) = machine.event() {
            answer(&mut machine, event);
        }
        *machine.transmit() = Vec::new();
    }
    let (peak, held) = (meter.peak(), meter.held());
    let charged = account.used();
    assert!(held <= charged + GREETING + NOISE, "{what}: {held} bytes are kept, {charged} are charged");
    assert!(peak <= account.peak() + MOMENT, "{what}: {peak} bytes for a moment, {} are charged", account.peak());
    drop(machine);
    assert!(meter.held() <= NOISE && account.used() == 0, "{what}: {} bytes are left", meter.held());
}

fn server(account: Account) -> Server {
    Server::new(MACHINE, Challenger::new([7; 16]), "0123456789abcdef".into(), account)
}

fn serve(server: &mut Server, event: rtsp::Event) {
    match event {
        rtsp::Event::Setup { transports, .. } => server.set_up(&transports[0]),
        rtsp::Event::Describe(_) => server.described("v=0\r\n"),
        rtsp::Event::Packet { .. } | rtsp::Event::Lost { .. } => {}
        _ => server.accept(),
    }
}

fn client(account: Account) -> Client {
    let url = Url::parse("rtsp://user:password@127.0.0.1/live/a").unwrap();
    Client::new(&url, Purpose::Play, Lower::Tcp, 7, account, std::time::Instant::now())
}

fn follow(client: &mut Client, event: ClientEvent) {
    if let ClientEvent::Described(description) = event {
        client.choose(0..description.medias.len());
    }
}

/// A message with this first line and a body.
fn message(first: &str, body: &str) -> String {
    format!("{first}\r\nCSeq: 1\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

const MEDIA: &str = "m=video 0 RTP/AVP 96\r\n";

#[test]
fn of_requests_as_long_as_they_may_be() {
    let alone = alone();
    let announce = |body: &str| message("ANNOUNCE rtsp://h/live/a RTSP/1.0", body);
    let long = "x".repeat(11_000);
    for (what, text) in [
        ("a long URL", format!("ANNOUNCE rtsp://h/{long} RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 22\r\n\r\n{MEDIA}")),
        ("a long control", announce(&format!("{MEDIA}a=control:{long}\r\n"))),
        ("400 medias", announce(&MEDIA.repeat(400))),
        ("32 formats of 16 medias", announce(&format!("m=audio 0 RTP/AVP 0 3 4 5 6 7 8\r\n{MEDIA}").repeat(16))),
        ("2000 parameters", announce(&format!("{MEDIA}a=rtpmap:96 H264\r\na=fmtp:96 {}\r\n", "a=b;".repeat(2000)))),
        ("64 fields", format!("OPTIONS * RTSP/1.0\r\n{}\r\n", "A: b\r\n".repeat(64))),
        ("a long answer", format!("DESCRIBE rtsp://h/{long} RTSP/1.0\r\nCSeq: 1\r\n\r\n")),
    ] {
        modest(&alone, what, server, serve, text.as_bytes());
    }
}

#[test]
fn of_a_long_url_that_is_multiplied_by_medias() {
    let alone = alone();
    // 10 KB of URL and 16 medias with short controls
    let body = format!("{MEDIA}a=control:a\r\n").repeat(16);
    let first = format!("ANNOUNCE rtsp://h/{} RTSP/1.0", "x".repeat(10_000));
    modest(&alone, "16 controls behind a long URL", server, serve, message(&first, &body).as_bytes());
}

#[test]
fn of_answers_as_long_as_they_may_be() {
    let alone = alone();
    let options = "RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n";
    let long = "x".repeat(15_000);
    for (what, text) in [
        ("a long session", format!("RTSP/1.0 200 OK\r\nCSeq: 1\r\nSession: {long}\r\n\r\n")),
        (
            "a long base",
            format!("{options}RTSP/1.0 200 OK\r\nContent-Base: rtsp://h/{long}\r\nContent-Length: 22\r\n\r\n{MEDIA}"),
        ),
        (
            "long challenges",
            format!("RTSP/1.0 401 No\r\nCSeq: 1\r\nWWW-Authenticate: Digest realm=\"{long}\",nonce=a\r\n\r\n"),
        ),
        (
            "500 medias",
            format!("{options}{}", message("RTSP/1.0 200 OK", &MEDIA.repeat(500)).replace("CSeq: 1", "CSeq: 2")),
        ),
    ] {
        modest(&alone, what, client, follow, text.as_bytes());
    }
}

fn reader(tracks: usize, patience: Duration) -> Demux {
    let mut demux = Demux::new(LIMITS.max_frame, patience);
    let (encoding, clock) = ("H264".into(), Hz::MPEG);
    let format = Format { payload_type: 96, encoding, clock, channels: 1, fmtp: Vec::new() };
    (0..tracks).for_each(|number| assert_eq!(demux.add(std::slice::from_ref(&format)), Some(number)));
    demux
}

/// As many tracks as can be set up hear these payloads, with a number left out
/// behind the first if they have patience: what is held, what is charged for it,
/// and what is left after the end.
fn heard(alone: &Alone, patience: Duration, payloads: &[Vec<u8>]) -> (usize, usize, usize) {
    let meter = alone.meter();
    let (account, now) = (Account::root("stream", LIMITS.stream_memory), Instant::now());
    let mut demux = reader(8, patience);
    for (sequence, payload) in payloads.iter().enumerate() {
        let gap = u16::from(sequence > 0 && !patience.is_zero());
        let head = header(96, false, sequence as u16 + gap, 0, 1);
        for number in 0..8 {
            let data = runnel::budget::BlockMut::copy(&account, &[&head[..], payload].concat()).unwrap();
            demux.rtp(number, now, &data, &account, &mut |event: Event| drop(event));
        }
    }
    let (held, charged) = (meter.held(), account.used());
    drop(demux);
    let left = meter.held();
    assert_eq!(account.used(), 0);
    (held, charged, left)
}

#[test]
fn of_packets_that_wait_for_one_that_never_comes() {
    let alone = alone();
    let payloads = vec![vec![0x41, 0x9a]; 255];
    let (held, charged, left) = heard(&alone, Duration::from_secs(1), &payloads);
    assert!(charged > 0 && left <= NOISE);
    assert!(held <= charged + STREAM + NOISE, "{held} bytes are kept, {charged} are charged");
}

#[test]
fn of_parameter_sets_without_number() {
    let alone = alone();
    let set = |id: u8| {
        // pps_pic_parameter_set_id as ue(v), then bits that change nothing
        let code = u16::from(id) + 1;
        let len = 15 - code.leading_zeros() as u16;
        let bits = code << (15 - 2 * len);
        [&[0x68][..], &bits.to_be_bytes(), &[0xaa; 900]].concat()
    };
    let payloads: Vec<_> = (0..40).map(set).collect();
    let (held, charged, left) = heard(&alone, Duration::ZERO, &payloads);
    assert!(left <= NOISE);
    assert!(held <= charged + STREAM + NOISE, "{held} bytes are kept, {charged} are charged");
}

/// One packet that is a slice of a great read would keep all of it.
#[test]
fn of_sounds_that_are_slices_of_their_packets() {
    let alone = alone();
    let meter = alone.meter();
    let (account, now) = (Account::root("stream", LIMITS.stream_memory), Instant::now());
    let mut demux = Demux::new(LIMITS.max_frame, Duration::ZERO);
    let format =
        Format { payload_type: 0, encoding: "PCMU".into(), clock: Hz::new(8000), channels: 1, fmtp: Vec::new() };
    demux.add(&[format]).unwrap();
    let mut frames: Vec<Bytes> = Vec::with_capacity(500);
    for sequence in 0..500u16 {
        let data = [&header(0, false, sequence, 160 * u32::from(sequence), 1)[..], &[0xd5; 160]].concat();
        let data = runnel::budget::BlockMut::copy(&account, &data).unwrap();
        demux.rtp(0, now, &data, &account, &mut |event| {
            if let Event::Frame(frame) = event {
                frames.push(frame.data.share());
            }
        });
    }
    assert_eq!(frames.len(), 500);
    assert!(account.used() >= 500 * 160, "frames are charged for as long as they live");
    assert!(meter.held() <= account.used() + 500 * size_of::<Bytes>() + NOISE, "{}", meter.held());
    drop((frames, demux));
    assert_eq!(account.used(), 0);
}
