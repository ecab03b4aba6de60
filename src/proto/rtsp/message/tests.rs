use super::*;

const MAX: usize = 1024;

fn whole(data: &[u8]) -> Message {
    let (used, message) = read(data, MAX).unwrap().unwrap();
    assert_eq!(used, data.len());
    message
}

fn request(text: &str) -> Request {
    match whole(text.as_bytes()) {
        Message::Request(request) => request,
        other => panic!("{other:?}"),
    }
}

fn response(text: &str) -> Response {
    match whole(text.as_bytes()) {
        Message::Response(response) => response,
        other => panic!("{other:?}"),
    }
}

fn refused(text: &str) -> (Status, Option<u32>) {
    let error = read(text.as_bytes(), MAX).unwrap_err();
    (error.status, error.cseq)
}

#[test]
fn requests_with_a_body_are_read_when_it_is_complete() {
    let text = "ANNOUNCE rtsp://h/live/a RTSP/1.0\r\nCSeq: 2\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n";
    let request = request(text);
    assert_eq!(
        (request.method, request.url.as_str(), request.body.as_str()),
        (Method::Announce, "rtsp://h/live/a", "v=0\r\n")
    );
    assert_eq!((request.fields.get("cseq"), request.fields.get("content-type")), (Some("2"), Some("application/sdp")));
    for end in 0..text.len() {
        assert_eq!(read(&text.as_bytes()[..end], MAX), Ok(None), "{end}");
    }
    let two = text.repeat(2);
    assert_eq!(read(two.as_bytes(), MAX).unwrap().unwrap().0, text.len());
}

#[test]
fn responses_need_no_reason() {
    let answer = response("RTSP/1.0 454 Session Not Found\r\nCSeq: 7\r\nSession:1\r\n\r\n");
    assert_eq!((answer.status, answer.reason.as_str()), (454, "Session Not Found"));
    assert_eq!(answer.fields.get("Session"), Some("1"));
    for text in ["RTSP/1.0 200\r\n\r\n", "RTSP/1.0 200 \r\n\r\n", "rtsp/1.0  200\n\n"] {
        let answer = response(text);
        assert_eq!((answer.status, answer.reason.as_str()), (200, ""), "{text}");
    }
}

#[test]
fn line_ends_may_be_short_and_empty_lines_stand_between() {
    let request = request("OPTIONS * RTSP/1.0\nCSeq:1\nUser-Agent :  x  \n\n");
    assert_eq!((request.method, request.url.as_str()), (Method::Options, "*"));
    assert_eq!((request.fields.get("CSeq"), request.fields.get("User-Agent")), (Some("1"), Some("x")));
}

#[test]
fn folded_fields_are_one_line_and_lines_that_are_none_are_passed_over() {
    let request = request(
        "SETUP rtsp://h/a RTSP/1.0\r\nTransport: RTP/AVP;unicast;\r\n  client_port=1-2\r\n\t;x\r\nno field\r\nCSeq:\r\n 4\r\n\r\n",
    );
    assert_eq!(request.fields.get("Transport"), Some("RTP/AVP;unicast; client_port=1-2 ;x"));
    assert_eq!(request.fields.get("CSeq"), Some("4"));
}

#[test]
fn fields_come_several_times() {
    let answer = response("RTSP/1.0 401 No\r\nWWW-Authenticate: Digest a=b\r\nwww-authenticate: Basic\r\n\r\n");
    assert_eq!(answer.fields.all("WWW-Authenticate").collect::<Vec<_>>(), ["Digest a=b", "Basic"]);
}

#[test]
fn bytes_that_are_no_text_do_no_harm() {
    let data = b"DESCRIBE rtsp://h/\xff RTSP/1.0\r\nUser-Agent: \xc0\xc1\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n\xfe!";
    let Message::Request(request) = whole(data) else { panic!() };
    assert_eq!((request.url.as_str(), request.body.as_str()), ("rtsp://h/\u{fffd}", "\u{fffd}!"));
    assert_eq!(request.fields.get("User-Agent"), Some("\u{fffd}\u{fffd}"));
}

#[test]
fn methods_are_in_capitals_and_urls_may_hold_spaces() {
    for (method, name) in METHODS {
        assert_eq!((Method::parse(name), method.name()), (method, name));
    }
    assert_eq!(request("describe rtsp://h/a b RTSP/1.0\r\n\r\n").method, Method::Other);
    assert_eq!(request("DESCRIBE rtsp://h/a b RTSP/1.0\r\n\r\n").url, "rtsp://h/a b");
}

#[test]
fn what_is_wrong_is_refused_by_name_and_number() {
    for (text, status, cseq) in [
        ("PLAY rtsp://h/a RTSP/2.0\r\nCSeq: 9\r\n\r\n", Status::VERSION, Some(9)),
        ("RTSP/2.0 200 OK\r\n\r\n", Status::VERSION, None),
        ("GET / HTTP/1.1\r\ncseq:3\r\n\r\n", Status::BAD_REQUEST, Some(3)),
        ("HTTP/1.1 400 Bad Request\r\n\r\n", Status::BAD_REQUEST, None),
        ("PLAY RTSP/1.0\r\nCSeq: x\r\n\r\n", Status::BAD_REQUEST, None),
        ("RTSP/1.0 x\r\n\r\n", Status::BAD_REQUEST, None),
        ("RTSP/1.0 99\r\n\r\n", Status::BAD_REQUEST, None),
        ("\x16\x03\x01\x02", Status::BAD_REQUEST, None),
        ("PLAY a\tb RTSP/1.0\r\n\r\n", Status::BAD_REQUEST, None),
        ("PLAY a RTSP/1.0\r\nCSeq: 1\r\nContent-Length: -1\r\n\r\n", Status::BAD_REQUEST, Some(1)),
        ("PLAY a RTSP/1.0\r\nContent-Length: 1\r\nContent-Length: 2\r\nCSeq: 1\r\n\r\n", Status::BAD_REQUEST, Some(1)),
        ("PLAY a RTSP/1.0\r\nCSeq: 5\r\nContent-Length: 1024\r\n\r\n", Status::TOO_LARGE, Some(5)),
        ("PLAY a RTSP/1.0\r\nContent-Length: 99999999999999999999999\r\n\r\n", Status::TOO_LARGE, None),
    ] {
        assert_eq!(refused(text), (status, cseq), "{text}");
    }
    assert_eq!(refused(&format!("PLAY /{}", "a".repeat(MAX))).0, Status::URI_TOO_LONG);
    assert_eq!(refused(&format!("PLAY a RTSP/1.0\r\nCSeq: 1\r\nA: {}", "a".repeat(MAX))), (Status::TOO_LARGE, Some(1)));
    assert_eq!(refused(&format!("PLAY a RTSP/1.0\r\n{}\r\n", "A: b\r\n".repeat(MAX_FIELDS + 1))).0, Status::TOO_LARGE);
    assert_eq!(refused(&"\r\n".repeat(MAX)).0, Status::BAD_REQUEST);
}

#[test]
fn a_message_of_the_longest_size_passes() {
    let head = "PLAY a RTSP/1.0\r\nContent-Length: 900\r\n\r\n";
    let text = format!("{head}{}", "x".repeat(900));
    assert!(read(text.as_bytes(), text.len()).unwrap().is_some());
    assert!(read(text.as_bytes(), text.len() - 1).is_err());
    assert!(read(&head.as_bytes()[..head.len() - 1], head.len() - 1).is_err());
}

#[test]
fn what_is_written_reads_the_same() {
    let mut out = Vec::new();
    write_request(&mut out, Method::GetParameter, "rtsp://h/a", &[("CSeq", "3"), ("X", "a\r\nEvil: b")], "ping");
    let Message::Request(request) = whole(&out) else { panic!() };
    assert_eq!(
        (request.method, request.url.as_str(), request.body.as_str()),
        (Method::GetParameter, "rtsp://h/a", "ping")
    );
    assert_eq!((request.fields.get("X"), request.fields.get("Evil")), (Some("aEvil: b"), None));
    assert_eq!(request.fields.get("Content-Length"), Some("4"));
    out.clear();
    write_response(&mut out, Status::OK, &[("CSeq", "3")], "");
    assert_eq!(out, b"RTSP/1.0 200 OK\r\nCSeq: 3\r\n\r\n");
}

#[test]
fn no_damage_panics() {
    let texts = [
        "SETUP rtsp://10.0.0.7:554/p/streamid=0?x=1 RTSP/1.0\r\nCSeq: 4\r\nTransport: RTP/AVP/TCP;unicast;\r\n interleaved=0-1\r\n\r\n",
        "RTSP/1.0 200 OK\r\nCSeq: 3\r\nContent-Base: rtsp://h/p/\r\nContent-Length: 14\r\n\r\nv=0\r\nm=video\r\n",
        "ANNOUNCE rtsp://h/p RTSP/1.0\nCSeq: 2\nContent-length: 3\nContent-Length: 3\n\nv=0",
    ];
    for text in texts {
        for at in 0..text.len() {
            assert_eq!(read(&text.as_bytes()[..at], MAX), Ok(None));
            for mask in [1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80, 0xff] {
                let mut bytes = text.as_bytes().to_vec();
                bytes[at] ^= mask;
                if let Ok(Some((used, _))) = read(&bytes, MAX) {
                    assert!(used <= bytes.len());
                }
            }
        }
    }
}

#[test]
fn messages_are_told_from_bytes_that_mean_nothing() {
    let begin = ["RTSP/1.0 200 OK", "rtsp/1.0 200", "OPTIONS ", "FLY * RTSP/1.0\r\n", "X_NOTIFY rtsp://h/ RTSP/1.0\n"];
    let cannot_be_told = ["", "R", "RTSP", "OPT", "OPTIONS", "FLY", "FLY * RTSP/1.0"];
    let long = format!("FLY {}", "x".repeat(MAX_LINE));
    let none = [
        "$",
        "1",
        "fly * RTSP/1.0\r\n",
        "FLY\r\n",
        "FLY *\r\n",
        "FLY\0",
        "GIF89a",
        "FLY \u{7f}",
        "XOPTIONS * RTSP/1.0\n",
        &long,
    ];
    let all = |texts: &[&str], what| texts.iter().for_each(|text| assert_eq!(begins(text.as_bytes()), what, "{text}"));
    all(&begin, Some(true));
    all(&cannot_be_told, None);
    all(&none, Some(false));
}
