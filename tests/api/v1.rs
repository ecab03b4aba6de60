//! runnel's own API: what it tells has the form of its document, what it changes happens, and its answers are bounded.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use runnel::hub::Name;
use runnel::session::Entry;
use serde_json::Value;

use super::schema::Document;
use super::*;

const LOCAL: &str = "Host: 127.0.0.1\r\n";

impl Served {
    /// Lists a player of HLS, which has no connection.
    fn enter(&self, stream: &str, url: &str) -> Entry {
        let who = self.core.who("HLSSUB").at("192.0.2.1:9".parse().unwrap());
        self.core.enter(&who, &Name::new(stream).unwrap(), "hls", &url)
    }
}

fn json(said: &Said) -> Value {
    assert_eq!(said.status, 200, "{}", said.body);
    serde_json::from_str(&said.body).unwrap_or_else(|why| panic!("{why}: {}", said.body))
}

/// The values of a key of the items of a list.
fn column(list: &Value, key: &str) -> Vec<String> {
    list["items"].as_array().unwrap().iter().map(|item| item[key].as_str().unwrap().to_string()).collect()
}

#[test]
fn answers_have_the_form_that_the_document_describes() {
    let (served, document) = (Served::begin("api.blacklist = 2\nserver_id = \"a\\\"b\"\n"), Document::read());
    let mut publisher = publish(&served, "b");
    let _other = publish(&served, "a");
    let mut player = Http::new(served.http);
    assert_eq!(player.open("/live/b.flv").status, 200);
    let mut waiting = Http::new(served.http);
    waiting.socket.write_all(b"GET /live/none.ts HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    until(|| served.get("/api/v1/sessions").body, |said| said.matches("PUBSUB").count() == 4);
    let get = |path: &str, said: &str| document.check("get", path, &served.get(said).body);

    let info = get("/api/v1/info", "/api/v1/info");
    assert_eq!((info["server_id"].as_str(), info["streams"].as_u64()), (Some("a\"b"), Some(3)));
    assert_eq!((info["sessions"].as_u64(), info["boot_id"].as_str().map(str::len)), (Some(4), Some(16)));
    assert!(info["features"].as_array().unwrap().iter().any(|name| name == "api"), "{info}");

    let streams = get("/api/v1/streams", "/api/v1/streams");
    assert_eq!(
        (streams["total"].as_u64(), column(&streams, "name")),
        (Some(3), ["a", "b", "none"].map(String::from).into())
    );
    let [_, b, none] = streams["items"].as_array().unwrap().as_slice() else { panic!("{streams}") };
    assert_eq!(
        (b["live"].as_bool(), b["viewers"].as_u64(), b["recording"].as_bool()),
        (Some(true), Some(1), Some(false))
    );
    assert_eq!((none["live"].as_bool(), none.get("publisher"), none.get("gop_s")), (Some(false), None, None));
    let kinds: Vec<_> = b["tracks"].as_array().unwrap().iter().map(|track| track["codec"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["H264", "AAC"]);
    // key frames come every 400 ms
    assert_eq!(b["gop_s"].as_f64(), Some(0.4));
    assert!(b.to_string().len() < 400, "{b}");
    publisher.picture(1800, true, 99, 500).unwrap();
    until(|| served.get("/api/v1/streams/b").body, |said| said.contains("\"gop_s\":1.000"));
    let one = get("/api/v1/streams/{name}", "/api/v1/streams/b");
    assert_eq!((one["traffic"]["frames"].as_u64(), one["forms"][0]["form"].as_str()), (Some(31), Some("flv")));
    assert!(one["memory"]["used"].as_u64() > Some(500), "{one}");

    let sessions = get("/api/v1/sessions", "/api/v1/sessions");
    let ids = ["FLVPUBSUB1", "RTMPPUBSUB1", "RTMPPUBSUB2", "TSPUBSUB1"];
    assert_eq!((sessions["total"].as_u64(), column(&sessions, "id")), (Some(4), ids.map(String::from).into()));
    assert_eq!(column(&get("/api/v1/sessions", "/api/v1/sessions?stream=a"), "id"), ["RTMPPUBSUB2"]);
    let session = |id: &str| get("/api/v1/sessions/{id}", &format!("/api/v1/sessions/{id}"));
    let player = session("FLVPUBSUB1");
    assert_eq!((player["protocol"].as_str(), player["action"].as_str()), (Some("http"), Some("play")));
    assert_eq!((player["skips"].as_u64(), player["url"].as_str()), (Some(0), Some("/live/b.flv")));
    let publisher = session("RTMPPUBSUB1");
    assert_eq!((publisher["protocol"].as_str(), publisher["action"].as_str()), (Some("rtmp"), Some("publish")));
    assert_eq!(session("TSPUBSUB1")["waits"].as_str(), Some("publisher"));

    let made = served.post("/api/v1/blacklist", r#"{"ip":"::ffff:192.0.2.9","seconds":60}"#);
    assert_eq!(document.check("post", "/api/v1/blacklist", &made.body)["ip"].as_str(), Some("192.0.2.9"));
    assert_eq!(column(&get("/api/v1/blacklist", "/api/v1/blacklist"), "ip"), ["192.0.2.9"]);
    let gone = served.delete("/api/v1/blacklist/192.0.2.9");
    document.check("delete", "/api/v1/blacklist/{ip}", &gone.body);

    let plan = get("/api/v1/plan", "/api/v1/plan");
    let rows = plan["rows"].as_array().unwrap();
    let sum = |key: &str| rows.iter().filter_map(|row| row[key].as_u64()).sum::<u64>();
    assert_eq!([Some(sum("user")), Some(sum("kernel"))], ["user", "kernel"].map(|key| plan["total"][key].as_u64()));
    assert_eq!(plan["accounts"][0]["memory"]["limit"], plan["total"]["user"]);
}

#[test]
fn rates_are_measured_in_units_of_1000_bits() {
    let (served, document) = (Served::begin(""), Document::read());
    let mut publisher = publish(&served, "a");
    let mut player = Http::new(served.http);
    assert_eq!(player.open("/live/a.flv").status, 200);
    let (mut at, begun) = (1200, Instant::now());
    let measured = loop {
        publisher.picture(at, at % 1000 == 0, at, 10_000).unwrap();
        let stream = json(&served.get("/api/v1/streams/a"));
        if stream["kbps_in"].as_u64() > Some(0) && stream["kbps_out"].as_u64() > Some(0) {
            break stream;
        }
        assert!(begun.elapsed() < PATIENCE, "{stream}");
        at += 40;
        thread::sleep(std::time::Duration::from_millis(40));
    };
    assert!(measured["fps"].as_f64() > Some(0.0), "{measured}");
    let session = document.check("get", "/api/v1/sessions/{id}", &served.get("/api/v1/sessions/RTMPPUBSUB1").body);
    assert!(session["kbps"].as_u64() > Some(0), "{session}");
}

#[test]
fn a_publisher_is_ended_by_the_name_of_its_stream() {
    let served = Served::begin("");
    let mut publisher = publish(&served, "门");
    let mut player = Http::new(served.http);
    player.socket.write_all("GET /live/门.flv HTTP/1.1\r\nHost: h\r\n\r\n".as_bytes()).unwrap();
    until(|| served.get("/api/v1/sessions").body, |said| said.contains("FLVPUBSUB1"));
    for name in ["none", "", "%2e%2e", "a%00", "%E9%97", "a/b", "a%2Fb", &"x".repeat(300)] {
        let path = format!("/api/v1/streams/{name}");
        assert_eq!((served.get(&path).status, served.delete(&path).status), (404, 404), "{name}");
    }
    let foreign =
        ask(served.api, "DELETE /api/v1/streams/%E9%97%A8", &format!("{LOCAL}Origin: http://evil.example\r\n"), "");
    assert_eq!(foreign.status, 403);
    let ended = served.delete("/api/v1/streams/%E9%97%A8");
    assert_eq!((ended.status, ended.body.as_str()), (200, "{}"));
    while publisher.take_in().is_some() {}
    until(|| served.get("/api/v1/streams/%E9%97%A8").body, |said| said.contains(r#""live":false"#));
    let again = served.delete("/api/v1/streams/%E9%97%A8");
    assert_eq!((again.status, again.body.as_str()), (404, r#"{"error":"the stream has no publisher"}"#));
    let _back = publish(&served, "门");
    until(|| served.get("/api/v1/streams/%E9%97%A8").body, |said| said.contains(r#""live":true"#));
}

#[test]
fn many_sessions_are_told_by_pages_and_no_word_of_a_client_breaks_the_text() {
    let served = Served::begin("profile = \"box\"\nviewers.max = 700\nconnections.per_peer = 100\n");
    let hostile = "/hls/a.m3u8/\"}],\\\u{0}\u{1f}\u{2028}</script>\u{7f}é".to_string() + &"x".repeat(200);
    let entries: Vec<_> = (0..600).map(|n| served.enter(["a", "b"][n % 2], &hostile)).collect();
    let page = |query: &str| json(&served.get(&format!("/api/v1/sessions?{query}")));
    let ids: Vec<_> = (0..6).flat_map(|at| column(&page(&format!("page={at}")), "id")).collect();
    assert_eq!(ids, (1..=600).map(|n| format!("HLSSUB{n}")).collect::<Vec<_>>(), "by number");
    let all = page("per_page=1000");
    assert_eq!((all["total"].as_u64(), column(&all, "id")), (Some(600), ids));
    assert!(column(&all, "url").iter().all(|url| hostile.starts_with(url) && url.len() == 128));
    let secret = served.enter("c", "/live/c.flv?pass=hidden");
    assert_eq!(column(&page("stream=c"), "url"), ["/live/c.flv?********"]);
    drop(secret);
    let some = page("stream=b&page=2&per_page=7");
    assert_eq!((some["total"].as_u64(), column(&some, "id")[0].as_str()), (Some(300), "HLSSUB30"));
    assert_eq!(page("page=99999999")["items"].as_array().map(Vec::len), Some(0));
    for query in ["per_page=0", "per_page=1001", "page=-1", "page=x", "per_page=99999999999999999999999"] {
        let refused = served.get(&format!("/api/v1/sessions?{query}"));
        assert!(refused.status == 400 && refused.body.starts_with("{\"error\":\""), "{query}: {}", refused.body);
    }
    let long = served.core.greetings.account_for(usize::MAX).clone();
    let held = long.charge(long.available().saturating_sub(8 << 10)).unwrap();
    for path in ["/api/v1/sessions?per_page=1000", "/api/v1/sessions"] {
        let refused = served.get(path);
        assert!(refused.status == 503 && refused.head.contains("Retry-After"), "{}", refused.head);
        assert_eq!(refused.body, r#"{"error":"no room for that now"}"#);
    }
    assert_eq!(json(&served.get("/api/v1/info"))["sessions"].as_u64(), Some(600), "a short one has its room");
    drop((held, entries));
    assert_eq!(page("")["total"].as_u64(), Some(0));
    until(|| long.used().to_string(), |used| used == "0");
    assert!(served.core.total.peak() <= served.core.total.limit());
}

#[test]
fn lists_are_whole_while_sessions_end_and_each_is_ended_once() {
    let served = Served::begin("profile = \"box\"\nviewers.max = 700\nconnections.per_peer = 100\n");
    let _publisher = publish(&served, "a");
    let entries: Vec<_> = (0..200).map(|_| served.enter("a", "/hls/a.m3u8")).collect();
    let (ended, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let kickers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    for number in 1..=200 {
                        let said = served.delete(&format!("/api/v1/sessions/HLSSUB{number}"));
                        assert!([200, 404].contains(&said.status), "{}", said.body);
                        ended.fetch_add(usize::from(said.status == 200), SeqCst);
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !is_over.load(SeqCst) {
                let ids = column(&json(&served.get("/api/v1/sessions?per_page=1000")), "id");
                assert!(ids.last().is_some_and(|id| id == "RTMPPUBSUB1"), "{ids:?}");
                let streams = json(&served.get("/api/v1/streams"));
                assert_eq!(column(&streams, "name"), ["a"]);
            }
        });
        kickers.into_iter().for_each(|one| one.join().unwrap());
        is_over.store(true, SeqCst);
    });
    assert_eq!(ended.load(SeqCst), 200);
    assert!(entries.iter().all(|entry| !entry.sent(1)), "none of them goes on");
    assert_eq!(json(&served.get("/api/v1/streams/a"))["viewers"].as_u64(), Some(0));
}

#[test]
fn addresses_are_refused_and_taken_back() {
    let served = Served::begin("api.blacklist = 2\n");
    let add = |body: &str| served.post("/api/v1/blacklist", body);
    for wrong in
        ["", "{", "[]", r#"{"ip":"192.0.2.1"}"#, r#"{"ip":"here","seconds":1}"#, r#"{"ip":"192.0.2.1","seconds":0}"#]
    {
        let refused = add(wrong);
        assert!(refused.status == 400 && refused.body.starts_with("{\"error\":\""), "{wrong}: {}", refused.body);
    }
    assert_eq!(add(&"x".repeat(5 << 10)).status, 413);
    assert_eq!(add(r#"{"ip":"127.0.0.1","seconds":900}"#).body, r#"{"ip":"127.0.0.1","seconds":900}"#);
    assert_eq!(Http::new(served.http).open("/live/a.flv").status, 403);
    assert_eq!(add(r#"{"ip":"2001:db8::1","seconds":4294967295}"#).status, 200);
    assert_eq!(add(r#"{"ip":"192.0.2.2","seconds":1}"#).status, 409);
    assert_eq!(add(r#"{"ip":"127.0.0.1","seconds":60}"#).status, 200, "another time");
    let list = json(&served.get("/api/v1/blacklist"));
    assert_eq!(column(&list, "ip"), ["127.0.0.1", "2001:db8::1"]);
    assert!((50..=60).contains(&list["items"][0]["seconds"].as_u64().unwrap()), "{list}");
    assert_eq!(json(&served.get("/api/v1/blacklist?page=1&per_page=1"))["items"][0]["ip"], "2001:db8::1");
    assert_eq!(served.delete("/api/v1/blacklist/2001:DB8:0::1").status, 200);
    assert_eq!(served.delete("/api/v1/blacklist/127.0.0.1").status, 200);
    for gone in ["127.0.0.1", "here", ""] {
        assert_eq!(served.delete(&format!("/api/v1/blacklist/{gone}")).status, 404, "{gone}");
    }
}

#[test]
fn the_metrics_tell_of_as_many_streams_as_the_configuration_says() {
    let served = Served::begin("metrics.streams = 2\n");
    let _publishers = ["c", "门", "b"].map(|name| publish(&served, name));
    let mut player = Http::new(served.http);
    assert_eq!(player.open("/live/b.flv").status, 200);
    let page = || ask(served.http, "GET /metrics", LOCAL, "");
    let told = until(|| page().body, |body| body.contains("runnel_stream_viewers{stream=\"b\"} 1\n"));
    let streams: Vec<_> = told.lines().filter(|line| line.contains("{stream=")).collect();
    assert_eq!(streams.len(), 14, "{told}");
    assert!(streams.iter().all(|line| ["b", "c"].iter().any(|name| line.contains(&format!("\"{name}\"")))), "{told}");
    let received = streams.iter().find(|line| line.starts_with("runnel_stream_received_bytes_total{stream=\"c\"} "));
    assert!(received.is_some_and(|line| line.len() > 48), "{told}");
    let long = served.core.greetings.account_for(usize::MAX).clone();
    let held = long.charge(long.available()).unwrap();
    assert_eq!(page().status, 503);
    drop(held);
    assert_eq!(page().status, 200);
    let silent = Served::begin("");
    let _publisher = publish(&silent, "a");
    assert!(!ask(silent.http, "GET /metrics", LOCAL, "").body.contains("stream="));
}
