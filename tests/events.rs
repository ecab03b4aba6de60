//! Events of the API: who is told what, and that one who does not read holds nobody up.

#[path = "support/encoder.rs"]
mod encoder;
#[path = "support/peer.rs"]
mod peer;
#[path = "support/program.rs"]
mod program;
#[path = "support/records.rs"]
mod records;

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use peer::{Rtmp, connect};
use program::PATIENCE;
use runnel::conf::Config;
use runnel::hub::{Name, SessionId};
use runnel::registry;
use runnel::serve::Server;
use runnel::session::{Core, Fact, Finished};
use serde_json::Value;

/// A server inside this program.
struct Served {
    core: Arc<Core>,
    rtmp: SocketAddr,
    api: SocketAddr,
}

/// A client that reads events.
struct Listener {
    status: u16,
    head: String,
    lines: BufReader<TcpStream>,
}

impl Served {
    fn begin(more: &str) -> Self {
        let [rtmp, http, api, _] = program::free_ports();
        let listen = [("rtmp", rtmp), ("http", http), ("api", api)];
        let listen = listen.map(|(table, address)| format!("{table}.listen = \"{address}\"\n")).concat();
        let config = Config::parse("test", &format!("rtsp.enable = false\n{listen}{more}")).unwrap();
        let core = Core::new(config, registry::costs(), Arc::default());
        let server = Server::new(&core, registry::listens());
        server.start(server.bind().unwrap(), || {}).unwrap();
        let shared = core.clone();
        thread::spawn(move || smol::block_on(shared.executor.run(std::future::pending::<()>())));
        Self { core, rtmp, api }
    }

    /// Asks for events, with the fields of a head.
    fn listen(&self, query: &str, fields: &str) -> Listener {
        let mut socket = connect(self.api);
        let request = format!("GET /api/v1/events{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        let (mut lines, mut head) = (BufReader::new(socket), String::new());
        while !head.ends_with("\r\n\r\n") && lines.read_line(&mut head).unwrap() > 0 {}
        Listener { status: head.get(9..12).unwrap().parse().unwrap(), head, lines }
    }

    /// One who has a place, once there is one.
    fn until_heard(&self) -> Listener {
        let begun = Instant::now();
        loop {
            let listener = self.listen("", "");
            if listener.status == 200 {
                return listener;
            }
            assert!(begun.elapsed() < PATIENCE, "{}", listener.head);
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Listener {
    /// The name, the id and the data of the next server-sent event.
    fn event(&mut self) -> (String, String, Value) {
        let (mut name, mut id, mut data) = (String::new(), String::new(), Value::Null);
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "the answer has ended");
            match line.trim_end().split_once(": ") {
                Some(("event", it)) => name = it.into(),
                Some(("id", it)) => id = it.into(),
                Some(("data", it)) => data = serde_json::from_str(it).unwrap(),
                _ if data.is_null() => {}
                _ => return (name, id, data),
            }
        }
    }

    /// The next event of that name.
    fn until(&mut self, name: &str) -> Value {
        loop {
            let (own, _, data) = self.event();
            if own == name {
                return data;
            }
        }
    }

    /// The next text of a WebSocket.
    fn text(&mut self) -> Option<Value> {
        let mut head = [0; 2];
        match self.lines.read_exact(&mut head) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return None,
            read => read.unwrap(),
        }
        assert_eq!(head[0], 0x81, "a whole text");
        let mut more = [0; 2];
        let length = match head[1] {
            126 => {
                self.lines.read_exact(&mut more).unwrap();
                usize::from(u16::from_be_bytes(more))
            }
            length => usize::from(length),
        };
        let mut text = vec![0; length];
        self.lines.read_exact(&mut text).unwrap();
        Some(serde_json::from_slice(&text).unwrap())
    }

    fn until_text(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let text = self.text().expect("a text");
            if fits(&text) {
                return text;
            }
        }
    }

    /// Sends a text, with a mask of zeros.
    fn say(&mut self, text: &str) {
        let frame = [&[0x81, 0x80 | text.len() as u8, 0, 0, 0, 0], text.as_bytes()].concat();
        self.lines.get_mut().write_all(&frame).unwrap();
    }
}

fn publish(served: &Served, name: &str) -> Rtmp {
    let mut publisher = Rtmp::publisher(served.rtmp, name);
    for at in 0..30 {
        publisher.picture(at * 40, at % 10 == 0, at, 500).unwrap();
    }
    publisher
}

const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
     Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n";

#[test]
fn facts_are_told_in_order_with_what_is_known_of_a_session() {
    let served = Served::begin("");
    let mut listener = served.listen("", "");
    assert!(listener.head.contains("Content-Type: text/event-stream\r\n"), "{}", listener.head);
    let publisher = publish(&served, "cam");
    let (name, _, connect) = listener.event();
    assert_eq!((name.as_str(), &connect["app"]), ("connect", &"live".into()));
    let (name, id, begins) = listener.event();
    assert_eq!((name.as_str(), &begins["event"], &begins["id"]), ("publish", &"publish".into(), &id.as_str().into()));
    let session = &begins["session"];
    assert_eq!((&session["stream"], &session["action"]), (&"cam".into(), &"publish".into()));
    assert!(session["id"].as_str().unwrap().starts_with("RTMPPUBSUB"));
    drop(publisher);
    let (name, later, ends) = listener.event();
    assert_eq!((name.as_str(), &ends["session"]["id"]), ("unpublish", &session["id"]));
    assert!(ends["session"]["bytes"].as_u64().unwrap() > 10_000);

    // one who returns gets what it has missed, as long as it is kept
    let mut again = served.listen("?only=unpublish", &format!("Last-Event-ID: {id}\r\n"));
    assert_eq!(again.event().1, later);
    let mut of_another_run = served.listen("", "Last-Event-ID: 0-7\r\n");
    let (first, ..) = of_another_run.event();
    assert!(["lost", "connect"].contains(&first.as_str()), "{first}");
    drop((listener, again, of_another_run));
}

#[test]
fn what_is_no_longer_kept_is_counted() {
    let served = Served::begin("");
    let tell = |count| (0..count).for_each(|_| served.core.tell(|| file("x")));
    let mut listener = served.listen("", "");
    tell(1);
    let (_, id, _) = listener.event();
    tell(100);
    drop(listener);
    tell(100);
    let mut again = served.listen("", &format!("Last-Event-ID: {id}\r\n"));
    let mut counted = 0;
    while counted < 200 {
        let (name, _, data) = again.event();
        counted += if name == "lost" { data["count"].as_u64().unwrap() } else { 1 };
    }
    assert_eq!(counted, 200);
}

#[test]
fn the_state_is_told_as_a_whole_and_then_by_what_changes() {
    let served = Served::begin("");
    let mut page = served.listen("?state=1&only=", UPGRADE);
    assert_eq!(page.status, 101, "{}", page.head);
    let whole = page.text().unwrap();
    assert_eq!(
        (&whole["event"], &whole["whole"], &whole["streams"]),
        (&"state".into(), &true.into(), &Value::Array(vec![]))
    );
    assert!(whole["server"]["accounts"][0]["limit"].as_u64() > Some(0), "{whole}");
    let has = |text: &Value, name: &str| text["streams"].as_array().unwrap().iter().any(|one| one["name"] == name);
    let first = publish(&served, "a");
    let told = page.until_text(|text| has(text, "a"));
    assert_eq!((&told["whole"], &told["streams"][0]["tracks"][0]["codec"]), (&Value::Null, &"H264".into()), "{told}");
    let second = publish(&served, "b");
    let told = page.until_text(|text| has(text, "b"));
    assert!(!has(&told, "a"), "it has not changed: {told}");
    drop(first);
    assert_eq!(page.until_text(|text| text["removed"] != Value::Array(vec![]))["removed"][0], "a");

    page.say(r#"{"hidden":true}"#);
    page.lines.get_ref().set_read_timeout(Some(Duration::from_millis(2500))).unwrap();
    while page.text().is_some() {}
    drop(second);
    assert_eq!(page.text(), None, "nobody sees it");
    page.lines.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
    page.say("[1, \"{");
    page.say(r#"{"hidden":false}"#);
    assert_eq!(page.until_text(|text| text["removed"] != Value::Array(vec![]))["removed"][0], "b");
}

#[test]
fn there_are_no_more_readers_than_the_plan_has() {
    let served = Served::begin("api.events = 1\n");
    assert_eq!(served.listen("?only=nothing", "").status, 400);
    let first = served.listen("", "");
    assert_eq!((first.status, served.listen("", "").status), (200, 503));
    drop(first);
    served.until_heard();
}

#[test]
fn pages_of_other_sites_are_told_nothing() {
    let served = Served::begin("api.origins = [\"https://page.example\"]\n");
    let status = |fields: &str| served.listen("", &format!("{UPGRADE}{fields}")).status;
    assert_eq!(status("Origin: http://evil.example\r\n"), 403);
    assert_eq!(status("Sec-Fetch-Site: cross-site\r\n"), 403);
    assert_eq!(status("Origin: https://page.example\r\nSec-Fetch-Site: cross-site\r\n"), 101);
    assert_eq!(status("Origin: http://127.0.0.1\r\nSec-Fetch-Site: same-origin\r\n"), 101);
    let allowed = |origin: &str| served.listen("", origin).head.contains("Access-Control-Allow-Origin");
    assert!(!allowed("Origin: http://evil.example\r\n") && allowed("Origin: https://page.example\r\n"));
}

#[test]
fn one_who_does_not_read_is_closed_and_holds_nobody_up() {
    let served = Served::begin("api.events = 2\n[viewers]\nslow = \"1s\"\n");
    let _deaf = served.listen("", "");
    let mut other = served.listen("", "");
    let long = "x".repeat(4000);
    let begun = Instant::now();
    // it has its place until its socket takes nothing for long
    while served.listen("", "").status == 503 {
        assert!(begun.elapsed() < PATIENCE, "it is still there");
        served.core.tell(|| file(&long));
        assert_eq!(other.until("file")["path"].as_str().map(str::len), Some(4001));
    }
}

fn file(name: &str) -> Fact {
    let id = SessionId { kind: "RECORD", number: 1 };
    Fact::File(Finished { id, stream: Name::new("a").unwrap(), path: Path::new(&format!("/{name}")).into() })
}
