//! The log does not repeat without end what a peer can repeat without end.

use crate::peer::{Http, Rtmp, VIDEO, metric};
use crate::program::Program;

const CONFIG: &str = "profile = \"tiny\"\nstreams.max_frame = \"16KiB\"\n";
const TIMES: u32 = 1000;
/// The most lines that the log may have of so many faults of one peer, with all others.
const LINES: usize = 30;

/// Publishes `fault` over and over, then a picture that arrives; counts the lines
/// of the log.
fn lines(fault: impl Fn(&mut Rtmp, u32)) -> usize {
    let program = Program::start(CONFIG);
    let mut publisher = Rtmp::publisher(program.rtmp, "a");
    (0..TIMES).for_each(|n| fault(&mut publisher, n));
    publisher.picture(0, true, TIMES, 1000).unwrap();
    let mut asking = Http::new(program.http);
    while metric(&asking.get("/metrics").text(), "runnel_received_bytes_total") < 1000 {}
    program.signal("TERM");
    program.end().1.lines().count()
}

#[test]
fn frames_that_are_too_long() {
    let lines = lines(|publisher, n| publisher.picture(n, true, n, 17 << 10).unwrap());
    assert!(lines <= LINES, "{lines} lines");
}

#[test]
fn codecs_without_a_place() {
    let names = [b"vvc1", b"evc1"];
    let lines = lines(|publisher, n| {
        let tag = [&[0x93][..], names[n as usize % 2], b"???"].concat();
        publisher.send(VIDEO, n, &tag).unwrap();
    });
    assert!(lines <= LINES, "{lines} lines");
}

#[test]
fn tags_that_are_damaged() {
    let lines = lines(|publisher, n| publisher.send(VIDEO, n, &[0x17]).unwrap());
    assert!(lines <= LINES, "{lines} lines");
}
