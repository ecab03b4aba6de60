//! Those who leave in the middle of a picture hear it to its end, and what
//! follows stands where they look for it.

use std::io::{Read, Write};
use std::time::Duration;

use runnel::container::amf::Value;
use runnel::proto::rtmp::{ClientEvent, Role};
use socket2::SockRef;

use crate::encoder::{COMMAND, command};
use crate::peer::{Http, Rtmp, metric};
use crate::program::Program;

const CONFIG: &str = "profile = \"tiny\"\n";
/// Larger than what the sockets between a viewer and the server hold.
const PICTURE: usize = 240_000;
/// The bytes that a viewer's socket is to hold. Less makes TCP wait for its timers.
const BUFFER: usize = 32 << 10;

/// A stream whose viewers stand in the middle of a picture: more was published
/// than their sockets take.
fn publish(program: &Program) -> Rtmp {
    let mut publisher = Rtmp::publisher(program.rtmp, "a");
    publisher.picture(0, true, 0, 1000).unwrap();
    publisher
}

/// Publishes until the server has sent a part of the picture and no more.
fn fill(program: &Program, publisher: &mut Rtmp) {
    publisher.picture(40, true, 1, PICTURE).unwrap();
    let mut asking = Http::new(program.http);
    let mut received = 0;
    while received < PICTURE as u64 {
        received = metric(&asking.get("/metrics").text(), "runnel_received_bytes_total");
    }
}

#[test]
fn a_player_that_stops_may_play_again() {
    let program = Program::start(CONFIG);
    let mut publisher = publish(&program);
    let mut player = Rtmp::new(program.rtmp, Role::Play, "a");
    SockRef::from(&player.socket).set_recv_buffer_size(BUFFER).unwrap();
    assert_eq!(player.event(), Some(ClientEvent::Started));
    fill(&program, &mut publisher);
    player.send(COMMAND, 0, &command("closeStream", 0.0, &[Value::Null])).unwrap();
    player.send(COMMAND, 0, &command("play", 0.0, &[Value::Null, Value::text("a")])).unwrap();
    let again = std::iter::from_fn(|| player.event()).find(|event| *event == ClientEvent::Started);
    assert!(again.is_some(), "the connection is closed");
}

#[test]
fn a_player_that_stops_and_plays_in_one_breath_has_one_place() {
    let program = Program::start("profile = \"tiny\"\nviewers.max = 1\nconnections.handshake = \"3s\"\n");
    let mut publisher = publish(&program);
    let mut player = Rtmp::new(program.rtmp, Role::Play, "a");
    SockRef::from(&player.socket).set_recv_buffer_size(BUFFER).unwrap();
    assert_eq!(player.event(), Some(ClientEvent::Started));
    fill(&program, &mut publisher);
    let (stop, play) = (command("closeStream", 0.0, &[Value::Null]), [Value::Null, Value::text("a")]);
    player.send_at_once(COMMAND, &[stop, command("play", 0.0, &play)]);
    // one who takes the rest slowly has asked in time all the same
    for _ in 0..12 {
        player.take_in().unwrap();
        std::thread::sleep(Duration::from_millis(400));
    }
    let mut answers = std::iter::from_fn(|| player.event());
    let again = answers.find(|event| matches!(event, ClientEvent::Started | ClientEvent::Refused(_)));
    assert_eq!(again, Some(ClientEvent::Started));
}

#[test]
fn a_websocket_is_closed_between_frames() {
    let program = Program::start(CONFIG);
    let mut publisher = publish(&program);
    let mut viewer = Http::new(program.http);
    SockRef::from(&viewer.socket).set_recv_buffer_size(BUFFER).unwrap();
    let request = "GET /live/a.flv HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    viewer.socket.write_all(request.as_bytes()).unwrap();
    assert_eq!(viewer.head().status, 101);
    fill(&program, &mut publisher);
    viewer.socket.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]).unwrap();
    let mut wire = viewer.rest();
    viewer.socket.read_to_end(&mut wire).unwrap();
    let frames = frames(&wire);
    assert_eq!(frames.last(), Some(&(0x88, vec![0x03, 0xe8])), "{:?}", kinds(&frames));
    assert!(frames.iter().rev().skip(1).all(|(first, _)| *first == 0x82), "{:?}", kinds(&frames));
}

fn kinds(frames: &[(u8, Vec<u8>)]) -> Vec<(u8, usize)> {
    frames.iter().map(|(first, payload)| (*first, payload.len())).collect()
}

/// The frames of a server, which have no masks; one that is cut is the last.
fn frames(mut wire: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [first, second, rest @ ..] = wire {
        let (bytes, rest) = match second {
            126 => rest.split_at(2),
            127 => rest.split_at(8),
            _ => (&wire[1..2], rest),
        };
        let len = bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let (payload, rest) = rest.split_at(len.min(rest.len()));
        frames.push((*first, payload.to_vec()));
        wire = rest;
    }
    frames
}
