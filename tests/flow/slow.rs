//! Viewers that do not keep up.

use crate::harness::{LIMITS, Video, World, track};
use runnel::media::{Codec, Kind};

#[path = "../reader/ts.rs"]
mod reader;

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

#[cfg(feature = "ts")]
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

#[cfg(feature = "ts")]
#[test]
fn a_viewer_that_slept_through_a_change_goes_on_with_the_new_codec() {
    for form in ["flv", "ts"] {
        let mut world = World::new(LIMITS);
        let mut source = world.publish("a").with_tracks();
        source.pictures(30, world.now);
        let mut player = world.play("a", form);
        player.drain();
        drop(source);
        world.pass(100);
        // pictures become sound alone, and nothing is left of the announcement
        let mut source = world.publish("a");
        source.publisher.track(track(Codec::Mp3, &[]));
        let mut sound = |world: &mut World, count: u32| {
            for _ in 0..count {
                source.frame(Kind::Audio, true, 200, world.now).unwrap();
                source.at += 26;
                world.pass(26);
            }
        };
        sound(&mut world, 2000);
        player.bytes.clear();
        player.drain();
        sound(&mut world, 25); // TS begins with the next tables, at most 500 ms later
        player.drain();
        assert!(!player.bytes.is_empty(), "{form}");
        if form == "ts" {
            let ts = reader::read(&player.bytes).unwrap();
            let types: Vec<_> = ts.streams.iter().map(|stream| stream.stream_type).collect();
            assert_eq!(types, [3], "the map has MP3 and nothing else");
        } else {
            assert_eq!(player.bytes[..12][11] & 0xf0, 0x20, "{:?}", &player.bytes[..12]);
        }
    }
}
