//! Packed copies, which live and die with the frames that they were made of.

use crate::harness::{LIMITS, World};

/// What a stream holds whose one viewer keeps up, and whose other has taken
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
