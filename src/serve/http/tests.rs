//! A path is a row of a table, whatever its method, and with a body if the row says so.

use std::net::{SocketAddr, TcpListener};
use std::time::Instant;

use crate::reactor::Async;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::TcpStream;

use super::routes::Route;
use super::*;
use crate::conf::Config;
use crate::net::accept_loop;
use crate::proto::http::Method;
use crate::session::Core;

/// The table of a server with a path that accepts a body.
const ROWS: &[Route] = &[
    Route { method: Some(Method::Post), body: 16, ..Route::get("/told", told) },
    Route::get("/kept", there),
    Route { method: Some(Method::Put), body: 16, ..Route::get("/kept", told) },
    Route { method: Some(Method::Patch), body: 16, ..Route::get("/kept", told) },
    Route { method: Some(Method::Delete), ..Route::get("/kept", told) },
    Route::get("*", there),
];

static ROUTES: Table = Table { rows: &[ROWS], is_guarded: false };

fn told(exchange: Exchange) -> Answer {
    let text = String::from_utf8_lossy(&exchange.request.body).to_uppercase();
    Answer::later(async move { Ok(exchange.charged("text/plain", &text).unwrap().into()) })
}

fn there(exchange: Exchange) -> Answer {
    exchange.charged("text/plain", &exchange.request.path).unwrap().into()
}

/// Runs `client` with a server with that table.
fn serve_while<T>(client: impl AsyncFnOnce(Arc<Core>, SocketAddr) -> T) -> T {
    let config = Config::parse("test", "profile = \"box\"\n").unwrap();
    let core = Core::new(config, crate::registry::costs(), Arc::default());
    let server = Server::new(&core, std::iter::empty());
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let guest = Core::viewer_sizes(&core.config());
    let (gate, peers, watch) = (core.gate.clone(), core.peers.clone(), core.watch.clone());
    let serve = move |conn| serve_by(&ROUTES, server.clone(), conn);
    let accepting = accept_loop(Async::new(socket).unwrap(), gate, peers, watch, guest, serve, |_, _| {});
    core.executor.spawn(accepting).detach();
    smol::block_on(core.executor.run(client(core.clone(), address)))
}

/// All answers to those texts, each of which is sent once the answers so far have that end.
fn answers(said: &[(&str, &str)]) -> String {
    serve_while(async |_, address| {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let mut heard = String::new();
        for (text, end) in said {
            socket.write_all(text.as_bytes()).await.unwrap();
            while !heard.ends_with(end) {
                let mut bytes = [0; 1];
                assert_eq!(socket.read(&mut bytes).await.unwrap(), 1, "{heard}");
                heard.push(char::from(bytes[0]));
            }
        }
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        let mut rest = String::new();
        socket.read_to_string(&mut rest).await.unwrap();
        heard + &rest
    })
}

fn request(method: &str, path: &str, more: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: h\r\n{more}\r\n")
}

/// The first lines of answers, and their bodies.
fn statuses(answers: &str) -> Vec<&str> {
    answers.split("HTTP/1.1 ").skip(1).filter_map(|answer| answer.get(..3)).collect()
}

#[test]
fn a_row_with_a_body_gets_it_and_what_follows_is_another_request() {
    let body = request("POST", "/told", "Content-Length: 5\r\n") + "hello";
    let chunks = request("POST", "/told", "Transfer-Encoding: chunked\r\n") + "5\r\nworld\r\n0\r\n\r\n";
    let heard = answers(&[(&(body + &chunks + &request("GET", "/after", "")), "")]);
    assert_eq!(statuses(&heard), ["200", "200", "200"]);
    let mut rest = heard.as_str();
    for part in ["HELLO", "WORLD", "/after"] {
        rest = rest.split_once(part).unwrap().1;
    }
    assert_eq!(rest, "");
}

#[test]
fn who_asks_before_it_sends_a_body_is_told_to_go_on() {
    let head = request("POST", "/told", "Expect: 100-continue\r\nContent-Length: 2\r\n");
    let heard = answers(&[(&head, "HTTP/1.1 100 Continue\r\n\r\n"), ("ok", "OK")]);
    assert_eq!(statuses(&heard), ["100", "200"]);
}

#[test]
fn a_body_beyond_the_row_s_limit_is_refused_and_the_next_request_heard() {
    let text = request("POST", "/told", "Content-Length: 17\r\n") + "GET / HTTP/1.1\r\n\r" + &request("GET", "/a", "");
    assert_eq!(statuses(&answers(&[(&text, "")])), ["413", "200"]);
}

#[test]
fn a_path_says_which_methods_it_has() {
    let allow = |method, path| {
        let heard = answers(&[(&request(method, path, ""), "")]);
        let field = heard.lines().find_map(|line| line.strip_prefix("Allow: ")).map(str::to_string);
        (statuses(&heard)[0].to_string(), field.unwrap_or_default())
    };
    let of = |status: &str, methods: &str| (status.to_string(), methods.to_string());
    assert_eq!(allow("GET", "/told"), of("405", "POST, OPTIONS"));
    assert_eq!(allow("OPTIONS", "/told"), of("204", "POST, OPTIONS"));
    assert_eq!(allow("POST", "/told/"), of("405", "GET, HEAD, OPTIONS"));
    assert_eq!(allow("OPTIONS", "*"), of("204", "GET, HEAD, OPTIONS"));
    assert_eq!(allow("HEAD", "/else"), of("200", ""));
    let kept = "GET, HEAD, PUT, PATCH, DELETE, OPTIONS";
    assert_eq!((allow("OPTIONS", "/kept"), allow("POST", "/kept")), (of("204", kept), of("405", kept)));
    assert_eq!(["GET", "HEAD", "PUT", "PATCH", "DELETE"].map(|method| allow(method, "/kept").0), ["200"; 5]);
    for method in ["PUT", "PATCH", "DELETE"] {
        assert_eq!(allow(method, "/told"), of("405", "POST, OPTIONS"), "{method}");
    }
    assert_eq!(allow("BREW", "/told"), of("501", ""), "nothing here knows it");
}

#[test]
fn scripts_of_other_origins_are_told_the_methods_of_the_path() {
    let heard = answers(&[(&request("OPTIONS", "/kept", "Origin: http://p\r\n"), "")]);
    let allowed = heard.lines().find_map(|line| line.strip_prefix("Access-Control-Allow-Methods: "));
    assert_eq!(allowed, Some("GET, HEAD, PUT, PATCH, DELETE, OPTIONS"));
}

#[test]
fn a_body_that_does_not_come_ends_the_connection_and_gives_its_room_back() {
    serve_while(async |core, address| {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let text = request("POST", "/told", "Expect: 100-continue\r\nContent-Length: 10\r\n");
        socket.write_all(text.as_bytes()).await.unwrap();
        let mut told = [0; 25];
        socket.read_exact(&mut told).await.unwrap();
        assert!(core.greetings.account().used() >= 10);
        // a few bytes do not extend the deadline
        socket.write_all(b"x").await.unwrap();
        core.watch.sweep(Instant::now() + 2 * core.config().connections.handshake.0);
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty());
        core.closed(core.config().connections.handshake.0, || true).await;
        assert_eq!(core.greetings.account().used(), 0);
    });
}
