//! The examples: the server inside another program.

#[path = "../examples/embed.rs"]
#[allow(dead_code, reason = "it has a main of its own")]
mod embed;
#[path = "support/peer.rs"]
mod peer;
#[path = "support/program.rs"]
mod program;
#[path = "../examples/protocol.rs"]
#[allow(dead_code, reason = "it has a main of its own")]
mod protocol;
#[path = "support/records.rs"]
mod records;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use peer::{Http, Rtmp, metric, number, until};
use program::PATIENCE;
use runnel::conf::Config;
use runnel::proto::rtmp::Role;
use runnel::registry;

#[test]
fn a_program_reads_frames_and_publishes_them_as_long_as_they_come() {
    let [rtmp, http, ..] = program::free_ports();
    let keys = format!("rtmp.listen = \"{rtmp}\"\nhttp.listen = \"{http}\"\nrtsp.enable = false\napi.enable = false\n");
    std::thread::spawn(move || embed::serve(&format!("profile = \"router\"\n{keys}")).unwrap());
    until_they_listen(&[rtmp, http]);
    let refused = Rtmp::new(rtmp, Role::Publish, "a-copy").refusal();
    assert_eq!(refused.as_deref(), Some("NetStream.Publish.Denied"));
    for round in 0..2 {
        let mut publisher = Rtmp::publisher(rtmp, "a");
        for at in 0..50 {
            publisher.picture(at * 40, at % 25 == 0, at, 500).unwrap();
        }
        let mut player = Http::new(http);
        assert_eq!(player.open("/live/a-copy.flv").status, 200);
        let first = number(&player.picture());
        assert!(first.is_multiple_of(25), "{first} is no key frame");
        for at in first + 1..50 {
            assert_eq!(number(&player.picture()), at, "in round {round}");
        }
        drop((publisher, player));
        until(http, "the end of both", |page| metric(page, "runnel_publishers") == 0);
    }
}

#[test]
fn a_program_whose_plan_does_not_fit_begins_nothing() {
    let why = embed::serve("profile = \"router\"\nmemory.total = \"8MiB\"\n").unwrap_err().to_string();
    assert!(why.contains("does NOT fit in memory.total"), "{why}");
}

fn until_they_listen(ports: &[SocketAddr]) {
    let begun = Instant::now();
    while ports.iter().any(|port| TcpStream::connect(port).is_err()) {
        assert!(begun.elapsed() < PATIENCE, "it does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_program_has_a_protocol_and_a_form_of_its_own() {
    let [rtmp, ..] = program::free_ports();
    let keys = format!("rtmp.listen = \"{rtmp}\"\nhttp.enable = false\nrtsp.enable = false\napi.enable = false\n");
    std::thread::spawn(move || protocol::run(&format!("profile = \"router\"\n{keys}")).unwrap());
    let own = (protocol::PORT.address)(&Config::parse("test", "").unwrap()).0;
    until_they_listen(&[rtmp, own]);
    let mut player = TcpStream::connect(own).unwrap();
    player.set_read_timeout(Some(PATIENCE)).unwrap();
    player.write_all(b"a\n").unwrap();
    let mut publisher = Rtmp::publisher(rtmp, "a");
    for at in 0..50 {
        publisher.picture(at * 40, at % 25 == 0, at, 500).unwrap();
    }
    // parameter sets, a key frame, and the next picture: also for one that is let in behind the last key frame
    let mut sent = vec![0; 2_000];
    player.read_exact(&mut sent).unwrap();
    let units = runnel::media::nal::byte_stream(&sent).map(|unit| unit[0] & 0x1f);
    assert_eq!(units.take(4).collect::<Vec<_>>(), [7, 8, 5, 1]);
}

#[test]
fn the_protocol_of_a_program_has_its_line_in_the_plan() {
    let config = |total: usize| format!("profile = \"router\"\nmemory.total = \"{total}B\"\n");
    let planned = registry::plan(&Config::parse("test", "profile = \"router\"").unwrap()).total();
    assert!(registry::plan(&Config::parse("test", &config(planned)).unwrap()).fits());
    // with that line it does not, and nothing is begun
    let why = protocol::run(&config(planned)).unwrap_err().to_string();
    let line = why.lines().find(|line| line.starts_with("h264: frames ")).unwrap_or_else(|| panic!("{why}"));
    assert!(line.ends_with("  threads, streams.max_frame"), "{line}");
    assert!(why.contains("does NOT fit in memory.total"), "{why}");
}
