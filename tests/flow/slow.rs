//! Viewers that do not keep up.

use std::task::{Context, Waker};

use crate::harness::{LIMITS, Player, Source, Video, World, form_named, track};
use runnel::container::{Form, forms};
use runnel::hub::{Limits, Name, Pressed, Step, Viewer};
use runnel::media::{Codec, Kind};
use runnel::net::{BATCH, Framing, Outlet};

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

#[cfg(feature = "http")]
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

#[cfg(feature = "http")]
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
    outlet: Outlet,
    /// The times of what it was given.
    times: Vec<i64>,
    /// The bytes that were sent, if they are to be kept.
    sent: Option<Vec<u8>>,
    gave_up: bool,
}

impl Sending {
    fn new(world: &World, form: &'static Form) -> Self {
        let viewer = world.hub.play(&Name::new("a").unwrap(), form).unwrap();
        let outlet = if form.packet > 0 { Outlet::new(Framing::Packets(form.packet)) } else { Outlet::default() };
        let viewer = if outlet.is_in_packets() { viewer.in_packets() } else { viewer };
        Self { viewer, outlet, times: Vec::new(), sent: None, gave_up: false }
    }

    /// The batch that was begun is gone; takes what comes next, of which its socket takes a little.
    fn go_on(&mut self) {
        self.send(usize::MAX);
        self.take();
        self.send(10);
    }

    fn take(&mut self) {
        self.take_in(BATCH);
    }

    /// Takes the next batch.
    fn take_in(&mut self, step: Step) {
        let Self { viewer, outlet, times, .. } = self;
        let _ = outlet.fill(|units| {
            let next = viewer.poll_next(&Context::from_waker(Waker::noop()), units, step);
            times.extend(units.iter().filter(|unit| !unit.track.is_empty()).map(|unit| unit.at.0));
            times.dedup();
            next
        });
    }

    /// Its socket takes so many bytes of the batch.
    fn send(&mut self, mut most: usize) {
        let Self { viewer, outlet, sent, .. } = self;
        while most > 0 && !outlet.is_empty() {
            let mut part = vec![0; most.min(outlet.len())];
            let taken = outlet.send(&mut part.as_mut_slice()).unwrap();
            sent.iter_mut().for_each(|sent| sent.extend_from_slice(&part[..taken]));
            viewer.sent(taken);
            most -= taken;
        }
    }

    /// The answer of `serve` to a socket that takes no more: whether it goes.
    fn must_go(&mut self, world: &World) -> bool {
        if self.outlet.is_empty() {
            self.viewer.let_go();
            return false;
        }
        let skips = match self.viewer.poll_pressed(&Context::from_waker(Waker::noop()), world.now).unwrap() {
            Pressed::No => return false,
            Pressed::GiveUp => self.outlet.give_up(),
            Pressed::Go if self.outlet.cut() => true,
            Pressed::Go => return true,
        };
        self.viewer.gave_up(self.outlet.units().first(), self.outlet.len(), skips);
        self.gave_up = true;
        false
    }
}

/// A stream of 4 Mbit/s in 1 MiB, with so many pictures from one key frame to the next.
fn squeezed(gop: u32) -> (World, Source) {
    let world = World::new(Limits { viewers: 128, stream_memory: 1 << 20, max_frame: 128 << 10, ..LIMITS });
    let mut source = world.publish("a").with_tracks();
    (source.picture_bytes, source.gop) = (20_000, gop);
    source.picture(world.now).unwrap();
    (world, source)
}

/// The ends of viewers that read little, in `forms`, beside viewers that are in the middle of a frame
/// whenever they are looked at: their numbers as they go, and those who stay. Each of `count` begins
/// to read little, as `reads` does, in the middle of other frames than the others.
fn press(forms: &[&'static Form], gop: u32, count: usize, reads: fn(&mut Sending)) -> (Vec<usize>, Vec<Sending>) {
    let (mut world, mut source) = squeezed(gop);
    let mut healthy: Vec<_> = forms.iter().map(|form| Sending::new(&world, form)).collect();
    let slow = forms.iter().cycle().take(count).enumerate();
    let mut slow: Vec<_> = slow.map(|(number, form)| (number, Sending::new(&world, form))).collect();
    let mut gone = Vec::new();
    for round in 0..400 {
        source.picture(world.now).unwrap();
        world.pass(40);
        for viewer in &mut healthy {
            viewer.go_on();
            assert!(!viewer.must_go(&world), "one who takes bytes goes for others, in round {round}");
        }
        slow.retain_mut(|(number, viewer)| {
            // the last batch is a large one
            let last = 5 * (*number + 1);
            if round < last.saturating_sub(4) || round == last {
                viewer.go_on();
            } else {
                reads(viewer);
            }
            let goes = viewer.must_go(&world);
            gone.extend(goes.then_some(*number));
            !goes
        });
    }
    for viewer in &healthy {
        let jumps: Vec<_> = viewer.times.windows(2).filter(|pair| pair[1] - pair[0] != 40).collect();
        assert!(!viewer.gave_up && jumps.is_empty(), "somebody misses pictures: {jumps:?}");
        assert!(viewer.times.len() > 390);
    }
    assert_eq!(world.hub.traffic().lost, 0);
    (gone, slow.into_iter().map(|(_, viewer)| viewer).collect())
}

#[test]
fn those_that_take_little_give_up_what_is_not_begun_and_stay() {
    for gop in [25, 250, u32::MAX] {
        for forms in [&[form_named("flv")][..], &forms().collect::<Vec<_>>()[..]] {
            for reads in [|_: &mut Sending| {}, |viewer: &mut Sending| viewer.send(1)] {
                for count in [12, 24] {
                    let (gone, stay) = press(forms, gop, count, reads);
                    assert_eq!((gone.len(), stay.len()), (0, count));
                    let gave_up = stay.iter().filter(|viewer| viewer.gave_up).count();
                    assert!(
                        (1..count + 1).contains(&gave_up) && (count > 12 || gave_up < count),
                        "{gave_up} of {count}"
                    );
                }
            }
        }
    }
}

#[test]
fn where_frames_that_were_begun_leave_too_little_who_stands_still_longest_goes() {
    for gop in [25, 250, u32::MAX] {
        let (gone, stay) = press(&[form_named("flv")], gop, 60, |_| {});
        assert!(gone.is_sorted() && !gone.is_empty() && stay.len() > 24, "{gone:?}");
        // each takes bytes, and those who watch get all all the same
        let (gone, stay) = press(&[form_named("flv")], gop, 60, |viewer| viewer.send(1));
        assert!(!gone.is_empty() && stay.len() > 24, "{gone:?}");
    }
}

#[cfg(feature = "http")]
#[test]
fn who_is_sent_packets_never_goes_for_others() {
    for gop in [25, 250, u32::MAX] {
        for reads in [|_: &mut Sending| {}, |viewer: &mut Sending| viewer.send(1)] {
            let (gone, stay) = press(&[form_named("ts")], gop, 100, reads);
            assert_eq!((gone.len(), stay.len()), (0, 100));
        }
        // beside them fewer of the others go
        let (gone, _) = press(&[form_named("flv"), form_named("ts")], gop, 100, |viewer| viewer.send(1));
        assert!(gone.iter().all(|number| number % 2 == 0), "{gone:?}");
    }
}

#[test]
fn who_has_given_up_a_part_goes_on_at_a_key_frame_behind_a_whole_one() {
    let (mut world, mut source) = squeezed(100);
    let mut viewer = Sending { sent: Some(Vec::new()), ..Sending::new(&world, form_named("flv")) };
    let mut others: Vec<_> = (0..32).map(|_| Sending::new(&world, form_named("flv"))).collect();
    for round in 0..300 {
        source.picture(world.now).unwrap();
        world.pass(40);
        for (number, other) in others.iter_mut().enumerate() {
            if round < 3 * number {
                other.go_on();
            } else {
                other.send(1);
            }
            assert!(!other.must_go(&world));
        }
        // half of what comes
        viewer.send(10_000);
        if viewer.outlet.is_empty() {
            viewer.take();
        } else {
            assert!(!viewer.must_go(&world));
        }
    }
    assert!(viewer.gave_up);
    viewer.send(usize::MAX);
    let player = Player { viewer: viewer.viewer, bytes: viewer.sent.unwrap(), heads: 0 };
    let pictures: Vec<_> = player.tags().into_iter().filter(|(kind, _, head)| *kind == Video && head[1] == 1).collect();
    let jumps = pictures.windows(2).filter(|pair| pair[1].1 - pair[0].1 != 40);
    let jumps: Vec<_> = jumps.map(|pair| (pair[1].1 > pair[0].1, pair[1].2[0] >> 4)).collect();
    assert!(!jumps.is_empty() && jumps.iter().all(|jump| *jump == (true, 1)), "{jumps:?}");
}

#[test]
fn who_ends_a_frame_that_the_ring_has_as_well_does_not_go_for_others() {
    let (mut world, mut source) = squeezed(1000);
    // each is in the middle of a large frame of its own, and takes a little all the time
    source.picture_bytes = 125_000;
    let mut others: Vec<_> = (0..6).map(|_| Sending::new(&world, form_named("flv"))).collect();
    for number in 0..others.len() {
        source.picture(world.now).unwrap();
        world.pass(40);
        others[number..].iter_mut().for_each(Sending::go_on);
    }
    others.iter_mut().for_each(|other| other.send(other.outlet.len() - 90_000));
    (source.picture_bytes, source.gop) = (1000, 200);
    source.pictures_until_key(world.now);
    (0..40).for_each(|_| source.picture(world.now).unwrap());
    // this one is in the middle of the last frame of a long batch, whose slots the ring pays for by pages of 32
    let mut viewer = Sending::new(&world, form_named("flv"));
    viewer.take_in(Step { units: 64, ..BATCH });
    viewer.send(viewer.outlet.len() - 10);
    assert!(viewer.times.len() > 12);
    let first_to_go = (0..200).find_map(|_| {
        source.picture(world.now).unwrap();
        world.pass(40);
        others.iter_mut().for_each(|other| other.send(1));
        let another = others.iter_mut().any(|other| other.must_go(&world)).then_some("who holds what the ring has not");
        viewer.must_go(&world).then_some("who holds what the ring has").or(another)
    });
    assert_eq!(first_to_go, Some("who holds what the ring has not"));
    assert!(viewer.gave_up && others.iter().all(|other| other.gave_up));
    let before = world.account.used();
    drop(viewer);
    assert_eq!(world.account.used(), before, "the ring had not dropped the frame yet");
}
