//! A peer that says nothing more is not kept for ever, whatever went before.

use std::io::{Read, Write};
use std::time::Instant;

use socket2::SockRef;

use crate::peer::Http;
use crate::program::{PATIENCE, Program};

/// Waits until the server has closed a connection that says nothing.
fn closed(mut http: Http) {
    let begun = Instant::now();
    let _ = http.socket.read_to_end(&mut Vec::new());
    assert!(begun.elapsed() < PATIENCE / 2, "it is not closed");
}

fn start() -> Program {
    Program::start("profile = \"router\"\nhttp.keep_alive = \"1s\"\n")
}

#[test]
fn after_a_response() {
    let program = start();
    let mut http = Http::new(program.http);
    assert_eq!(http.get("/healthz").status, 200);
    closed(http);
}

/// A client that has not read everything yet is not taken for idle.
#[test]
fn a_client_that_reads_late_is_not_idle() {
    let program = start();
    let mut late = Http::new(program.http);
    SockRef::from(&late.socket).set_recv_buffer_size(4 << 10).unwrap();
    late.socket.write_all("GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n".repeat(60).as_bytes()).unwrap();
    for _ in 0..2 {
        let mut idle = Http::new(program.http);
        assert_eq!(idle.get("/healthz").status, 200);
        closed(idle);
    }
    for _ in 0..60 {
        let head = late.head();
        assert_eq!(late.body(head).status, 200);
    }
    closed(late);
}

/// Some of these clients ask for just so much that the last response is one that
/// their sockets do not take at once.
#[test]
fn after_responses_that_were_read_late() {
    let program = start();
    let clients = (8..28).map(|count| {
        let mut http = Http::new(program.http);
        SockRef::from(&http.socket).set_recv_buffer_size(16 << 10).unwrap();
        let requests = "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n".repeat(count);
        http.socket.write_all(requests.as_bytes()).unwrap();
        // while others have their turns, this one fills its socket
        (0..20).for_each(|_| assert_eq!(Http::new(program.http).get("/healthz").status, 200));
        for _ in 0..count {
            let head = http.head();
            assert_eq!(http.body(head).status, 200);
        }
        http
    });
    clients.collect::<Vec<_>>().into_iter().for_each(closed);
}
