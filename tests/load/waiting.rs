//! A client that waits for a name that nobody publishes costs no more than one that watches.

use std::io::Write;

use crate::peer::{Http, connect, metric, until};
use crate::program::Program;

/// As many as wait, of those that "router" lets in.
const WAITING: usize = 72;
/// A connection in `session::connections`, and what the allocator adds.
const EACH: usize = 8 << 10;

/// A request with a long query, and behind it others, which are not its turn yet.
fn request() -> Vec<u8> {
    let query = "q".repeat(6 << 10);
    let head = format!("GET /hls/absent.m3u8?{query} HTTP/1.1\r\nHost: h\r\n\r\n");
    [head.as_bytes(), &[b'x'; 12 << 10]].concat()
}

#[test]
fn requests_that_wait_take_little() {
    let program = Program::start("profile = \"router\"\n");
    let Some(_) = program.memory("VmRSS") else { return };
    // what the first one makes stays
    let connections = |count: usize| {
        let sockets = (0..count).map(|_| {
            let mut socket = connect(program.http);
            socket.write_all(&request()).unwrap();
            socket
        });
        let sockets: Vec<_> = sockets.collect();
        let open = count as u64 + 1;
        until(program.http, "all connections", |page| metric(page, "runnel_connections") == open);
        sockets
    };
    drop(connections(2));
    until(program.http, "nobody", |page| metric(page, "runnel_connections") == 1);
    let before = program.memory("VmRSS").unwrap();
    let waiting = connections(WAITING);
    // everybody has had a turn after that
    assert_eq!(Http::new(program.http).get("/healthz").status, 200);
    let each = program.memory("VmRSS").unwrap().saturating_sub(before) / WAITING;
    assert!(each <= EACH, "{each} bytes each");
    drop(waiting);
}
