//! Packed copies, which live and die with the frames that they were made of.

use std::task::{Context, Waker};

use runnel::hub::Step;
use runnel::media::{Codec, Track};

use crate::harness::{LIMITS, World, track};

/// The memory of a stream of which one viewer keeps up, and the other has taken
/// nothing of `form` since the first two seconds.
fn held(form: &str) -> usize {
    let world = World::new(LIMITS);
    let mut source = world.publish("a").with_tracks();
    let (mut quick, mut stuck) = (world.play("a", "flv"), world.play("a", form));
    source.pictures(50, world.now);
    assert!(stuck.drain() > 0);
    for _ in 0..200 {
        source.picture(world.now).unwrap();
        quick.drain();
    }
    source.publisher.account().used()
}

#[test]
fn copies_of_frames_that_are_gone_are_gone() {
    // those of FLV are dropped as the viewer who keeps up passes over them
    let (flv, ts) = (held("flv"), held("ts"));
    assert!(ts <= flv, "{ts} bytes with a viewer of TS who takes nothing, {flv} with one of FLV");
}

/// A track whose index is as far from another's as there may be tracks is told apart from it, so that
/// segments keep out none but those that join.
#[test]
fn frames_are_told_apart_from_tracks_that_join() {
    let world = World::new(LIMITS);
    let mut source = world.publish("a").with_tracks();
    let mut viewer = world.play("a", "ts").viewer;
    let (mut units, step) = (Vec::new(), Step { units: 64, bytes: 1 << 20 });
    let cx = Context::from_waker(Waker::noop());
    source.pictures(2, world.now);
    assert!(viewer.poll_next(&cx, &mut units, step).is_ready());
    units.clear();
    for id in 1..=8 {
        // six are all that there is room for
        source.publisher.track(Track { id, ..track(Codec::Aac, &[0x12, 0x10]) });
        source.publisher.track(Track { id: 17 - id, ..track(Codec::Aac, &[0x12, 0x10]) });
    }
    source.pictures(2, world.now);
    assert!(viewer.poll_next(&cx, &mut units, step).is_ready());
    let (told, frames): (Vec<_>, Vec<_>) = units.iter().partition(|unit| unit.track.is_empty());
    let news = told.iter().filter(|unit| !unit.news.is_empty()).count();
    assert!(!frames.is_empty() && news > 0, "{} frames, {news} news", frames.len());
    assert!(frames.iter().all(|frame| told.iter().all(|unit| !unit.news.meets(frame.track))));
}
