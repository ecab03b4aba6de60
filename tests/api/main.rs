//! The API: what a client of lal reads and changes, who may, that its answers stay within the plan, and our own.

#[path = "../support/encoder.rs"]
mod encoder;
#[path = "../support/peer.rs"]
mod peer;
#[path = "../support/program.rs"]
mod program;
#[path = "../support/records.rs"]
mod records;
mod schema;
mod v1;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use peer::{Http, Rtmp, connect};
use program::PATIENCE;
use runnel::conf::Config;
use runnel::proto::rtmp::Role;
use runnel::registry;
use runnel::relay::Relays;
use runnel::serve::Server;
use runnel::session::{Core, RelayRow, RelayState};

/// A server inside this program, with its relays.
struct Served {
    core: Arc<Core>,
    rtmp: SocketAddr,
    http: SocketAddr,
    api: SocketAddr,
}

/// An answer of HTTP.
struct Said {
    status: u16,
    head: String,
    body: String,
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
        thread::spawn(move || {
            let mut relays = Relays::new(&shared, registry::carrier);
            smol::block_on(shared.executor.clone().run(async {
                relays.follow().await;
                std::future::pending::<()>().await;
            }));
        });
        Self { core, rtmp, http, api }
    }

    /// Asks at the API's port.
    fn get(&self, path: &str) -> Said {
        ask(self.api, &format!("GET {path}"), "Host: 127.0.0.1\r\n", "")
    }

    /// Asks for a change there.
    fn post(&self, path: &str, body: &str) -> Said {
        ask(self.api, &format!("POST {path}"), "Host: 127.0.0.1\r\n", body)
    }

    /// Asks for an end there.
    fn delete(&self, path: &str) -> Said {
        ask(self.api, &format!("DELETE {path}"), "Host: 127.0.0.1\r\n", "")
    }

    /// Adds a relay.
    fn relay(&self, body: &str) -> Said {
        self.post("/api/v1/relays", body)
    }

    /// The relays, once the answer fits.
    fn until_relays(&self, fits: impl Fn(&str) -> bool) -> String {
        until(|| self.get("/api/v1/relays").body, fits)
    }

    /// The answer about a stream, once it fits.
    fn until_group(&self, name: &str, fits: impl Fn(&str) -> bool) -> String {
        until(|| self.get(&format!("/api/stat/group?stream_name={name}")).body, fits)
    }
}

fn until(said: impl Fn() -> String, fits: impl Fn(&str) -> bool) -> String {
    let begun = Instant::now();
    loop {
        let said = said();
        if fits(&said) {
            return said;
        }
        assert!(begun.elapsed() < PATIENCE, "{said}");
        thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn ask(address: SocketAddr, line: &str, fields: &str, body: &str) -> Said {
    let mut socket = connect(address);
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let request = format!("{line} HTTP/1.1\r\n{fields}{length}Connection: close\r\n\r\n{body}");
    socket.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    Said { status: head.get(9..12).unwrap_or_default().parse().unwrap_or(0), head: head.into(), body: body.into() }
}

/// Publishes some pictures.
fn publish(served: &Served, name: &str) -> Rtmp {
    let mut publisher = Rtmp::publisher(served.rtmp, name);
    for at in 0..30 {
        publisher.picture(at * 40, at % 10 == 0, at, 500).unwrap();
    }
    publisher
}

const DONE: &str = r#"{"error_code":0,"desp":"succ"}"#;
const NO_PARAMETER: &str = r#"{"error_code":1002,"desp":"param missing"}"#;
const NO_SESSION: &str = r#"{"error_code":1003,"desp":"session not found"}"#;
const NO_PULL: &str = r#""data":{"stream_name":"","session_id":""}}"#;

#[test]
fn what_is_read_has_lals_form() {
    let served = Served::begin("server_id = \"7\"\n");
    let info = served.get("/api/stat/lal_info");
    assert_eq!(info.status, 200);
    assert!(
        info.body.starts_with(r#"{"error_code":0,"desp":"succ","data":{"server_id":"7","bin_info":""#),
        "{}",
        info.body
    );
    assert!(info.head.lines().any(|line| line == "Content-Type: application/json"), "{}", info.head);
    let servers: Vec<_> = info.head.lines().filter(|line| line.starts_with("Server:")).collect();
    assert_eq!(servers, ["Server: lal0.37.4"]);
    assert_eq!(served.get("/api/stat/all_group").body, r#"{"error_code":0,"desp":"succ","data":{"groups":null}}"#);
    let of = |path: &str| served.get(path).body;
    assert_eq!(of("/api/stat/group"), r#"{"error_code":1002,"desp":"param missing","data":null}"#);
    assert_eq!(of("/api/stat/group?stream_name=a"), r#"{"error_code":1001,"desp":"group not found","data":null}"#);
    let nothing = served.get("/lal/none");
    let no_page = r#"{"error_code":404,"desp":"page not found, check this document out: lal"}"#;
    assert_eq!((nothing.status, nothing.body.as_str()), (200, no_page));

    let _publisher = publish(&served, "test110");
    let mut player = Http::new(served.http);
    assert_eq!(player.open("/live/test110.flv").status, 200);
    let group = served.until_group("test110", |said| said.contains("FLVPUBSUB1") && !said.contains("per_sec\":[]"));
    let keys: Vec<_> =
        group.split('"').skip(1).step_by(2).filter(|word| group.contains(&format!("\"{word}\":"))).collect();
    let session = [
        "session_id",
        "protocol",
        "base_type",
        "remote_addr",
        "start_time",
        "read_bytes_sum",
        "wrote_bytes_sum",
        "bitrate_kbits",
        "read_bitrate_kbits",
        "write_bitrate_kbits",
    ];
    let head = [
        "error_code",
        "desp",
        "data",
        "stream_name",
        "app_name",
        "audio_codec",
        "video_codec",
        "video_width",
        "video_height",
    ];
    let all = [
        &head[..],
        &["pub"],
        &session,
        &["subs"],
        &session,
        &["pull"],
        &session,
        &["in_frame_per_sec", "unix_sec", "v"],
    ];
    assert!(keys.starts_with(&all.concat()), "{group}");
    let below = ask(served.http, "GET /api/stat/all_group", "Host: [::1]:1\r\n", "").body;
    assert!(below.contains(r#"{"groups":[{"stream_name":"test110","app_name":"live","audio_codec":"AAC","#), "{below}");
}

#[test]
fn a_session_is_ended_by_its_id() {
    let served = Served::begin("");
    let _publisher = publish(&served, "a");
    let mut player = Http::new(served.http);
    assert_eq!(player.open("/live/a.flv").status, 200);
    served.until_group("a", |said| said.contains("FLVPUBSUB1"));
    let kick = |body: &str| served.post("/api/ctrl/kick_session", body).body;
    let deep = "[".repeat(4000);
    let hidden = format!(r#"{{"stream_name":"a","more":{deep}"#);
    for wrong in [&deep, &hidden, "", "{", "[]", r#"{"stream_name":"a"}"#, r#"{"stream_name":"a","session_id":1}"#] {
        assert_eq!(kick(wrong), NO_PARAMETER, "{wrong}");
    }
    let no_group = r#"{"error_code":1001,"desp":"group not found"}"#;
    assert_eq!(kick(r#"{"stream_name":"b","session_id":"FLVPUBSUB1"}"#), no_group);
    assert_eq!(kick(r#"{"stream_name":"a","session_id":"FLVPUBSUB9"}"#), NO_SESSION);
    assert_eq!(kick(r#"{"more":[{}],"session_id":"FLVPUBSUB1","stream_name":"a"}"#), DONE);
    player.rest();
    assert!(served.until_group("a", |said| said.contains("\"subs\":null")).contains("RTMPPUBSUB"));
    assert_eq!(served.post("/api/ctrl/kick_session", &"x".repeat(5 << 10)).status, 413);
}

#[test]
fn an_address_is_refused_by_every_protocol_until_it_is_taken_back() {
    let served = Served::begin("api.blacklist = 2\n");
    let _publisher = publish(&served, "a");
    let refuse = |body: &str| served.post("/api/ctrl/add_ip_blacklist", body).body;
    assert_eq!(served.get("/api/stat/ip_blacklist").body, r#"{"error_code":0,"desp":"succ","data":{"ips":null}}"#);
    for wrong in
        [r#"{"ip":"127.0.0.1"}"#, r#"{"ip":"here","duration_sec":9}"#, r#"{"ip":"127.0.0.1","duration_sec":-1}"#]
    {
        assert_eq!(refuse(wrong), NO_PARAMETER, "{wrong}");
    }
    let mut kept = Http::new(served.http);
    assert_eq!(kept.get("/healthz").status, 200);
    assert_eq!(refuse(r#"{"ip":"127.0.0.1","duration_sec":900}"#), DONE);
    assert_eq!(kept.get("/healthz").status, 403, "on a connection that was there");
    assert_eq!(Http::new(served.http).open("/live/a.flv").status, 403);
    assert_eq!(Http::new(served.http).open("/hls/a.m3u8").status, 403);
    assert_eq!(Rtmp::new(served.rtmp, Role::Publish, "b").refusal().as_deref(), Some("NetStream.Publish.Denied"));
    let listed = served.get("/api/stat/ip_blacklist").body;
    assert!(listed.contains(r#"{"ips":[{"ip":"127.0.0.1","left_sec":8"#), "{listed}");
    assert_eq!(refuse(r#"{"ip":"192.0.2.1","duration_sec":1}"#), DONE);
    assert!(refuse(r#"{"ip":"192.0.2.2","duration_sec":1}"#).starts_with(r#"{"error_code":2100,"#));
    let admit = || served.post("/api/ctrl/remove_ip_blacklist", r#"{"ip":"127.0.0.1"}"#).body;
    assert_eq!((admit().as_str(), admit().as_str()), (DONE, r#"{"error_code":2100,"desp":"ip not found"}"#));
    assert_eq!(Http::new(served.http).open("/live/a.flv").status, 200);
}

#[test]
fn pages_of_other_sites_neither_read_nor_change_anything() {
    let served = Served::begin("api.hosts = [\"box.lan\"]\napi.origins = [\"https://page.example\"]\n");
    let read = |address, host: &str| ask(address, "GET /api/stat/all_group", &format!("Host: {host}\r\n"), "").status;
    for address in [served.api, served.http] {
        for host in ["127.0.0.1:9", "localhost", "[::1]", "box.lan:8083"] {
            assert_eq!(read(address, host), 200, "{host}");
        }
        assert_eq!(read(address, "evil.example"), 421);
        for line in ["GET /api/stat/all_group", "OPTIONS /api/stat/all_group", "POST /api/stat/lal_info"] {
            let allowed = |origin: &str| {
                let head = ask(address, line, &format!("Host: 127.0.0.1:8083\r\n{origin}"), "").head;
                head.lines().find_map(|line| line.strip_prefix("Access-Control-Allow-Origin: ").map(String::from))
            };
            for origin in
                ["", "Origin: http://evil.example\r\n", "Origin: null\r\n", "Origin: https://page.example.a\r\n"]
            {
                assert_eq!(allowed(origin), None, "{line} {origin}");
            }
            assert_eq!(allowed("Origin: https://page.example\r\n").as_deref(), Some("https://page.example"), "{line}");
        }
    }
    assert_eq!(ask(served.api, "GET /none", "Host: evil.example\r\n", "").status, 421);
    let elsewhere =
        ["/healthz", "/metrics"].map(|path| ask(served.http, &format!("GET {path}"), "Host: a.example\r\n", "").status);
    assert_eq!(elsewhere, [200; 2]);

    let change = |line: &str, fields: &str| ask(served.api, line, &format!("Host: 127.0.0.1:8083\r\n{fields}"), "");
    let stop = "GET /api/ctrl/stop_relay_pull?stream_name=a";
    for fields in [
        "Origin: http://evil.example\r\n",
        "Origin: null\r\n",
        "Origin: http://127.0.0.1:8080\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Origin: http://127.0.0.1:8083\r\nSec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Sec-Fetch-Site: same-site\r\nReferer: http://127.0.0.1:8083/\r\n",
        "Referer: http://evil.example/127.0.0.1:8083\r\n",
        "Referer: http://127.0.0.1:8080/\r\n",
        "Referer: http://127.0.0.1:8083@evil.example/\r\n",
    ] {
        let refused = change(stop, fields);
        assert_eq!((refused.status, refused.head.contains("Allow-Origin")), (403, false), "{fields}");
        assert_eq!(change("POST /api/ctrl/kick_session", fields).status, 403, "{fields}");
    }
    for fields in [
        "",
        "Origin: http://127.0.0.1:8083\r\n",
        "Sec-Fetch-Site: same-origin\r\n",
        "Sec-Fetch-Site: none\r\n",
        "Referer: http://127.0.0.1:8083/page?a\r\n",
        "Referer: https://page.example/a\r\n",
    ] {
        let said = change(stop, fields);
        assert_eq!((said.status, said.head.contains("Allow-Origin")), (200, false), "{fields}");
    }
    let page = "Origin: https://page.example\r\nSec-Fetch-Site: cross-site\r\n";
    for line in [stop, "OPTIONS /api/ctrl/kick_session"] {
        let said = change(line, page);
        assert!(
            said.status < 300 && said.head.contains("Access-Control-Allow-Origin: https://page.example"),
            "{}",
            said.head
        );
    }
    assert!(!change("OPTIONS /api/ctrl/kick_session", "Origin: http://evil.example\r\n").head.contains("Allow-Origin"));
}

#[test]
fn what_the_configuration_switches_off_is_not_there() {
    let served = Served::begin("");
    let [http, ..] = program::free_ports();
    let text = format!("rtsp.enable = false\nrtmp.enable = false\napi.enable = false\nhttp.listen = \"{http}\"\n");
    let core = Core::new(Config::parse("test", &text).unwrap(), registry::costs(), Arc::default());
    let server = Server::new(&core, registry::listens());
    server.start(server.bind().unwrap(), || {}).unwrap();
    thread::spawn(move || smol::block_on(core.executor.run(std::future::pending::<()>())));
    let status = |address| ask(address, "GET /api/stat/lal_info", "Host: 127.0.0.1\r\n", "").status;
    assert_eq!((status(served.http), status(http)), (200, 404));
}

#[test]
fn an_answer_that_finds_no_room_is_refused_and_nothing_is_lost() {
    let served = Served::begin("profile = \"tiny\"\nconnections.per_peer = 100\n");
    let _publishers = [publish(&served, "a"), publish(&served, "b")];
    let players: Vec<_> = (0..16)
        .map(|n| {
            let mut player = Http::new(served.http);
            player.socket.write_all(format!("GET /live/name{n}.flv HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).unwrap();
            player
        })
        .collect();
    let all = until(|| served.get("/api/stat/all_group").body, |said| said.matches("FLVPUBSUB").count() == 16);
    assert_eq!(all.matches("stream_name").count(), 18);
    assert!(all.len() > 12 << 10, "{}", all.len());
    let long = served.core.greetings.account_for(usize::MAX).clone();
    let held = long.charge(long.available().saturating_sub(8 << 10)).unwrap();
    let refused = served.get("/api/stat/all_group");
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.head.contains("Retry-After"), "{}", refused.head);
    assert_eq!(served.get("/api/stat/lal_info").status, 200, "a short one has its room");
    drop(held);
    assert_eq!(served.get("/api/stat/all_group").status, 200);
    drop(players);
    until(|| served.core.greetings.account_for(usize::MAX).used().to_string(), |used| used == "0");
    assert!(served.core.total.peak() <= served.core.total.limit());
}

#[test]
fn a_stream_is_pulled_when_the_api_says_so_and_until_it_says_no() {
    let [origin, served] = ["", "api.pulls = 2\n"].map(Served::begin);
    let _publisher = publish(&origin, "far");
    let url = format!("rtmp://{}/live/far", origin.rtmp);
    let start = |body: String| served.post("/api/ctrl/start_relay_pull", &body).body;
    for (body, code) in [
        ("{}".to_string(), 1002),
        (r#"{"url":7}"#.into(), 1002),
        (format!(r#"{{"url":"{url}","pull_timeout_ms":"x"}}"#), 1002),
        (r#"{"url":"http://127.0.0.1/a"}"#.into(), 2001),
        (r#"{"url":"file:/etc/passwd"}"#.into(), 2001),
    ] {
        let said = start(body.clone());
        assert!(said.starts_with(&format!(r#"{{"error_code":{code},"#)) && said.ends_with(NO_PULL), "{body}: {said}");
    }
    let begun = start(format!(r#"{{"url":"{url}","stream_name":"near","debug_dump_packet":"/tmp/x"}}"#));
    assert_eq!(begun, r#"{"error_code":0,"desp":"succ","data":{"stream_name":"near","session_id":"RTMPPULL1"}}"#);
    served.until_group("near", |said| {
        said.contains(r#""pull":{"session_id":"RTMPPULL1","protocol":"RTMP","base_type":"PULL""#)
    });
    let twice = start(format!(r#"{{"url":"{url}","stream_name":"near"}}"#));
    assert!(twice.contains(r#""error_code":2001,"desp":"lal.logic: in stream already exist at group","#), "{twice}");
    let stop = |name: &str| served.get(&format!("/api/ctrl/stop_relay_pull?stream_name={name}")).body;
    assert_eq!(stop("near"), r#"{"error_code":0,"desp":"succ","data":{"session_id":"RTMPPULL1"}}"#);
    until(|| served.get("/api/stat/all_group").body, |said| said.contains("\"groups\":null"));
    assert!(stop("near").starts_with(r#"{"error_code":1001,"#));
    // the name is the last item of the URL, and the body of POST may have it too
    let begun = start(format!(r#"{{"url":"{url}?k=1"}}"#));
    assert!(begun.contains(r#""stream_name":"far","session_id":"RTMPPULL2""#), "{begun}");
    served.until_group("far", |said| said.contains("RTMPPULL2"));
    let kicked = served.post("/api/ctrl/kick_session", r#"{"stream_name":"far","session_id":"RTMPPULL2"}"#).body;
    assert_eq!(kicked, DONE);
    let ended = || format!("{:?}", served.core.relays.list());
    until(ended, |list| list.contains("Ended(\"kicked"));
    assert!(served.post("/api/ctrl/stop_relay_pull", r#"{"stream_name":"far"}"#).body.contains("1003"));
}

#[test]
fn a_pull_gives_up_after_its_attempts_and_waits_for_viewers_if_it_is_to() {
    let [origin, served] = ["", "api.pulls = 2\n"].map(Served::begin);
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let start = |body: String| served.post("/api/ctrl/start_relay_pull", &body).body;
    let silent = deaf.local_addr().unwrap();
    start(format!(r#"{{"url":"rtmp://{silent}/live/a","pull_timeout_ms":200,"pull_retry_num":1}}"#));
    let list = || format!("{:?}", served.core.relays.list());
    until(list, |list| list.contains("Pauses(\"refused: no media within pull_timeout_ms\""));
    until(list, |list| list.contains("Ended(\"refused: no media within pull_timeout_ms\")"));

    let _publisher = publish(&origin, "b");
    let url = format!("rtmp://{}/live/b", origin.rtmp);
    let waits = start(format!(r#"{{"url":"{url}","auto_stop_pull_after_no_out_ms":0}}"#));
    assert!(waits.contains(r#""error_code":2001,"desp":"should auto stop pull""#), "{waits}");
    assert!(matches!(served.core.relays.list().last(), Some(RelayRow { state: RelayState::Waits, .. })));
    for _ in 0..2 {
        let mut player = TcpStream::connect(served.http).unwrap();
        player.write_all(b"GET /live/b.flv HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        served.until_group("b", |said| said.contains("PULL\""));
        drop(player);
        until(list, |list| list.contains("Waits"));
    }
    // one that has ended gives its place to another, one that waits does not
    start(format!(r#"{{"url":"{url}","stream_name":"c","auto_stop_pull_after_no_out_ms":0}}"#));
    assert!(
        start(format!(r#"{{"url":"{url}","stream_name":"d"}}"#))
            .contains("api.pulls streams are pulled or pushed already")
    );
}

#[test]
fn relays_are_added_told_of_and_removed_whoever_wants_them() {
    let origin = Served::begin("");
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let far = origin.rtmp;
    let configured = format!(
        "[[pull]]\nstream = \"door\"\nurl = \"rtmp://{gone}/live/KEY\"\n\
         [[push]]\nstream = \"n*\"\nurl = \"rtmp://{far}/copies\"\n"
    );
    let served = Served::begin(&format!("api.pulls = 2\n{configured}"));
    let waits =
        format!(r#"{{"kind":"push","stream":"n*","url":"rtmp://{far}/********","origin":"config","state":"waits"}}"#);
    let told = served.until_relays(|said| said.contains("next_attempt_s"));
    let fails = format!(
        r#"{{"total":2,"items":[{{"kind":"pull","stream":"door","url":"rtmp://{gone}/live/********","origin":"config","#
    );
    assert!(told.starts_with(&fails) && told.ends_with(&format!("{waits}]}}")), "{told}");
    assert!(told.contains(r#""state":"pause","last_error":"cannot connect: nothing listens on that port","#), "{told}");

    // a stream comes from elsewhere, and a pattern and the API send it back under other names
    let _publisher = publish(&origin, "far");
    let pull = format!(r#"{{"kind":"pull","stream":"near","url":"rtmp://{far}/live/far?k=SECRET"}}"#);
    let added = served.relay(&pull);
    assert_eq!(added.status, 200, "{}", added.body);
    let begin = r#"{"kind":"pull","stream":"near","url":"rtmp://"#;
    assert!(added.body.starts_with(begin) && added.body.contains(r#""origin":"api","state":""#), "{}", added.body);
    let push = format!(r#"{{"kind":"push","stream":"near","url":"rtmp://{far}/live/back"}}"#);
    assert_eq!(served.relay(&push).status, 200);
    let told = served.until_relays(|said| said.matches(r#""state":"running","session":""#).count() == 3);
    assert!(told.contains(r#""total":5"#) && !told.contains("SECRET") && !told.contains("live/back"), "{told}");
    origin.until_group("back", |said| said.contains("\"pub\":{\"session_id\":\"RTMPPUBSUB"));
    origin.until_group("near", |said| said.contains("\"pub\":{\"session_id\":\"RTMPPUBSUB"));

    // what is there already, or has no place
    assert_eq!((served.relay(&pull).status, served.relay(&push).status), (409, 409));
    assert_eq!(served.relay(&pull.replace("near", "door")).status, 409, "the configuration has it");
    let full = served.relay(&push.replace("back", "else"));
    assert_eq!((full.status, full.body.as_str()), (503, r#"{"error":"api.pulls relays are there already"}"#));
    let kept = served.delete("/api/v1/relays/pull/door");
    let sentence = r#"{"error":"the configuration has it: remove it there, and reload the configuration"}"#;
    assert_eq!((kept.status, kept.body.as_str()), (409, sentence));
    assert_eq!(served.delete("/api/v1/relays/pull/none").status, 404);
    assert_eq!(served.delete("/api/v1/relays/other/near").status, 404);
    let elsewhere = format!("/api/v1/relays/push/near?url=rtmp://{far}/live/other");
    assert_eq!(served.delete(&elsewhere).status, 404);
    let gone = served.delete(&format!("/api/v1/relays/push/near?url=rtmp://{far}/live/back"));
    assert_eq!((gone.status, gone.body.as_str()), (200, "{}"));
    assert_eq!(served.delete("/api/v1/relays/pull/near").status, 200);
    served.until_relays(|said| said.contains(r#""total":2"#) && said.contains(&waits));
    until(|| origin.get("/api/stat/all_group").body, |said| !said.contains("\"near\"") && !said.contains("\"back\""));
}

#[test]
fn a_relay_that_cannot_be_is_refused_in_the_configurations_words() {
    let served = Served::begin("");
    let own = served.rtmp;
    for (body, why) in [
        (r#"{"kind":"pull","stream":"a"}"#.to_string(), "missing field `url`"),
        (r#"{"kind":"pull","stream":"a","url":"rtmp://h/a","file":"x"}"#.into(), "unknown field `file`"),
        (r#"{"kind":"both","stream":"a","url":"rtmp://h/a"}"#.into(), "kind: must be "),
        (r#"{"kind":"pull","stream":"a/b","url":"rtmp://h/a"}"#.into(), "stream: \\\"a/b\\\" is "),
        (r#"{"kind":"push","stream":"*","url":"rtmp://h/a"}"#.into(), "stream: \\\"*\\\" is "),
        (r#"{"kind":"pull","stream":"a","url":"file:/etc/passwd"}"#.into(), "url: invalid value: not a valid URL"),
        (r#"{"kind":"pull","stream":"a","url":"rtmp://"}"#.into(), "url: invalid value: not a valid URL: no host"),
        (
            r#"{"kind":"pull","stream":"a","url":"rtmp://h/********"}"#.into(),
            "url: invalid value: not a valid URL: what is masked in it has to be written out",
        ),
        (r#"{"kind":"push","stream":"a","url":"rtmp://h/{name}"}"#.into(), "url: {name} stands for the name only"),
        (r#"{"kind":"push","stream":"a","url":"rtmp://h/a","retries":1}"#.into(), "are those of pulls"),
        (r#"{"kind":"pull","stream":"a","url":"rtmp://h/a","timeout_s":0}"#.into(), "timeout_s: must be at least 1"),
        (r#"{"kind":"pull","stream":"a","url":"rtmp://h/a","retries":-1}"#.into(), "invalid value"),
        (
            format!(r#"{{"kind":"pull","stream":"a","url":"rtmp://{own}/live/a"}}"#),
            "url: must be that of another stream",
        ),
        (
            format!(r#"{{"kind":"push","stream":"a","url":"rtmp://{own}/live/a"}}"#),
            "url: must be that of another stream",
        ),
        (
            format!(r#"{{"kind":"pull","stream":"a","url":"rtmp://h/{}"}}"#, "x".repeat(2 << 10)),
            "url: must be of 2048 bytes",
        ),
    ] {
        let said = served.relay(&body);
        assert!(said.status == 400 && said.body.contains(why), "{body}: {}", said.body);
    }
    assert!(served.core.relays.list().is_empty());
}

#[test]
fn a_page_logs_in_and_its_cookie_stands_for_the_credentials() {
    let served = Served::begin("[[access]]\naction = [\"api\", \"play\"]\nuser = \"admin\"\npassword = \"Tiger-97\"\n");
    let _publisher = publish(&served, "a");
    let host = "Host: 127.0.0.1\r\n";
    let log_in = |body: &str| ask(served.api, "POST /api/v1/login", host, body);
    for wrong in ["", "{}", r#"{"user":"admin"}"#, r#"{"user":"a","password":"b","token":"c"}"#] {
        assert_eq!(log_in(wrong).status, 400, "{wrong}");
    }
    let refused = log_in(r#"{"user":"admin","password":"guess"}"#);
    assert_eq!(refused.status, 401);
    assert!(!refused.head.contains("WWW-Authenticate") && !refused.head.contains("Set-Cookie"), "{}", refused.head);
    let begun = log_in(r#"{"user":"admin","password":"Tiger-97"}"#);
    assert_eq!((begun.status, begun.body.as_str()), (200, r#"{"user":"admin"}"#));
    let cookie = begun.head.lines().find_map(|line| line.strip_prefix("Set-Cookie: ")).unwrap();
    assert!(cookie.ends_with("; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict"), "{cookie}");
    let cookie = format!("{host}Cookie: lang=zh; {}\r\n", cookie.split(';').next().unwrap());
    let info = |fields: &str| ask(served.api, "GET /api/v1/info", fields, "");
    assert_eq!((info(host).status, info(&cookie).status), (401, 200));
    assert!(info(host).head.contains("WWW-Authenticate: Basic"));
    let page = info(&format!("{host}X-Requested-With: page\r\n"));
    assert!(page.status == 401 && !page.head.contains("WWW-Authenticate"), "{}", page.head);
    let told = ask(served.api, "GET /api/v1/login", &cookie, "");
    assert_eq!((told.status, told.body.as_str()), (200, r#"{"user":"admin","may_change":true}"#));
    // what is played needs no other login
    let mut media = connect(served.http);
    media.write_all(format!("GET /live/a.flv HTTP/1.1\r\n{cookie}\r\n").as_bytes()).unwrap();
    let mut status = [0; 12];
    media.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    let foreign = format!("{cookie}Origin: http://evil.example\r\n");
    assert_eq!(ask(served.api, "DELETE /api/v1/login", &foreign, "").status, 403);
    assert_eq!(ask(served.api, "DELETE /api/v1/login", &cookie, "").status, 200);
    assert_eq!(info(&cookie).status, 401);
}

#[test]
fn who_reads_by_the_api_is_told_if_it_may_change_anything() {
    let stored = |user: &str, action: &str| {
        format!("[[access]]\naction = \"{action}\"\nuser = \"{user}\"\npassword = \"Tiger-97\"\n")
    };
    let served = Served::begin(&format!("{}{}", stored("viewer", "api:read"), stored("admin", "api")));
    let fields = |basic: &str| format!("Host: 127.0.0.1\r\nAuthorization: Basic {basic}\r\n");
    // `viewer:Tiger-97` and `admin:Tiger-97`
    let (viewer, admin) = (fields("dmlld2VyOlRpZ2VyLTk3"), fields("YWRtaW46VGlnZXItOTc="));
    let told = |fields: &str| ask(served.api, "GET /api/v1/login", fields, "").body;
    let changes = |fields: &str| ask(served.api, "DELETE /api/v1/sessions/none", fields, "").status;
    // more than the failures that shut an address out
    for _ in 0..8 {
        assert_eq!(told(&viewer), r#"{"user":"viewer","may_change":false}"#);
    }
    assert_eq!(told(&admin), r#"{"user":"admin","may_change":true}"#);
    assert_eq!((changes(&admin), changes(&viewer)), (404, 403));
    assert_eq!(ask(served.api, "GET /api/v1/login", "Host: 127.0.0.1\r\n", "").status, 401);
    let open = Served::begin("");
    assert_eq!(open.get("/api/v1/login").body, r#"{"user":"","may_change":true}"#);
}

#[test]
fn a_snapshot_waits_for_a_key_frame_and_is_charged_until_it_is_sent() {
    let served = Served::begin("api.hosts = [\"h\"]\n");
    let snapshot = || served.get("/api/v1/snapshot/a.mp4");
    assert_eq!(snapshot().status, 404);
    let mut publisher = Rtmp::publisher(served.rtmp, "a");
    let said = || {
        let said = snapshot();
        format!("{} {} {}", said.status, said.head, said.body)
    };
    let early = until(said, |said| said.starts_with("503"));
    assert!(early.contains("Retry-After: 1") && early.contains("the stream has no key frame yet"), "{early}");
    publisher.picture(0, true, 0, 100_000).unwrap();
    for at in 1..30 {
        publisher.picture(at * 40, false, at, 500).unwrap();
    }
    let mut client = Http::new(served.api);
    let mut ask = || client.get("/api/v1/snapshot/a.mp4");
    let begun = Instant::now();
    while let Some(early) = Some(ask()).filter(|said| said.status != 200) {
        assert!(begun.elapsed() < PATIENCE, "{}", early.text());
    }
    let body = ask().body;
    assert!(body.get(4..8) == Some(b"ftyp") && body.len() > 100_000, "{}", body.len());
    // the picture is charged to the answers: without room there, it is not sent
    let answers = served.core.greetings.account_for(usize::MAX);
    let all = answers.charge(answers.available()).unwrap();
    let refused = ask();
    assert!(refused.status == 503 && refused.has("Retry-After: 1"), "{}", refused.text());
    drop(all);
    assert_eq!(ask().body, body);
}

/// A program whose API keeps its changes in the file.
fn keeping(file: &std::path::Path) -> (program::Program, SocketAddr) {
    let [api, ..] = program::free_ports();
    let keys = format!("api.listen = \"{api}\"\napi.persist = {file:?}\nprofile = \"box\"\n");
    let running = program::Program::start(&keys);
    running.says("api listens on");
    (running, api)
}

#[test]
fn what_the_api_changed_is_there_after_an_end_and_after_a_crash_and_a_broken_file_stops_no_start() {
    let file = program::File::new("{\"relays\":[");
    let ask = |api, line: &str, body: &str| ask(api, line, "Host: 127.0.0.1\r\n", body).body;
    let relays = |api| ask(api, "GET /api/v1/relays", "");
    let (running, api) = keeping(&file.0);
    running.says("column 11; nothing of it is restored, and it is kept as ");
    let aside = program::File(file.0.with_extension("toml.broken"));
    assert_eq!(std::fs::read_to_string(&aside.0).unwrap(), "{\"relays\":[");
    let add = |api, stream: &str| {
        let body = format!(r#"{{"kind":"push","stream":"{stream}","url":"rtmp://127.0.0.1:1/live/KEY"}}"#);
        assert!(ask(api, "POST /api/v1/relays", &body).contains(r#""origin":"api""#));
    };
    add(api, "ended");
    let refused = ask(api, "POST /api/ctrl/add_ip_blacklist", r#"{"ip":"192.0.2.1","duration_sec":600}"#);
    assert_eq!(refused, DONE);
    running.signal("TERM");
    running.end();

    let (running, api) = keeping(&file.0);
    until(|| relays(api), |said| said.contains("\"ended\""));
    assert!(ask(api, "GET /api/stat/ip_blacklist", "").contains("192.0.2.1"));
    // it is written soon, and survives what ends without a farewell
    add(api, "crashed");
    until(|| std::fs::read_to_string(&file.0).unwrap(), |text| text.contains("\"crashed\""));
    running.signal("KILL");
    drop(running);

    let (_running, api) = keeping(&file.0);
    until(|| relays(api), |said| said.contains("\"ended\"") && said.contains("\"crashed\""));
}
