//! Credentials, as each protocol carries them to the one place that is asked.

use runnel::proto::rtmp::Address;
use runnel::proto::rtsp::auth::Answer;
use runnel::proto::{AuthScheme, Credentials, Secret};
use runnel::session::{Action, Verdict};

use super::*;

const USER: &str = "camera";
const PASSWORD: &str = "Tiger-97";
const TOKEN: &str = "Lion.3";
/// `camera:Tiger-97`, `camera:Tiger-98` and `other:Tiger-97` as Basic has them.
const BASIC: [&str; 3] = ["Y2FtZXJhOlRpZ2VyLTk3", "Y2FtZXJhOlRpZ2VyLTk4", "b3RoZXI6VGlnZXItOTc="];
/// The texts that nobody shows.
pub const SECRETS: [&str; 3] = [PASSWORD, TOKEN, BASIC[0]];
const SCHEMES: &[AuthScheme] = &[AuthScheme::Digest, AuthScheme::Basic, AuthScheme::Bearer];

/// Streams that begin with `key` have one, and so have other files of that name, and the API, but for metrics
/// unless the query says so.
pub fn has_key(request: &Request<'_>) -> bool {
    let name = request.name.map_or(request.app, Name::as_str);
    name.starts_with("key")
        || request.action == Action::Api
        || request.action == Action::Metrics && request.query == "key"
}

/// Everybody may look whether there is a file of such a stream.
pub fn is_free(request: &Request<'_>) -> bool {
    request.action == Action::Read && request.app == "live/key.flv"
}

pub fn key(request: &Request<'_>) -> Verdict {
    match request.credentials {
        Credentials::Token(token) if **token == *TOKEN => Ok(()),
        other => other
            .prove(USER, Secret::Password(PASSWORD), SCHEMES)
            .map_err(|lack| Denial::Unauthenticated(lack, SCHEMES)),
    }
}

/// An RTSP connection.
pub struct Rtsp(TcpStream, u32);

impl Rtsp {
    pub fn new(gate: &Gate) -> Self {
        Self(connect(gate.rtsp), 0)
    }

    /// The status of an answer, and its fields.
    pub fn ask(&mut self, method: &str, name: &str, authorization: Option<&str>) -> (u16, String) {
        self.1 += 1;
        let more = authorization.map(|value| format!("Authorization: {value}\r\n")).unwrap_or_default();
        let body = if method == "ANNOUNCE" { SDP } else { "" };
        let (number, length) = (self.1, body.len());
        let head = format!("{method} {} RTSP/1.0\r\nCSeq: {number}\r\n{WAY}{more}", url(name));
        self.0.write_all(format!("{head}Content-Length: {length}\r\n\r\n{body}").as_bytes()).unwrap();
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            assert_eq!(self.0.read(&mut byte).unwrap(), 1, "{}", text.escape_ascii());
            text.extend(byte);
        }
        let head = String::from_utf8(text).unwrap();
        let body =
            head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).map_or(0, |len| len.parse().unwrap());
        self.0.read_exact(&mut vec![0; body]).unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), head)
    }

    /// True if the server has closed it: nothing more is answered.
    fn is_closed(&mut self) -> bool {
        let _ = self.0.write_all(b"OPTIONS * RTSP/1.0\r\nCSeq: 99\r\n\r\n");
        match self.0.read(&mut [0]) {
            Ok(bytes) => bytes == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }

    /// The challenges of an answer with status 401.
    pub fn challenges(&mut self, method: &str, name: &str) -> Vec<String> {
        let (status, head) = self.ask(method, name, None);
        assert_eq!(status, 401, "{head}");
        challenges(&head)
    }
}

fn url(name: &str) -> String {
    format!("rtsp://h/live/{name}")
}

pub fn challenges(head: &str) -> Vec<String> {
    head.lines().filter_map(|line| line.strip_prefix("WWW-Authenticate: ")).map(str::to_string).collect()
}

/// The answer of a user to a challenge.
pub fn answer(challenge: &str, user: &str, password: &str, method: &str, name: &str) -> String {
    let answer = Answer::new([challenge].into_iter(), user, password, true, 1);
    answer.unwrap().authorization(method, &url(name))
}

impl Gate {
    /// The answer over HTTP to a request with those credentials.
    pub fn http_with(&self, path: &str, authorization: Option<&str>, more: &str) -> peer::Response {
        let mut http = Http::new(self.http);
        let field = authorization.map(|value| format!("Authorization: {value}\r\n")).unwrap_or_default();
        http.socket.write_all(format!("GET {path} HTTP/1.1\r\nHost: h\r\n{field}{more}\r\n").as_bytes()).unwrap();
        http.head()
    }

    /// It wants the key of everybody, by those challenges.
    fn wants_key(&self, path: &str, more: &str, granted: u16) {
        let (right, wrong) = (format!("Basic {}", BASIC[0]), BASIC.map(|token| format!("Basic {token}")));
        let bearer = format!("Bearer {TOKEN}");
        for given in [
            None,
            Some("Digest username=\"camera\""),
            Some("Basic %"),
            Some("Bearer x"),
            Some(&*wrong[1]),
            Some(&*wrong[2]),
        ] {
            let refused = self.http_with(path, given, more);
            assert_eq!(refused.status, 401, "{path} {given:?}");
            assert_eq!(challenges(&refused.head), ["Bearer realm=\"runnel\"", "Basic realm=\"runnel\""]);
        }
        for given in [&right, &bearer] {
            assert_eq!(self.http_with(path, Some(given), more).status, granted, "{path} {given}");
        }
    }

    /// Refusals of this kind that were counted.
    pub fn counts(&self, reason: &str, wanted: usize) {
        let line = format!("runnel_refusals_total{{reason=\"{reason}\"}}");
        until(self.http, &format!("{wanted} times {reason}"), |page| metric(page, &line) == wanted as u64);
    }
}

/// Somebody publishes it by RTMP, who shows the key.
fn publisher(gate: &Gate, name: &str) -> Rtmp {
    let told = Address::new(&format!("rtmp://{USER}:{PASSWORD}@127.0.0.1"), "live", name);
    let mut publisher = Rtmp::at(gate.rtmp, Role::Publish, told);
    assert_eq!(publisher.event(), Some(ClientEvent::Started));
    publisher.tracks();
    pictures(&mut publisher, 200);
    publisher
}

#[test]
fn a_gatekeeper_can_want_a_password_by_rtsp() {
    let gate = Gate::begin("");
    let _publisher = publisher(&gate, "key");
    let all = Rtsp::new(&gate).challenges("DESCRIBE", "key");
    let begins =
        ["Digest realm=\"runnel\", nonce=\"", "Digest realm=\"runnel\", nonce=\"", "Bearer realm=", "Basic realm="];
    assert!(all.len() == 4 && all.iter().zip(begins).all(|(one, begin)| one.starts_with(begin)), "{all:?}");
    assert!(all[0].contains("SHA-256") && !all[1].contains("SHA-256"), "{all:?}");
    for method in ["DESCRIBE", "SETUP", "ANNOUNCE"] {
        for at in [0, 1, 2, 3] {
            // a name can be published once
            let name = if method == "ANNOUNCE" { format!("key-{at}") } else { "key".into() };
            let mut rtsp = Rtsp::new(&gate);
            let challenge = rtsp.challenges(method, &name).swap_remove(at);
            let mut say = |user, password| {
                let said = match at {
                    2 => format!("Bearer {}", if (user, password) == (USER, PASSWORD) { TOKEN } else { "x" }),
                    _ => answer(&challenge, user, password, method, &name),
                };
                rtsp.ask(method, &name, Some(&said)).0
            };
            let statuses =
                [(USER, "Tiger-98"), ("other", PASSWORD), (USER, PASSWORD)].map(|(user, password)| say(user, password));
            assert_eq!(statuses, [401, 401, 200], "{method} {challenge}");
        }
    }
    gate.counts("password", 24);
    gate.counts("unauthenticated", 0);
}

#[test]
fn who_shows_no_credentials_may_not_ask_for_ever() {
    let gate = Gate::begin("");
    for name in ["key", "key-later"] {
        let mut rtsp = Rtsp::new(&gate);
        let challenge = rtsp.challenges("ANNOUNCE", name).remove(0);
        (0..12).for_each(|_| assert_eq!(rtsp.challenges("ANNOUNCE", name).len(), 4));
        let right = answer(&challenge, USER, PASSWORD, "ANNOUNCE", name);
        assert_eq!(rtsp.ask("ANNOUNCE", name, Some(&right)).0, 200, "it was asked a few times only");
        let mut rtsp = Rtsp::new(&gate);
        (0..16).for_each(|_| assert_eq!(rtsp.challenges("ANNOUNCE", name).len(), 4));
        assert!(rtsp.is_closed(), "{name}");
        // a name that is refused without asking does not begin the count anew
        let mut rtsp = Rtsp::new(&gate);
        for _ in 0..8 {
            assert_eq!(rtsp.challenges("ANNOUNCE", name).len(), 4);
            assert_eq!(rtsp.ask("ANNOUNCE", "a%20b", None).0 / 100, 4);
        }
        assert!(rtsp.is_closed(), "{name} and refusals");
    }
}

#[test]
fn an_answer_to_the_challenge_of_another_connection_is_stale() {
    let gate = Gate::begin("");
    let _publisher = publisher(&gate, "key");
    let (mut one, mut other) = (Rtsp::new(&gate), Rtsp::new(&gate));
    let challenge = one.challenges("DESCRIBE", "key").remove(0);
    let first = other.challenges("DESCRIBE", "key").remove(0);
    let (status, head) = other.ask("DESCRIBE", "key", Some(&answer(&challenge, USER, PASSWORD, "DESCRIBE", "key")));
    assert_eq!(status, 401);
    let again = challenges(&head).remove(0);
    assert!(again.contains(", stale=true") && again.split(", stale").next() != first.split(", alg").next(), "{head}");
    let (status, head) = other.ask("DESCRIBE", "key", Some(&answer(&challenge, USER, "x", "DESCRIBE", "key")));
    assert!(status == 401 && !head.contains("stale"), "{head}");
    let right = answer(&again, USER, PASSWORD, "DESCRIBE", "key");
    assert_eq!(other.ask("DESCRIBE", "key", Some(&right)).0, 200);
    let (status, head) = other.ask("DESCRIBE", "key", Some(&right));
    assert!(status == 401 && head.contains("stale=true"), "it was heard before: {head}");
    gate.counts("password", 1);
}

#[test]
fn who_does_not_know_the_password_of_the_configuration_is_not_seen_by_a_gatekeeper() {
    let users = format!("rtsp.auth = \"digest\"\nrtsp.user = \"{USER}\"\nrtsp.password = \"{PASSWORD}\"\n");
    let gate = Gate::begin(&users);
    let mut publisher = Rtmp::publisher(gate.rtmp, "open");
    pictures(&mut publisher, 20);
    let mut rtsp = Rtsp::new(&gate);
    let all = rtsp.challenges("DESCRIBE", "open");
    assert!(all.len() == 2 && all.iter().all(|one| one.starts_with("Digest ")), "{all:?}");
    let basic = format!("Basic {}", BASIC[0]);
    for _ in 0..8 {
        assert_eq!(rtsp.ask("DESCRIBE", "open", Some(&basic)).0, 401, "a scheme that is not offered is none");
    }
    assert!(!gate.asked().iter().any(|line| line.contains("rtsp")));
    let mut say =
        |name, password| rtsp.ask("DESCRIBE", name, Some(&answer(&all[1], USER, password, "DESCRIBE", name))).0;
    assert_eq!((say("shut", PASSWORD), say("shut", "guess"), say("open", PASSWORD)), (403, 401, 200));
    assert_eq!(gate.asked().iter().filter(|line| line.contains("rtsp")).count(), 2);
    let mut guessing = Rtsp::new(&gate);
    (0..8).for_each(|_| assert_eq!(guessing.ask("DESCRIBE", "open", Some("Digest x")).0, 401));
    assert!(guessing.is_closed(), "it may not guess for ever");
    gate.counts("password", 9);
    assert_eq!(gate.http("/live/open.flv"), 200, "it is for RTSP alone");
}

#[test]
fn a_gatekeeper_can_want_a_password_by_rtmp() {
    let gate = Gate::begin("");
    let _publisher = publisher(&gate, "key");
    let refused = |role, user: &str| {
        let told = Address::new(&format!("rtmp://{user}127.0.0.1"), "live", "key2");
        Rtmp::at(gate.rtmp, role, told).refusal().unwrap()
    };
    let long = format!("{USER}:{}@", "x".repeat(300));
    for user in ["", "camera:Tiger-98@", "other:Tiger-97@", "camera@", &long] {
        assert_eq!(refused(Role::Publish, user), "NetStream.Publish.Denied", "{user}");
        assert_eq!(refused(Role::Play, user), "NetStream.Play.Failed", "{user}");
    }
    let told = |user| Address::new(&format!("rtmp://{user}@127.0.0.1"), "live", "key");
    for user in ["camera:Tiger-97", "camera:Tiger%2d97"] {
        let mut player = Rtmp::at(gate.rtmp, Role::Play, told(user));
        assert_eq!(player.event(), Some(ClientEvent::Started), "{user}");
    }
    let tc_url = "rtmp://127.0.0.1/live?user=camera:Tiger-97@h".to_string();
    let told = Address { tc_url, ..told("") };
    assert_eq!(
        Rtmp::at(gate.rtmp, Role::Play, told).refusal().unwrap(),
        "NetStream.Play.Failed",
        "an @ behind the host"
    );
    gate.counts("unauthenticated", 3);
    gate.counts("password", 8);
}

#[test]
fn a_gatekeeper_can_want_a_password_or_a_token_by_http() {
    let gate = Gate::begin("");
    let _publisher = publisher(&gate, "key");
    gate.wants_key("/live/key.flv", "", 200);
    gate.wants_key("/hls/key.m3u8", "", 200);
    let websocket =
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: k\r\n";
    gate.wants_key("/live/key.flv", websocket, 101);
    assert_eq!(gate.http("/live/shut.flv"), 403, "no password helps");
    gate.counts("password", 12);
    gate.counts("unauthenticated", 0);
}

#[test]
fn a_gatekeeper_can_keep_the_metrics_to_itself() {
    let gate = Gate::begin("");
    assert_eq!((gate.http("/metrics"), gate.http("/healthz")), (200, 200));
    gate.wants_key("/metrics?key", "", 200);
    let asked = gate.asked();
    assert!(asked.iter().any(|line| line == "Metrics http - metrics/-? by \"\""), "{asked:#?}");
    assert!(!asked.iter().any(|line| line.contains("healthz")), "{asked:#?}");
}

#[cfg(feature = "record")]
#[test]
fn files_and_lists_of_recordings_are_asked_for() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("credentials-{}", std::process::id()));
    let (web, films, store) = (folder.join("web"), folder.join("films"), folder.join("store"));
    for (path, name) in [
        (&web, "key.html"),
        (&web, "open.html"),
        (&web.join("live"), "open.flv"),
        (&films, "key-1700000000.flv"),
        (&films, "open-1700000000.flv"),
        (&store.join("key"), "key-1700000000123-0.ts"),
        (&store.join("open"), "open-1700000000123-0.ts"),
    ] {
        std::fs::create_dir_all(path).unwrap();
        std::fs::write(path.join(name), "x").unwrap();
    }
    let record = format!("[[record]]\nstreams = \"nothing\"\nformat = \"flv\"\npath = {films:?}\n");
    let gate = &Gate::begin(&format!("http.root = {web:?}\nhls.store = {store:?}\nhls.delete = \"never\"\n{record}"));
    for path in ["/key.html", "/record/key-1700000000.flv"] {
        gate.wants_key(path, "", 200);
    }
    // nothing is recorded here that could be listed
    gate.wants_key("/api/record/list", "", 404);
    let segments = ["/hls/open/open-1700000000123-0.ts", "/hls/key/key-1700000000123-0.ts"];
    assert_eq!(segments.map(|path| gate.http(path)), [200; 2], "players send no credentials with these");
    assert_eq!(["/record/open-1700000000.flv", "/healthz", "/metrics"].map(|path| gate.http(path)), [200; 3]);
    // those files have no stream, so that the gatekeeper lets nobody read them
    assert_eq!(["/open.html", "/none.html"].map(|path| gate.http(path)), [403, 403]);
    // no such file may be read, and there is none of the other name: both are streams
    let (open, key) = thread::scope(|scope| {
        let open = scope.spawn(|| gate.http("/live/open.flv"));
        let basic = format!("Basic {}", BASIC[0]);
        let key = scope.spawn(move || gate.http_with("/live/key.flv", Some(&basic), "").status);
        wait(|| gate.asked().iter().filter(|line| line.starts_with("Play http flv")).count() == 2);
        let mut open_publisher = Rtmp::publisher(gate.rtmp, "open");
        pictures(&mut open_publisher, 20);
        let _key_publisher = publisher(gate, "key");
        (open.join().unwrap(), key.join().unwrap())
    });
    assert_eq!((open, key), (200, 200));
    std::fs::remove_dir_all(folder).unwrap();
    let asked = gate.asked();
    for line in [
        "Read http - key.html/-? by \"\"",
        "Read http - record/key-1700000000.flv/key? by \"\"",
        "Api http - api/record/list/-? by \"\"",
        "Read http - live/open.flv/-? by \"\"",
        "Play http flv live/open? by \"\"",
    ] {
        assert!(asked.iter().any(|one| one == line), "{line} is not among {asked:#?}");
    }
}
