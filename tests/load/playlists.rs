//! Playlists that a publisher and those who ask for them make as long as they can.

use std::io::{Read, Write};
use std::net::TcpStream;

use socket2::{Domain, Socket, Type};

use crate::peer::{Http, Rtmp, metric, until};
use crate::program::{PATIENCE, Program};

const CONFIG: &str = "profile = \"router\"\nhls.part = \"100ms\"\n";
/// Of the 88 connections that `router` has room for.
const CLIENTS: usize = 80;
/// The cost of all of them at most: `hls.memory`, and 24 KiB each before they are let in, of the 26 KiB in
/// `session::connections`.
const ROOM: usize = (3 << 20) + CLIENTS * (24 << 10);

/// Time that runs ahead a minute, in steps of a millisecond between those of nearly a second, so
/// that each picture was taken for one before which a part has to end.
fn run_ahead(publisher: &mut Rtmp) {
    let mut time = 0;
    for number in 0..2200 {
        publisher.picture(time, number % 1000 == 0, number, 20).unwrap();
        time += if number % 35 == 0 { 900 } else { 1 };
    }
}

/// One that asks and does not read; it has room for nothing.
fn ask(program: &Program, query: &str) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(2048).unwrap();
    socket.connect(&program.http.into()).unwrap();
    let mut socket: TcpStream = socket.into();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(format!("GET /hls/a.m3u8?{query} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).unwrap();
    socket
}

#[test]
fn those_who_do_not_read_cost_no_more_than_was_planned() {
    let program = Program::start(CONFIG);
    let mut publisher = Rtmp::publisher(program.rtmp, "a");
    publisher.picture(0, true, 0, 20).unwrap();
    // asked for before the frames come, so that all of them are collected
    let mut first = Http::new(program.http);
    first.socket.write_all(b"GET /hls/a.m3u8 HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    until(program.http, "the collecting", |page| metric(page, "runnel_hls_streams") == 1);
    run_ahead(&mut publisher);
    until(program.http, "the frames", |page| metric(page, "runnel_frames_total") > 2200);
    let head = first.head();
    assert_eq!(first.body(head).status, 200);
    let text = first.get("/hls/a.m3u8").text();
    let parts = text.matches("#EXT-X-PART:").count();
    assert!(parts < 2 * 61 * 10, "{parts} parts of 100 ms in a minute and a bit");
    let before = program.memory("VmHWM");
    let query = "x".repeat(500);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| ask(&program, &query)).collect();
    for client in &mut clients {
        let mut status = [0; 12];
        client.read_exact(&mut status).unwrap();
        assert_eq!(&status, b"HTTP/1.1 200");
    }
    if let (Some(before), Some(after)) = (before, program.memory("VmHWM")) {
        assert!(
            after - before <= ROOM,
            "{} KiB more for playlists of {} KiB",
            (after - before) >> 10,
            text.len() >> 10
        );
    }
}
