//! However an RTSP conversation is cut into reads, both sides make the same of it.

use runnel::budget::Account;
use runnel::proto::rtsp::{self, ClientEvent, Lower, Purpose};

use crate::drive::{Guarded, invariant, invariant_at, patient, refused};
use crate::rtsp_talks;

/// Bytes that the packets of a conversation may take at once.
const ROOM: usize = 64 << 10;

fn account() -> Account {
    Account::root("conversation", ROOM)
}

/// The requests of RTSP clients, without the packets.
fn done(events: &[rtsp::Event]) -> Vec<String> {
    let word = |event: &rtsp::Event| format!("{event:?}").split([' ', '(']).next().unwrap().to_string();
    let requests = events.iter().filter(|event| !matches!(event, rtsp::Event::Packet { .. }));
    requests.map(word).collect()
}

/// Channel and length of each packet.
fn packets(events: &[rtsp::Event]) -> Vec<(u8, usize)> {
    let packets = events.iter().filter_map(|event| match event {
        rtsp::Event::Packet { channel, data } => Some((*channel, data.len())),
        _ => None,
    });
    packets.collect()
}

#[test]
fn an_rtsp_publisher_is_heard_alike() {
    let talk = rtsp_talks::publisher(&[1399, 4096, 4097]);
    let events = invariant(|| rtsp_talks::server(account()), &talk);
    assert_eq!(done(&events), ["Announce", "Setup", "Setup", "Record", "Teardown"]);
    let short = [(1, 28), (1, 28), (1, 28), (0, 0), (1, 28), (1, 1), (1, 28), (1, 13)];
    let long = [(1, 28), (1, 1399), (1, 28), (1, 4096), (1, 28), (2, 4097), (77, 40), (0, 200)];
    assert_eq!(packets(&events), [short, long].concat());
}

#[test]
fn packets_without_room_are_lost_alike() {
    let talk = rtsp_talks::publisher(&[5000, 1399, 4096]);
    let events = invariant(|| rtsp_talks::server(Account::root("conversation", 5 << 10)), &talk);
    assert_eq!(done(&events), ["Announce", "Setup", "Setup", "Record", "Lost", "Lost", "Teardown"]);
    let lost = events.iter().filter_map(|event| match event {
        rtsp::Event::Lost { channel, .. } => Some(*channel),
        _ => None,
    });
    assert_eq!(lost.collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn the_longest_packet_is_heard_alike() {
    let talk = rtsp_talks::publisher(&[65_535]);
    let longest = talk.windows(2).position(|pair| pair == [0xff, 0xff]).unwrap();
    let inside = longest + 100..longest + 65_500;
    let places = (1..talk.len()).filter(|at| !inside.contains(at) || at % 97 == 0);
    let events = invariant_at(places, || rtsp_talks::server(Account::root("conversation", 2 * ROOM)), &talk);
    assert_eq!(done(&events), ["Announce", "Setup", "Setup", "Record", "Teardown"]);
    assert_eq!(packets(&events)[9..], [(0, 65_535), (77, 40), (0, 200)]);
}

#[test]
fn an_rtsp_player_is_heard_alike() {
    let events = invariant(|| rtsp_talks::server(account()), &rtsp_talks::player());
    assert_eq!(done(&events), ["Describe", "Setup", "Setup", "Play", "Pause", "Play", "Teardown"]);
    let rtsp::Event::Describe(target) = &events[0] else { panic!("{events:?}") };
    assert_eq!((target.name.as_str(), target.query.as_str()), ("test", "token=a%20b c"));
    let tracks = events.iter().filter_map(|event| match event {
        rtsp::Event::Setup { track, transports, .. } => Some((*track, transports.len())),
        _ => None,
    });
    assert_eq!(tracks.collect::<Vec<_>>(), [(0, 2), (1, 1)]);
    assert_eq!(packets(&events), [(1, 32), (3, 32)]);
}

#[test]
fn an_rtsp_player_that_is_asked_who_it_is_is_heard_alike() {
    let events =
        invariant(|| Guarded::new(rtsp_talks::server(account()), rtsp_talks::USER), &rtsp_talks::asked_player());
    assert_eq!(done(&events), ["Describe", "Describe", "Describe", "Setup", "Play", "Teardown"]);
}

#[test]
fn rtsp_servers_are_heard_alike() {
    let heard = |purpose: Purpose, lower, talk: &[u8]| {
        invariant(|| rtsp_talks::client(purpose.clone(), lower, account()), talk)
    };
    let events = heard(Purpose::Play, Lower::Tcp, &rtsp_talks::camera(5000));
    assert!(matches!(&events[0], ClientEvent::Described(description) if description.medias.len() == 2));
    let lengths = events.iter().filter_map(|event| match event {
        ClientEvent::Packet { data, .. } => Some(data.len()),
        _ => None,
    });
    assert_eq!(lengths.collect::<Vec<_>>(), [60, 28, 0, 60, 1, 5000, 60]);
    assert_eq!(events.iter().filter(|event| matches!(event, ClientEvent::SetUp(..))).count(), 2);
    assert!(events.iter().any(|event| matches!(event, ClientEvent::Started(_))));
    assert_eq!(events.last(), Some(&ClientEvent::Ended));

    let udp = rtsp_talks::choosy_server("Transport: RTP/AVP;unicast;client_port=6000-6001;server_port=7000-7001");
    let events = heard(Purpose::Play, Lower::Tcp, &udp);
    assert!(
        events.contains(&ClientEvent::WantsPorts(1))
            && events.iter().any(|event| matches!(event, ClientEvent::Started(_))),
        "{events:?}"
    );
    let tcp = rtsp_talks::choosy_server("Transport: RTP/AVP/TCP;unicast;interleaved=0-1");
    let events = heard(Purpose::Play, Lower::Udp, &tcp);
    assert!(
        events.contains(&ClientEvent::WantsPorts(0))
            && events.iter().any(|event| matches!(event, ClientEvent::Started(_))),
        "{events:?}"
    );

    let events = heard(Purpose::Play, Lower::Tcp, &rtsp_talks::moved());
    assert_eq!(events, [ClientEvent::Moved("rtsp://10.0.0.9/live/test".into())]);
    let events = heard(rtsp_talks::publishing(), Lower::Tcp, &rtsp_talks::receiver());
    assert!(events.iter().any(|event| matches!(event, ClientEvent::Started(_))), "{events:?}");
}

#[test]
fn broken_rtsp_has_one_place() {
    let server = || rtsp_talks::server(account());
    let good = rtsp_talks::player();
    for bad in [&b"\0"[..], b"OPTIONS *\r\n\r\n", b"OPTIONS * RTSP/1.0\r\nContent-Length: x\r\n\r\n"] {
        refused(server, &good, bad, ("Bad Request", 0));
    }
    refused(server, &good, b"OPTIONS * RTSP/2.0\r\n\r\n", ("RTSP Version not supported", 0));
    let blank = vec![b'\n'; rtsp_talks::LIMITS.max_message + 20];
    refused(server, &good, &blank, ("Bad Request", rtsp_talks::LIMITS.max_message));
    let client = || rtsp_talks::client(Purpose::Play, Lower::Tcp, account());
    refused(client, &rtsp_talks::moved(), b"RTSP/1.0 x\r\n\r\n", ("an invalid message", 0));
}

/// 0 means "not enough", changes nothing, and says the same again.
#[test]
fn what_is_not_enough_stays_not_enough() {
    let client = || rtsp_talks::client(Purpose::Play, Lower::Tcp, account());
    patient(|| rtsp_talks::server(account()), &rtsp_talks::publisher(&[5000]));
    patient(|| rtsp_talks::server(account()), &rtsp_talks::player());
    patient(client, &rtsp_talks::camera(5000));
}
