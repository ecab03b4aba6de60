//! Frames that are lost, and who is told.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::harness::{LIMITS, World, form_named};
use runnel::hub::{Name, Step, Unit, Viewer};
use runnel::media::Kind;

/// All that is there, in batches, and whether each comes behind what was missed.
fn batches(viewer: &mut Viewer) -> Vec<(Vec<Arc<Unit>>, bool)> {
    let cx = Context::from_waker(Waker::noop());
    let mut batches = Vec::new();
    loop {
        let mut units = Vec::new();
        let Poll::Ready(_) = viewer.poll_next(&cx, &mut units, Step { units: 1000, bytes: 1 << 20 }) else {
            return batches;
        };
        batches.push((units, viewer.take_gap()));
    }
}

fn viewer(world: &World) -> Viewer {
    world.hub.play(&Name::new("a").unwrap(), form_named("flv")).unwrap()
}

#[test]
fn what_a_viewer_has_missed_comes_between_batches() {
    let world = World::new(LIMITS);
    let mut source = world.publish("a").with_tracks();
    source.pictures(30, world.now);
    let mut slow = viewer(&world);
    assert!(batches(&mut slow).iter().all(|(_, gap)| !gap));
    source.pictures(500, world.now);
    let after = batches(&mut slow);
    assert_eq!(world.hub.traffic().skips, 1);
    assert_eq!(after.iter().map(|(_, gap)| *gap).collect::<Vec<_>>(), [true]);
    let first = after[0].0.iter().find(|unit| !unit.packed.is_head()).unwrap();
    assert!(first.start && !first.gap, "nothing was lost but for this viewer");
}

#[test]
fn the_key_frame_behind_a_lost_picture_says_so() {
    let world = World::new(LIMITS);
    let mut source = world.publish("a").with_tracks();
    source.pictures(30, world.now);
    let mut viewer = viewer(&world);
    let mut units = Vec::new();
    let mut take = |viewer: &mut Viewer| units.extend(batches(viewer).into_iter().flat_map(|(units, _)| units));
    take(&mut viewer);
    source.publisher.lost(Kind::Audio);
    source.pictures(25, world.now);
    take(&mut viewer);
    source.publisher.lost(Kind::Video);
    for _ in 0..60 {
        _ = source.picture(world.now);
        take(&mut viewer);
    }
    let keys = units.iter().filter(|unit| unit.start && unit.at.0 > 1000);
    let keys: Vec<_> = keys.map(|unit| (unit.at.0, unit.gap)).collect();
    assert_eq!(keys, [(2000, false), (3000, true), (4000, false)]);
    assert_eq!(units.iter().filter(|unit| unit.gap).count(), 1);
}
