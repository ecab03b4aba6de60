//! The example: the server inside another program.

#[path = "../examples/embed.rs"]
#[allow(dead_code, reason = "it has a main of its own")]
mod embed;
#[path = "support/peer.rs"]
mod peer;
#[path = "support/program.rs"]
mod program;
#[path = "support/records.rs"]
mod records;

use std::net::TcpStream;
use std::time::{Duration, Instant};

use peer::{Http, Rtmp, metric, number, until};
use program::PATIENCE;
use runnel::proto::rtmp::Role;

#[test]
fn a_program_reads_frames_and_publishes_them_as_long_as_they_come() {
    let [rtmp, http, ..] = program::free_ports();
    let keys = format!("rtmp.listen = \"{rtmp}\"\nhttp.listen = \"{http}\"\nrtsp.enable = false\n");
    std::thread::spawn(move || embed::serve(&format!("profile = \"router\"\n{keys}")).unwrap());
    let begun = Instant::now();
    while TcpStream::connect(rtmp).and(TcpStream::connect(http)).is_err() {
        assert!(begun.elapsed() < PATIENCE, "it does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
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
