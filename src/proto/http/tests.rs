//! Tests of requests in sequence, of their bodies, and of refusals.

use super::*;

fn events(text: &str) -> Vec<Event> {
    let mut server = Server::new(1024);
    let mut data = text.as_bytes();
    let mut events = Vec::new();
    while let Ok(used @ 1..) = server.input(data) {
        data = &data[used..];
        let event = server.event();
        if event.is_some() {
            server.answer(Status::OK, &[], b"");
        }
        events.extend(event);
    }
    events
}

fn bad(text: &str) -> Status {
    match events(text).as_slice() {
        [Event::Bad(status)] => *status,
        other => panic!("{other:?}"),
    }
}

#[test]
fn requests_follow_each_other_and_bodies_are_passed_over() {
    let text = "GET /live/a.flv?x=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcHEAD /b HTTP/1.0\r\n\r\n";
    let [Event::Request(first), Event::Request(second)] = &events(text)[..] else { panic!() };
    assert_eq!((first.path.as_str(), first.query.as_str()), ("/live/a.flv", "x=1"));
    assert_eq!((second.method, second.path.as_str()), (Method::Head, "/b"));
}

#[test]
fn an_upgrade_needs_its_key() {
    let text = "GET /a HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n";
    let websocket = |fields: &str| match &events(&format!("{text}{fields}\r\n"))[..] {
        [Event::Request(request)] => request.websocket().map(|key| key.map(str::to_string)),
        other => panic!("{other:?}"),
    };
    let version = "Sec-WebSocket-Version: 13\r\n";
    assert_eq!(websocket(&format!("{version}Sec-WebSocket-Key: k\r\n")), Some(Ok("k".into())));
    assert_eq!(websocket(version), Some(Err(Status::BAD_REQUEST)));
    assert_eq!(websocket("Sec-WebSocket-Key: k\r\n"), Some(Err(Status::UPGRADE_REQUIRED)));
}

#[test]
fn several_fields_of_subprotocols_are_one_list() {
    let [Event::Request(request)] = &events(
        "GET /a HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Protocol: a, b\r\n\
        sec-websocket-protocol: c\r\n\r\n",
    )[..] else {
        panic!("no request")
    };
    assert_eq!(request.fields.items("sec-websocket-protocol").collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(request.fields.values("sec-websocket-protocol").collect::<Vec<_>>(), ["a, b", "c"]);
    assert_eq!((request.fields.get("host"), request.fields.get("cookie")), (Some("h"), None));
}

#[test]
fn what_is_wrong_is_refused_by_name() {
    assert_eq!(bad("GET / HTTP/1.1\r\n\r\n"), Status::BAD_REQUEST);
    assert_eq!(bad("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), Status::BAD_REQUEST);
    assert_eq!(bad("\x01\x02\x03\x04\r\n\r\n"), Status::BAD_REQUEST);
    assert_eq!(
        bad("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n"),
        Status::CONTENT_TOO_LARGE
    );
    assert_eq!(bad("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"), Status::BAD_REQUEST);
    assert_eq!(bad(&format!("GET / HTTP/1.1\r\na: {}", "a".repeat(2000))), Status::HEADERS_TOO_LARGE);
    assert_eq!(bad(&format!("GET /{}", "a".repeat(2000))), Status::URI_TOO_LONG);
}

/// The maximum length of a body that is read, in bytes.
const MAX_POST: usize = 10;

/// Feeds `text` in pieces of `piece` bytes and reads the bodies of POST. Gives the bodies, and the statuses of
/// refusals.
fn posted(text: &str, piece: usize, greetings: &Greetings) -> Vec<Result<String, Status>> {
    let (mut server, mut heard) = (Server::new(1024), Vec::new());
    let (mut kept, mut coming) = (Vec::new(), text.as_bytes().chunks(piece));
    loop {
        let used = server.input(&kept).unwrap();
        kept.drain(..used);
        let outcome = match server.event() {
            Some(Event::Request(request)) => match server.read_body(request, MAX_POST, greetings) {
                Ok(None) => continue,
                Ok(Some(request)) => Ok(String::from_utf8(request.body.to_vec()).unwrap()),
                Err(status) => Err(status),
            },
            Some(Event::Bad(status)) => Err(status),
            None if used > 0 => continue,
            None => match coming.next() {
                Some(more) => {
                    kept.extend_from_slice(more);
                    continue;
                }
                None => return heard,
            },
        };
        heard.push(outcome);
        server.answer(Status::OK, &[], b"");
    }
}

fn greetings() -> Greetings {
    Greetings::new(&crate::budget::Account::root("total", 64 << 10), 64 << 10, 4 << 10)
}

/// The result of a POST with these fields and this body, and of the request after it; it is the same for every
/// split.
fn post(fields: &str, body: &str) -> Vec<Result<String, Status>> {
    let text = format!("POST /a HTTP/1.1\r\nHost: h\r\n{fields}\r\n{body}POST /b HTTP/1.1\r\nHost: h\r\n\r\n");
    let heard = posted(&text, text.len(), &greetings());
    for piece in 1..text.len() {
        assert_eq!(posted(&text, piece, &greetings()), heard, "{piece} bytes at once");
    }
    heard
}

fn chunked(body: &str) -> Vec<Result<String, Status>> {
    post("Transfer-Encoding: chunked\r\n", body)
}

#[test]
fn a_body_that_is_asked_for_comes_with_its_request_and_another_request_behind_it() {
    let both = |body: &str| vec![Ok(body.to_string()), Ok(String::new())];
    assert_eq!(post("Content-Length: 5\r\n", "a b c"), both("a b c"));
    assert_eq!(post("Content-Length: 5\r\nContent-Length: 5\r\n", "a b c"), both("a b c"));
    assert_eq!(post("Content-Length: 0\r\n", ""), both(""));
    assert_eq!(chunked("3\r\nabc\r\n0\r\n\r\n"), both("abc"));
    assert_eq!(chunked("001;a=\"b\"\r\na\r\n9 ;x\r\nbcdefghij\r\n0\r\nTrailer: x\r\n\r\n"), both("abcdefghij"));
    assert_eq!(chunked("0\r\n\r\n"), both(""));
}

#[test]
fn a_body_that_is_too_long_is_refused_and_hides_no_request() {
    let long = "GET / HTTP/1.1\r\n\r\n";
    let fields = format!("Content-Length: {}\r\n", long.len());
    assert_eq!(post(&fields, long), [Err(Status::CONTENT_TOO_LARGE), Ok(String::new())]);
    // the end of such a body is unknown, so the rest is ignored
    for body in ["b\r\n01234567890\r\n0\r\n\r\n", "6\r\n012345\r\n5\r\n67890\r\n", "ffffffffffffffffffffff\r\n"] {
        assert_eq!(chunked(body), [Err(Status::CONTENT_TOO_LARGE)], "{body:?}");
    }
    let trailer = "Of: no use at all\r\n".repeat(MAX_BODY / 16);
    let text = format!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{trailer}");
    assert_eq!(posted(&text, 1000, &greetings()), [Err(Status::CONTENT_TOO_LARGE)]);
}

#[test]
fn chunks_that_others_may_read_otherwise_are_refused() {
    let long = format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(300));
    for body in [
        "\r\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "-0\r\n\r\n",
        " 3\r\nabc\r\n0\r\n\r\n",
        "3 x\r\nabc\r\n0\r\n\r\n",
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\r\nabc0\r\n\r\n",
        "3;a\rb\r\nabc\r\n0\r\n\r\n",
        &long,
    ] {
        assert_eq!(chunked(body), [Err(Status::BAD_REQUEST)], "{body:?}");
    }
}

#[test]
fn a_framing_that_others_may_read_otherwise_is_refused() {
    let coding = "Transfer-Encoding: chunked\r\n";
    for (fields, status) in [
        ("Content-Length: 5\r\nContent-Length: 6\r\n", Status::BAD_REQUEST),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", Status::BAD_REQUEST),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", Status::BAD_REQUEST),
        ("Transfer-Encoding: chunked, chunked\r\n", Status::BAD_REQUEST),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Status::BAD_REQUEST),
        ("Transfer-Encoding:\r\n", Status::BAD_REQUEST),
        ("Transfer-Encoding: gzip, chunked\r\n", Status::NOT_IMPLEMENTED),
        ("Transfer-Encoding: xchunked\r\n", Status::NOT_IMPLEMENTED),
        // spaces that are not white space in HTTP
        ("Transfer-Encoding: chunked\u{a0}\r\n", Status::NOT_IMPLEMENTED),
        ("Content-Length: 5\u{2003}\r\n", Status::BAD_REQUEST),
    ] {
        assert_eq!(post(fields, "0\r\n\r\n"), [Err(status)], "{fields:?}");
    }
    assert_eq!(bad(&format!("POST / HTTP/1.0\r\n{coding}\r\n0\r\n\r\n")), Status::BAD_REQUEST);
    // another program may see a body where WebSocket would begin
    let upgrade = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: k\r\n";
    assert_eq!(bad(&format!("GET / HTTP/1.1\r\nHost: h\r\n{upgrade}Content-Length: 1\r\n\r\n")), Status::BAD_REQUEST);
}

#[test]
fn a_carriage_return_alone_ends_no_line_of_a_body() {
    let coding = "Transfer-Encoding: chunked\r\n";
    for body in ["0\r\n\r\r\n", "0\r\nField: a\r\r\n\r\n", "5\r;\r\nhello\r\n0\r\n\r\n"] {
        assert_eq!(post(coding, body), [Err(Status::BAD_REQUEST)], "{body:?}");
    }
}

#[test]
fn a_body_behind_the_cookie_of_a_tunnel_is_no_request() {
    let hidden = "GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n";
    for framing in [format!("Content-Length: {}\r\n", hidden.len()), "Transfer-Encoding: chunked\r\n".into()] {
        let mut server = Server::new(1024);
        let head = format!("POST /a HTTP/1.1\r\nHost: h\r\nx-sessioncookie: q\r\n{framing}\r\n");
        let said = [head.as_bytes(), hidden.as_bytes()].concat();
        assert_eq!(server.input(&said), Ok(head.len()));
        assert!(matches!(server.event(), Some(Event::Request(_))));
        // the tunnel is refused
        server.begin(Status::NOT_FOUND, &[], Extent::Bytes(0));
        server.done();
        assert_eq!(server.input(hidden.as_bytes()), Ok(hidden.len()), "it is thrown away");
        assert_eq!(server.event(), None, "{framing}");
    }
}

#[test]
fn a_body_is_charged_before_it_comes_and_refunded_after() {
    let total = crate::budget::Account::root("total", 1 << 10);
    let greetings = Greetings::new(&total, 1 << 10, 1 << 10);
    let head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 500\r\n\r\n";
    let ask = || {
        let mut server = Server::new(1024);
        assert_eq!(server.input(head.as_bytes()), Ok(head.len()));
        let Some(Event::Request(request)) = server.event() else { panic!("no request") };
        let read = server.read_body(request, 500, &greetings);
        (server, read)
    };
    let (mut first, read) = ask();
    assert_eq!(read, Ok(None));
    assert!(total.used() >= 500);
    assert_eq!(ask().1, Err(Status::UNAVAILABLE));
    assert_eq!(first.input(&[b'x'; 500]), Ok(500));
    let Some(Event::Request(request)) = first.event() else { panic!("no request") };
    drop(first);
    assert!(total.used() >= 500, "the request has it");
    drop(request);
    assert_eq!(total.used(), 0);
}

#[test]
fn who_waits_to_be_told_is_told_or_gets_the_answer_at_once() {
    let head = "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n";
    let ask = |most| {
        let mut server = Server::new(1024);
        assert_eq!(server.input(head.as_bytes()), Ok(head.len()));
        let Some(Event::Request(request)) = server.event() else { panic!("no request") };
        let read = server.read_body(request, most, &greetings());
        (server, read)
    };
    let (mut server, read) = ask(3);
    assert_eq!((read, server.transmit().as_slice()), (Ok(None), CONTINUE));
    server.transmit().clear();
    assert_eq!(server.input(b"abc"), Ok(3));
    assert!(matches!(server.event(), Some(Event::Request(request)) if request.body == "abc"));
    server.answer(Status::OK, &[], b"");
    assert!(!server.is_closed());
    // the client may send the body or not
    for (most, refused) in [(0, false), (2, true)] {
        let (mut server, read) = ask(most);
        assert_eq!(read.is_err(), refused);
        server.answer(Status::OK, &[], b"");
        assert!(server.is_closed() && server.transmit().starts_with(b"HTTP/1.1 200"));
    }
}

#[test]
fn bodies_that_nobody_asks_for_are_passed_over_up_to_a_length() {
    let next = "GET /b HTTP/1.1\r\nHost: h\r\n\r\n";
    let head = "GET /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    let paths = |body: &str| -> Vec<_> {
        let heard = events(&format!("{head}{body}{next}")).into_iter().filter_map(|event| match event {
            Event::Request(request) => Some(request.path),
            Event::Bad(_) => None,
        });
        heard.collect()
    };
    assert_eq!(paths(&format!("{:x}\r\n{next}\r\n0\r\n\r\n", next.len())), ["/a", "/b"]);
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(4 << 10));
    assert_eq!(paths(&format!("{}0\r\n\r\n", chunk.repeat(16))), ["/a", "/b"]);
    assert_eq!(paths(&format!("{}0\r\n\r\n", chunk.repeat(17))), ["/a"], "the connection ends");
    assert_eq!(paths("no chunk\r\n"), ["/a"]);
}
