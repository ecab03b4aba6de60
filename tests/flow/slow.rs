//! Viewers that do not keep up.

use crate::harness::{LIMITS, Video, World};

#[test]
fn a_slow_viewer_goes_on_at_a_key_frame() {
    let world = World::new(LIMITS);
    let mut source = world.publish("a").with_tracks();
    source.pictures(30, world.now);
    let (mut slow, mut quick) = (world.play("a", "flv"), world.play("a", "flv"));
    slow.drain();
    quick.drain();
    for _ in 0..20 {
        source.pictures(25, world.now);
        quick.drain();
    }
    slow.drain();
    let (slow_times, quick_times) = (slow.times(Video), quick.times(Video));
    assert!(quick_times.windows(2).all(|pair| pair[1] - pair[0] == 40));
    let jump = slow_times.windows(2).position(|pair| pair[1] - pair[0] > 40).unwrap();
    assert_eq!(slow_times[jump + 1] % 1000, 0, "it goes on at a key frame");
    assert!(slow_times[jump + 1..].windows(2).all(|pair| pair[1] - pair[0] == 40));
    assert_eq!(slow_times.last(), quick_times.last());
    assert_eq!(world.hub.traffic().skips, 1);
}

#[test]
fn a_viewer_a_little_behind_loses_nothing() {
    let world = World::new(LIMITS);
    let mut source = world.publish("a").with_tracks();
    source.pictures(30, world.now);
    let mut player = world.play("a", "flv");
    player.drain();
    source.pictures(50, world.now);
    player.drain();
    assert!(player.times(Video).windows(2).all(|pair| pair[1] - pair[0] == 40));
    assert_eq!(world.hub.traffic().skips, 0);
}

#[test]
fn transport_streams_skip_alike() {
    let world = World::new(LIMITS);
    let mut source = world.publish("a").with_tracks();
    source.pictures(30, world.now);
    let mut player = world.play("a", "ts");
    player.drain();
    player.bytes.clear();
    source.pictures(500, world.now);
    player.drain();
    assert_eq!(world.hub.traffic().skips, 1);
    assert!(player.bytes.chunks(188).all(|packet| packet[0] == 0x47));
}
