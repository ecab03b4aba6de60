//! Memory that machines keep of a conversation, and memory that they need to understand it.

use runnel::budget::Account;
use runnel::container::amf::Value;
use runnel::proto::{Machine, rtmp};

use crate::encoder::{Encoder, Head, VIDEO, simple};
use crate::meter::{Alone, NOISE, alone};

/// The most that a connection keeps beside its account, of the 6 KiB in `session::connections`.
const CONNECTION: usize = 4 << 10;
/// The memory that a message may take while it is read: half of what `session::threads`
/// has for one.
const MOMENT: usize = 128 << 10;
/// The limit of the account that pays for a message.
const ROOM: usize = 512 << 10;

/// An RTMP server that was told all that `encoder` said, and its account.
fn told(encoder: &Encoder) -> (rtmp::Server, Account) {
    let account = Account::root("connection", ROOM);
    let limits = rtmp::Limits { max_message: 256 << 10, max_answers: 16 << 10 };
    let mut server = rtmp::Server::new(limits, 7, account.clone());
    let mut data = &encoder.bytes[..];
    while let Ok(used @ 1..) = server.input(data) {
        data = &data[used..];
        while let Some(event) = server.event() {
            if let rtmp::Event::Publish(_) | rtmp::Event::Play(_) = event {
                server.accept();
            }
        }
        *server.transmit() = Vec::new();
    }
    (server, account)
}

/// The memory that stays, and the peak beside the ledger's, are within their bounds.
fn modest(alone: &Alone, what: &str, encoder: &Encoder) {
    let meter = alone.meter();
    let (server, account) = told(encoder);
    let (peak, held) = (meter.peak(), meter.held());
    assert!(
        held <= account.used() + CONNECTION + NOISE,
        "{what}: {held} bytes are kept, {} are charged",
        account.used()
    );
    assert!(peak <= account.peak() + MOMENT, "{what}: {peak} bytes for a moment, {} are charged", account.peak());
    drop(server);
    assert_eq!(account.used(), 0);
}

fn connect(object: Vec<(Box<str>, Value)>) -> Encoder {
    let mut encoder = Encoder::new(&simple());
    encoder.command("connect", 1.0, &[Value::Object(object)]);
    encoder
}

#[test]
fn of_an_ordinary_publisher() {
    let alone = alone();
    let mut encoder = Encoder::publishing("test");
    encoder.set_chunk_size(4096);
    (0..50).for_each(|n| encoder.media(VIDEO, n * 40, &[0x27; 20_000]));
    modest(&alone, "50 pictures", &encoder);
}

#[test]
fn of_an_app_as_long_as_a_message() {
    let alone = alone();
    modest(&alone, "an app of 15 KB", &connect(vec![("app".into(), Value::text(&"x".repeat(15_000)))]));
}

#[test]
fn of_codecs_without_number() {
    let alone = alone();
    let codecs = (0..1000).map(|n| Value::text(&format!("c{n:03}"))).collect();
    modest(&alone, "1000 codecs", &connect(vec![("fourCcList".into(), Value::List(codecs))]));
    let map = (0..1000).map(|n| (format!("c{n:03}").into(), Value::Number(1.0))).collect();
    modest(&alone, "a map of 1000 codecs", &connect(vec![("videoFourCcInfoMap".into(), Value::Object(map))]));
}

#[test]
fn of_commands_full_of_values() {
    let alone = alone();
    let members = (0..1000).map(|n| (format!("{n}").into(), Value::Null)).collect();
    modest(&alone, "1000 members", &connect(members));
    let lists = (0..500).map(|_| Value::List(vec![Value::Null])).collect();
    modest(&alone, "500 lists", &connect(vec![("a".into(), Value::List(lists))]));
}

#[test]
fn of_text_that_is_none() {
    let alone = alone();
    // what is not UTF-8 grows threefold as it is replaced
    let mut encoder = Encoder::new(&simple());
    let text = [&[2, 0, 7][..], b"connect", &[0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 3], b"app", &[2, 0x3a, 0x98]].concat();
    let payload = [&text[..], &[0xff; 15_000], &[0, 0, 9]].concat();
    encoder.message(Head { stream: 0, ..Head::media(3, crate::encoder::COMMAND, 0) }, &payload);
    modest(&alone, "an app of 15,000 damaged bytes", &encoder);
}

#[test]
fn of_an_aggregate_of_nothing() {
    let alone = alone();
    let mut encoder = Encoder::publishing("test");
    encoder.set_chunk_size(0x7fff_ffff);
    // 17,000 tags without a body, each of which is an event
    let empty = [VIDEO, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11];
    encoder.message(Head::media(7, 22, 0), &empty.repeat(17_000));
    modest(&alone, "an aggregate of 17,000 empty tags", &encoder);
}

#[test]
fn of_chunk_streams_that_only_begin() {
    let alone = alone();
    let mut encoder = Encoder::publishing("test");
    for csid in 100..2000 {
        encoder.message(Head::media(csid, VIDEO, 0), &[1; 100]);
    }
    modest(&alone, "1900 chunk streams", &encoder);
}
