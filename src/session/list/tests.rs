use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;

use super::*;
use crate::conf::Config;
use crate::container::FLV;
use crate::hub::{Dismissal, Next, Pressed, Step};
use crate::media::{Codec, Frame, Hz, Kind, Params, Ticks, Track};
use crate::session::{Action, Asker, Entrant, Ingest, Leave};

#[test]
fn a_url_is_kept_as_far_as_there_is_room() {
    assert_eq!(&*bounded(&"/live/a.flv?k=1"), "/live/a.flv?k=1");
    let long = "é".repeat(MAX_URL);
    assert_eq!(bounded(&format_args!("a{long}")).len(), MAX_URL - 1);
}

#[test]
fn sessions_are_listed_until_they_end_and_can_be_ended_one_by_one() {
    let core =
        Core::new(Config::parse("test", "profile = \"tiny\"\n").unwrap(), crate::registry::costs(), Arc::default());
    let (name, cx) = (Name::new("a").unwrap(), Context::from_waker(Waker::noop()));
    let peer: SocketAddr = "192.0.2.1:9".parse().unwrap();
    let entrant = |kind| Entrant { asker: Asker::Guest(kind, Some(peer)), seat: None, url: &"/live/a?secret" };
    let publish = || {
        let leave = Leave::own(Action::Publish, &name);
        core.admit_publisher(leave, &entrant("RTMPPUBSUB"), Instant::now())
    };
    let play = |kind| core.admit_player(Leave::own(Action::Play, &name), &entrant(kind), &FLV).ok().unwrap();
    let (publisher, grant) = publish().ok().unwrap();
    let mut viewers: Vec<_> = (0..2).map(|_| play("FLVPUBSUB")).collect();
    let ids = |core: &Core| core.sessions().iter().map(|(_, one, _)| one.id.to_string()).collect::<Vec<_>>();
    assert_eq!(ids(&core), ["id=RTMPPUBSUB1", "id=FLVPUBSUB1", "id=FLVPUBSUB2"]);
    let (ticket, first, stats) = core.sessions().swap_remove(1);
    assert_eq!((&first.stream, first.part, &*first.url), (&name, Part::Plays(FLV.name), "/live/a?secret"));
    assert_eq!((first.peer, stats), (Some(peer), Some(SessionStats { ticket, bytes: 0, waits: Some(Waits::Start) })));

    // a player that is sending a batch is notified too
    let (mut sends, leave) = play("TSPUBSUB");
    assert_eq!(sends.poll_pressed(&cx, Instant::now()), Ok(Pressed::No));
    assert!(core.kick(core.sessions().last().unwrap().0));
    assert_eq!(sends.poll_pressed(&cx, Instant::now()), Err(Dismissal::Kicked));
    drop((sends, leave));

    let mut next = |at: usize| viewers[at].0.poll_next(&cx, &mut Vec::new(), Step { units: 8, bytes: 1 << 10 });
    assert_eq!(next(0), Poll::Pending);
    assert!(core.kick(ticket));
    assert_eq!((next(0), next(1)), (Poll::Ready(Next::Dismissed(Dismissal::Kicked)), Poll::Pending));
    drop(viewers.remove(0));
    assert!(!core.kick(ticket), "it is gone");

    assert!(core.kick(grant.ticket()));
    let config = core.config();
    let mut publisher = Ingest::new((publisher, grant), &config);
    let Poll::Ready(Err(why)) = publisher.poll_turn(&cx, &core) else { panic!("it goes on") };
    assert_eq!((why.label(), why.to_string()), ("kicked", "kicked: the operator has ended it".into()));
    drop(publisher);
    assert_eq!(ids(&core), ["id=FLVPUBSUB2"]);
    assert!(publish().is_ok(), "its name is free");
}

#[test]
fn a_session_that_plays_again_while_its_rest_is_sent_is_found_by_either_number() {
    let core =
        Core::new(Config::parse("test", "profile = \"tiny\"\n").unwrap(), crate::registry::costs(), Arc::default());
    let (name, who) = (Name::new("a").unwrap(), core.who("RTMPPUBSUB"));
    let entrant = Entrant { asker: Asker::Session(&who), seat: None, url: &"/live/a" };
    let play = || core.admit_player(Leave::own(Action::Play, &name), &entrant, &FLV).ok().unwrap();
    let [(before, rest), (mut now, grant)] = [(); 2].map(|()| play());
    assert!(core.kick(grant.ticket()));
    assert_eq!((before.is_dismissed(), now.is_dismissed()), (false, true), "it is the one that was meant");
    drop((before, rest));
    assert_eq!(core.sessions().len(), 1, "the end of the one before is not its own");
    assert!(core.kick(grant.ticket()));
    now = play().0;
    assert!(!now.is_dismissed());
}

#[test]
fn each_session_that_begins_ends_once_in_the_news() {
    let text = "profile = \"tiny\"\npublish.conflict = \"replace\"\n";
    let core = Core::new(Config::parse("test", text).unwrap(), crate::registry::costs(), Arc::default());
    let (name, cx) = (Name::new("a").unwrap(), Context::from_waker(Waker::noop()));
    let mut news = core.news(64);
    let mut told = || {
        let facts = std::iter::from_fn(|| match news.poll_next(&cx) {
            Poll::Ready(fact) => Some(fact.unwrap()),
            Poll::Pending => None,
        });
        let words = |fact: Arc<Fact>| match &*fact {
            Fact::Begins(one) => format!("+{} {} {}", one.session.id.kind, one.has_publisher, one.has_player),
            Fact::Ends(one) => {
                format!("-{} {} {} {}", one.session.id.kind, one.has_publisher, one.has_player, one.bytes)
            }
            other => panic!("{other:?}"),
        };
        facts.map(words).collect::<Vec<_>>()
    };
    let muxer = core.play(&name, "HLSMUXER", &FLV).ok().unwrap();
    assert_eq!(told(), ["+HLSMUXER false false"]);
    let peer = Some("192.0.2.1:9".parse().unwrap());
    let entrant = Entrant { asker: Asker::Guest("FLVPUBSUB", peer), seat: None, url: &"" };
    let player = core.admit_player(Leave::own(Action::Play, &name), &entrant, &FLV).ok().unwrap();
    let mut first = core.publish(&name, "RTMPPUBSUB", Instant::now()).ok().unwrap();
    let second = core.publish(&name, "RTSPPUB", Instant::now()).ok().unwrap();
    assert_eq!(told(), ["+FLVPUBSUB false true", "+RTMPPUBSUB true true", "+RTSPPUB true true"]);
    first.1.who.ends(format_args!("stops"), 7);
    drop(first);
    assert_eq!(told(), ["-RTMPPUBSUB true true 7"], "it was replaced, and the stream has a publisher");
    let entry = core.enter(&core.who("HLSSUB"), &name, "hls", &"");
    assert!(entry.sent(9) && core.kick(entry.ticket()));
    drop(entry);
    assert_eq!(told(), ["+HLSSUB true true", "-HLSSUB true true 9"]);
    core.dismiss_all();
    drop((muxer, player, second));
    assert_eq!(told(), ["-HLSMUXER true true 0", "-FLVPUBSUB true false 0", "-RTSPPUB false false 0"]);
}

#[test]
fn who_listens_to_a_group_waits_for_what_is_sent_to_it() {
    let core =
        Core::new(Config::parse("test", "profile = \"tiny\"\n").unwrap(), crate::registry::costs(), Arc::default());
    let (name, cx) = (Name::new("a").unwrap(), Context::from_waker(Waker::noop()));
    let (viewer, listener) = core.play(&name, "RTSPSUB", &FLV).ok().unwrap();
    let leave = Leave::own(Action::Play, &name);
    let (mut cast, grant) = core.admit_cast(leave, "RTSPCAST", &FLV).ok().unwrap();
    viewer.listens_to(grant.ticket());
    let waits = || {
        let all = core.sessions();
        let one = all.iter().find(|(ticket, ..)| *ticket == listener.ticket());
        one.and_then(|(_, _, stats)| stats.map(|stats| stats.waits)).unwrap()
    };
    assert_eq!(waits(), Some(Waits::Publisher));
    let (mut publisher, _leave) = core.publish(&name, "RTSPPUB", Instant::now()).ok().unwrap();
    assert_eq!(waits(), Some(Waits::Start));
    let params = Params { record: Bytes::from_static(&[0x12, 0x10]), ..Params::default() };
    publisher.track(Track { id: 0, codec: Codec::Aac, clock: Hz::MS, params });
    publisher.complete();
    for at in 0..2 {
        let data = publisher.paid(&[7; 80]).unwrap();
        let frame = Frame { dts: Ticks(at), cts: 0, kind: Kind::Audio, track: 0, key: true, data };
        publisher.publish(frame, Instant::now()).unwrap();
        let next = cast.poll_next(&cx, &mut Vec::new(), Step { units: 8, bytes: 1 << 10 });
        assert_eq!(next, Poll::Ready(Next::Units));
    }
    assert_eq!(waits(), None, "it is sent frames");
}
