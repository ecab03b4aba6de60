//! Faults that RTSP servers and clients have had, by name.

use runnel::budget::Account;
use runnel::hub::Name;
use runnel::proto::Machine;
use runnel::proto::rtsp::{ClientEvent, Event, Lower, Purpose};

use crate::drive::{Dice, Guarded, Outcome, React, converse, invariant_at};
use crate::rtsp_talks::{self, LIMITS, SESSION, Speaker, URL};

const ROOM: usize = 64 << 10;

/// The events that a server reads from `text`; its account is empty afterwards.
fn served(text: &[u8]) -> Outcome<Event> {
    let account = Account::root("conversation", ROOM);
    let mut server = rtsp_talks::server(account.clone());
    let outcome = converse(&mut server, text, []);
    assert!(outcome.most_sent <= LIMITS.max_answers + LIMITS.max_message, "{} bytes", outcome.most_sent);
    drop(server);
    let packets = outcome.events.iter().filter(|event| matches!(event, Event::Packet { .. })).count();
    assert!(packets > 0 || account.used() == 0);
    outcome
}

/// The status codes of all answers.
fn statuses(sent: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(sent);
    text.split("RTSP/1.0 ").skip(1).map(|answer| answer[..3].parse().unwrap()).collect()
}

/// The statuses with which requests of `method` and `url` are answered, and the
/// number of events that come of each.
fn asked(requests: &[(&str, &str, &[&str])]) -> (Vec<u16>, usize) {
    let mut it = Speaker::default();
    requests.iter().for_each(|(method, url, fields)| it.ask(method, url, fields, ""));
    let outcome = served(&it.bytes);
    assert_eq!(outcome.error, None);
    (statuses(&outcome.sent), outcome.events.len())
}

#[test]
fn an_empty_url_is_no_stream() {
    for method in ["OPTIONS", "DESCRIBE", "ANNOUNCE", "SETUP", "PLAY", "RECORD", "TEARDOWN"] {
        for spaces in ["", " ", "  "] {
            let outcome = served(format!("{method}{spaces}RTSP/1.0\r\nCSeq: 1\r\n\r\n").as_bytes());
            assert_eq!((statuses(&outcome.sent), outcome.events.len()), (vec![400], 0), "{method}{spaces}");
        }
    }
    for url in ["*", "/", "//", "?", "rtsp://", "rtsp:///", "rtsp://h", "rtsp://h/", "rtsp://h?a", "streamid=0", ".."] {
        let mut it = Speaker::default();
        it.ask("DESCRIBE", url, &[], "");
        for event in served(&it.bytes).events {
            let Event::Describe(target) = event else { panic!("{event:?}") };
            let own = ["*", "streamid=0"].contains(&url);
            assert!(Name::new(&target.name).is_err() || own, "{url} is the stream {:?}", target.name);
        }
    }
}

#[test]
fn an_empty_transport_is_refused_and_the_connection_goes_on() {
    for transport in [
        "X: y",
        "Transport:",
        "Transport: ",
        "Transport: ,",
        "Transport: ;;;,;;",
        "Transport: \"",
        "Transport: RTP",
        "Transport: RTP/SAVP;unicast;client_port=1-2",
        "Transport: RTP/AVP/SCTP;unicast;client_port=1-2",
    ] {
        let (statuses, events) = asked(&[("SETUP", URL, &[transport]), ("OPTIONS", URL, &[])]);
        assert_eq!((statuses, events), (vec![461, 200], 0), "{transport}");
    }
}

#[test]
fn lengths_of_bodies_do_not_wrap_and_hide_no_request() {
    for (length, status) in [
        ("4096", 413),
        ("4294967296", 413),
        ("4294967301", 413),
        ("18446744073709551615", 413),
        ("18446744073709551616", 413),
        ("99999999999999999999999999999999999999", 413),
        ("-1", 400),
        ("+5", 400),
        ("0x5", 400),
        ("5 5", 400),
        ("", 400),
        ("5\r\nContent-Length: 6", 400),
    ] {
        let text = format!(
            "ANNOUNCE {URL} RTSP/1.0\r\nCSeq: 3\r\nContent-Length: {length}\r\n\r\nSETUP {URL} RTSP/1.0\r\nCSeq: 4\r\n\r\n"
        );
        let outcome = served(text.as_bytes());
        assert!(outcome.error.is_some() && outcome.events.is_empty(), "{length}: {outcome:?}");
        assert_eq!(statuses(&outcome.sent), [status], "{length}");
        assert!(String::from_utf8_lossy(&outcome.sent).contains("CSeq: 3\r\n"), "{length}");
    }
}

#[test]
fn heads_without_end_are_refused() {
    let field = |count| "a:b\r\n".repeat(count);
    for (text, status) in [
        (format!("DESCRIBE {URL} RTSP/1.0\r\nCSeq: 1\r\n{}", field(100_000)), 413),
        (format!("DESCRIBE {URL} RTSP/1.0\r\nCSeq: 1\r\n{}\r\n", field(200)), 413),
        (format!("DESCRIBE {URL} RTSP/1.0\r\nA: {}", "x".repeat(1 << 20)), 413),
        (format!("DESCRIBE rtsp://h/{}", "x".repeat(1 << 20)), 414),
        ("x".repeat(1 << 20), 414),
        ("\r\n".repeat(1 << 20), 400),
        ("\0".repeat(10), 400),
        ("\u{16}\u{3}\u{1}".into(), 400), // TLS
    ] {
        let outcome = served(text.as_bytes());
        assert!(outcome.error.is_some() && outcome.events.is_empty(), "{}", &text[..20]);
        assert_eq!(statuses(&outcome.sent), [status], "{}", &text[..10]);
    }
}

#[test]
fn a_number_as_long_as_a_message_is_not_repeated() {
    let outcome = served(format!("OPTIONS {URL} RTSP/1.0\r\nCSeq: {}\r\n\r\n", "9".repeat(3900)).as_bytes());
    assert_eq!(statuses(&outcome.sent), [200]);
    assert!(outcome.sent.len() < 400, "{} bytes", outcome.sent.len());
    let outcome = served(format!("OPTIONS {URL} RTSP/1.0\r\nCSeq: {}\r\n\r\n", "9".repeat(1 << 20)).as_bytes());
    assert_eq!(statuses(&outcome.sent), [413]);
    assert!(outcome.sent.len() < 400, "{} bytes", outcome.sent.len());
}

#[test]
fn a_number_does_not_smuggle_lines_into_the_answer() {
    let outcome = served(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\rSession: x\r\n\r\n");
    let text = String::from_utf8(outcome.sent).unwrap();
    assert!(!text.lines().any(|line| line.starts_with("Session")), "{text}");
}

#[test]
fn ten_thousand_setups_are_answered_one_by_one() {
    for announced in [false, true] {
        let mut it = Speaker::default();
        if announced {
            it.ask("ANNOUNCE", URL, &[], &rtsp_talks::sdp("streamid="));
        }
        for number in 0..10_000 {
            it.ask("SETUP", &format!("{URL}/streamid={number}"), &["Transport: RTP/AVP/TCP"], "");
        }
        let outcome = served(&it.bytes);
        assert_eq!(outcome.error, None);
        let tracks = outcome.events.iter().filter_map(|event| match event {
            Event::Setup { track, .. } => Some(*track),
            _ => None,
        });
        assert_eq!(tracks.collect::<Vec<_>>(), (0..8).collect::<Vec<_>>(), "announced: {announced}");
        assert_eq!(statuses(&outcome.sent).iter().filter(|status| **status == 404).count(), 9992);
    }
}

#[test]
fn answers_that_nobody_reads_end_the_connection() {
    let mut server = rtsp_talks::server(Account::root("conversation", ROOM));
    let mut it = Speaker::default();
    (0..10_000).for_each(|_| it.ask("SETUP", URL, &["Transport: RTP/AVP/TCP"], ""));
    let mut data = &it.bytes[..];
    while let Ok(used @ 1..) = server.input(data) {
        data = &data[used..];
        while let Some(event) = server.event() {
            server.react(&event);
        }
        assert!(server.transmit().len() <= LIMITS.max_answers + 1024, "they are not kept for ever");
    }
    assert!(!data.is_empty());
}

#[test]
fn nothing_is_read_while_a_question_is_open() {
    let mut server = rtsp_talks::server(Account::root("conversation", ROOM));
    let mut it = Speaker::default();
    it.ask("DESCRIBE", URL, &[], "");
    let first = it.bytes.len();
    it.ask("SETUP", URL, &["Transport: RTP/AVP/TCP"], "");
    assert_eq!(server.input(&it.bytes), Ok(first));
    assert!(server.event().is_some() && server.is_asked());
    assert_eq!((server.input(&it.bytes[first..]), server.event()), (Ok(0), None));
    server.described("v=0\r\n");
    assert_eq!(server.input(&it.bytes[first..]), Ok(it.bytes.len() - first));
    assert!(matches!(server.event(), Some(Event::Setup { .. })));
}

#[test]
fn sessions_of_others_are_none() {
    let (setup, play) = ("Transport: RTP/AVP/TCP", format!("Session: {SESSION}"));
    for foreign in ["Session: fedcba9876543210", "Session:", "Session: 0", "Session: 0123456789abcdef0", "Session: ;x"]
    {
        let (statuses, events) = asked(&[
            ("SETUP", URL, &[setup]),
            ("PLAY", URL, &[foreign]),
            ("TEARDOWN", URL, &[foreign]),
            ("SETUP", URL, &[setup, foreign]),
            ("GET_PARAMETER", URL, &[foreign]),
            ("PLAY", URL, &[&play]),
        ]);
        assert_eq!((statuses, events), (vec![200, 454, 454, 454, 454, 200], 2), "{foreign}");
    }
}

#[test]
fn requests_out_of_turn_are_refused_and_change_nothing() {
    let setup: (&str, &str, &[&str]) = ("SETUP", URL, &["Transport: RTP/AVP/TCP"]);
    let plain = |method| (method, URL, &[][..]);
    for early in ["PLAY", "RECORD", "PAUSE"] {
        assert_eq!(asked(&[plain(early), plain("DESCRIBE")]), (vec![455, 200], 1), "{early} before all");
    }
    for late in ["RECORD", "ANNOUNCE", "DESCRIBE", "PAUSE"] {
        assert_eq!(asked(&[setup, plain(late), plain("PLAY")]).0, [200, 455, 200], "{late} by a player");
    }
    assert_eq!(asked(&[setup, plain("PLAY"), setup, plain("PAUSE")]), (vec![200, 200, 455, 200], 3), "SETUP in PLAY");
    let mut it = Speaker::default();
    it.ask("ANNOUNCE", URL, &[], &rtsp_talks::sdp("streamid="));
    for (method, url, fields) in [plain("DESCRIBE"), plain("PLAY"), plain("ANNOUNCE"), plain("RECORD"), setup] {
        it.ask(method, url, fields, "");
    }
    it.ask("PLAY", URL, &[], "");
    it.ask("RECORD", URL, &[], "");
    it.ask("SETUP", URL, &["Transport: RTP/AVP/TCP"], "");
    assert_eq!(statuses(&served(&it.bytes).sent), [200, 455, 455, 455, 455, 200, 455, 200, 455]);
}

#[test]
fn guesses_are_not_without_number() {
    let mut it = Speaker::default();
    (0..100).for_each(|n| it.ask("DESCRIBE", URL, &[&format!("Authorization: Basic dXNlcjo{n:02}==")], ""));
    let server = rtsp_talks::server(Account::root("conversation", ROOM));
    let outcome = converse(&mut Guarded::new(server, rtsp_talks::USER), &it.bytes, []);
    assert!(outcome.error.is_some() && outcome.events.iter().all(|event| matches!(event, Event::Describe(_))));
    assert!(statuses(&outcome.sent).len() <= 10, "{:?}", statuses(&outcome.sent));
}

/// The events that a client of ours reads from a server's bytes, which are bounded.
fn met(lower: Lower, text: &[u8]) -> Outcome<ClientEvent> {
    let account = Account::root("conversation", ROOM);
    let mut client = rtsp_talks::client(Purpose::Play, lower, account);
    let outcome = converse(&mut client, text, []);
    assert!(outcome.most_sent <= 64 << 10, "{} bytes", outcome.most_sent);
    outcome
}

/// A server that gives the same answer to all that is asked, a thousand times.
fn stubborn(status: &str, fields: &[&str]) -> Vec<u8> {
    let mut it = Speaker::default();
    (0..1000).for_each(|_| it.answer(status, fields, ""));
    it.bytes
}

#[test]
fn a_server_that_is_never_content_is_given_up() {
    let digest = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"";
    let stale = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", stale=true";
    let moved = "Location: rtsp://10.0.0.1/";
    for (status, field) in [
        ("401 Unauthorized", digest),
        ("401 Unauthorized", stale),
        ("401 Unauthorized", "WWW-Authenticate: Negotiate"),
        ("461 Unsupported Transport", "A: b"),
        ("302 Moved", moved),
        ("302 Moved", "A: b"),
        ("404 Not Found", "A: b"),
        ("999 Whatever", "A: b"),
    ] {
        for lower in [Lower::Tcp, Lower::Udp] {
            let outcome = met(lower, &stubborn(status, &[field]));
            let [ClientEvent::Refused(..) | ClientEvent::Moved(_)] = &outcome.events[..] else {
                panic!("{status} {field}: {:?}", outcome.events)
            };
            assert!(outcome.sent.len() < 2000, "{status} {field}: it asks {} bytes", outcome.sent.len());
        }
    }
    // no way at all to carry a track
    let mut it = Speaker::default();
    it.answer("200 OK", &[], "");
    it.answer("200 OK", &[], &rtsp_talks::sdp("streamid="));
    (0..1000).for_each(|_| it.answer("461 Unsupported Transport", &[], ""));
    let refusals = met(Lower::Tcp, &it.bytes).events;
    assert!(matches!(refusals.last(), Some(ClientEvent::Refused(461, _))), "{refusals:?}");
}

#[test]
fn lies_of_servers_about_lengths_and_times_cost_nothing() {
    for field in ["Content-Length: 99999999999", "Content-Length: -1", "Content-Length: 1\r\nContent-Length: 2"] {
        assert!(met(Lower::Tcp, &stubborn("200 OK", &[field])).error.is_some(), "{field}");
    }
    let endless = format!("RTSP/1.0 200 OK\r\nCSeq: 1\r\nA: {}", "x".repeat(1 << 20));
    assert!(met(Lower::Tcp, endless.as_bytes()).error.is_some());
    for (timeout, seconds) in [("0", 5), ("-1", 60), ("99999999999999999999", 60), ("4294967295", 3600), ("x", 60)] {
        let mut it = Speaker::default();
        it.answer("200 OK", &[&format!("Session: 1;timeout={timeout}")], "");
        let mut client = rtsp_talks::client(Purpose::Play, Lower::Tcp, Account::root("conversation", ROOM));
        converse(&mut client, &it.bytes, []);
        assert_eq!(client.session_timeout().as_secs(), seconds, "{timeout}");
    }
}

#[test]
fn questions_of_servers_are_not_answered_without_number() {
    let mut client = rtsp_talks::client(Purpose::Play, Lower::Tcp, Account::root("conversation", ROOM));
    let question = format!("OPTIONS * RTSP/1.0\r\nCSeq: {}\r\n\r\n", "1".repeat(1000));
    let mut most = 0;
    for _ in 0..10_000 {
        assert_eq!(client.input(question.as_bytes()), Ok(question.len()));
        most = most.max(client.transmit().len());
    }
    assert!(most < 32 << 10, "{most} bytes");
}

/// A server up to its answer to PLAY, with two tracks inside the connection.
fn playing_server() -> Speaker {
    let mut it = Speaker::default();
    it.answer("200 OK", &["Public: OPTIONS, DESCRIBE, SETUP, TEARDOWN, PLAY, GET_PARAMETER"], "");
    it.answer("200 OK", &["Content-Type: application/sdp"], &rtsp_talks::sdp("trackID="));
    for track in 0..2 {
        let transport = format!("Transport: RTP/AVP/TCP;unicast;interleaved={}-{}", 2 * track, 2 * track + 1);
        it.answer("200 OK", &["Session: 7", &transport], "");
    }
    it.answer("200 OK", &["Session: 7"], "");
    it
}

/// A publisher up to RECORD.
fn recording_client() -> Speaker {
    let mut it = Speaker::default();
    it.ask("ANNOUNCE", URL, &[], &rtsp_talks::sdp("streamid="));
    it.ask("SETUP", &format!("{URL}/streamid=0"), &["Transport: RTP/AVP/TCP;unicast;interleaved=0-1"], "");
    it.ask("RECORD", URL, &[], "");
    it
}

/// There is never more than one open request, so that an answer is to that one.
#[test]
fn an_answer_is_to_what_is_open_whatever_its_number() {
    let text = String::from_utf8(playing_server().bytes).unwrap();
    for said in ["CSeq: 0", "CSeq: 1", "CSeq: 99", "CSeq: x", "CSeq:", "A: b"] {
        let said =
            (1..=5).fold(text.clone(), |text, n| text.replace(&format!("CSeq: {n}\r\n"), &format!("{said}\r\n")));
        let outcome = met(Lower::Tcp, said.as_bytes());
        assert!(matches!(outcome.events.last(), Some(ClientEvent::Started(_))), "{said}: {:?}", outcome.events);
    }
}

/// Bytes between packets that are neither a packet nor a message.
const NOISE: [&[u8]; 8] =
    [b"", b"\0", b"\0\0\0\0", b"ok", b"RTSP", b"Wed Nov 29 2026", &[0xff; 200], b"\x80\x60\0\x01$$$$%"];

/// As many packets with `noise` between them.
fn noisy(mut it: Speaker, noise: &[u8], count: usize) -> Vec<u8> {
    for n in 0..count {
        let mut packet = vec![0x80; 40 + n];
        packet[30] = b'$';
        let head = [b'$', (n % 2) as u8, 0, packet.len() as u8];
        it.bytes.extend([&head[..], &packet, noise].concat());
    }
    it.bytes
}

#[test]
fn noise_between_the_packets_of_a_camera_is_passed_over() {
    let begin = playing_server().bytes.len();
    for noise in NOISE {
        let mut talk = noisy(playing_server(), noise, 4);
        let mut it = Speaker::default();
        it.ask("OPTIONS", "*", &[], "");
        talk.extend(it.bytes);
        let new = || rtsp_talks::client(Purpose::Play, Lower::Tcp, Account::root("conversation", ROOM));
        let packets = invariant_at(begin..talk.len(), new, &talk).into_iter().filter_map(|event| match event {
            ClientEvent::Packet { channel, data } => Some((channel, data.len())),
            _ => None,
        });
        let all: Vec<_> = (0..4).map(|n| ((n % 2) as u8, 40 + n)).collect();
        assert_eq!(packets.collect::<Vec<_>>(), all, "{}", noise.escape_ascii());
        let mut client = new();
        let outcome = converse(&mut client, &talk, []);
        assert_eq!((outcome.error, outcome.left, client.noise()), (None, 0, 4 * noise.len() as u32));
        assert!(outcome.sent.ends_with(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"), "the question behind it is answered");
    }
}

#[test]
fn noise_between_the_packets_of_a_publisher_is_passed_over() {
    let mut teardown = Speaker::default();
    teardown.ask("TEARDOWN", URL, &[], "");
    for noise in NOISE {
        let outcome = served(&[noisy(recording_client(), noise, 8), teardown.bytes.clone()].concat());
        let packets = outcome.events.iter().filter(|event| matches!(event, Event::Packet { .. })).count();
        assert_eq!((packets, outcome.error, outcome.left), (8, None, 0), "{}", noise.escape_ascii());
        assert_eq!(statuses(&outcome.sent), [200; 4], "{}", noise.escape_ascii());
    }
}

/// The bytes behind a packet of a wrong length are lost up to the next one.
#[test]
fn a_wrong_length_costs_a_few_packets() {
    for wrong in [0u8, 1, 20, 70, 255] {
        let mut talk = noisy(playing_server(), b"", 20);
        let at = talk.len() - (40..60).map(|len| len + 4).sum::<usize>();
        talk[at + 3] = wrong;
        let outcome = met(Lower::Tcp, &talk);
        let packets = outcome.events.iter().filter(|event| matches!(event, ClientEvent::Packet { .. })).count();
        assert!(packets > 12 && outcome.error.is_none(), "{wrong}: {packets} {:?}", outcome.error);
    }
}

#[test]
fn noise_without_end_and_noise_before_packets_flow_end_the_connection() {
    for noise in [vec![0; 100 << 10], b"hello ".repeat(20_000)] {
        assert!(met(Lower::Tcp, &noisy(playing_server(), &noise, 2)).error.is_some());
        let talk = noisy(recording_client(), &noise, 2);
        let begin = noisy(recording_client(), b"", 1).len();
        for longest in [talk.len(), 10_000, 700] {
            let cuts = Dice(longest as u64).cuts(talk.len(), longest);
            let mut server = rtsp_talks::server(Account::root("conversation", ROOM));
            let outcome = converse(&mut server, &talk, cuts);
            assert_eq!(outcome.place, Some(begin + 59_999), "in pieces of at most {longest}");
        }
    }
    for before in [Speaker::default(), playing_server()] {
        assert!(served(&noisy(before, b"\0", 2)).error.is_some());
    }
    assert!(met(Lower::Tcp, b"\0\0").error.is_some());
}

/// Some programs say PAUSE before they go, and some go on after it.
#[test]
fn a_publisher_may_pause() {
    let mut it = recording_client();
    for method in ["PAUSE", "PAUSE", "RECORD", "PAUSE", "TEARDOWN"] {
        it.packet(0, 60);
        it.ask(method, URL, &[], "");
    }
    let outcome = served(&it.bytes);
    assert_eq!(statuses(&outcome.sent), [200, 200, 200, 200, 455, 200, 200, 200]);
    assert_eq!(outcome.events.iter().filter(|event| matches!(event, Event::Pause)).count(), 2);
}
