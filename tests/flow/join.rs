//! The place at which a viewer begins.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};

use crate::harness::{AVCC, Audio, LIMITS, Script, Video, World, track};
use runnel::hub::{Conflict, EventKind, Interest, Limits, Name, Pressed, Step};
use runnel::media::{Codec, Kind};

#[test]
fn a_viewer_begins_at_the_newest_key_frame_at_once() {
    let world = World::new(LIMITS);
    let mut source = world.publish("a").with_tracks();
    source.pictures(60, world.now);
    let mut player = world.play("a", "flv");
    player.drain();
    assert_eq!(player.bytes[..5], *b"FLV\x01\x05");
    let tags = player.tags();
    let kinds: Vec<_> = tags.iter().map(|(kind, _, head)| (*kind, head[1])).collect();
    assert_eq!(kinds[1..4], [(Video, 0), (Audio, 0), (Video, 1)]);
    assert_eq!((tags[0].0, tags[0].1), (Script, 0));
    assert_eq!((tags[3].1, tags[3].2[0]), (2000, 0x17));
    assert_eq!(player.times(Video), (2000..2400).step_by(40).collect::<Vec<_>>());
}

#[cfg(feature = "http")]
#[test]
fn playing_before_publishing_gets_the_first_picture() {
    let world = World::new(LIMITS);
    let mut players = ["flv", "ts"].map(|form| world.play("a", form));
    players.iter_mut().for_each(|player| assert_eq!(player.drain(), 0));
    let mut source = world.publish("a").with_tracks();
    source.pictures(3, world.now);
    players.iter_mut().for_each(|player| assert!(player.drain() > 0));
    assert_eq!(players[0].times(Video), [0, 40, 80]);
}

#[test]
fn sound_alone_begins_live() {
    let mut world = World::new(LIMITS);
    let mut source = world.publish("a");
    source.publisher.track(track(Codec::Aac, &[0x12, 0x10]));
    for _ in 0..100 {
        source.frame(Kind::Audio, true, 100, world.now).unwrap();
        source.at += 23;
        world.pass(23);
    }
    let mut player = world.play("a", "flv");
    player.drain();
    assert_eq!(player.bytes[4], 4, "the header says that there is sound alone");
    assert_eq!(player.times(Audio), [99 * 23]);
}

#[test]
fn sound_that_came_before_the_pictures_is_nothing_to_begin_with() {
    let world = World::new(LIMITS);
    let mut source = world.publish("a");
    source.publisher.track(track(Codec::Aac, &[0x12, 0x10]));
    source.frame(Kind::Audio, true, 100, world.now).unwrap();
    source.publisher.track(track(Codec::H264, AVCC));
    source.frame(Kind::Audio, true, 100, world.now).unwrap();
    source.publisher.flush();
    let mut player = world.play("a", "flv");
    assert_eq!(player.drain(), 0, "there is no picture yet");
    source.frame(Kind::Video, true, 100, world.now).unwrap();
    source.publisher.flush();
    player.drain();
    assert_eq!((player.times(Video).len(), player.times(Audio).len()), (1, 0));
}

#[test]
fn pictures_alone_are_announced_as_such_after_a_moment() {
    let mut world = World::new(LIMITS);
    let mut player = world.play("a", "flv");
    let mut source = world.publish("a");
    source.publisher.track(track(Codec::H264, AVCC));
    source.frame(Kind::Video, true, 500, world.now).unwrap();
    assert_eq!(player.drain(), 0, "sound may still come");
    world.pass(300);
    source.at = 300;
    source.frame(Kind::Video, false, 500, world.now).unwrap();
    player.drain();
    assert_eq!((player.bytes[4], player.times(Video)), (1, vec![0, 300]));
}

#[test]
fn a_picture_alone_is_shown_when_the_wait_for_sound_ends() {
    let mut world = World::new(LIMITS);
    let mut player = world.play("a", "flv");
    let mut source = world.publish("a");
    assert_eq!(source.publisher.waits_until(), None);
    source.publisher.track(track(Codec::H264, AVCC));
    source.frame(Kind::Video, true, 500, world.now).unwrap();
    source.publisher.flush();
    assert_eq!(player.drain(), 0, "sound may still come");
    world.pass(300);
    assert_eq!(source.publisher.waits_until(), Some(world.now));
    let mut events = world.hub.events(Interest { name: None, kinds: &[EventKind::Open] });
    source.publisher.end_wait();
    assert!(events.poll_news(&Context::from_waker(Waker::noop())).is_ready());
    player.drain();
    assert_eq!((player.bytes[4], player.times(Video)), (1, vec![0]));
    assert_eq!(source.publisher.waits_until(), None);
}

#[test]
fn pictures_alone_that_come_at_once_lose_no_beginning() {
    let world = World::new(LIMITS);
    let mut player = world.play("a", "flv");
    let mut source = world.publish("a");
    source.publisher.track(track(Codec::H264, AVCC));
    // twice what the ring has room for
    for n in 0..50 {
        source.frame(Kind::Video, n == 0, 8000, world.now).unwrap();
        source.publisher.flush();
        player.drain();
        source.at += 40;
    }
    assert_eq!(player.times(Video), (0..2000).step_by(40).collect::<Vec<_>>());
}

#[test]
fn readers_hear_of_a_publisher_before_its_first_frame_and_of_all_that_follows() {
    let world = World::new(LIMITS);
    let mut events = world.hub.events(Interest::default());
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let cx = Context::from_waker(&waker);
    let mut heard = || {
        let next = || match events.poll_next(&cx) {
            Poll::Ready(event) => event.map(|event| (event.name.as_str().to_string(), event.kind)),
            Poll::Pending => None,
        };
        std::iter::from_fn(next).collect::<Vec<_>>()
    };
    let of = |name: &str, kinds: &[EventKind]| kinds.iter().map(|kind| (name.to_string(), *kind)).collect::<Vec<_>>();
    assert_eq!(heard(), []);
    let mut source = world.publish("a");
    assert_eq!(woken.0.load(Relaxed), 1);
    assert_eq!(heard(), of("a", &[EventKind::Published]));
    source.publisher.track(track(Codec::H264, AVCC));
    source.publisher.complete();
    for n in 0..3 {
        source.frame(Kind::Video, n == 0, 100, world.now).unwrap();
        source.publisher.flush();
        source.at += 40;
    }
    assert_eq!(heard(), of("a", &[EventKind::Open]), "once");
    let first = world.play("a", "flv");
    let second = world.play("a", "ts");
    assert_eq!(heard(), of("a", &[EventKind::Watched]), "of the first alone");
    drop((first, second));
    let again = world.play("a", "flv");
    drop(source);
    assert_eq!(heard(), of("a", &[EventKind::Watched, EventKind::Unpublished]));
    let _waits = world.play("b", "flv");
    assert_eq!(heard(), of("b", &[EventKind::Watched]), "a relay may fetch it");
    drop(again);
    let wait = || world.hub.wait(&Name::new("a").unwrap(), None);
    let (first, second) = (wait(), wait());
    assert!(first.is_some() && second.is_some());
    assert_eq!(heard(), of("a", &[EventKind::Watched]), "of the first alone, of those without a place too");
}

#[test]
fn one_that_looked_while_it_was_closed_hears_when_it_is_open_again() {
    let world = World::new(Limits { conflict: Conflict::Replace, ..LIMITS });
    let open = || {
        let mut source = world.publish("a");
        assert!(!world.hub.find(&Name::new("a").unwrap()).unwrap().is_open());
        source.publisher.track(track(Codec::H264, AVCC));
        source.publisher.complete();
        source.frame(Kind::Video, true, 100, world.now).unwrap();
        source.publisher.flush();
        source
    };
    let _replaced = open();
    let mut events = world.hub.events(Interest { name: None, kinds: &[EventKind::Open] });
    // one turn has it closed and open: nobody was told in between
    let _other = open();
    assert!(events.poll_news(&Context::from_waker(Waker::noop())).is_ready());
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[test]
fn a_viewer_that_was_given_all_is_woken_by_the_next_frame_unless_it_is_still_sending() {
    let world = World::new(LIMITS);
    let mut source = world.publish("a").with_tracks();
    let mut viewer = world.play("a", "flv").viewer;
    source.pictures(3, world.now);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let cx = Context::from_waker(&waker);
    let mut take = |units| viewer.poll_next(&cx, &mut Vec::new(), Step { units, bytes: 1 << 20 }).is_ready();
    assert!(take(2));
    source.picture(world.now).unwrap();
    assert_eq!(woken.0.load(Relaxed), 0, "it takes more by itself");
    assert!(take(8));
    source.picture(world.now).unwrap();
    assert_eq!(woken.0.load(Relaxed), 1, "it has not asked since");
    assert!(take(8) && viewer.is_waiting());
    assert_eq!(viewer.poll_pressed(&cx, world.now), Ok(Pressed::No));
    source.picture(world.now).unwrap();
    assert_eq!((woken.0.load(Relaxed), viewer.is_waiting()), (1, false), "it has yet to send what it has");
}

#[test]
fn the_publisher_is_woken_by_the_first_that_a_viewer_has_sent() {
    let world = World::new(LIMITS);
    let mut source = world.publish("a").with_tracks();
    let mut viewer = world.play("a", "flv").viewer;
    source.pictures(3, world.now);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let cx = Context::from_waker(&waker);
    let step = Step { units: 8, bytes: 1 << 20 };
    assert!(viewer.poll_next(&Context::from_waker(Waker::noop()), &mut Vec::new(), step).is_ready());
    assert!(source.publisher.poll_received(&cx).is_pending());
    for _ in 0..2 {
        viewer.sent(100);
        viewer.let_go();
        assert_eq!(woken.0.load(Relaxed), 1, "a file that is pushed waits for the first alone");
        assert!(source.publisher.poll_received(&cx).is_ready());
    }
}

#[test]
fn silence_is_added_when_asked_for() {
    let mut world = World::new(runnel::hub::Limits { silent_audio: true, ..LIMITS });
    let mut source = world.publish("a");
    source.publisher.track(track(Codec::H264, AVCC));
    for n in 0..50 {
        source.frame(Kind::Video, n % 25 == 0, 500, world.now).unwrap();
        source.at += 40;
        world.pass(40);
    }
    let mut player = world.play("a", "flv");
    player.drain();
    assert_eq!(player.bytes[4], 5);
    let (sound, pictures) = (player.times(Audio), player.times(Video));
    assert!(sound.windows(2).all(|pair| (22..=24).contains(&(pair[1] - pair[0]))), "{sound:?}");
    assert!(pictures.last().unwrap() - sound.last().unwrap() < 24);
}

#[test]
fn pictures_before_the_first_key_frame_are_not_sent() {
    let world = World::new(LIMITS);
    let mut source = world.publish("a").with_tracks();
    let early = source.frame(Kind::Video, false, 500, world.now);
    assert_eq!(early, Err(runnel::hub::Lost::Undecodable));
    source.at = 40;
    source.frame(Kind::Video, true, 500, world.now).unwrap();
    let mut player = world.play("a", "flv");
    player.drain();
    assert_eq!(player.times(Video), [40]);
}

#[test]
fn twenty_four_bits_of_time_are_not_the_end() {
    let world = World::new(LIMITS);
    let mut source = world.publish("a").with_tracks();
    source.at = (1 << 24) - 1000;
    source.pictures(100, world.now);
    let mut player = world.play("a", "flv");
    player.drain();
    let times = player.times(Video);
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 40) && *times.last().unwrap() > 1 << 24, "{times:?}");
}
