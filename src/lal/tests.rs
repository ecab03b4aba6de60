//! Streams and their sessions as lal tells of them: every key, in its order, with its type.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Instant;

use bytes::Bytes;

use super::*;
use crate::budget::{Account, OverBudget};
use crate::conf::Config;
use crate::container::FLV;
use crate::hub::{Name, Publisher, Step, Viewer};
use crate::media::{Codec, Frame, Hz, Kind, Params, Ticks, Track};
use crate::session::{Action, Asker, Core, Entrant, Grant, JsonText, Leave};

fn core(text: &str) -> Arc<Core> {
    let config = Config::parse("test", &format!("profile = \"tiny\"\n{text}")).unwrap();
    Core::new(config, crate::registry::costs(), Arc::default())
}

fn peer() -> SocketAddr {
    "192.0.2.1:61353".parse().unwrap()
}

fn publish(core: &Core, name: &str, kind: &'static str) -> (Publisher, Grant) {
    let entrant = Entrant { asker: Asker::Guest(kind, Some(peer())), seat: None, url: &"/live/test110?token=x" };
    let leave = Leave::own(Action::Publish, &Name::new(name).unwrap());
    let (mut publisher, grant) = core.admit_publisher(leave, &entrant, Instant::now()).ok().unwrap();
    let params = Params { width: 640, height: 360, record: Bytes::from_static(&[1]), ..Params::default() };
    publisher.track(Track { id: 0, codec: Codec::H264, clock: Hz::MS, params });
    publisher.track(Track { id: 0, codec: Codec::Aac, clock: Hz::MS, params: Params::default() });
    for at in 0..3 {
        let data = publisher.paid(&[7; 100]).unwrap();
        let frame = Frame { dts: Ticks(at * 40), cts: 0, kind: Kind::Video, track: 0, key: at == 0, data };
        publisher.publish(frame, Instant::now()).unwrap();
    }
    publisher.flush();
    (publisher, grant)
}

fn play(core: &Core, name: &str, kind: &'static str) -> (Viewer, Grant) {
    let entrant = Entrant { asker: Asker::Guest(kind, Some(peer())), seat: None, url: &"/live/test110.flv" };
    core.admit_player(Leave::own(Action::Play, &Name::new(name).unwrap()), &entrant, &FLV).ok().unwrap()
}

fn groups(core: &Core, room: &Account) -> Result<String, OverBudget> {
    let mut text = JsonText::new(room);
    write_groups(&mut text, core, &Zone::utc())?;
    Ok(String::from_utf8(text.finish().concat()).unwrap())
}

/// The text with each time replaced by `T`.
fn timeless(text: &str) -> String {
    let mut parts = text.split("\"start_time\":\"");
    let first = parts.next().unwrap().to_string();
    parts.fold(first, |text, part| match part.split_once('"') {
        Some(("", rest)) => format!("{text}\"start_time\":\"\"{rest}"),
        Some((time, rest)) => {
            assert!(time.ends_with(" Z UTC") && time.starts_with("20"), "{time}");
            format!("{text}\"start_time\":\"T\"{rest}")
        }
        None => panic!("{part}"),
    })
}

const NONE: &str = concat!(
    r#"{"session_id":"","protocol":"","base_type":"","remote_addr":"","start_time":"","read_bytes_sum":0,"#,
    r#""wrote_bytes_sum":0,"bitrate_kbits":0,"read_bitrate_kbits":0,"write_bitrate_kbits":0}"#
);

fn told(id: &str, protocol: &str, base: &str, [read, wrote]: [u64; 2]) -> String {
    format!(
        "{{\"session_id\":\"{id}\",\"protocol\":\"{protocol}\",\"base_type\":\"{base}\",\
         \"remote_addr\":\"192.0.2.1:61353\",\"start_time\":\"T\",\"read_bytes_sum\":{read},\
         \"wrote_bytes_sum\":{wrote},\"bitrate_kbits\":0,\"read_bitrate_kbits\":0,\"write_bitrate_kbits\":0}}"
    )
}

#[test]
fn a_server_without_streams_has_no_groups() {
    let core = core("");
    assert_eq!(groups(&core, &Account::root("a", 1 << 20)).unwrap(), "null");
    let mut text = JsonText::new(&core.total);
    text.value(&LalInfo::of(&core, "1", &Zone::utc())).unwrap();
    let json = String::from_utf8(text.finish().concat()).unwrap();
    let keys: Vec<_> = json.split('"').skip(1).step_by(4).collect();
    let expected =
        ["server_id", "bin_info", "lal_version", "api_version", "notify_version", "WebUiVersion", "start_time"];
    assert_eq!(keys, expected);
    assert!(json.starts_with(r#"{"server_id":"1","bin_info":"GitTag=runnel-"#), "{json}");
}

#[test]
fn a_group_has_its_publisher_and_its_players() {
    let core = core("");
    let published = publish(&core, "test110", "RTMPPUBSUB");
    let (mut viewer, grant) = play(&core, "test110", "FLVPUBSUB");
    let _cast = core.admit_cast(Leave::own(Action::Play, &Name::new("test110").unwrap()), "RTSPCAST", &FLV);
    let cx = Context::from_waker(Waker::noop());
    assert!(viewer.poll_next(&cx, &mut Vec::new(), Step { units: 8, bytes: 1 << 10 }).is_ready());
    let said = timeless(&groups(&core, &Account::root("a", 1 << 20)).unwrap());
    let head = r#"[{"stream_name":"test110","app_name":"live","audio_codec":"AAC","video_codec":"H264","#;
    let size = r#""video_width":640,"video_height":360,"#;
    let (publisher, player) = (told("RTMPPUBSUB1", "RTMP", "PUB", [300, 0]), told("FLVPUBSUB1", "FLV", "SUB", [0, 0]));
    assert_eq!(
        said,
        format!("{head}{size}\"pub\":{publisher},\"subs\":[{player}],\"pull\":{NONE},\"in_frame_per_sec\":[]}}]")
    );
    drop((viewer, grant));
    drop(published);
}

#[test]
fn a_pull_stands_in_its_place_and_no_players_are_null() {
    let core = core("");
    let _pulled = publish(&core, "a", "RTSPPULL");
    let said = timeless(&groups(&core, &Account::root("a", 1 << 20)).unwrap());
    let pull = told("RTSPPULL1", "RTSP", "PULL", [300, 0]);
    let end = format!("\"pub\":{NONE},\"subs\":null,\"pull\":{pull},\"in_frame_per_sec\":[]}}]");
    assert!(said.ends_with(&end), "{said}");
}

#[test]
fn what_finds_no_room_is_not_written() {
    let core = core("viewers.max = 12\n");
    let _published = publish(&core, "a", "RTMPPUBSUB");
    let _players: Vec<_> = (0..10).map(|_| play(&core, "a", "FLVPUBSUB")).collect();
    let room = Account::root("a", 4 << 10);
    assert!(groups(&core, &room).is_err());
    assert_eq!(room.used(), 0);
    let room = Account::root("a", 64 << 10);
    let said = groups(&core, &room).unwrap();
    assert_eq!(said.matches("FLVPUBSUB").count(), 10);
    assert!(room.peak() < 2 * said.len() + (4 << 10), "{} bytes for {}", room.peak(), said.len());
}
