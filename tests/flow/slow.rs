//! Viewers that do not keep up.

use std::sync::Arc;
use std::task::{Context, Waker};

use crate::harness::{LIMITS, Video, World, form_named, track};
use runnel::container::{FORMS, Form};
use runnel::hub::{Limits, Name, Unit, Viewer};
use runnel::media::{Codec, Kind};
use runnel::net::BATCH;

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

/// A viewer whose socket has taken only a part of what it was given.
struct Sending {
    viewer: Viewer,
    units: Vec<Arc<Unit>>,
    /// The times of what it was given.
    times: Vec<i64>,
}

impl Sending {
    fn new(world: &World, form: &'static Form) -> Self {
        let viewer = world.hub.play(&Name::new("a").unwrap(), form).unwrap();
        Self { viewer, units: Vec::new(), times: Vec::new() }
    }

    /// The batch that was begun is gone; takes what comes next, of which its socket takes a little.
    fn go_on(&mut self) {
        let cx = Context::from_waker(Waker::noop());
        self.units.clear();
        let _ = self.viewer.poll_next(&cx, &mut self.units, BATCH);
        self.times.extend(self.units.iter().filter(|unit| !unit.track.is_empty()).map(|unit| unit.at.0));
        self.times.dedup();
        self.viewer.sent(10);
    }

    fn must_go(&mut self, world: &World) -> bool {
        self.viewer.poll_pressed(&Context::from_waker(Waker::noop()), world.now)
    }
}

/// Eight viewers stop to read one after the other, each in the middle of other frames, beside
/// viewers that are in the middle of a frame whenever they are looked at: in `forms`, of 4 Mbit/s
/// with so many pictures from one key frame to the next. Gives how many of the eight stay.
fn stay(forms: &[&'static Form], gop: u32) -> usize {
    let limits = Limits { viewers: 32, stream_memory: 1 << 20, max_frame: 128 << 10, ..LIMITS };
    let mut world = World::new(limits);
    let mut source = world.publish("a").with_tracks();
    (source.picture_bytes, source.gop) = (20_000, gop);
    source.picture(world.now).unwrap();
    let mut healthy: Vec<_> = forms.iter().map(|form| Sending::new(&world, form)).collect();
    let stuck = forms.iter().cycle().take(8).enumerate();
    let mut stuck: Vec<_> = stuck.map(|(number, form)| (number, Sending::new(&world, form))).collect();
    let mut gone = Vec::new();
    for round in 0..400 {
        source.picture(world.now).unwrap();
        world.pass(40);
        for viewer in &mut healthy {
            viewer.go_on();
            assert!(!viewer.must_go(&world), "one who takes bytes goes for others, in round {round}");
        }
        stuck.retain_mut(|(number, viewer)| {
            // the last batch is a large one
            let last = 10 * (*number + 1);
            if round < last - 4 || round == last {
                viewer.go_on();
            }
            let goes = viewer.must_go(&world);
            gone.extend(goes.then_some(*number));
            !goes
        });
    }
    for viewer in &healthy {
        let times = &viewer.times;
        assert!(times.len() > 390 && times.windows(2).all(|pair| pair[1] - pair[0] == 40), "nobody misses a picture");
    }
    assert!(gone.is_sorted(), "who stands still longest goes first: {gone:?}");
    assert_eq!((world.hub.traffic().lost, world.hub.traffic().skips), (0, 0));
    stuck.len()
}

#[test]
fn those_that_take_nothing_go_before_those_that_take_something_and_no_more_than_needed() {
    for gop in [25, 250, u32::MAX] {
        let flv = stay(&[form_named("flv")], gop);
        assert!((1..8).contains(&flv), "{flv}");
        let mixed = stay(FORMS, gop);
        assert!((1..8).contains(&mixed), "{mixed}");
    }
}
