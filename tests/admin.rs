//! The configuration by the API, where another program has the server inside.

#[path = "support/peer.rs"]
mod peer;
#[path = "support/program.rs"]
mod program;
#[path = "support/records.rs"]
mod records;

use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use peer::connect;
use runnel::conf::{Changes, Config, Keys};
use runnel::registry;
use runnel::serve::Server;
use runnel::session::{Core, Mistake, Reloaded};

fn serve() -> (Arc<Core>, SocketAddr) {
    let [rtmp, http, api, _] = program::free_ports();
    let listen = [("rtmp", rtmp), ("http", http), ("api", api)];
    let listen = listen.map(|(table, address)| format!("{table}.listen = \"{address}\"\n")).concat();
    let config = Config::parse("test", &format!("rtsp.enable = false\n{listen}")).unwrap();
    let core = Core::new(config, registry::costs(), Arc::default());
    let server = Server::new(&core, registry::listens());
    server.start(server.bind().unwrap(), || {}).unwrap();
    let shared = core.clone();
    thread::spawn(move || smol::block_on(shared.executor.clone().run(std::future::pending::<()>())));
    (core, api)
}

/// The status and the body.
fn ask(address: SocketAddr, line: &str) -> (u16, String) {
    let mut socket = connect(address);
    write!(socket, "{line} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    (head.get(9..12).unwrap_or_default().parse().unwrap_or(0), body.into())
}

#[test]
fn a_program_without_a_file_says_so() {
    let (_core, api) = serve();
    for line in ["GET /api/v1/config", "POST /api/v1/reload"] {
        let (status, body) = ask(api, line);
        assert!(status == 501 && body.contains("no such file"), "{line}: {status} {body}");
    }
    assert_eq!(ask(api, "GET /api/v1/log"), (200, r#"{"total":0,"items":[]}"#.into()));
}

#[test]
fn a_program_follows_one_request_at_a_time_and_says_what_came_of_it() {
    const RELOAD: &str = "POST /api/v1/reload";
    let (core, api) = serve();
    core.reloads.show(Arc::new(Keys::parse("test", "viewers.slow = \"3s\"\n").unwrap().1));
    let (status, body) = ask(api, "GET /api/v1/config");
    let items = r#""items":[{"key":"viewers.slow","value":"3s","line":1}]}"#;
    assert!(status == 200 && body.ends_with(items), "{body}");
    let answer = |result: Reloaded| {
        let asker = thread::spawn(move || ask(api, RELOAD));
        smol::block_on(poll_fn(|cx| core.reloads.poll_asked(cx)));
        let busy = ask(api, RELOAD);
        assert!(busy.0 == 409 && busy.1.starts_with("{\"error\":"), "{busy:?}");
        core.reloads.report(result);
        asker.join().unwrap()
    };
    let changes = Changes { live: vec!["viewers.slow".into()], restart: vec!["viewers.max".into()] };
    assert_eq!(answer(Ok(changes)), (200, r#"{"changed":["viewers.slow"],"restart":["viewers.max"]}"#.into()));
    let one = Mistake { key: Some("tls.max".into()), line: "7".parse().ok(), text: "must be \"1\"".into() };
    let other = Mistake { key: None, line: None, text: "is gone".into() };
    let (status, body) = answer(Err(vec![one, other]));
    let mistakes = r#""mistakes":[{"key":"tls.max","line":7,"text":"must be \"1\""},{"text":"is gone"}]}"#;
    assert!(status == 400 && body.ends_with(mistakes), "{body}");
}
