//! A publisher of ever new names, each of which is to be pushed to a server that says nothing.

use std::net::TcpListener;

use runnel::container::amf::Value;
use runnel::proto::rtmp::ClientEvent;

use crate::encoder::{COMMAND, command};
use crate::peer::{Http, Rtmp, metric};
use crate::program::Program;

/// So many names are published one after the other.
const NAMES: usize = 100;

#[test]
fn who_publishes_ever_new_names_takes_no_more_than_the_streams_that_there_may_be() {
    // it accepts nobody, but the kernel does
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = silent.local_addr().unwrap();
    let program = Program::start(&format!(
        "profile = \"tiny\"\nconnections.per_peer = 100\n[[push]]\nstream = \"*\"\nurl = \"rtmp://{to}/live\"\n"
    ));
    let mut friend = Rtmp::publisher(program.rtmp, "friend");
    friend.picture(0, true, 0, 1000).unwrap();
    let mut asking = Http::new(program.http);
    let mut stranger = Rtmp::publisher(program.rtmp, "n0");
    for number in 1..=NAMES {
        stranger.picture(0, true, 0, 1000).unwrap();
        // all tasks have a turn before it leaves
        (0..2).for_each(|_| drop(asking.get("/healthz")));
        stranger.send(COMMAND, 0, &command("closeStream", 0.0, &[Value::Null])).unwrap();
        let name = format!("n{number}");
        let publish = [Value::Null, Value::text(&name), Value::text("live")];
        stranger.send(COMMAND, 0, &command("publish", 0.0, &publish)).unwrap();
        // each is published before the next
        assert_eq!(stranger.event(), Some(ClientEvent::Started));
        stranger.tracks();
    }
    let connections = metric(&asking.get("/metrics").text(), "runnel_connections");
    // two streams may be pushed, two publish, and one asks
    assert!(connections <= 5, "{connections}");
    let mut viewer = Http::new(program.http);
    assert_eq!(viewer.open("/live/friend.flv").status, 200);
}
