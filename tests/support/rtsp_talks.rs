//! RTSP conversations: what clients say to our server, and servers to our client.

#![allow(dead_code, reason = "each test uses a part")]

use runnel::budget::Account;
use runnel::proto::AuthScheme::{Basic, Digest};
use runnel::proto::Url;
use runnel::proto::rtsp::auth::{Answer, Challenger};
use runnel::proto::rtsp::{self, Client, Limits, Lower, Purpose};

pub const LIMITS: Limits = Limits { max_message: 4 << 10, max_answers: 16 << 10, timeout: 60 };
pub const SESSION: &str = "0123456789abcdef";
pub const URL: &str = "rtsp://127.0.0.1:8554/live/test";
const SEED: [u8; 16] = [7; 16];
/// The user who is asked for, and its password.
pub const USER: (&str, &str) = ("user", "p:a\"ss");

pub fn server(account: Account) -> rtsp::Server {
    rtsp::Server::new(LIMITS, Challenger::new(SEED), SESSION.into(), account)
}

pub fn client(purpose: Purpose, lower: Lower, account: Account) -> Client {
    let url = Url::parse("rtsp://admin:secret@127.0.0.1/live/test").unwrap();
    Client::new(&url, purpose, lower, 7, account, std::time::Instant::now())
}

pub fn publishing() -> Purpose {
    Purpose::Publish { sdp: sdp("streamid="), tracks: 2 }
}

/// Pictures and sound as ffmpeg describes them, with controls that begin with `control`.
pub fn sdp(control: &str) -> String {
    format!(
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=No Name\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\na=tool:libavformat\r\n\
         m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
         a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z2QAHqzZQKAv+XARAAADAAEAAAMAMg8WLZY=,aO+Pyw==\r\n\
         a=control:{control}0\r\n\
         m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/44100/2\r\n\
         a=fmtp:97 profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3; config=1210\r\n\
         a=control:{control}1\r\n"
    )
}

/// The bytes that one side has sent so far.
#[derive(Default)]
pub struct Speaker {
    pub bytes: Vec<u8>,
    cseq: u32,
}

impl Speaker {
    /// A request with the next number.
    pub fn ask(&mut self, method: &str, url: &str, fields: &[&str], body: &str) {
        self.cseq += 1;
        let first = format!("{method} {url} RTSP/1.0\r\nCSeq: {}\r\n", self.cseq);
        self.message(first, fields, body);
    }

    /// A response to the next number.
    pub fn answer(&mut self, status: &str, fields: &[&str], body: &str) {
        self.cseq += 1;
        let first = format!("RTSP/1.0 {status}\r\nCSeq: {}\r\n", self.cseq);
        self.message(first, fields, body);
    }

    fn message(&mut self, first: String, fields: &[&str], body: &str) {
        let mut text = first;
        fields.iter().for_each(|field| text.push_str(&format!("{field}\r\n")));
        if !body.is_empty() {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        self.bytes.extend(format!("{text}\r\n{body}").bytes());
    }

    /// `len` bytes on a channel.
    pub fn packet(&mut self, channel: u8, len: usize) {
        let data: Vec<u8> = (0..len).map(|at| if at % 50 < 2 { b'$' } else { at as u8 }).collect();
        self.bytes.extend([&[b'$', channel][..], &(len as u16).to_be_bytes(), &data].concat());
    }
}

/// ffmpeg, which sends packets of these lengths too.
pub fn publisher(lengths: &[usize]) -> Vec<u8> {
    let mut it = Speaker::default();
    let session = format!("Session: {SESSION}");
    it.ask("OPTIONS", URL, &["User-Agent: Lavf60.16.100"], "");
    it.ask("ANNOUNCE", URL, &["Content-Type: application/sdp"], &sdp("streamid="));
    for track in 0..2 {
        let transport =
            format!("Transport: RTP/AVP/TCP;unicast;interleaved={}-{};mode=record", 2 * track, 2 * track + 1);
        it.ask("SETUP", &format!("{URL}/streamid={track}"), &[transport.as_str(), &session][..1 + track], "");
    }
    it.ask("RECORD", URL, &[&session, "Range: npt=0.000-"], "");
    for length in [28, 0, 1, 13].iter().chain(lengths) {
        it.packet(1, 28);
        it.packet((length % 3) as u8, *length);
    }
    it.bytes.extend(b"\r\n\r\n"); // to keep something alive
    it.ask("GET_PARAMETER", URL, &[&session], "");
    it.packet(77, 40); // a channel that nobody set up
    it.ask("SET_PARAMETER", URL, &[&session, "Content-Type: text/parameters"], "position: 1\r\n");
    it.packet(0, 200);
    it.ask("TEARDOWN", URL, &[&session], "");
    it.bytes
}

/// A player with a taste for UDP, which stops for a while.
pub fn player() -> Vec<u8> {
    let mut it = Speaker::default();
    let session = format!("session:{SESSION} ;timeout=60");
    let range = "Range: npt=0.000-\r\n\t, npt=now-"; // folded
    it.ask("OPTIONS", URL, &["User-Agent: LibVLC/3.0.20 (LIVE555 Streaming Media v2016.11.28)"], "");
    it.ask("DESCRIBE", &format!("{URL}?token=a%20b c"), &["Accept: application/sdp", "no field at all"], "");
    it.ask("SETUP", &format!("{URL}/streamid=0"), &["Transport: RTP/AVP/TCP;unicast,RTP/AVP;client_port=5000"], "");
    it.ask("SETUP", &format!("{URL}/streamid=1/"), &["Transport: RTP/AVP;unicast;client_port=5002-5003", &session], "");
    it.ask("PLAY", URL, &[&session, range], "");
    it.packet(1, 32);
    it.message("RTSP/1.0 200 OK\r\nCSeq: 9\r\n".into(), &[], ""); // an answer to nothing
    it.ask("PAUSE", URL, &[&session], "");
    it.packet(3, 32);
    it.ask("PLAY", URL, &[&session, "Scale: 1.0"], "");
    it.ask("PLAY", URL, &[&session], ""); // as it does already
    it.ask("GET_PARAMETER", URL, &[&session], "");
    it.ask("FLY", URL, &[], "");
    it.ask("SETUP", &format!("{URL}/streamid=0"), &["Transport: RTP/AVP/TCP"], ""); // too late
    it.ask("TEARDOWN", &format!("{URL}/"), &[&session], "");
    it.bytes
}

/// A player who is asked who it is, errs once, and knows it then.
pub fn asked_player() -> Vec<u8> {
    let mut it = Speaker::default();
    let challenges = Challenger::new(SEED).challenges(&[Digest, Basic], false);
    let answer = |password| Answer::new(challenges.iter().map(String::as_str), USER.0, password, true, 1).unwrap();
    let (mut wrong, mut right) = (answer("guess"), answer(USER.1));
    let mut say = |answer: &mut Answer, method: &str, url: &str, more: &[&str]| {
        let authorization = format!("Authorization: {}", answer.authorization(method, url));
        it.ask(method, url, &[&[authorization.as_str()], more].concat(), "");
    };
    say(&mut wrong, "DESCRIBE", URL, &[]);
    say(&mut right, "DESCRIBE", URL, &["Accept: application/sdp"]);
    say(&mut right, "SETUP", &format!("{URL}/streamid=0"), &["Transport: RTP/AVP/TCP;interleaved=4-5"]);
    say(&mut right, "PLAY", URL, &[]);
    let mut first = Speaker::default();
    first.ask("DESCRIBE", URL, &["Accept: application/sdp"], "");
    it.ask("TEARDOWN", URL, &[], "");
    [first.bytes, it.bytes].concat()
}

/// A camera that asks who we are, and has its say between packets of up to
/// `longest` bytes.
pub fn camera(longest: usize) -> Vec<u8> {
    let mut it = Speaker::default();
    it.answer("200 OK", &["Public: OPTIONS, DESCRIBE, SETUP, TEARDOWN, PLAY, GET_PARAMETER"], "");
    let digest = "WWW-Authenticate: Digest realm=\"IP Camera(12345)\", nonce=\"6f3a\", qop=\"auth\", stale=\"FALSE\"";
    it.answer("401 Unauthorized", &["WWW-Authenticate: Basic realm=\"/\"", digest], "");
    it.answer(
        "200 OK",
        &["Content-Base: rtsp://127.0.0.1/live/test/", "Content-Type: application/sdp"],
        &sdp("trackID="),
    );
    it.answer(
        "200 OK",
        &["Session:  1234 ; timeout=30", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1;ssrc= 12ab"],
        "",
    );
    it.packet(0, 60); // it cannot wait
    it.answer("200 OK", &["Session: 1235", "Transport: RTP/AVP/TCP;unicast"], "");
    it.packet(1, 28);
    it.answer("200 OK", &["Session: 1235", "RTP-Info: url=rtsp://127.0.0.1/live/test/trackID=0;seq=0"], "");
    for length in [0, 60, 1, longest] {
        it.packet(0, length);
    }
    it.message("OPTIONS * RTSP/1.0\r\nCSeq: 77\r\n".into(), &[], "");
    it.message("FLY * RTSP/1.0\r\nCSeq: 78\r\n".into(), &[], "");
    it.packet(2, 60);
    it.message("RTSP/1.0 200 OK\r\nCSeq: 1\r\n".into(), &[], ""); // an answer to what was answered
    it.message("TEARDOWN * RTSP/1.0\r\nCSeq: 79\r\n".into(), &[], "");
    it.bytes
}

/// A server that carries nothing in the way that is asked for first.
pub fn choosy_server(granted: &str) -> Vec<u8> {
    let mut it = Speaker::default();
    it.answer("501 Not Implemented", &[], "");
    it.answer("200 OK", &[], &sdp("streamid="));
    it.answer("461 Unsupported Transport", &[], "");
    it.answer("200 OK", &["Session: a", granted], "");
    it.answer("200 OK", &["Session: a", granted], "");
    it.answer("200 OK", &["Session: a"], "");
    it.packet(0, 60);
    it.bytes
}

/// A server whose stream is elsewhere.
pub fn moved() -> Vec<u8> {
    let mut it = Speaker::default();
    it.answer("200 OK", &["Public: DESCRIBE"], "");
    it.answer("302 Moved Temporarily", &["Location: rtsp://10.0.0.9/live/test"], "");
    it.bytes
}

/// A server to which we publish.
pub fn receiver() -> Vec<u8> {
    let mut it = Speaker::default();
    it.answer("200 OK", &["Public: ANNOUNCE, RECORD, SETUP, TEARDOWN"], "");
    it.answer("200 OK", &[], "");
    for track in 0..2 {
        let transport =
            format!("Transport: RTP/AVP/TCP;unicast;interleaved={}-{};mode=record", 2 * track, 2 * track + 1);
        it.answer("200 OK", &["Session: 9", &transport], "");
    }
    it.answer("200 OK", &["Session: 9"], "");
    it.packet(1, 32);
    it.bytes
}
