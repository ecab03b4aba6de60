//! The memory of streams, and that it is given back.

use std::task::{Context, Waker};

use crate::harness::{LIMITS, Video, World};
use runnel::budget::{Account, BLOCK_OVERHEAD, Paid};
use runnel::hub::{Lost, Pressed, Step};
use runnel::media::{Frame, Kind, Ticks};

#[test]
fn a_ring_never_costs_more_than_its_account_and_the_newest_frames_survive() {
    let world = World::new(LIMITS);
    let mut source = world.publish("a").with_tracks();
    source.picture_bytes = 20_000;
    source.pictures(200, world.now);
    let account = source.publisher.account().clone();
    assert!(account.peak() <= account.limit());
    assert!(account.available() >= LIMITS.max_frame, "the next frame always finds room");
    let mut player = world.play("a", "flv");
    player.drain();
    assert!(player.times(Video).is_empty(), "its key frame is gone: it waits for the next");
    for _ in 0..50 {
        source.picture(world.now).unwrap();
        player.drain();
    }
    assert!(!player.times(Video).is_empty());
}

#[test]
fn viewers_that_keep_up_cost_no_frames() {
    let world = World::new(LIMITS);
    let used = |watch: bool| {
        let mut source = world.publish(if watch { "a" } else { "b" }).with_tracks();
        let mut player = watch.then(|| world.play("a", "flv"));
        for _ in 0..200 {
            source.picture(world.now).unwrap();
            player.iter_mut().for_each(|player| assert!(player.drain() > 0));
        }
        // a packed unit has some bytes of its own, and its frame a block
        (source.publisher.account().used(), 50 * 2 * (300 + BLOCK_OVERHEAD))
    };
    let (alone, _) = used(false);
    let (watched, packed) = used(true);
    assert!(watched <= alone + packed, "{watched} {alone}");
}

#[cfg(feature = "http")]
#[test]
fn everything_is_given_back() {
    let mut world = World::new(LIMITS);
    let mut source = world.publish("a").with_tracks();
    let mut players = ["flv", "ts", "flv-hevc12", "flv-tracks"].map(|form| world.play("a", form));
    for _ in 0..10 {
        source.pictures(25, world.now);
        players.iter_mut().for_each(|player| assert!(player.drain() > 0));
    }
    assert!(world.account.used() > 0);
    drop(players);
    drop(source);
    world.pass(60_000);
    world.hub.sweep(world.now);
    assert_eq!((world.account.used(), world.hub.streams().len()), (0, 0));
}

#[cfg(feature = "http")]
#[test]
fn what_is_packed_for_one_who_begins_late_leaves_room_for_the_next_frame() {
    let world = World::new(LIMITS);
    let mut source = world.publish("a").with_tracks();
    source.picture_bytes = 6000;
    source.pictures(25, world.now);
    let account = source.publisher.account().clone();
    let cx = Context::from_waker(Waker::noop());
    // as HLS does
    let mut viewer = world.play("a", "ts").viewer.from_oldest();
    let (mut units, mut taken) = (Vec::new(), 0);
    while viewer.poll_next(&cx, &mut units, Step { units: 64, bytes: 256 << 10 }).is_ready() {
        // a frame may be received before these are let go
        let room = account.available();
        assert!(room >= LIMITS.max_frame, "{room} bytes are left behind {taken} units");
        taken += units.drain(..).count();
    }
    assert!(taken >= 50, "{taken}");
}

#[test]
fn viewers_that_hold_old_frames_must_go_when_the_publisher_finds_no_room() {
    let world = World::new(LIMITS);
    let mut source = world.publish("a").with_tracks();
    source.picture_bytes = 50_000;
    let cx = Context::from_waker(Waker::noop());
    // each pins what it is given, as a socket that takes nothing in the middle of a frame does
    let mut stuck = Vec::new();
    for _ in 0..3 {
        source.pictures_until_key(world.now);
        let (mut viewer, mut units) = (world.play("a", "flv").viewer, Vec::new());
        let _ = viewer.poll_next(&cx, &mut units, Step { units: 3, bytes: 1 << 20 });
        assert_eq!(viewer.poll_pressed(&cx, world.now), Ok(Pressed::No));
        stuck.push((viewer, units));
    }
    let before = stuck.len();
    for _ in 0..2 * before {
        let _ = source.picture(world.now);
        stuck.retain_mut(|(viewer, units)| match viewer.poll_pressed(&cx, world.now).unwrap() {
            Pressed::No => true,
            Pressed::GiveUp => {
                viewer.gave_up(units.get(1), 100_000, true);
                true
            }
            Pressed::Go => false,
        });
    }
    assert!(stuck.len() < before);
    source.pictures_until_key(world.now);
    assert!(source.picture(world.now).is_ok());
}

#[test]
fn what_is_published_is_paid_for() {
    let world = World::new(LIMITS);
    let mut source = world.publish("a").with_tracks();
    assert!(source.publisher.paid(&vec![0; 100 << 20]).is_err());
    let before = source.publisher.account().used();
    let picture = source.publisher.paid(&[0x65; 5000]).unwrap();
    assert!(source.publisher.account().used() >= before + 5000);
    let part = picture.share().slice(2000..);
    drop(picture);
    assert!(source.publisher.account().used() >= before + 5000, "somebody has a part of it");
    drop(part);
    assert_eq!(source.publisher.account().used(), before);
    // somebody else has paid, and far too much
    let data = Paid::copy(&Account::root("elsewhere", usize::MAX), &vec![0x65; LIMITS.stream_memory + 1]).unwrap();
    let frame = Frame { dts: Ticks(0), cts: 0, kind: Kind::Video, track: 0, key: true, data };
    let refused = source.publisher.publish(frame, world.now);
    assert!(matches!(refused, Err(Lost::OverBudget(_))), "{refused:?}");
    assert_eq!(source.publisher.stream().stats().traffic.lost, 1);
    source.frame(Kind::Video, false, 100, world.now).expect_err("it follows what was lost");
    source.frame(Kind::Video, true, 100, world.now).unwrap();
}

#[test]
fn a_ring_holds_no_more_than_its_stream_may_whoever_pays() {
    let world = World::new(LIMITS);
    let mut source = world.publish("a").with_tracks();
    let elsewhere = Account::root("elsewhere", usize::MAX);
    let mut publish = |bytes: usize, key: bool| {
        let data = Paid::copy(&elsewhere, &vec![0x65; bytes]).unwrap();
        let frame = Frame { dts: Ticks(source.at), cts: 0, kind: Kind::Video, track: 0, key, data };
        source.at += 40;
        source.publisher.publish(frame, world.now).unwrap();
        elsewhere.used()
    };
    for number in 0..200 {
        let used = publish(20_000, number == 0);
        assert!(used <= LIMITS.stream_memory, "{used} after {number}");
    }
    // larger than what a machine takes, and still not too large
    assert!(publish(LIMITS.stream_memory - 1000, true) <= LIMITS.stream_memory);
    // the same bytes over and over
    let data = source.publisher.paid(&[0x65; 20_000]).unwrap();
    for _ in 0..200 {
        let frame = Frame { dts: Ticks(source.at), cts: 0, kind: Kind::Video, track: 0, key: true, data: data.clone() };
        source.at += 40;
        source.publisher.publish(frame, world.now).unwrap();
        assert!(source.publisher.account().available() >= LIMITS.max_frame);
    }
}
