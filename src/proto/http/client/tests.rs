//! Tests of written requests and of parsed answers.

use super::*;
use crate::proto::http::{Extent, Server, Status};

/// The maximum length of a head in bytes.
const MAX_HEAD: usize = 1024;

fn account() -> Account {
    Account::root("test", 64 << 10)
}

fn get() -> Outgoing<'static> {
    Outgoing { target: "/a", then: Then::Keep, ..Outgoing::default() }
}

/// A client that has sent `request`.
fn asking(request: &Outgoing<'_>) -> Client {
    let mut client = Client::new("h", MAX_HEAD, account());
    client.ask(request).unwrap();
    client.transmit().clear();
    client
}

/// Feeds `data` in pieces of `piece` bytes. Gives the heads, and the bodies that are complete.
fn hear(client: &mut Client, data: &[u8], piece: usize) -> Result<(Vec<Response>, Vec<String>), Error> {
    let (mut heads, mut bodies, mut body) = (Vec::new(), Vec::new(), Vec::new());
    let mut kept = Vec::new();
    for piece in data.chunks(piece) {
        kept.extend_from_slice(piece);
        while let used @ 1.. = client.input(&kept)? {
            while let Some(event) = client.event() {
                match event {
                    ClientEvent::Head(head) => heads.push(head),
                    ClientEvent::Body(len) => body.extend_from_slice(&kept[..len]),
                    ClientEvent::End => bodies.push(String::from_utf8(std::mem::take(&mut body)).unwrap()),
                }
            }
            kept.drain(..used);
        }
    }
    Ok((heads, bodies))
}

/// The answer to `request`, which is the same for every split of the data.
fn answer(request: &Outgoing<'_>, text: &str) -> (Client, Response, Vec<String>) {
    let whole = hear(&mut asking(request), text.as_bytes(), text.len()).unwrap();
    for piece in 1..text.len() {
        assert_eq!(hear(&mut asking(request), text.as_bytes(), piece).unwrap(), whole, "{piece} bytes at once");
    }
    let mut client = asking(request);
    let (mut heads, bodies) = hear(&mut client, text.as_bytes(), text.len()).unwrap();
    assert_eq!(heads.len(), 1, "{text}");
    (client, heads.remove(0), bodies)
}

/// The error text for `text`, which is the same for every split of the data.
fn refusal(request: &Outgoing<'_>, text: &str) -> String {
    let refused = |piece| hear(&mut asking(request), text.as_bytes(), piece).unwrap_err();
    for piece in 1..text.len() {
        assert_eq!(refused(piece).to_string(), refused(text.len()).to_string(), "{piece} bytes at once of {text}");
    }
    refused(text.len()).to_string()
}

#[test]
fn requests_are_written_as_the_specification_has_them() {
    let written = |request: &Outgoing<'_>| {
        let mut client = Client::new("[::1]:8080", MAX_HEAD, account());
        client.ask(request).unwrap();
        String::from_utf8(std::mem::take(client.transmit())).unwrap()
    };
    let agent = concat!("Host: [::1]:8080\r\nUser-Agent: runnel/", env!("CARGO_PKG_VERSION"), "\r\n");
    assert_eq!(written(&get()), format!("GET /a HTTP/1.1\r\n{agent}\r\n"));
    let post = Outgoing { method: Method::Post, fields: &[("X-A", "b c")], body: b"{}", ..get() };
    assert_eq!(written(&post), format!("POST /a HTTP/1.1\r\n{agent}Content-Length: 2\r\nX-A: b c\r\n\r\n{{}}"));
    let empty = Outgoing { body: b"", fields: &[], then: Then::Close, ..post };
    assert_eq!(written(&empty), format!("POST /a HTTP/1.1\r\n{agent}Connection: close\r\nContent-Length: 0\r\n\r\n"));
    let upgrade = Outgoing { fields: &[("Upgrade", "websocket")], ..get() };
    assert_eq!(
        written(&upgrade),
        format!("GET /a HTTP/1.1\r\n{agent}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    );
}

#[test]
fn nothing_that_a_request_is_made_of_begins_another() {
    let mut client = Client::new("h", MAX_HEAD, account());
    for target in ["", "a", "/a b", "/a\r\nX: y", "/\u{e9}", "*"] {
        assert!(matches!(client.ask(&Outgoing { target, ..get() }), Err(Unsent::Unfit(_))), "{target:?}");
    }
    let fields = [("", "x"), ("a b", "x"), ("a:", "x"), ("a", "x\r\ny: z"), ("a", "\0"), ("a\n", "x"), ("host", "x")];
    for field in fields.into_iter().chain([("Content-length", "5"), ("TRANSFER-ENCODING", "chunked")]) {
        assert!(matches!(client.ask(&Outgoing { fields: &[field], ..get() }), Err(Unsent::Unfit(_))), "{field:?}");
    }
    assert!(matches!(client.ask(&Outgoing { method: Method::Other, ..get() }), Err(Unsent::Unfit(_))));
    assert!(client.transmit().is_empty() && client.is_reusable());
    assert!(matches!(Client::new("h\r\n", MAX_HEAD, account()).ask(&get()), Err(Unsent::Unfit(_))));
}

#[test]
fn bodies_end_where_the_head_says_and_another_answer_comes_behind() {
    let chunks = "4;x=\"y\"\r\na\r\nb\r\n001 \r\nc\r\n0\r\nDigest: x\r\n\r\n";
    for (fields, body, expected, length) in [
        ("Content-Length: 3\r\n", "abc", "abc", Some(3)),
        ("content-length: 3\r\nCONTENT-LENGTH:3 \r\n", "abc", "abc", Some(3)),
        ("Content-Length: 0\r\n", "", "", Some(0)),
        ("Transfer-Encoding: Chunked\r\n", chunks, "a\r\nbc", None),
        ("Transfer-Encoding: chunked\r\n", "0\r\n\r\n", "", None),
    ] {
        let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\n{body}");
        let (mut client, head, bodies) = answer(&get(), &text);
        assert_eq!((head.status, head.reason.as_str(), head.length), (200, "OK", length), "{text}");
        assert_eq!(bodies, [expected], "{text}");
        assert!(client.is_reusable());
        client.ask(&get()).unwrap();
        client.transmit().clear();
        let next = "HTTP/1.1 204 No Content\r\n\r\n";
        assert_eq!(hear(&mut client, next.as_bytes(), next.len()).unwrap().1, [""]);
    }
}

#[test]
fn some_answers_have_no_body_whatever_they_say() {
    let head = Outgoing { method: Method::Head, ..get() };
    for (request, status) in [(get(), "204 No Content"), (get(), "304 Not Modified"), (head, "200 OK")] {
        for framing in ["Content-Length: 100\r\n", "Transfer-Encoding: chunked\r\n", ""] {
            let (client, _, bodies) = answer(&request, &format!("HTTP/1.1 {status}\r\n{framing}\r\n"));
            assert_eq!((bodies.as_slice(), client.is_reusable()), (&[String::new()][..], true), "{status} {framing}");
        }
    }
}

#[test]
fn interim_answers_are_passed_over_but_not_for_ever() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 5\r\n\r\n";
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
    let (_, head, bodies) = answer(&get(), &format!("{interim}{last}"));
    assert_eq!((head.status, bodies), (200, vec!["x".to_string()]));
    assert_eq!(refusal(&get(), &format!("{}{last}", interim.repeat(5))), "too many interim answers");
}

#[test]
fn another_protocol_begins_only_where_it_was_asked_for() {
    let text = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x01\x02";
    assert_eq!(refusal(&get(), text), "a switch to another protocol without a request for it");
    let request = Outgoing { fields: &[("Upgrade", "websocket")], ..get() };
    let (mut client, head, bodies) = answer(&request, text);
    assert_eq!((head.status, bodies.len(), client.is_reusable()), (101, 0, false));
    client.end().unwrap();
    assert_eq!(client.event(), Some(ClientEvent::End));
}

#[test]
fn some_bodies_end_with_the_connection_and_the_others_must_not() {
    for (text, ends) in [
        ("HTTP/1.1 200 OK\r\n\r\nabc", true),
        ("HTTP/1.0 200\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", false),
        ("HTTP/1.1 200 OK\r\n", false),
        ("", false),
    ] {
        let mut client = asking(&get());
        hear(&mut client, text.as_bytes(), 1000).unwrap();
        assert_eq!(client.end().is_ok(), ends, "{text}");
        assert_eq!(client.event(), ends.then_some(ClientEvent::End), "{text}");
        assert!(!client.is_reusable());
    }
    let mut idle = Client::new("h", MAX_HEAD, account());
    assert_eq!((idle.end(), idle.is_reusable()), (Ok(()), false));
}

#[test]
fn a_connection_serves_another_request_where_both_sides_want_that() {
    let kept = |then, head: &str| {
        let text = format!("{head}Content-Length: 0\r\n\r\n");
        answer(&Outgoing { then, ..get() }, &text).0.is_reusable()
    };
    for (then, head, expected) in [
        (Then::Keep, "HTTP/1.1 200 OK\r\n", true),
        (Then::Close, "HTTP/1.1 200 OK\r\n", false),
        (Then::Close, "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n", false),
        (Then::Keep, "HTTP/1.1 200 OK\r\nConnection: x, Close\r\n", false),
        (Then::Keep, "HTTP/1.0 200 OK\r\n", false),
        (Then::Keep, "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n", true),
    ] {
        assert_eq!(kept(then, head), expected, "{then:?} {head}");
    }
    // data after an answer that ends the connection is ignored
    let mut client = asking(&Outgoing { then: Then::Close, ..get() });
    let more = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 500 No\r\n\r\n";
    assert_eq!(hear(&mut client, more, more.len()).unwrap().0.len(), 1);
    assert_eq!(client.ask(&get()), Err(Unsent::Busy));
    // an answer without a request is not taken for the answer to the next
    let error = hear(&mut asking(&get()), more, more.len()).unwrap_err();
    assert_eq!(error.to_string(), "an answer without a request");
    // a request that was not transmitted yet blocks another
    let mut client = Client::new("h", MAX_HEAD, account());
    client.ask(&Outgoing { method: Method::Post, body: &[b'x'; 100], ..get() }).unwrap();
    client.input(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert_eq!((client.is_reusable(), client.ask(&get())), (false, Err(Unsent::Busy)));
}

#[test]
fn a_framing_that_others_may_read_otherwise_is_refused() {
    let both = "an answer with a length and a transfer coding";
    let length = "an invalid Content-Length, or two of them";
    let coding = "an unknown transfer coding";
    for (fields, why) in [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", both),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", both),
        ("Content-Length: 5\r\nContent-Length: 6\r\n", length),
        ("Content-Length: 5, 5\r\n", length),
        ("Content-Length: +5\r\n", length),
        ("Content-Length: 0x5\r\n", length),
        ("Content-Length:\r\n", length),
        ("Content-Length: 5\u{2003}\r\n", length),
        ("Transfer-Encoding: gzip, chunked\r\n", coding),
        ("Transfer-Encoding: chunked, chunked\r\n", coding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", coding),
        ("Transfer-Encoding: identity\r\n", coding),
        ("Transfer-Encoding:\r\n", coding),
        ("Transfer-Encoding: chunked\u{a0}\r\n", coding),
        ("Content-Length : 5\r\n", "a damaged field"),
        ("A: b\r\n folded\r\n", "a damaged field"),
        ("A: b\rContent-Length: 5\r\n", "a damaged field"),
        ("A: b\0\r\n", "a damaged field"),
    ] {
        for status in ["200 OK", "204 No Content"] {
            assert_eq!(refusal(&get(), &format!("HTTP/1.1 {status}\r\n{fields}\r\n0\r\n\r\n")), why, "{fields}");
        }
    }
    let old = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(refusal(&get(), old), "a transfer coding in HTTP/1.0");
}

#[test]
fn chunks_that_others_may_read_otherwise_are_refused() {
    let long = format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(300));
    for body in [
        "\r\n",
        "+3\r\nabc\r\n",
        "0x3\r\nabc\r\n",
        " 3\r\nabc\r\n",
        "3 x\r\nabc\r\n",
        "3\nabc\r\n",
        "3\r\nabcd\r\n",
        "3\r\nabc0\r\n",
        "3;a\rb\r\nabc\r\n",
        "0\r\n\r\r\n",
        "-1\r\n",
        &long,
    ] {
        let text = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        assert_eq!(refusal(&get(), &text), "a damaged line between chunks", "{body:?}");
    }
    let huge = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n";
    assert_eq!(refusal(&get(), huge), "a chunk that is too long");
}

#[test]
fn heads_and_trailers_are_bounded_and_charged() {
    let fields: String = (0..80).map(|n| format!("F{n}: x\r\n")).collect();
    assert_eq!(refusal(&get(), &format!("HTTP/1.1 200 OK\r\n{fields}\r\n")), "too many fields in a head");
    let long = "x".repeat(2 * MAX_HEAD);
    assert_eq!(refusal(&get(), &format!("HTTP/1.1 200 OK\r\nA: {long}\r\n\r\n")), "a head that is too long");
    assert_eq!(refusal(&get(), &"\r\n".repeat(MAX_HEAD)), "a head that is too long");
    let trailers = "Of: no use at all\r\n".repeat(MAX_HEAD / 16);
    let text = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{trailers}\r\n");
    assert_eq!(refusal(&get(), &text), "too many trailers");

    let account = Account::root("test", 300);
    let mut client = Client::new("h", MAX_HEAD, account.clone());
    assert!(matches!(client.ask(&Outgoing { body: &[b'x'; 400], ..get() }), Err(Unsent::OverBudget(_))));
    client.ask(&get()).unwrap();
    assert!(account.used() > 0);
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: {}\r\n\r\n", "x".repeat(300));
    assert_eq!(client.input(head.as_bytes()).unwrap_err().to_string(), "no room for the head of an answer");
    drop(client);
    assert_eq!(account.used(), 0);
}

#[test]
fn lengths_and_endless_bodies_cost_nothing() {
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7fffffff\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
    ] {
        let account = account();
        let mut client = Client::new("h", MAX_HEAD, account.clone());
        client.ask(&get()).unwrap();
        hear(&mut client, head.as_bytes(), head.len()).unwrap();
        let before = account.used();
        for _ in 0..1000 {
            assert_eq!(client.input(&[b'x'; 1000]), Ok(1000));
            assert_eq!((client.event(), client.event()), (Some(ClientEvent::Body(1000)), None));
        }
        assert_eq!(account.used(), before);
    }
}

#[test]
fn what_is_no_answer_is_refused_by_name() {
    for (text, why) in [
        ("RTSP/1.0 200 OK\r\n\r\n", "an answer that is not one of HTTP/1"),
        ("HTTP/2.0 200 OK\r\n\r\n", "an answer that is not one of HTTP/1"),
        ("HTTP/1.1 2x0 OK\r\n\r\n", "a damaged status line"),
        ("HTTP/1.1 200 O\rK\r\n\r\n", "a damaged status line"),
        ("HTTP/1.1 099 OK\r\n\r\n", "an invalid status"),
    ] {
        assert_eq!(refusal(&get(), text), why, "{text}");
    }
    // deviations of simple servers are accepted
    let (_, head, _) = answer(&get(), "\r\nHTTP/1.1 200\nContent-Length: 0\n\n");
    assert_eq!((head.status, head.reason.as_str()), (200, ""));
    let mut client = asking(&get());
    let latin = b"HTTP/1.1 200 OK\r\nServer: Cam\xe9ra\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(hear(&mut client, latin, 7).unwrap().0[0].fields.get("server"), Some("Cam?ra"));
}

#[test]
fn a_redirection_is_reported() {
    for (status, expected) in [(301, Some("/b")), (302, Some("/b")), (303, Some("/b")), (308, Some("/b")), (201, None)]
    {
        let text = format!("HTTP/1.1 {status} x\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(answer(&get(), &text).1.location(), expected, "{status}");
    }
}

#[test]
fn our_own_server_and_client_understand_each_other() {
    let (mut server, mut client) = (Server::new(MAX_HEAD), Client::new("h:80", MAX_HEAD, account()));
    let requests = [
        (get(), Status::OK, "hello"),
        (Outgoing { method: Method::Head, ..get() }, Status::OK, ""),
        (Outgoing { method: Method::Post, body: b"GET / HTTP/1.1\r\n\r\n", ..get() }, Status::OK, "posted"),
        (get(), Status::NOT_MODIFIED, ""),
        (Outgoing { then: Then::Close, fields: &[("X-Y", "z")], ..get() }, Status::NOT_FOUND, "no"),
    ];
    for (request, status, body) in requests {
        assert!(client.is_reusable() && !server.is_closed());
        client.ask(&request).unwrap();
        let asked = std::mem::take(client.transmit());
        let mut rest = &asked[..];
        while let Ok(used @ 1..) = server.input(rest) {
            rest = &rest[used..];
            if let Some(event) = server.event() {
                let crate::proto::http::Event::Request(heard) = event else { panic!("{event:?}") };
                assert_eq!((heard.method, heard.path.as_str()), (request.method, "/a"));
                assert_eq!(heard.fields.get("x-y"), request.fields.first().map(|(_, value)| *value));
                match status {
                    Status::NOT_MODIFIED => {
                        server.begin(status, &[], Extent::Nothing);
                        server.done();
                    }
                    _ => server.answer(status, &[], body.as_bytes()),
                }
            }
        }
        assert!(rest.is_empty());
        let answered = std::mem::take(server.transmit());
        let (heads, bodies) = hear(&mut client, &answered, 7).unwrap();
        assert_eq!((heads[0].status, bodies.as_slice()), (status.0, &[body.to_string()][..]));
    }
    assert!(server.is_closed() && !client.is_reusable());
}

#[test]
fn what_proves_who_asks_is_not_shown() {
    let request = Outgoing { fields: &[("Authorization", "Bearer secret")], target: "/?token=secret", ..get() };
    let mut client = Client::new("h", MAX_HEAD, account());
    client.ask(&request).unwrap();
    for shown in [format!("{request:?}"), format!("{client:?}")] {
        assert!(!shown.contains("secret") && !shown.contains("115, 101"), "{shown}");
    }
}
