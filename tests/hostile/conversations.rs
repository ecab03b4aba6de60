//! Damaged conversations with every machine.

use runnel::budget::Account;
use runnel::proto::rtmp::Role;
#[cfg(feature = "http")]
use runnel::proto::ws;

use crate::drive::{React, converse};
use crate::{answers, damaged_behind, talks};

/// C0, C1 and C2, or S0, S1 and S2: random bytes for the most part.
const HANDSHAKE: usize = 1 + 2 * 1536;
/// The most that a machine may answer to one message.
const ANSWER: usize = HANDSHAKE + 1024;

/// A machine and what it hears give back all that they were charged for, say
/// little, and report no more than they heard; with much room and with little.
pub fn endures<M: React>(new: impl Fn(Account) -> M, filler: usize, data: &[u8]) {
    for room in [talks::ROOM, 1 << 10] {
        damaged_behind(filler, data, |data| {
            let account = Account::root("conversation", room);
            let mut machine = new(account.clone());
            let outcome = converse(&mut machine, data, []);
            assert!(outcome.events.len() <= data.len(), "{} events", outcome.events.len());
            assert!(outcome.most_sent <= ANSWER, "{} bytes", outcome.most_sent);
            assert!(account.peak() <= room);
            drop((machine, outcome));
            assert_eq!(account.used(), 0);
        });
    }
}

#[test]
fn publishers() {
    endures(talks::rtmp_server, HANDSHAKE, &talks::publisher());
}

#[test]
fn publishers_that_do_not_repeat_extended_timestamps() {
    endures(talks::rtmp_server, HANDSHAKE, &talks::old_publisher());
}

#[test]
fn players() {
    endures(talks::rtmp_server, HANDSHAKE, &talks::player(8));
}

#[test]
fn servers() {
    endures(|account| talks::rtmp_client(Role::Publish, account), HANDSHAKE, &talks::server(Role::Publish));
    endures(|account| talks::rtmp_client(Role::Play, account), HANDSHAKE, &talks::server(Role::Play));
}

#[test]
fn requests() {
    endures(|_| talks::http_server(), 0, &talks::requests());
}

#[test]
fn answers_to_requests() {
    endures(answers::http_client, 0, &answers::answers());
}

#[cfg(feature = "http")]
#[test]
fn websocket_frames() {
    let frames = talks::frames();
    let long = frames.len() - 1000;
    endures(|_| ws::Server::default(), 0, &frames[..600]);
    endures(|_| ws::Server::default(), 0, &frames[long..]);
}
