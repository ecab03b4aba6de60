//! Every session is in the list with all that the list tells, whatever its protocol, and can be ended.

#![cfg(all(feature = "rtmp", feature = "rtsp", feature = "record"))]

use std::future::Future;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use runnel::conf::Config;
use runnel::hub::{Dismissal, Lost, Name, Publisher, SessionStats, Ticket};
use runnel::media::{Codec, Frame, Hz, Kind, Params, Ticks, Track, Wall};
use runnel::record::Recorder;
use runnel::registry;
use runnel::relay::Relays;
use runnel::serve::Server;
use runnel::session::{Core, Part, Session};
use smol::Timer;
use smol::future::{block_on, zip};

/// An entry of the list: the word that its id begins with, its part, its stream, the beginning of its URL,
/// and whether it has a peer. `RTMP`, `RTSP` and `FOLDER` stand for where those are.
type Row = (&'static str, Part, &'static str, &'static str, bool);

/// One who listens to a group is sent nothing: that is counted for the session that sends to the group.
const LISTENER: Row = ("RTSPSUB", Part::Plays("rtp"), "a", "/live/a?k=8", true);
const CAST: Row = ("RTSPCAST", Part::Plays("rtp"), "a", "", false);

const ROWS: [Row; 14] = [
    ("SOURCE", Part::Publishes, "a", "", false),
    ("RTMPPULL", Part::Publishes, "from-rtmp", "rtmp://RTMP/live/", true),
    ("RTMPPUBSUB", Part::Plays("rtmp-tracks"), "a", "/live/a?k=1", true),
    ("RTSPPULL", Part::Publishes, "from-rtsp", "rtsp://RTSP/live/", true),
    ("RTSPSUB", Part::Plays("rtp"), "a", "/live/a?k=2", true),
    ("RTMPPUSH", Part::Plays("rtmp-push"), "a", "rtmp://RTMP/live/", true),
    ("RTMPPUBSUB", Part::Publishes, "by-rtmp", "/live/by-rtmp?k=3", true),
    ("RTSPPUSH", Part::Plays("rtp"), "a", "rtsp://RTSP/live/", true),
    ("RTSPPUB", Part::Publishes, "by-rtsp", "/live/by-rtsp?k=4", true),
    ("RECORD", Part::Plays("flv"), "a", "FOLDER", false),
    ("FLVPUBSUB", Part::Plays("flv"), "a", "/live/a.flv?k=5", true),
    ("MP4PUBSUB", Part::Plays("mp4"), "a", "/live/a.mp4?k=6", true),
    ("HLSSUB", Part::Plays("hls"), "a", "/hls/a.m3u8?k=7", true),
    CAST,
];

const KEYS: &str = "
    profile = \"box\"
    hls.sessions = true
    hls.segment = \"1s\"
    rtsp.multicast = \"239.255.42.42\"
    [[pull]]
    stream = \"from-rtmp\"
    url = \"rtmp://RTMP/live/a?k=1\"
    [[pull]]
    stream = \"from-rtsp\"
    url = \"rtsp://RTSP/live/a?k=2\"
    [[push]]
    stream = \"a\"
    url = \"rtmp://RTMP/live/by-rtmp?k=3\"
    [[push]]
    stream = \"a\"
    url = \"rtsp://RTSP/live/by-rtsp?k=4\"
    [[record]]
    streams = \"a\"
    path = \"FOLDER\"
";

/// An event that is awaited comes sooner than this, or never.
const PATIENCE: Duration = Duration::from_secs(200);

/// A server, with what stands for its addresses.
struct Served {
    core: Arc<Core>,
    http: SocketAddr,
    rtsp: SocketAddr,
    words: [(&'static str, String); 3],
}

impl Served {
    fn filled(&self, text: &str) -> String {
        fill(&self.words, text)
    }

    /// The entries that are as a row says.
    fn found(&self, row: &Row) -> Vec<(Ticket, Session, Option<SessionStats>)> {
        let (kind, part, stream, url, has_peer) = row;
        let url = self.filled(url);
        let is_it = |one: &Session| {
            (one.id.kind, one.part, one.stream.as_str(), one.peer.is_some()) == (*kind, *part, *stream, *has_peer)
                && one.url.starts_with(&url)
                && one.since > Wall(Duration::ZERO)
        };
        self.core.sessions().into_iter().filter(|(_, one, _)| is_it(one)).collect()
    }

    /// Waits until it is so.
    async fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < end, "{what}: {:#?}", self.core.sessions());
            Timer::after(Duration::from_millis(10)).await;
        }
    }
}

fn fill(words: &[(&str, String)], text: &str) -> String {
    words.iter().fold(text.to_string(), |text, (word, is)| text.replace(word, is))
}

/// A folder that goes with the value.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Serves, relays to itself and records while `test` runs.
fn serve<F: Future<Output = ()>>(test: impl FnOnce(Served) -> F) {
    let folder = Folder(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("listed-{}", std::process::id())));
    std::fs::create_dir_all(&folder.0).unwrap();
    // somebody else may take a free port before the server does
    for _ in 0..5 {
        let free = [(); 4].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let [rtmp, rtsp, websocket, http] = free.map(|socket| socket.local_addr().unwrap());
        let folder = folder.0.to_str().unwrap().to_string();
        let words = [("RTMP", rtmp.to_string()), ("RTSP", rtsp.to_string()), ("FOLDER", folder)];
        let listen = format!(
            "rtmp.listen = \"{rtmp}\"\nrtsp.listen = \"{rtsp}\"\nrtsp.websocket_listen = \"{websocket}\"\nhttp.listen = \"{http}\"\napi.enable = false\n"
        );
        let config = Config::parse("test", &(listen + &fill(&words, KEYS))).unwrap();
        let core = Core::new(config.clone(), registry::costs(), Arc::default());
        let server = Server::new(&core, registry::listens());
        let Ok(listeners) = server.bind() else { continue };
        return block_on(core.clone().executor.run(async {
            server.start(listeners, || {}).unwrap();
            let (mut relays, mut recorder) = (Relays::new(&core, registry::carrier), Recorder::new(&core));
            let prepared = recorder.prepare(&config).unwrap();
            relays.follow().await;
            recorder.follow(prepared).await;
            test(Served { core, http, rtsp, words }).await;
            server.stop(Duration::from_secs(2)).await;
            recorder.stop().await;
        }));
    }
    panic!("no port stays free");
}

/// Publishes sound as fast as it is heard, until it is kicked.
async fn play_on(mut publisher: Publisher) {
    let params =
        Params { record: Bytes::from_static(&[0x12, 0x10]), sample_rate: 44_100, channels: 2, ..Params::default() };
    publisher.track(Track { id: 0, codec: Codec::Aac, clock: Hz::MS, params });
    publisher.complete();
    let begun = Instant::now();
    loop {
        let data = publisher.paid(&[0x21; 200]).unwrap();
        let dts = Ticks(begun.elapsed().as_millis() as i64);
        let frame = Frame { dts, cts: 0, kind: Kind::Audio, track: 0, key: true, data };
        match publisher.publish(frame, Instant::now()) {
            Err(Lost::Dismissed(why)) => return assert_eq!(why, Dismissal::Kicked),
            published => published.unwrap(),
        }
        publisher.flush();
        Timer::after(Duration::from_millis(23)).await;
    }
}

/// The head of the answer to a request, and the connection.
fn ask(http: SocketAddr, path: &str, fields: &str) -> (String, TcpStream) {
    let mut socket = TcpStream::connect(http).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n").unwrap();
    (head(&mut socket), socket)
}

/// The head of an answer.
fn head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// The value of a field of an answer.
fn field<'a>(head: &'a str, name: &str) -> &'a str {
    let value = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    value.unwrap_or_else(|| panic!("no {name}: {head}"))
}

/// The whole answer to one request.
fn fetch(http: SocketAddr, path: &str) -> (String, String) {
    let (head, mut socket) = ask(http, path, "Connection: close\r\n");
    let mut body = Vec::new();
    socket.read_to_end(&mut body).unwrap();
    (head, String::from_utf8_lossy(&body).into_owned())
}

/// Plays until the server ends it.
fn watch(http: SocketAddr, path: &str, fields: &str) {
    let (_, mut socket) = ask(http, path, fields);
    let mut rest = [0; 4096];
    while socket.read(&mut rest).is_ok_and(|bytes| bytes > 0) {}
}

/// Plays segments until the server knows its session no more: the status of that answer.
fn watch_segments(http: SocketAddr, path: &str) -> String {
    let (head, _) = fetch(http, path);
    let playlist = format!("/hls/{}", field(&head, "Location").trim_start_matches("./"));
    loop {
        let (head, text) = fetch(http, &playlist);
        let status = head.lines().next().unwrap_or_default().to_string();
        match text.lines().rfind(|line| !line.starts_with('#') && !line.is_empty()) {
            _ if status.contains("404") => return status,
            Some(segment) => drop(fetch(http, &format!("/hls/{segment}"))),
            None => {}
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Listens to the group until the server ends it.
fn listen(rtsp: SocketAddr) {
    let mut socket = TcpStream::connect(rtsp).unwrap();
    let url = format!("rtsp://{rtsp}/live/a?k=8");
    write!(socket, "DESCRIBE {url} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n").unwrap();
    let described = head(&mut socket);
    let mut description = vec![0; field(&described, "Content-Length").parse().unwrap()];
    socket.read_exact(&mut description).unwrap();
    let description = String::from_utf8(description).unwrap();
    let control = description.lines().rev().find_map(|line| line.strip_prefix("a=control:")).unwrap();
    let base = described.lines().find_map(|line| line.strip_prefix("Content-Base: ")).unwrap_or(&url);
    let track = format!("{}/{control}", base.trim_end_matches('/'));
    write!(socket, "SETUP {track} RTSP/1.0\r\nCSeq: 2\r\nTransport: RTP/AVP;multicast\r\n\r\n").unwrap();
    let set_up = head(&mut socket);
    let session = field(&set_up, "Session").split(';').next().unwrap_or_default();
    write!(socket, "PLAY {url} RTSP/1.0\r\nCSeq: 3\r\nSession: {session}\r\n\r\n").unwrap();
    while socket.read(&mut [0; 4096]).is_ok_and(|bytes| bytes > 0) {}
}

const WEBSOCKET: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[test]
fn each_session_is_listed_with_all_that_is_known_of_it_and_ends_when_it_is_kicked() {
    serve(|served| async move {
        let (core, http, rtsp) = (served.core.clone(), served.http, served.rtsp);
        let name = Name::new("a").unwrap();
        let (publisher, _grant) = core.publish(&name, "SOURCE", Instant::now()).ok().unwrap();
        let players = [
            std::thread::spawn(move || watch(http, "/live/a.flv?k=5", "")),
            std::thread::spawn(move || watch(http, "/live/a.mp4?k=6", WEBSOCKET)),
            std::thread::spawn(move || listen(rtsp)),
        ];
        let of_hls = std::thread::spawn(move || watch_segments(http, "/hls/a.m3u8?k=7"));
        let listed = async {
            for row in &ROWS {
                let is_whole = |stats: &SessionStats| stats.bytes > 0 && stats.waits.is_none();
                let is_told = || matches!(&*served.found(row), [(_, _, Some(stats))] if is_whole(stats));
                served.until(row.0, is_told).await;
            }
            let is_told = || matches!(&*served.found(&LISTENER), [(_, _, Some(stats))] if stats.waits.is_none());
            served.until("a listener", is_told).await;
            assert!(core.kick(served.found(&LISTENER).swap_remove(0).0));
            served.until("the end of what nobody listens to", || served.found(&CAST).is_empty()).await;
            // the one that publishes all of it comes last
            for row in ROWS.iter().rev().filter(|row| **row != CAST) {
                // the relay on the other side may have to begin anew
                served.until(row.0, || !served.found(row).is_empty()).await;
                let (ticket, ..) = served.found(row).swap_remove(0);
                assert!(core.kick(ticket), "{}", row.0);
                if row.0 != "SOURCE" {
                    let is_gone = || core.sessions().iter().all(|(other, ..)| *other != ticket);
                    served.until(row.0, is_gone).await;
                }
            }
            let have_ended = || of_hls.is_finished() && players.iter().all(JoinHandle::is_finished);
            served.until("the end of all players", have_ended).await;
        };
        // the source is told that it is kicked
        zip(play_on(publisher), listed).await;
        assert!(of_hls.join().unwrap().contains("404"));
    });
}
