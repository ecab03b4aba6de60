//! MediaMTX's API: paths, sessions with ids that are UUIDs, and paths that are added with a source, in its JSON.

#[path = "support/encoder.rs"]
mod encoder;
#[path = "support/peer.rs"]
mod peer;
#[path = "support/program.rs"]
mod program;
#[path = "support/records.rs"]
mod records;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use peer::{Http, Rtmp, connect};
use program::PATIENCE;
use runnel::conf::Config;
use runnel::registry;
use runnel::relay::Relays;
use runnel::serve::Server;
use runnel::session::Core;
use serde_json::{Value, json};

/// A server inside this program, with its relays.
struct Served {
    core: Arc<Core>,
    rtmp: SocketAddr,
    http: SocketAddr,
    api: SocketAddr,
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

    /// Asks at the API's port, and gives the status and the JSON.
    fn ask(&self, line: &str, body: &str) -> (u16, Value) {
        ask(self.api, line, "Host: 127.0.0.1\r\n", body)
    }

    fn get(&self, path: &str) -> Value {
        let (status, said) = self.ask(&format!("GET {path}"), "");
        assert_eq!(status, 200, "{path}: {said}");
        said
    }

    /// The answer at a path, once it fits.
    fn until(&self, path: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let (_, said) = self.ask(&format!("GET {path}"), "");
            if fits(&said) {
                return said;
            }
            assert!(begun.elapsed() < PATIENCE, "{path}: {said}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn ask(address: SocketAddr, line: &str, fields: &str, body: &str) -> (u16, Value) {
    let mut socket = connect(address);
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let request = format!("{line} HTTP/1.1\r\n{fields}{length}Connection: close\r\n\r\n{body}");
    socket.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.get(9..12).unwrap_or_default().parse().unwrap_or(0);
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

/// Publishes some pictures.
fn publish(served: &Served, name: &str) -> Rtmp {
    let mut publisher = Rtmp::publisher(served.rtmp, name);
    for at in 0..30 {
        publisher.picture(at * 40, at % 10 == 0, at, 500).unwrap();
    }
    publisher
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn words(text: &str) -> BTreeSet<&str> {
    text.split_whitespace().collect()
}

fn error(status: u16, why: &str) -> (u16, Value) {
    (status, json!({"status": "error", "error": why}))
}

fn ok() -> (u16, Value) {
    (200, json!({"status": "ok"}))
}

fn is_uuid(id: &Value) -> bool {
    let id = id.as_str().unwrap();
    let lengths: Vec<_> = id.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && id.bytes().all(|one| one == b'-' || one.is_ascii_hexdigit()) && &id[14..15] == "4"
}

#[test]
fn a_path_is_told_with_its_source_tracks_and_readers() {
    let served = Served::begin("");
    let empty = json!({"itemCount": 0, "pageCount": 0, "items": []});
    assert_eq!(served.get("/v3/paths/list"), empty);
    let info = served.get("/v3/info");
    assert_eq!(info["version"], concat!("v", env!("CARGO_PKG_VERSION")));
    assert!(info["started"].as_str().unwrap().ends_with('Z'));

    let _publisher = publish(&served, "cam");
    let mut player = Http::new(served.http);
    assert_eq!(player.open("/live/cam.flv?token=secret").status, 200);
    let is_seen = |path: &Value| path["readers"].as_array().is_some_and(|readers| readers.len() == 1);
    let path = served.until("/v3/paths/get/cam", |path| is_seen(path) && path["tracks"][1].is_string());
    let known = "name confName ready readyTime available availableTime online onlineTime source tracks tracks2 readers \
        inboundBytes outboundBytes inboundFramesInError bytesReceived bytesSent";
    assert_eq!(keys(&path), words(known));
    assert_eq!((&path["name"], &path["confName"], &path["ready"]), (&json!("cam"), &json!("all_others"), &json!(true)));
    assert_eq!(path["source"]["type"], "rtmpConn");
    assert!(path["inboundBytes"].as_u64() > Some(10_000), "{path}");
    let tracks: BTreeSet<_> = path["tracks"].as_array().unwrap().iter().map(|track| track.as_str().unwrap()).collect();
    assert_eq!(tracks, ["H264", "MPEG-4 Audio"].into());
    let codecs = path["tracks2"].as_array().unwrap().iter().map(|track| track["codec"].as_str().unwrap());
    assert_eq!(codecs.collect::<BTreeSet<_>>(), tracks);
    // the name is the last item, as in the URLs of all protocols, and other ports have the paths too
    assert_eq!(served.get("/v3/paths/get/live/cam")["name"], "cam");
    assert_eq!(served.get("/v3/paths/get/live%2Fcam")["name"], "cam");
    assert_eq!(ask(served.http, "GET /v3/paths/list", "Host: [::1]\r\n", "").1["items"][0]["name"], "cam");
    assert_eq!(served.ask("GET /v3/paths/get/other", ""), error(404, "path not found"));

    let sessions = served.get("/v3/hlssessions/list");
    let session = &sessions["items"][0];
    assert_eq!(path["readers"][0], json!({"type": "hlsSession", "id": session["id"]}));
    assert_eq!(keys(session), words("id created remoteAddr path query user userAgent isCDN outboundBytes"));
    assert_eq!((&session["path"], &session["query"]), (&json!("cam"), &json!("********")));
}

#[test]
fn a_session_is_found_and_ended_by_its_uuid() {
    let served = Served::begin("");
    let _publisher = publish(&served, "cam");
    let list = served.until("/v3/rtmpconns/list", |list| list["itemCount"] == 1);
    let conn = &list["items"][0];
    let known = "id created remoteAddr state path query user userAgent inboundBytes outboundBytes \
        outboundFramesDiscarded bytesReceived bytesSent";
    assert_eq!(keys(conn), words(known));
    assert_eq!((&conn["state"], &conn["path"], &conn["query"]), (&json!("publish"), &json!("cam"), &json!("")));
    assert!(conn["remoteAddr"].as_str().unwrap().starts_with("127.0.0.1:"));
    let id = conn["id"].as_str().unwrap();
    assert!(is_uuid(&conn["id"]), "{id}");
    assert_eq!(served.get("/v3/paths/get/cam")["source"]["id"], id);
    assert_eq!(served.get(&format!("/v3/rtmpconns/get/{id}"))["id"], id);

    let none = "there is no session of that id";
    let other = id.replace(|digit| digit != '-', "0");
    for path in ["rtmpsconns", "rtspsessions", "hlssessions", "srtconns", "webrtcsessions"] {
        assert_eq!(served.ask(&format!("GET /v3/{path}/get/{id}"), ""), error(404, none), "{path}");
        assert_eq!(served.ask(&format!("POST /v3/{path}/kick/{id}"), ""), error(404, none), "{path}");
        assert_eq!(served.get(&format!("/v3/{path}/list"))["items"], json!([]), "{path}");
    }
    assert_eq!(served.ask(&format!("POST /v3/rtmpconns/kick/{other}"), ""), error(404, none));
    for method in ["GET /v3/rtmpconns/get/7", "POST /v3/rtmpconns/kick/7"] {
        assert_eq!(served.ask(method, ""), error(400, "the id is not a UUID"));
    }
    let nothing = "there is no such path in the API";
    for line in ["POST /v3/rtspconns/kick/", "POST /v3/hlsmuxers/kick/", "GET /v3/rtmpconns/kick/", "GET /v3/none/get/"]
    {
        assert_eq!(served.ask(&format!("{line}{id}"), ""), error(404, nothing), "{line}");
    }

    assert_eq!(served.ask(&format!("POST /v3/rtmpconns/kick/{id}"), ""), ok());
    let path = served.until("/v3/rtmpconns/list", |list| list["itemCount"] == 0);
    assert_eq!(path["pageCount"], 0);
    assert_eq!(served.ask(&format!("POST /v3/rtmpconns/kick/{id}"), ""), error(404, none));
}

#[test]
fn a_list_comes_in_pages() {
    let served = Served::begin("");
    let _publishers = ["c", "a", "b"].map(|name| publish(&served, name));
    served.until("/v3/paths/list", |list| list["itemCount"] == 3);
    let page = |query: &str| {
        let list = served.get(&format!("/v3/paths/list?{query}"));
        let names: Vec<_> = list["items"].as_array().unwrap().iter().map(|path| path["name"].clone()).collect();
        (json!(names), list["itemCount"].clone(), list["pageCount"].clone())
    };
    assert_eq!(page(""), (json!(["a", "b", "c"]), json!(3), json!(1)));
    assert_eq!(page("itemsPerPage=2"), (json!(["a", "b"]), json!(3), json!(2)));
    assert_eq!(page("page=1&itemsPerPage=2"), (json!(["c"]), json!(3), json!(2)));
    assert_eq!(page("page=18446744073&itemsPerPage=2147483647").0, json!([]));
    for wrong in ["page=-1", "itemsPerPage=0", "itemsPerPage=x"] {
        let (status, said) = served.ask(&format!("GET /v3/rtmpconns/list?{wrong}"), "");
        assert_eq!((status, &said["status"]), (400, &json!("error")), "{wrong}");
    }
}

#[test]
fn a_path_with_a_source_is_added_changed_and_deleted() {
    let origin = Served::begin("");
    let fixed = "[[pull]]\nstream = \"fixed\"\nurl = \"rtsp://u:secret@127.0.0.1:1/a/b\"\non_demand = true\n";
    let served = Served::begin(&format!("api.pulls = 2\n{fixed}"));
    let _publisher = publish(&origin, "far");
    let url = format!("rtmp://{}/live/far", origin.rtmp);
    let source = json!({"name": "near", "source": url, "rtspTransport": "automatic", "maxReaders": 7}).to_string();
    let add = |name: &str, body: &str| served.ask(&format!("POST /v3/config/paths/add/{name}"), body);
    for (body, why) in [
        ("", "the body is no JSON of a path"),
        (r#"{"source":7}"#, "the body is no JSON of a path"),
        ("{}", "source is missing, or \"publisher\": every name may be published without a path of its own"),
        (r#"{"source":"file:/etc/passwd"}"#, "source is no URL that a stream is pulled from"),
        (r#"{"source":"rtsp://u:********@h/a"}"#, "source: it is masked, give it in full"),
        (r#"{"source":"rtmp://h/live/********"}"#, "source: it is masked, give it in full"),
        (r#"{"source":"rtsp://h/a","rtspTransport":"multicast"}"#, "rtspTransport is none of udp, tcp, automatic"),
        (r#"{"source":"rtsp://h/a","sourceOnDemandCloseAfter":"9"}"#, "a time is not written as 10s or 1m30s"),
        (
            r#"{"source":"rtsp://h/a","record":true}"#,
            "record: what is recorded is said by [[record]] in the server's configuration file",
        ),
    ] {
        assert_eq!(add("near", body), error(400, why), "{body}");
    }
    let circle = json!({"source": format!("rtmp://{}/live/near", served.rtmp)}).to_string();
    let (status, said) = add("near", &circle);
    assert_eq!((status, said["error"].as_str().map(|why| why.starts_with("source: "))), (400, Some(true)), "{said}");
    assert_eq!(add(".hidden", &source), error(400, "invalid path name"));
    assert_eq!(add("live/near", &source), ok());
    assert_eq!(add("near", &source), error(400, "path already exists"));
    let path = served.until("/v3/paths/get/near", |path| path["ready"] == true);
    assert_eq!((&path["source"], &path["confName"]), (&json!({"type": "rtmpSource", "id": ""}), &json!("near")));

    let conf = served.get("/v3/config/paths/get/near");
    assert_eq!(conf["source"], format!("rtmp://{}/live/********", origin.rtmp));
    let change = |method: &str, verb: &str, name: &str, body: &str| {
        served.ask(&format!("{method} /v3/config/paths/{verb}/{name}"), body)
    };
    let later = r#"{"sourceOnDemand":true,"sourceOnDemandCloseAfter":"1m30s"}"#;
    assert_eq!(change("PATCH", "patch", "near", later), ok());
    let conf = served.get("/v3/config/paths/get/near");
    assert_eq!((&conf["sourceOnDemand"], &conf["sourceOnDemandCloseAfter"]), (&json!(true), &json!("90s")));
    assert_eq!(change("POST", "replace", "near", &source), ok());
    assert_eq!(served.get("/v3/config/paths/get/near")["sourceOnDemand"], false);

    let of_file = "the path is a [[pull]] in the server's configuration file, which the API does not change";
    let not_found = error(404, "path not found");
    for (method, verb) in [("PATCH", "patch"), ("POST", "replace"), ("DELETE", "delete")] {
        assert_eq!(change(method, verb, "other", &source), not_found, "{verb}");
        assert_eq!(change(method, verb, "fixed", &source), error(400, of_file), "{verb}");
    }
    assert_eq!(add("fixed", &source), error(400, of_file));
    let list = served.get("/v3/config/paths/list");
    let names: Vec<_> = list["items"].as_array().unwrap().iter().map(|conf| conf["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["all_others", "fixed", "near"]);
    assert!(!list.to_string().contains("secret"), "{list}");
    let fixed = served.get("/v3/paths/get/fixed");
    assert_eq!((&fixed["ready"], &fixed["source"], &fixed["tracks"]), (&json!(false), &Value::Null, &json!([])));
    assert_eq!(served.get("/v3/config/paths/get/all_others")["source"], "publisher");
    assert_eq!(add("more", &source), ok());
    assert_eq!(add("most", &source), error(400, "api.pulls streams are pulled or pushed already"));

    assert_eq!(change("DELETE", "delete", "near", ""), ok());
    served.until("/v3/paths/get/near", |said| said["error"] == "path not found");
    assert_eq!(change("DELETE", "delete", "near", ""), not_found);
}

#[test]
fn the_configuration_is_told_and_not_changed() {
    let served = Served::begin("hls.enable = false\n");
    let global = served.get("/v3/config/global/get");
    assert_eq!((&global["rtmp"], &global["hls"], &global["webrtc"]), (&json!(true), &json!(false), &json!(false)));
    assert_eq!((&global["rtmpAddress"], &global["logLevel"]), (&json!(served.rtmp.to_string()), &json!("info")));
    assert_eq!(served.get("/v3/config/pathdefaults/get")["source"], "publisher");
    for of in ["global", "pathdefaults"] {
        let (status, said) = served.ask(&format!("PATCH /v3/config/{of}/patch"), "{\"rtmp\":false}");
        assert_eq!((status, &said["status"]), (400, &json!("error")), "{said}");
    }
    assert_eq!(served.get("/v3/config/global/get"), global);
}

#[test]
fn a_recording_is_deleted_by_its_path_and_start_alone() {
    let served = Served::begin("");
    let no_time = "a time is not written as 2026-11-18T11:06:40Z";
    for (query, status, why) in [
        ("", 400, "invalid path name"),
        ("path=..&start=2026-11-18T11:06:40Z", 400, "invalid path name"),
        ("path=cam", 400, no_time),
        ("path=cam&start=2026-11-18T11:06:40", 400, no_time),
        ("path=live%2Fcam&start=2026-11-18T11%3A06%3A40.123Z", 404, "no segment begins at that time"),
    ] {
        let line = format!("DELETE /v3/recordings/deletesegment?{query}");
        assert_eq!(served.ask(&line, ""), error(status, why), "{query}");
    }
    assert_eq!(served.get("/v3/recordings/get/live/cam"), json!({"name": "cam", "segments": []}));
    assert_eq!(served.ask("GET /v3/recordings/get/cam?from=now", ""), error(400, no_time));
}

#[test]
fn pages_of_other_sites_neither_read_nor_change_anything() {
    let served = Served::begin("");
    for address in [served.api, served.http] {
        assert_eq!(ask(address, "GET /v3/paths/list", "Host: evil.example\r\n", "").0, 421);
        let origin = "Host: 127.0.0.1\r\nOrigin: http://evil.example\r\n";
        let changes = [
            "POST /v3/config/paths/add/a",
            "PATCH /v3/config/global/patch",
            "POST /v3/rtmpconns/kick/7",
            "DELETE /v3/recordings/deletesegment?path=a&start=7",
        ];
        for line in changes {
            assert_eq!(ask(address, line, origin, "{}").0, 403, "{line}");
        }
        assert_eq!(ask(address, "DELETE /v3/paths/list", "Host: 127.0.0.1\r\n", "").0, 405);
    }
    // a stream in a folder of that name is played all the same
    let _publisher = publish(&served, "cam");
    let mut socket = connect(served.http);
    socket.write_all(b"GET /v3/cam.flv HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
    let mut head = [0; 12];
    socket.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    assert!(served.core.total.peak() <= served.core.total.limit());
}
