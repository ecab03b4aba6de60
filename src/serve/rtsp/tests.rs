//! A connection gives back all that it holds when its peer ends the session.

use std::task::Waker;

use super::*;

const URL: &str = "rtsp://h/live/a";
const SDP: &str = "v=0\r\ns=x\r\nm=audio 0 RTP/AVP 0\r\na=control:t0\r\n";
/// The length of a packet that is kept in a block, and the part of it that arrives.
const LONG: u16 = 5000;
const PART: usize = 100;

fn hear(machine: &mut rtsp::Server, body: &mut Body, mut data: &[u8]) {
    let now = Instant::now();
    loop {
        let used = machine.input(data).unwrap();
        while let Some(event) = machine.event() {
            let turned = body.on_event(machine, event, now);
            assert!(turned.is_ok());
        }
        if let Role::Asks(asks) = &mut body.role {
            let answer = asks.poll_answer(&mut Context::from_waker(Waker::noop()));
            assert!(answer.is_ready());
            let _ = answer.map(|answer| body.decided(machine, answer, now).unwrap());
        }
        data = &data[used..];
        if used == 0 || data.is_empty() {
            return;
        }
    }
}

#[test]
fn what_has_come_in_part_behind_teardown_is_not_the_stream_s() {
    let core = Core::new(
        Config::parse("test", "profile = \"box\"\nconnections.per_peer = 1\n").unwrap(),
        crate::registry::costs(),
        Arc::default(),
    );
    let config = core.config();
    let peer = "192.0.2.1:9".parse().unwrap();
    let limits = Limits { max_message: MAX_MESSAGE, max_answers: MAX_ANSWERS, timeout: 60 };
    let mut machine = rtsp::Server::new(limits, Challenger::new([7; 16]), "1".into(), core.greetings.messages());
    let who = core.who("RTSPSRVCMD").at(peer);
    let (role, tail) = (Role::Guest, Tail::default());
    let server = Server::new(&core, std::iter::empty());
    let mut body = Body { server, config, who, peer, local: peer, tls: false, seat: None, role, tail };
    let length = SDP.len();
    let announce = format!(
        "ANNOUNCE {URL} RTSP/1.0\r\nCSeq: 1\r\nContent-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{SDP}"
    );
    let set_up = format!(
        "SETUP {URL}/t0 RTSP/1.0\r\nCSeq: 2\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1;mode=record\r\n\r\n"
    );
    let record = format!("RECORD {URL} RTSP/1.0\r\nCSeq: 3\r\nSession: 1\r\n\r\n");
    let teardown = format!("TEARDOWN {URL} RTSP/1.0\r\nCSeq: 4\r\nSession: 1\r\n\r\n");
    let part = [&[0x24, 0], &LONG.to_be_bytes()[..], &[0; PART]].concat();
    let streams = || core.hub.account().used();
    let others = || core.greetings.account().used();
    for request in [announce, set_up, record] {
        hear(&mut machine, &mut body, request.as_bytes());
    }
    assert!(matches!(body.role, Role::Publish(_)));
    let before = streams();
    hear(&mut machine, &mut body, &part);
    assert!(streams() >= before + usize::from(LONG), "a publisher's is on the account of its stream");
    hear(&mut machine, &mut body, &vec![0; usize::from(LONG) - PART]);
    hear(&mut machine, &mut body, &[teardown.as_bytes(), &part[..]].concat());
    assert!(matches!(body.role, Role::Gone));
    assert_eq!(streams(), 0, "nobody publishes");
    assert!(others() >= usize::from(LONG), "it is held all the same");
}
