//! A program that decides who may do what, at once or after a while.

#[cfg(feature = "auth")]
mod access;
#[cfg(feature = "auth")]
#[path = "../support/authority.rs"]
mod authority;
#[cfg(feature = "auth")]
mod callback;
mod credentials;
#[path = "../support/encoder.rs"]
mod encoder;
#[cfg(all(feature = "auth", feature = "tls"))]
mod keys;
#[path = "../support/peer.rs"]
mod peer;
#[path = "../support/program.rs"]
mod program;
#[path = "../support/records.rs"]
mod records;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
#[cfg(feature = "record")]
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use encoder::{Encoder, VIDEO};
use peer::{Http, Rtmp, connect, metric, until};
use program::PATIENCE;
use runnel::conf::Config;
use runnel::container::amf::Value;
use runnel::hub::Name;
use runnel::media::Codec;
use runnel::proto::rtmp::{ClientEvent, Role};
use runnel::registry;
use runnel::serve::Server;
use runnel::session::{Action, Answer, Core, Denial, Request};
use smol::channel::{Receiver, Sender, bounded};

/// A server whose gatekeeper lets `open` and `open2` be published and played, whoever asks for `later` as soon as the
/// test says so, and who has the key for what has one.
struct Gate {
    rtmp: SocketAddr,
    rtsp: SocketAddr,
    http: SocketAddr,
    /// All that was asked.
    asked: Arc<Mutex<Vec<String>>>,
    answers: Sender<bool>,
}

fn decide(request: &Request<'_>, answers: &Receiver<bool>) -> Answer {
    let verdict = |granted| if granted { Ok(()) } else { Err(Denial::Forbidden) };
    match request.name.map_or("", Name::as_str) {
        _ if credentials::is_free(request) => Answer::Now(Ok(())),
        "key-later" => {
            let verdict = credentials::key(request);
            Answer::Later(Box::pin(async move { verdict }))
        }
        _ if credentials::has_key(request) => Answer::Now(credentials::key(request)),
        "later" => {
            let answers = answers.clone();
            Answer::Later(Box::pin(async move { verdict(answers.recv().await.unwrap_or(false)) }))
        }
        _ if matches!(request.action, Action::Api | Action::Metrics) => Answer::Now(Ok(())),
        name => Answer::Now(verdict(name.starts_with("open"))),
    }
}

impl Gate {
    fn begin(more: &str) -> Self {
        let [rtmp, rtsp, http, websocket] = program::free_ports();
        let (answers, answer) = bounded(1);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        let listen = [("rtmp", rtmp), ("rtsp", rtsp), ("http", http)];
        let listen = listen.map(|(table, address)| format!("{table}.listen = \"{address}\"\n")).concat();
        let config = format!(
            "profile = \"router\"\n{listen}rtsp.websocket_listen = \"{websocket}\"\napi.enable = false\n{more}"
        );
        thread::spawn(move || {
            let gatekeeper = move |request: &Request<'_>| {
                let Request { action, protocol, form, app, name, query, agent, .. } = request;
                let form = form.unwrap_or("-");
                let name = name.map_or("-", Name::as_str);
                let line = format!("{action:?} {protocol} {form} {app}/{name}?{query} by {agent:?}");
                let all = format!("{request:?}");
                assert!(!credentials::SECRETS.iter().any(|secret| all.contains(secret)), "{all}");
                log.lock().unwrap().push(line);
                decide(request, &answer)
            };
            let core =
                Core::guarded(Config::parse("test", &config).unwrap(), registry::costs(), Arc::default(), gatekeeper);
            let server = Server::new(&core, registry::listens());
            server.start(server.bind().unwrap(), || {}).unwrap();
            smol::block_on(core.executor.run(std::future::pending::<()>()));
        });
        wait(|| [rtmp, rtsp, http].iter().all(|address| TcpStream::connect(address).is_ok()));
        Self { rtmp, rtsp, http, asked, answers }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// Has `client` ask for `later`: what it gets when that is decided, and not before.
    fn decides<T: Send>(&self, granted: bool, client: impl FnOnce() -> T + Send) -> T {
        let before = self.asked().len();
        thread::scope(|scope| {
            let client = scope.spawn(client);
            wait(|| self.asked().len() > before);
            assert!(!client.is_finished(), "nobody has decided");
            self.answers.send_blocking(granted).unwrap();
            client.join().unwrap()
        })
    }

    /// The status of an answer to a request of RTSP.
    fn rtsp(&self, method: &str, name: &str, body: &str) -> u16 {
        let mut socket = self.speak_rtsp(method, name, body);
        let mut status = [0; 12];
        socket.read_exact(&mut status).unwrap();
        std::str::from_utf8(&status).unwrap().trim_start_matches("RTSP/1.0 ").parse().unwrap()
    }

    fn speak_rtsp(&self, method: &str, name: &str, body: &str) -> TcpStream {
        let mut socket = connect(self.rtsp);
        let length = body.len();
        let head = format!("{method} rtsp://h/live/{name}?k=1 RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: camera\r\n{WAY}");
        let fields = format!("Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{body}");
        socket.write_all([head, fields].concat().as_bytes()).unwrap();
        socket
    }

    /// The status of an answer over HTTP.
    fn http(&self, path: &str) -> u16 {
        Http::new(self.http).open(path).status
    }

    fn websocket(&self, path: &str) -> Http {
        let mut http = Http::new(self.http);
        let fields =
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: k\r\n";
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nUser-Agent: page\r\n{fields}\r\n");
        http.socket.write_all(request.as_bytes()).unwrap();
        http
    }
}

const WAY: &str = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
const SDP: &str = "v=0\r\ns=x\r\nm=audio 0 RTP/AVP 0\r\na=control:t0\r\n";

fn wait(is_so: impl Fn() -> bool) {
    wait_within(PATIENCE, is_so);
}

fn wait_within(limit: Duration, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < limit, "it does not come");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Sends as many pictures with a key frame each second.
fn pictures(publisher: &mut Rtmp, count: u32) {
    (0..count).for_each(|at| publisher.picture(at * 100, at % 10 == 0, at, 500).unwrap());
}

#[test]
fn one_name_is_let_in_and_others_are_refused_in_the_words_of_each_protocol() {
    let gate = Gate::begin("");
    let mut publisher = Rtmp::publisher(gate.rtmp, "open");
    pictures(&mut publisher, 20);
    assert_eq!(Rtmp::new(gate.rtmp, Role::Play, "open").event(), Some(ClientEvent::Started));
    assert_eq!((gate.http("/live/open.flv"), gate.websocket("/open.flv?k=1").head().status), (200, 101));
    assert_eq!(gate.rtsp("DESCRIBE", "open", ""), 200);

    let refused = |role| Rtmp::new(gate.rtmp, role, "shut").refusal().unwrap();
    assert_eq!(refused(Role::Publish), "NetStream.Publish.Denied");
    assert_eq!(refused(Role::Play), "NetStream.Play.Failed");
    assert_eq!((gate.rtsp("DESCRIBE", "shut", ""), gate.rtsp("ANNOUNCE", "shut", SDP)), (403, 403));
    assert_eq!((gate.http("/live/shut.ts"), gate.http("/hls/shut.m3u8")), (403, 403));
    assert_eq!(gate.websocket("/live/shut.flv").head().status, 403);
    until(gate.http, "the count of refusals", |page| metric(page, "runnel_refusals_total{reason=\"denied\"}") == 7);

    let asked = gate.asked();
    for line in [
        "Publish rtmp - live/open? by \"FMLE/3.0 (compatible; runnel/0.1.0)\"",
        "Play http flv live/open? by \"\"",
        "Play ws flv /open?k=1 by \"page\"",
        "Play rtsp rtp live/open?k=1 by \"camera\"",
        "Publish rtsp - live/shut?k=1 by \"camera\"",
        "Play hls - hls/shut? by \"\"",
    ] {
        assert!(asked.iter().any(|one| one == line), "{line} is not among {asked:#?}");
    }
}

#[test]
fn who_has_to_wait_is_answered_when_it_is_decided() {
    let gate = Gate::begin("");
    let rtmp = |role| Rtmp::new(gate.rtmp, role, "later");
    let no = gate.decides(false, || rtmp(Role::Publish).refusal().unwrap());
    assert_eq!(no, "NetStream.Publish.Denied");
    let mut publisher = gate.decides(true, || Rtmp::publisher(gate.rtmp, "later"));
    pictures(&mut publisher, 20);
    let mut player = rtmp(Role::Play);
    gate.decides(true, || assert_eq!(player.event(), Some(ClientEvent::Started)));

    assert_eq!(gate.decides(false, || gate.http("/live/later.flv")), 403);
    let mut viewer = Http::new(gate.http);
    assert_eq!(gate.decides(true, || viewer.open("/live/later.flv").status), 200);
    viewer.picture();
    let mut page = gate.websocket("/live/later.flv");
    gate.decides(true, || assert_eq!(page.head().status, 101));

    assert_eq!(gate.decides(true, || gate.rtsp("DESCRIBE", "later", "")), 200);
    assert_eq!(gate.decides(true, || gate.rtsp("SETUP", "later", "")), 200);
    assert_eq!(gate.decides(false, || gate.rtsp("DESCRIBE", "later", "")), 403);
    drop(publisher);
    until(gate.http, "the end", |page| metric(page, "runnel_publishers") == 0);
    assert_eq!(gate.decides(true, || gate.rtsp("ANNOUNCE", "later", SDP)), 200);
}

/// An encoder that sends a hundred pictures of 1 KiB.
fn hundred_pictures(it: &mut Encoder) {
    it.media(VIDEO, 0, &[&[0x17, 0, 0, 0, 0][..], &records::record(Codec::H264)].concat());
    for at in 0..100 {
        let first = if at == 0 { 0x17 } else { 0x27 };
        let nal = if at == 0 { 0x65 } else { 0x41 };
        it.media(VIDEO, at * 40, &[&[first, 1, 0, 0, 0, 0, 0, 4, 0, nal][..], &[at as u8; 1023]].concat());
    }
}

/// Sends at once what an encoder has said, and reads up to the leave to publish: the last bytes are taken once that
/// is given.
fn say(socket: &mut TcpStream, said: &[u8]) {
    let mut sending = socket.try_clone().unwrap();
    sending.write_all(said).unwrap();
    let mut answers = [0; 4 << 10];
    let mut all = Vec::new();
    while !all.windows(23).any(|text| text == b"NetStream.Publish.Start") {
        let len = socket.read(&mut answers).unwrap();
        assert_ne!(len, 0, "it is closed");
        all.extend_from_slice(&answers[..len]);
    }
}

#[test]
fn a_publisher_that_does_not_wait_loses_nothing_at_once_and_when_it_publishes_again() {
    let gate = Gate::begin("");
    let mut it = Encoder::publishing("later");
    hundred_pictures(&mut it);
    let mut socket = connect(gate.rtmp);
    gate.decides(true, || say(&mut socket, &it.bytes));
    until(gate.http, "all pictures", |page| metric(page, "runnel_frames_total") == 100);
    // the end of the first and much of the second come in one read
    it.bytes.clear();
    it.command("FCUnpublish", 0.0, &[Value::Null, Value::text("later")]);
    it.command("publish", 0.0, &[Value::Null, Value::text("later"), Value::text("live")]);
    hundred_pictures(&mut it);
    gate.decides(true, || say(&mut socket, &it.bytes));
    until(gate.http, "all pictures of the second", |page| metric(page, "runnel_frames_total") == 200);
}

#[test]
fn a_description_does_not_wait_for_a_key_frame() {
    let gate = Gate::begin("streams.memory = \"1MiB\"\nstreams.max_frame = \"256KiB\"\n");
    let mut publisher = Rtmp::publisher(gate.rtmp, "open");
    // the group is longer than there is room for
    (0..30).for_each(|at| publisher.picture(at * 40, at == 0, at, 100_000).unwrap());
    until(gate.http, "all pictures", |page| metric(page, "runnel_frames_total") == 30);
    let asked = Instant::now();
    assert_eq!(gate.rtsp("DESCRIBE", "open", ""), 200);
    // rtsp.hold is longer
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
}

#[test]
fn who_leaves_is_not_waited_for() {
    let gate = Gate::begin("");
    // the gatekeeper itself may take 10 s
    let waits = |count: usize| wait_within(Duration::from_secs(8), || gate.answers.receiver_count() == 1 + count);
    let clients = (gate.websocket("/live/later.flv"), gate.speak_rtsp("DESCRIBE", "later", ""));
    waits(2);
    drop(clients);
    waits(0);
    let mut player = Http::new(gate.http);
    player.socket.write_all(b"GET /live/later.flv HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    waits(1);
    drop(player);
    waits(0);
    let mut publisher = Rtmp::new(gate.rtmp, Role::Publish, "later");
    let socket = publisher.socket.try_clone().unwrap();
    thread::scope(|scope| {
        let speaking = scope.spawn(|| publisher.event());
        waits(1);
        socket.shutdown(Shutdown::Both).unwrap();
        waits(0);
        assert_eq!(speaking.join().unwrap(), None);
    });
}

#[test]
fn a_publisher_that_is_let_in_late_has_to_send_something() {
    let gate = Gate::begin("publish.silence = \"1s\"\n");
    let mut publisher = Rtmp::new(gate.rtmp, Role::Publish, "later");
    gate.decides(true, || assert_eq!(publisher.event(), Some(ClientEvent::Started)));
    until(gate.http, "its end", |page| metric(page, "runnel_publishers") == 0);
    assert_eq!(publisher.event(), None);
}

#[cfg(feature = "record")]
#[test]
fn a_list_from_a_disk_is_asked_for_like_any_other() {
    let store = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("gatekeeper-{}", std::process::id()));
    for name in ["open", "shut"] {
        std::fs::create_dir_all(store.join(name)).unwrap();
        std::fs::write(store.join(name).join("record.m3u8"), "#EXTM3U\n").unwrap();
    }
    let gate = Gate::begin(&format!("hls.store = {store:?}\nhls.delete = \"never\"\n"));
    let answers = ["open", "shut"].map(|name| gate.http(&format!("/hls/{name}/record.m3u8")));
    std::fs::remove_dir_all(store).unwrap();
    assert_eq!(answers, [200, 403]);
    let asked = gate.asked().iter().filter(|line| line.starts_with("Play hls")).count();
    assert_eq!(asked, 2);
}

#[cfg(feature = "record")]
#[test]
fn a_list_that_nobody_has_begins_no_session() {
    let store = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("no-list-{}", std::process::id()));
    std::fs::create_dir_all(store.join("open2")).unwrap();
    std::fs::write(store.join("open2").join("record.m3u8"), "#EXTM3U\n").unwrap();
    for more in [format!("hls.store = {store:?}\nhls.delete = \"never\"\n"), String::new()] {
        let gate = Gate::begin(&format!("hls.sessions = true\n{more}"));
        let viewers = |count: u64| until(gate.http, "sessions", |page| metric(page, "runnel_hls_viewers") == count);
        assert_eq!(gate.http("/hls/open/record.m3u8"), 404, "{more}");
        viewers(0);
        let stored = u64::from(!more.is_empty());
        assert_eq!(gate.http("/hls/open2/record.m3u8"), if stored > 0 { 302 } else { 404 });
        viewers(stored);
        let mut publisher = Rtmp::publisher(gate.rtmp, "open");
        pictures(&mut publisher, 20);
        assert_eq!(gate.http("/hls/open/record.m3u8"), 302, "there will be one");
        viewers(stored + 1);
    }
    std::fs::remove_dir_all(store).unwrap();
}

#[test]
fn a_player_of_hls_has_no_session_where_there_is_no_room_for_segments() {
    let gate = Gate::begin("hls.sessions = true\nhls.streams = 1\n");
    let mut publishers = ["open", "open2"].map(|name| Rtmp::publisher(gate.rtmp, name));
    publishers.iter_mut().for_each(|publisher| pictures(publisher, 200));
    assert_eq!((gate.http("/hls/open.m3u8"), gate.http("/hls/open2.m3u8")), (302, 503));
    until(gate.http, "the count", |page| metric(page, "runnel_hls_viewers") == 1);
}

#[test]
fn a_player_of_hls_is_asked_once() {
    let gate = Gate::begin("hls.sessions = true\n");
    let mut publisher = Rtmp::publisher(gate.rtmp, "open");
    pictures(&mut publisher, 200);
    let mut player = Http::new(gate.http);
    let moved = player.get("/hls/open.m3u8");
    assert_eq!(moved.status, 302);
    let to = moved.head.lines().find_map(|line| line.strip_prefix("Location: ./")).unwrap();
    for _ in 0..2 {
        let list = player.get(&format!("/hls/{to}"));
        let list = (list.status, list.text());
        assert_eq!(list.0, 200);
        let segment = list.1.lines().find(|line| !line.starts_with('#')).unwrap().to_string();
        assert_eq!(player.get(&format!("/hls/{segment}")).status, 200);
    }
    let asked = gate.asked().iter().filter(|line| line.starts_with("Play hls")).count();
    assert_eq!(asked, 1);
}
