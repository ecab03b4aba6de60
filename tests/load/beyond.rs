//! Everything at once, for as long as it takes; and afterwards nothing is left of it.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use runnel::conf::Config;
use runnel::proto::rtmp::{ClientEvent, Role};
use socket2::SockRef;

use crate::peer::{Http, Rtmp, connect, metric, until};
use crate::program::{PATIENCE, Program};
use crate::steady::Steady;
use crate::{CONFIG, CONNECTIONS};

/// Viewers that ask and then read nothing are closed as slow.
fn never_read(program: &Program) {
    let mut player = Rtmp::new(program.rtmp, Role::Play, "a");
    assert_eq!(player.event(), Some(ClientEvent::Started));
    let watchers = ["/live/a.flv", "/live/a.ts"].map(|path| {
        let mut watcher = Http::new(program.http);
        SockRef::from(&watcher.socket).set_recv_buffer_size(4096).unwrap();
        assert_eq!(watcher.open(path).status, 200);
        watcher
    });
    let slow = |page: &str| metric(page, "runnel_closed_total{reason=\"slow\"}");
    let before = slow(&Http::new(program.http).get("/metrics").text());
    until(program.http, "the end of those who read nothing", |page| slow(page) == before + 3);
    drop((player, watchers));
}

/// Those who begin to speak and do not go on are closed as idle, and keep
/// nobody out for longer than that.
fn half_open(program: &Program) {
    let sockets = (2..CONNECTIONS).map(|n| {
        let mut socket = connect(if n < 5 { program.rtmp } else { program.http });
        let hello: &[u8] = match n {
            2 => &[],
            3 => &[3; 1000],
            4 => &[3; 1 + 2 * 1536],
            5 => b"GET /live/a.flv HT",
            _ => b"GET /live/a.flv HTTP/1.1\r\nHost: h\r\nX: ",
        };
        socket.write_all(hello).unwrap();
        socket
    });
    for (n, mut socket) in sockets.collect::<Vec<_>>().into_iter().enumerate() {
        let begun = Instant::now();
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest);
        assert!(begun.elapsed() < PATIENCE / 2, "number {n} is not closed");
    }
}

/// A frame beyond the limit is passed over; the stream goes on.
fn oversized(program: &Program) {
    let mut publisher = Rtmp::publisher(program.rtmp, "b");
    publisher.picture(0, true, 0, 3000).unwrap();
    let mut viewer = Http::new(program.http);
    assert_eq!(viewer.open("/live/b.flv").status, 200);
    let number = |viewer: &mut Http| crate::peer::number(&viewer.picture());
    assert_eq!(number(&mut viewer), 0);
    for n in 1..5 {
        publisher.picture(100 * n, false, 10 * n, 1_000_000).unwrap();
        publisher.picture(100 * n + 40, false, 10 * n + 1, 3000).unwrap(); // it depends on what was lost
        publisher.picture(100 * n + 80, true, 10 * n + 2, 3000).unwrap();
        assert_eq!(number(&mut viewer), 10 * n + 2);
    }
    let page = Http::new(program.http).get("/metrics").text();
    assert!(metric(&page, "runnel_frames_lost_total") >= 4);
}

/// Publishers and viewers beyond all limits, as fast as they can.
fn crowd(program: &Program) {
    let mut second = Rtmp::publisher(program.rtmp, "b");
    // an emulated machine takes its time
    let count = if program.is_remote() { 60 } else { 200 };
    for n in 0..count {
        // one that fell silent would lose its place
        second.picture(40 * n, true, n, 100).unwrap();
        let name = format!("s{n}");
        // those who have left may keep their places for a moment
        let answer = Rtmp::new(program.rtmp, Role::Publish, &name).event();
        let failed = |event: &ClientEvent| match event {
            ClientEvent::Refused(why) => why.starts_with("NetStream.Publish.Failed"),
            _ => false,
        };
        assert!(answer.as_ref().is_none_or(failed), "{answer:?}");
        let mut viewer = Http::new(program.http);
        let status = viewer.open(&format!("/live/{name}.flv")).status;
        assert!(status == 200 || status == 503, "{status}");
        drop(connect(program.rtmp));
    }
}

#[test]
fn the_first_stream_plays_on_and_memory_stays_within_the_plan() {
    plays_on(CONFIG, 1);
}

#[test]
fn two_threads_are_no_other() {
    plays_on(&format!("threads = 2\n{CONFIG}"), 2);
}

fn plays_on(config: &str, threads: usize) {
    let plan = runnel::registry::plan(&Config::parse("test", config).unwrap());
    let program = Program::start(config);
    // code that is touched meanwhile is the program's, and there is much of it in other builds than the one shipped
    let beside_code = |all| Some(program.memory(all)?.saturating_sub(program.memory("RssFile")?));
    let at_rest = beside_code("VmRSS");
    let steady = Steady::start(program.rtmp, program.http, "a");
    for stage in [oversized, never_read, half_open, crowd, never_read] {
        stage(&program);
        assert!(steady.is_well());
    }
    let pictures = steady.stop();
    assert!(pictures > 100, "{pictures} pictures");
    if let Some(times) = program.threads() {
        let work = times.iter().filter(|time| **time > Duration::from_millis(5)).count();
        assert_eq!((times.len(), work), (threads, threads), "{times:?}");
    }

    let streams = "runnel_account_used_bytes{account=\"streams\"}";
    let connections = "runnel_account_used_bytes{account=\"connections\"}";
    let nobody = |page: &str| {
        let figures = [streams, "runnel_publishers", "runnel_streams"].map(|name| metric(page, name));
        // a block of the page itself is charged while it is written
        figures == [0; 3] && metric(page, connections) < 5 << 10 && metric(page, "runnel_connections") == 1
    };
    let page = until(program.http, "silence", nobody);
    let resident = metric(&page, "process_resident_memory_bytes");
    assert!(
        cfg!(debug_assertions) && !program.is_remote() || resident <= plan.user() as u64,
        "{resident} bytes\n{plan}"
    );
    for account in ["total", "streams", "connections", "hls"] {
        let figure = |what| metric(&page, &format!("runnel_account_{what}_bytes{{account=\"{account}\"}}"));
        assert!(figure("peak") <= figure("limit"), "{account}\n{page}");
    }
    if let (Some(at_rest), Some(beside_code), Some(peak)) = (at_rest, beside_code("VmHWM"), program.memory("VmHWM")) {
        let of_program = plan.lines.iter().find(|line| line.what == "program").unwrap().user;
        let grown = beside_code.saturating_sub(at_rest);
        assert!(grown <= plan.user() - of_program, "it grew by {grown} bytes\n{plan}");
        // other builds than the one that is shipped are larger themselves
        assert!(cfg!(debug_assertions) || peak <= plan.user(), "{peak} bytes\n{plan}");
    }
    if !program.is_remote() {
        program.signal("TERM");
        assert_eq!(program.end().0.code(), Some(0));
    }
}
