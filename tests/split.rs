//! However a conversation is cut into reads, a machine makes the same of it.

#[path = "support/answers.rs"]
mod answers;
#[path = "support/drive.rs"]
mod drive;
#[path = "support/encoder.rs"]
mod encoder;
#[path = "support/records.rs"]
mod records;
#[path = "support/talks.rs"]
mod talks;

use answers::Answered;
use drive::{Dice, converse, invariant, patient, refused};
use encoder::Encoder;
use runnel::proto::http::{self, Method, Status};
use runnel::proto::rtmp::{ClientEvent, Event, Role};
#[cfg(feature = "http")]
use runnel::proto::ws;

/// Time and length of each audio and video message.
fn media(events: &[Event]) -> Vec<(u32, usize)> {
    let media = events.iter().filter_map(|event| match event {
        Event::Media { timestamp, body, .. } => Some((*timestamp, body.len())),
        _ => None,
    });
    media.collect()
}

#[test]
fn a_publisher_is_heard_alike() {
    let events = invariant(|| talks::rtmp_server(talks::account()), &talks::publisher());
    assert!(matches!(&events[0], Event::Connect(url) if url.starts_with("rtmp://")), "{:?}", events[0]);
    assert!(matches!(&events[1], Event::Publish(target) if target.name == "test" && target.query == "key=1"));
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Data(_))).count(), 3);
    assert_eq!(events.last(), Some(&Event::Stop));

    let times: Vec<_> = media(&events).into_iter().map(|(time, _)| time).collect();
    let interleaved = [0, 40, 80].map(|time| [time, time, time + 20, time + 40, time + 60]);
    let extended = [0xff_fffe, 0xff_ffff, 0x0100_0000, u32::MAX, 0x0100_0000, 0x0200_0002];
    let (aggregate, after_abort) = ([0x0200_0000, 0x0200_0005], [60]);
    assert_eq!(times, [&[0, 0][..], interleaved.as_flattened(), &extended, &aggregate, &after_abort].concat());
}

#[test]
fn a_publisher_that_does_not_repeat_extended_timestamps_is_heard_alike() {
    let events = invariant(|| talks::rtmp_server(talks::account()), &talks::old_publisher());
    assert_eq!(media(&events), [(0x0100_0000, 700), (0x0100_0028, 700), (10, 100)]);
}

#[test]
fn a_player_with_digests_is_heard_alike() {
    for base in [8, 772] {
        let events = invariant(|| talks::rtmp_server(talks::account()), &talks::player(base));
        let [Event::Connect(_), Event::Play(target), Event::Stop] = &events[..] else { panic!("{events:?}") };
        assert_eq!((target.app.as_str(), target.name.as_str()), ("live", "test"));
    }
}

#[test]
fn a_server_is_heard_alike() {
    let published = invariant(|| talks::rtmp_client(Role::Publish, talks::account()), &talks::server(Role::Publish));
    assert_eq!(published, [ClientEvent::Started]);
    let played = invariant(|| talks::rtmp_client(Role::Play, talks::account()), &talks::server(Role::Play));
    let media = played.iter().filter(|event| matches!(event, ClientEvent::Media { .. })).count();
    assert_eq!((&played[0], media), (&ClientEvent::Started, 2 + 8));
}

#[test]
fn requests_are_heard_alike() {
    let events = invariant(talks::http_server, &talks::requests());
    let requests: Vec<_> = events
        .iter()
        .map(|event| match event {
            http::Event::Request(request) => (request.method, request.path.as_str()),
            bad => panic!("{bad:?}"),
        })
        .collect();
    use Method::*;
    // a body comes with its request once more
    let posted = [(Post, "/metrics"), (Post, "/metrics"), (Post, "/chunks"), (Post, "/chunks")];
    assert_eq!(requests[..3], [(Get, "/live/test.flv"), (Head, "/hls/test.m3u8"), (Options, "*")]);
    assert_eq!(requests[3..7], posted);
    assert_eq!(requests[7..], [(Get, "/a"), (Get, "/live/test.flv")], "what follows the last is not read");
}

#[test]
fn broken_chunks_and_messages_have_one_place() {
    let publisher = || talks::rtmp_server(talks::account());
    let good = Encoder::publishing("test").bytes;
    let control = |kind: u8, payload: &[u8]| {
        let mut encoder = Encoder { bytes: Vec::new(), chunk: 128 };
        encoder.control(kind, payload);
        encoder.bytes
    };
    refused(publisher, &good, &[0xc9, 0, 0], ("a chunk stream that begins with format 3", 0));
    refused(publisher, &good, &control(5, &[0; 200]), ("a control message that is too long", 0));
    // what a message says is known at its end
    refused(publisher, &good, &control(1, &[0; 4]), ("chunk size 0", 16));
    refused(publisher, &good, &control(4, &[0; 1]), ("a message that ends inside a field", 13));
    let player = || talks::rtmp_client(Role::Play, talks::account());
    let server = talks::server(Role::Play);
    refused(player, &server, &control(1, &[0; 4]), ("chunk size 0", 16));
}

#[cfg(feature = "http")]
#[test]
fn broken_websocket_frames_have_one_place() {
    let mut good = Vec::new();
    talks::ws_frame(&mut good, 0x82, &[7; 300]);
    talks::ws_frame(&mut good, 0x89, b"still there?");
    let mut parts = Vec::new();
    talks::ws_frame(&mut parts, 0x09, b"ping");
    refused(ws::Server::default, &good, &[0x89, 0], ("a frame without a mask", 0));
    refused(ws::Server::default, &good, &parts, ("a control frame in parts", 0));
    refused(ws::Server::default, &good, &[0x83, 0x80, 0, 0, 0, 0], ("a damaged frame", 0));
}

/// `text` is refused with `status` however it comes.
fn answered(text: &str, status: Status) {
    let events = invariant(talks::http_server, text.as_bytes());
    assert_eq!(events, [http::Event::Bad(status)]);
}

#[test]
fn requests_that_are_refused_are_refused_alike() {
    let fields: String = (0..80).map(|n| format!("F{n}: x\r\n")).collect();
    answered(&format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n"), Status::HEADERS_TOO_LARGE);
    answered("GET / HTTP/1.1\r\nHost: h\r\nBad Name: x\r\n\r\n", Status::BAD_REQUEST);
    answered("GET / HTTP/3.0\r\nHost: h\r\n\r\n", Status::VERSION);
}

#[test]
fn a_long_field_is_refused_alike() {
    let long = "a".repeat(2000);
    answered(&format!("GET / HTTP/1.1\r\nHost: h\r\nCookie: {long}\r\n\r\n"), Status::HEADERS_TOO_LARGE);
    // what is wrong with it behind the limit is nobody's business
    answered(&format!("GET / HTTP/1.1\r\nHost: h\r\nCookie: {long}\0\r\n\r\n"), Status::HEADERS_TOO_LARGE);
}

#[test]
fn a_long_url_is_refused_alike() {
    answered(&format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(2000)), Status::URI_TOO_LONG);
}

#[test]
fn answers_are_heard_alike() {
    let events = invariant(|| answers::http_client(talks::account()), &answers::answers());
    let heads = events.iter().filter_map(|event| match event {
        Answered::Head(head) => Some(head.status),
        Answered::Body(_) => None,
    });
    let bodies = events.iter().filter_map(|event| match event {
        Answered::Head(_) => None,
        Answered::Body(body) => Some(str::from_utf8(body).unwrap()),
    });
    assert_eq!(heads.collect::<Vec<_>>(), [200, 200, 204, 200, 304, 302, 401, 200, 200]);
    let whole = ["HTTP/1.1 404", "HTTP/1.1 200 OK\r\n\r\nabcde", "", "", "", "here", "", "abc"];
    assert_eq!(bodies.collect::<Vec<_>>(), whole, "the last ends with the connection");
    for cut in [1, 100, 1000] {
        let mut client = answers::http_client(talks::account());
        let data = answers::answers();
        converse(&mut client, &data, (0..data.len()).step_by(cut));
        assert_eq!(client.body, b"FLV\x01\x05");
    }
}

#[test]
fn broken_answers_have_one_place() {
    let client = || answers::http_client(talks::account());
    let good = &answers::all_but_one();
    refused(client, good, b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", ("a damaged field", 0));
    let both = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
    refused(client, good, both, ("an answer with a length and a transfer coding", 0));
    let chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nx\r\n";
    refused(client, good, chunks, ("a damaged line between chunks", chunks.len() - 3));
}

#[cfg(feature = "http")]
#[test]
fn websocket_frames_are_heard_alike() {
    assert_eq!(invariant(ws::Server::default, &talks::frames()), [ws::Event::Close]);
}

/// When bytes are acknowledged depends on the reads. That all are, does not.
#[test]
fn acknowledgements_keep_up() {
    let mut encoder = Encoder::publishing("test");
    let handshake = 1 + 2 * 1536;
    encoder.control(5, &(16u32 << 10).to_be_bytes());
    encoder.set_chunk_size(4096);
    (0..40).for_each(|n| encoder.media(encoder::AUDIO, n * 20, &[0xaf; 2000]));
    let sent = (encoder.bytes.len() - handshake) as u32;
    for longest in [1, 100, 5000, 100_000] {
        let cuts = Dice(7).cuts(encoder.bytes.len(), longest);
        let outcome = converse(&mut talks::rtmp_server(talks::account()), &encoder.bytes, cuts);
        let acknowledged = acknowledgements(&outcome.sent);
        assert!(acknowledged.is_sorted() && acknowledged.len() >= 4, "{longest}: {acknowledged:?}");
        let last = acknowledged.last().unwrap();
        assert!(*last <= sent && sent - last < 16 << 10, "{longest}: {last} of {sent}");
    }
}

/// The values of the acknowledgements among what a server sent.
fn acknowledgements(sent: &[u8]) -> Vec<u32> {
    let head = [2, 0, 0, 0, 0, 0, 4, 3, 0, 0, 0, 0];
    let found = sent.windows(16).filter(|window| window[..12] == head);
    found.map(|window| u32::from_be_bytes(window[12..].try_into().unwrap())).collect()
}

/// 0 means "not enough", changes nothing, and says the same again.
#[test]
fn what_is_not_enough_stays_not_enough() {
    patient(|| talks::rtmp_server(talks::account()), &talks::publisher());
    patient(|| talks::rtmp_client(Role::Play, talks::account()), &talks::server(Role::Play));
    patient(talks::http_server, &talks::requests());
    patient(|| answers::http_client(talks::account()), &answers::answers());
    #[cfg(feature = "http")]
    patient(ws::Server::default, &talks::frames()[..1000]);
}
