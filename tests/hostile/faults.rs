//! Faults that servers of this kind have had, by name.

use runnel::budget::Account;
use runnel::container::amf::{self, Value};
use runnel::hub::Name;
use runnel::media::Kind;
use runnel::proto::http::{self, Status};
use runnel::proto::rtmp::{Event, Payload, Target};
#[cfg(feature = "http")]
use runnel::proto::ws;
use runnel::wire::Reader;

use crate::drive::converse;
use crate::encoder::{AUDIO, COMMAND, DATA, Encoder, Head, VIDEO, chunks, command};
use crate::talks;

/// The events that an RTMP server reads from an encoder's bytes behind `connect`, and the peak of its account.
fn heard(encoder: &Encoder) -> (Vec<Event>, Option<String>, usize) {
    let account = talks::account();
    let outcome = converse(&mut talks::rtmp_server(account.clone()), &encoder.bytes, []);
    let events = outcome.events.into_iter().filter(|event| !matches!(event, Event::Connect(_))).collect();
    (events, outcome.error, account.peak())
}

/// A format 0 header that declares `len` bytes.
fn declared(csid: u32, kind: u8, len: u32) -> Vec<u8> {
    let mut head = chunks(Head::media(csid, kind, 0), &[], 128).concat();
    let at = head.len() - 8;
    head[at..at + 3].copy_from_slice(&len.to_be_bytes()[1..]);
    head
}

#[test]
fn sixteen_megabytes_that_are_only_declared_cost_nothing() {
    for chunk in [1, 128, 0x7fff_ffff] {
        let mut encoder = Encoder::publishing("test");
        let (_, _, before) = heard(&encoder);
        encoder.set_chunk_size(chunk);
        encoder.bytes.extend(declared(6, VIDEO, 0xff_ffff));
        let (_, error, after) = heard(&encoder);
        assert_eq!((after, error), (before, None), "in chunks of {chunk}");
    }
}

#[test]
fn control_messages_of_megabytes_end_the_connection() {
    for kind in [1, 4, COMMAND, 17] {
        let mut encoder = Encoder::publishing("test");
        encoder.bytes.extend(declared(3, kind, 0xff_ffff));
        assert!(heard(&encoder).1.is_some(), "kind {kind}");
    }
}

#[test]
fn metadata_with_a_list_of_all_key_frames_are_passed_over_and_publishing_goes_on() {
    const UNKNOWN: u8 = 99;
    for kind in [15, DATA, UNKNOWN] {
        let mut encoder = Encoder::publishing("test");
        encoder.message(Head::media(5, kind, 0), &[0; 20_000]);
        encoder.media(AUDIO, 40, &[0xaf; 100]);
        let (events, error, peak) = heard(&encoder);
        assert_eq!(error, None, "kind {kind}");
        assert_eq!(events.contains(&Event::DataLost(Payload::TooLong)), kind != UNKNOWN, "kind {kind}");
        assert!(matches!(events.last(), Some(Event::Media { timestamp: 40, .. })), "kind {kind}");
        assert!(peak < 16 << 10, "{peak}");
    }
}

#[test]
fn a_message_that_is_too_long_is_passed_over_and_the_next_is_heard() {
    for chunk in [1, 128, 0x7fff_ffff] {
        let mut encoder = Encoder::publishing("test");
        encoder.set_chunk_size(chunk);
        encoder.media(VIDEO, 0, &[0x27; 20_000]);
        encoder.media(AUDIO, 40, &[0xaf; 100]);
        let (events, error, _) = heard(&encoder);
        assert_eq!((&events[1], error), (&Event::Lost(Kind::Video, Payload::TooLong), None));
        assert!(matches!(events[2], Event::Media { timestamp: 40, .. }), "in chunks of {chunk}");
    }
}

#[test]
fn a_chunk_size_of_nothing_ends_the_connection() {
    for size in [0, 0x8000_0000] {
        let mut encoder = Encoder::publishing("test");
        encoder.control(1, &u32::to_be_bytes(size));
        assert!(heard(&encoder).1.is_some(), "{size:#x}");
    }
}

#[test]
fn every_chunk_stream_may_begin_a_message_and_all_cost_no_more_than_the_budget() {
    let mut encoder = Encoder::publishing("test");
    for csid in 10..24 {
        encoder.bytes.extend(declared(csid, VIDEO, 16 << 10));
        encoder.bytes.extend([0; 128]);
    }
    let account = talks::account();
    let mut server = talks::rtmp_server(account.clone());
    let outcome = converse(&mut server, &encoder.bytes, []);
    assert_eq!(outcome.error, None);
    assert!(account.used() > 3 * (16 << 10), "as many as there is room for are kept");
    drop(server);
    assert_eq!(account.used(), 0);
}

#[test]
fn chunk_streams_without_number_cost_no_more_than_a_few() {
    let mut encoder = Encoder::publishing("test");
    for csid in (64..=65_599).step_by(13) {
        encoder.message(Head::media(csid, VIDEO, 0), &[0x27]);
    }
    let (events, error, _) = heard(&encoder);
    assert_eq!((error, events.len()), (None, 1 + (64..=65_599).step_by(13).count()));
}

#[test]
fn messages_that_end_early_end_nothing_else() {
    // an aggregate whose last tag is cut, and empty messages of every kind that may be
    for kind in [AUDIO, VIDEO, 15, 17, 18, COMMAND] {
        let mut encoder = Encoder::publishing("test");
        encoder.message(Head::media(7, kind, 0), &[]);
        encoder.media(AUDIO, 40, &[0xaf, 1, 9]);
        let (events, error, _) = heard(&encoder);
        assert_eq!(error, None, "kind {kind}");
        assert!(matches!(events.last(), Some(Event::Media { timestamp: 40, .. })));
    }
}

#[test]
fn values_inside_values_without_end_are_not_followed() {
    let object = |depth| [3, 0, 1, b'a'].repeat(depth);
    let array = |depth| [10, 0, 0, 0, 1].repeat(depth);
    let amf3 = |depth| [&[0x11][..], &[0x09, 0x03, 0x01].repeat(depth)].concat();
    // as deep as the stack of a small machine, and as a message can be
    for deep in [object(100), array(100), amf3(100), object(3000), array(3000), amf3(5000)] {
        assert!(amf::read(&mut Reader::new(&deep)).is_err());
        let mut encoder = Encoder::new(&crate::encoder::simple());
        let mut payload = command("connect", 1.0, &[]);
        payload.extend(&deep);
        encoder.message(Head { stream: 0, ..Head::media(3, COMMAND, 0) }, &payload);
        encoder.command("createStream", 2.0, &[Value::Null]);
        encoder.command("publish", 0.0, &[Value::Null, Value::text("test")]);
        assert_eq!(heard(&encoder).0.len(), 1, "the connection goes on");
    }
}

#[test]
fn names_that_are_paths_are_not_names() {
    let long = "x".repeat(300);
    for bad in
        ["", ".", "..", "../..", "a/..", "/", "\\..\\a", "a\0", ".a", "a\r\nb", "<script>", "a b", "%2e%2e", &long]
    {
        let target = Target::new("live", bad);
        assert!(Name::new(bad).is_err(), "{bad:?}");
        // what is left of a path is its last part, which leads nowhere
        let safe = Name::new(&target.name).is_err() || !target.name.contains(['/', '\\', '\0']);
        assert!(safe, "{bad:?} becomes {target:?}");
    }
    assert!(Name::new(&Target::new("live", "../../etc/..").name).is_err());
}

/// The statuses with which an HTTP server refuses `text`.
fn refusals(text: &str) -> Vec<Status> {
    let outcome = converse(&mut talks::http_server(), text.as_bytes(), []);
    let statuses = outcome.events.iter().map(|event| match event {
        http::Event::Request(_) => Status::OK,
        http::Event::Bad(status) => *status,
    });
    statuses.collect()
}

#[test]
fn lengths_of_bodies_do_not_wrap_and_hide_no_request() {
    let bad = [
        ("18446744073709551616", Status::CONTENT_TOO_LARGE),
        ("18446744073709551621", Status::CONTENT_TOO_LARGE),
        ("4294967301", Status::CONTENT_TOO_LARGE),
        ("99999999999999999999999999999999999999", Status::CONTENT_TOO_LARGE),
        ("-1", Status::BAD_REQUEST),
        ("+5", Status::BAD_REQUEST),
        ("5, 5", Status::BAD_REQUEST),
        ("0x5", Status::BAD_REQUEST),
        ("5 5", Status::BAD_REQUEST),
        ("", Status::BAD_REQUEST),
        ("5\r\nContent-Length: 6", Status::BAD_REQUEST),
        ("5\r\nTransfer-Encoding: chunked", Status::BAD_REQUEST),
        ("5\r\nTransfer-Encoding: gzip", Status::BAD_REQUEST),
    ];
    for (length, status) in bad {
        let text = format!(
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\nGET /hidden HTTP/1.1\r\nHost: h\r\n\r\n"
        );
        assert_eq!(refusals(&text), [status], "{length}");
    }
}

#[test]
fn heads_without_end_are_refused() {
    let fields = "a:b\r\n".repeat(180);
    assert_eq!(refusals(&format!("GET / HTTP/1.1\r\n{fields}\r\n")), [Status::HEADERS_TOO_LARGE]);
    let endless = format!("GET / HTTP/1.1\r\nHost: h\r\nA: {}", "x".repeat(1100));
    assert_eq!(refusals(&endless), [Status::HEADERS_TOO_LARGE]);
    // what says nothing at all is not waited for without end either
    assert_eq!(refusals(&"\r\n".repeat(2000)).len(), 1);
}

#[cfg(feature = "http")]
#[test]
fn websocket_lengths_beyond_all_measure_cost_nothing() {
    for length in [1 << 63, u64::MAX, u64::MAX >> 1] {
        let frame = |first: u8| [&[first, 0xff][..], &length.to_be_bytes(), &[0; 4], &[0; 1000]].concat();
        assert!(converse(&mut ws::Server::default(), &frame(0x89), []).error.is_some(), "a ping of {length}");
        let data = converse(&mut ws::Server::default(), &frame(0x82), []);
        assert!(data.error.is_some() || data.left == 0, "a message of {length}");
        assert!(data.sent.is_empty());
    }
}

#[cfg(feature = "http")]
#[test]
fn nothing_is_said_after_goodbye() {
    let mut frames = Vec::new();
    talks::ws_frame(&mut frames, 0x88, &[0x03, 0xe8]);
    let goodbye = converse(&mut ws::Server::default(), &frames, []).sent;
    talks::ws_frame(&mut frames, 0x89, b"hello?");
    talks::ws_frame(&mut frames, 0x88, &[]);
    assert_eq!(converse(&mut ws::Server::default(), &frames, []).sent, goodbye, "RFC 6455 section 5.5.1");
}

#[test]
fn answers_that_nobody_reads_end_the_connection() {
    let account = Account::root("conversation", 1 << 20);
    let mut server = talks::rtmp_server(account);
    let mut encoder = Encoder::publishing("test");
    (0..10_000).for_each(|_| encoder.control(4, &[0, 6, 0, 0, 0, 9]));
    let mut data = &encoder.bytes[..];
    use runnel::proto::Machine;
    while let Ok(used @ 1..) = server.input(data) {
        data = &data[used..];
        assert!(server.transmit().len() <= (16 << 10) + 4096, "they are not kept for ever");
    }
    assert!(!data.is_empty());
}
