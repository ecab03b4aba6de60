//! Rules that ask a server whether a client may, as each protocol meets them.

use runnel::proto::rtmp::Address;

use super::authority::{Authority, say};
use super::credentials::{Rtsp, challenges};
use super::*;

fn rule(authority: &Authority, more: &str) -> String {
    format!("[[access]]\naction = [\"publish\", \"play\"]\ncallback = \"{}\"\n{more}\n", authority.url())
}

/// One that answers as soon as the test says so, and how.
fn held() -> (Authority, Sender<u16>) {
    let (answers, answer) = bounded::<u16>(64);
    let authority = Authority::new(move |_, socket| {
        if let Ok(status) = answer.recv_blocking() {
            say(socket, status, "");
        }
    });
    (authority, answers)
}

/// A stream that is published without being asked about.
fn with_publisher(rules: &str) -> (Gate, Rtmp) {
    let gate = Gate::begin(&format!("[[access]]\naction = \"publish\"\nallow = true\n{rules}"));
    let mut publisher = Rtmp::publisher(gate.rtmp, "open");
    pictures(&mut publisher, 60);
    (gate, publisher)
}

#[test]
fn a_publisher_is_let_in_after_the_verdict_and_not_before() {
    let (authority, answers) = held();
    let gate = Gate::begin(&rule(&authority, ""));
    for (status, let_in) in [(200, true), (403, false), (401, false)] {
        let before = authority.asked().len();
        let name = format!("open{status}?user=anna&pass=x%221");
        let mut publisher = Rtmp::at(gate.rtmp, Role::Publish, Address::new("rtmp://127.0.0.1", "live", &name));
        let event = thread::scope(|scope| {
            let publishing = scope.spawn(|| publisher.event());
            wait(|| authority.asked().len() > before);
            assert!(!publishing.is_finished(), "nobody has decided");
            answers.send_blocking(status).unwrap();
            publishing.join().unwrap()
        });
        assert_eq!(event == Some(ClientEvent::Started), let_in, "{event:?}");
    }
    let agent = "FMLE/3.0 (compatible; runnel/0.1.0)";
    let body = format!(
        "{{\"ip\":\"127.0.0.1\",\"user\":\"anna\",\"password\":\"x\\\"1\",\"token\":\"\",\"action\":\"publish\",\
         \"path\":\"live/open200\",\"protocol\":\"rtmp\",\"id\":null,\"query\":\"user=anna&pass=x%221\",\
         \"userAgent\":\"{agent}\"}}"
    );
    assert_eq!(authority.bodies()[0], body);
    let head = &authority.asked()[0];
    assert!(head.starts_with("POST /may?key=Secret-2 HTTP/1.1\r\n") && head.contains("application/json"), "{head}");
}

#[test]
fn many_who_ask_the_same_are_one_question_whose_answer_is_remembered() {
    let (authority, answers) = held();
    let (gate, _publisher) = with_publisher(&rule(&authority, ""));
    let statuses = thread::scope(|scope| {
        let viewers: Vec<_> = (0..12).map(|_| scope.spawn(|| gate.http("/live/open.flv?token=a"))).collect();
        wait(|| gate.asked().iter().filter(|line| line.contains("flv live/open?token=a")).count() == 12);
        answers.send_blocking(200).unwrap();
        viewers.into_iter().map(|viewer| viewer.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(statuses, [200; 12]);
    assert_eq!(gate.http("/live/open.flv?token=a"), 200);
    assert_eq!(authority.asked().len(), 1);
    answers.send_blocking(403).unwrap();
    assert_eq!((gate.http("/live/open.flv?token=b"), gate.http("/live/open.flv?token=b")), (403, 403));
    assert_eq!(authority.asked().len(), 2, "others who show something else are asked about, once");
    assert!(authority.bodies()[1].contains("\"token\":\"b\""), "{:?}", authority.bodies());
}

#[test]
fn hls_is_asked_about_for_the_first_playlist_and_for_no_segment() {
    let authority = Authority::saying(200, "");
    let (gate, _publisher) = with_publisher(&rule(&authority, ""));
    let moved = gate.http_with("/hls/open.m3u8", None, "");
    assert_eq!(moved.status, 302);
    let to = moved.head.lines().find_map(|line| line.strip_prefix("Location: ./")).unwrap();
    let playlist = Http::new(gate.http).get(&format!("/hls/{to}")).text();
    let segments: Vec<_> = playlist.lines().filter(|line| line.contains(".ts")).collect();
    assert!(!segments.is_empty(), "{playlist}");
    for segment in segments {
        let path = if segment.starts_with('/') { segment.into() } else { format!("/hls/{segment}") };
        assert_eq!(gate.http(&path), 200, "{path}");
    }
    assert_eq!(authority.asked().len(), 1);
    assert!(authority.bodies()[0].contains("\"protocol\":\"hls\""), "{:?}", authority.bodies());
}

#[test]
fn credentials_are_asked_for_by_rtsp_and_http_and_passed_on() {
    let authority = Authority::new(|request, socket| {
        let status = if request.contains("\"user\":\"camera\",\"password\":\"secret\"") { 200 } else { 401 };
        say(socket, status, "");
    });
    let (gate, _publisher) = with_publisher(&rule(&authority, ""));
    // camera:secret and camera:guess
    let (right, wrong) = ("Basic Y2FtZXJhOnNlY3JldA==", "Basic Y2FtZXJhOmd1ZXNz");
    let asked = gate.http_with("/live/open.flv", None, "");
    let all = ["Bearer realm=\"runnel\"", "Basic realm=\"runnel\""];
    assert_eq!((asked.status, challenges(&asked.head)), (401, all.map(str::to_string).into()));
    assert_eq!(gate.http_with("/live/open.flv", Some(right), "").status, 200);
    let mut rtsp = Rtsp::new(&gate);
    assert!(rtsp.challenges("DESCRIBE", "open").iter().any(|one| one.starts_with("Basic")));
    assert_eq!(rtsp.ask("DESCRIBE", "open", Some(wrong)).0, 401);
    assert_eq!(rtsp.ask("DESCRIBE", "open", Some(right)).0, 200);
    for _ in 0..4 {
        assert_eq!(gate.http_with("/live/open.flv", Some(wrong), "").status, 401);
    }
    assert_eq!(gate.http_with("/live/open.flv", Some(right), "").status, 429, "who guesses is shut out");
}

#[test]
fn a_server_for_srs_is_asked_in_its_words() {
    let authority = Authority::saying(200, "{\"code\":0}");
    let gate = Gate::begin(&rule(&authority, "format = \"srs\""));
    let _publisher = Rtmp::publisher(gate.rtmp, "open?token=x");
    assert_eq!(gate.http("/live/open.flv"), 200);
    let bodies = authority.bodies();
    let is = |body: &str, action: &str, param: &str, end: &str| {
        let begin = format!("{{\"server_id\":\"runnel\",\"service_id\":\"\",\"action\":\"{action}\",\"client_id\":\"");
        let rest = format!(
            "\"ip\":\"127.0.0.1\",\"vhost\":\"__defaultVhost__\",\"app\":\"live\",\
             \"tcUrl\":\"rtmp://__defaultVhost__/live\",\"stream\":\"open\",\"param\":\"{param}\",\
             \"stream_url\":\"/live/open\",\"stream_id\":\"\"{end}}}"
        );
        body.starts_with(&begin) && body.ends_with(&rest)
    };
    assert!(is(&bodies[0], "on_publish", "?token=x", ""), "{}", bodies[0]);
    assert!(is(&bodies[1], "on_play", "", ",\"pageUrl\":\"\""), "{}", bodies[1]);
    let refusing = Authority::saying(200, "{\"code\":403}");
    let gate = Gate::begin(&rule(&refusing, "format = \"srs\""));
    assert_eq!(Rtmp::new(gate.rtmp, Role::Publish, "open").refusal().unwrap(), "NetStream.Publish.Denied");
}

/// Servers that give no answer.
fn broken() -> Vec<(&'static str, Authority)> {
    let endless = |head: &'static str, piece: &'static [u8]| {
        Authority::new(move |_, socket| {
            let _ = socket.write_all(head.as_bytes());
            while socket.write_all(piece).is_ok() {}
        })
    };
    vec![
        ("closes", Authority::new(|_, _| {})),
        ("has troubles", Authority::saying(500, "")),
        ("is busy", Authority::saying(429, "")),
        (
            "redirects",
            Authority::new(|_, socket| {
                let _ =
                    socket.write_all(b"HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
            }),
        ),
        (
            "is none of HTTP",
            Authority::new(|_, socket| {
                let _ = socket.write_all(&[0xff; 100]);
            }),
        ),
        ("sends a body without end", endless("HTTP/1.1 200 X\r\n\r\n", &[b'0'; 1 << 10])),
        ("sends a head without end", endless("HTTP/1.1 200 X\r\n", b"X-More: 0123456789\r\n")),
        ("says too much", Authority::new(|_, socket| say(socket, 200, &"0".repeat(5 << 10)))),
        (
            "ends too soon",
            Authority::new(|_, socket| {
                let _ = socket.write_all(b"HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\n{");
            }),
        ),
    ]
}

#[test]
fn without_an_answer_nobody_publishes_and_players_are_let_in_if_the_rule_says_so() {
    for (what, authority) in broken() {
        let free = "[[access]]\nstreams = \"open\"\naction = \"publish\"\nallow = true\n";
        let gate = Gate::begin(&format!("{free}{}", rule(&authority, "fail_open = true")));
        let mut publisher = Rtmp::publisher(gate.rtmp, "open");
        pictures(&mut publisher, 20);
        assert_eq!(
            Rtmp::new(gate.rtmp, Role::Publish, "open2").refusal().unwrap(),
            "NetStream.Publish.Denied",
            "{what}"
        );
        assert_eq!(gate.http("/live/open.flv"), 200, "{what}");
        let closed = Gate::begin(&format!("{free}{}", rule(&authority, "")));
        let _publisher = Rtmp::publisher(closed.rtmp, "open");
        assert_eq!(closed.http("/live/open.flv"), 503, "{what}");
        assert_eq!(closed.http("/live/open.flv"), 503, "{what}: what is no answer is not remembered");
    }
}

#[test]
fn a_server_that_hangs_holds_up_nobody_but_who_waits_for_it() {
    // until it is cut off
    let hanging = Authority::new(|_, socket| _ = socket.read(&mut [0]));
    let quick = Authority::saying(200, "0");
    let rules = format!(
        "[[access]]\naction = \"play\"\nstreams = \"open\"\ncallback = \"{}\"\n\
         [[access]]\naction = \"play\"\nstreams = \"open2\"\ncallback = \"{}\"\n",
        hanging.url(),
        quick.url()
    );
    let gate = Gate::begin(&rules);
    let _publishers = ["open", "open2", "open3"].map(|name| Rtmp::publisher(gate.rtmp, name));
    let waiting: Vec<_> = (0..12)
        .map(|at| {
            let mut viewer = Http::new(gate.http);
            let request = format!("GET /live/open.flv?token={at} HTTP/1.1\r\nHost: h\r\n\r\n");
            viewer.socket.write_all(request.as_bytes()).unwrap();
            viewer
        })
        .collect();
    wait(|| hanging.asked().len() == 8);
    assert_eq!((gate.http("/live/open2.flv"), gate.http("/live/open3.flv")), (200, 200));
    assert_eq!(hanging.asked().len(), 8, "no more are asked at once");
    let statuses: Vec<_> = waiting.into_iter().map(|mut viewer| viewer.head().status).collect();
    assert_eq!(statuses, [503; 12]);
    assert_eq!(hanging.asked().len(), 12, "the others got their turn");
}

#[test]
fn questions_that_nobody_awaits_are_not_asked() {
    let (authority, answers) = held();
    let gate = Gate::begin(&rule(&authority, ""));
    let ask = |at: usize| {
        let mut viewer = Http::new(gate.http);
        let request = format!("GET /live/open.flv?token={at} HTTP/1.1\r\nHost: h\r\n\r\n");
        viewer.socket.write_all(request.as_bytes()).unwrap();
        viewer
    };
    let first: Vec<_> = (0..8).map(ask).collect();
    wait(|| authority.asked().len() == 8);
    let gone: Vec<_> = (8..40).map(ask).collect();
    wait(|| gate.asked().len() >= 40);
    drop(gone);
    let mut last = ask(99);
    wait(|| gate.asked().iter().any(|line| line.contains("token=99")));
    until(gate.http, "the end of those that have left", |page| metric(page, "runnel_connections") <= 11);
    (0..9).for_each(|_| answers.send_blocking(403).unwrap());
    assert_eq!(last.head().status, 403);
    assert_eq!(authority.asked().len(), 9);
    drop(first);
}
