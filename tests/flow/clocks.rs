//! Publishers whose clocks jump, and what their viewers get of it.

use std::time::Duration;

use crate::harness::{Audio, LIMITS, Player, Source, Video, World};
use runnel::hub::Limits;
use runnel::media::{Frame, Kind, Ticks, Track};

/// The length of what is published, in milliseconds.
const LENGTH: i64 = 14_000;
const HOUR: i64 = 3_600_000;

/// Pictures and sound 40 ms apart that say what `says` makes of when they were made; calls
/// `each` after each pair.
fn publish(world: &mut World, source: &mut Source, says: impl Fn(Kind, i64) -> i64, mut each: impl FnMut()) {
    for made in (0..LENGTH).step_by(40) {
        for kind in [Kind::Video, Kind::Audio] {
            source.at = says(kind, made);
            source.frame(kind, kind == Kind::Audio || made % 1000 == 0, 200, world.now).unwrap();
        }
        source.publisher.flush();
        each();
        world.pass(40);
    }
}

fn even(player: &Player) -> bool {
    [Video, Audio].iter().all(|kind| {
        let times = player.times(*kind);
        times.len() as i64 == LENGTH / 40 && times.windows(2).all(|pair| pair[1] - pair[0] == 40)
    })
}

/// The time that a track has at the millisecond at which a frame is made.
type Says = fn(Kind, i64) -> i64;

/// Clocks that jump, each with its name.
fn jumps() -> [(&'static str, Says); 4] {
    [
        ("both restart, sound later", |kind, made| {
            if made < if kind == Kind::Video { 8000 } else { 8160 } { HOUR + made } else { made - 8000 }
        }),
        ("pictures restart", |kind, made| if kind == Kind::Video && made >= 8000 { made - 8000 } else { HOUR + made }),
        ("24 bits wrap", |_, made| ((1 << 24) - 8000 + made) & 0xff_ffff),
        ("every 60th picture is at 0", |kind, made| if kind == Kind::Video && made % 2400 == 2360 { 0 } else { made }),
    ]
}

#[test]
fn viewers_do_not_notice() {
    for (what, says) in jumps() {
        let mut world = World::new(LIMITS);
        let mut source = world.publish("a").with_tracks();
        let mut player = world.play("a", "flv");
        publish(&mut world, &mut source, says, || _ = player.drain());
        assert!(even(&player), "{what}");
        let (first, last) = (|kind| player.times(kind)[0], |kind| *player.times(kind).last().unwrap());
        assert_eq!((first(Audio) - first(Video), last(Audio) - last(Video)), (0, 0), "{what}");
        let announced = player.tags().iter().filter(|(kind, _, head)| *kind == Video && head[1] == 0).count();
        assert_eq!(announced, 1, "{what}: nothing is announced anew");
    }
}

#[test]
fn tracks_that_begin_apart_are_together() {
    for (pictures, sounds) in [(HOUR, 0), (0, HOUR), (0, 10_500)] {
        let mut world = World::new(LIMITS);
        let mut source = world.publish("a").with_tracks();
        let mut player = world.play("a", "flv");
        let says = |kind, made| made + if kind == Kind::Video { pictures } else { sounds };
        publish(&mut world, &mut source, says, || _ = player.drain());
        assert!(even(&player));
        assert_eq!(player.times(Video), player.times(Audio));
    }
}

#[test]
fn a_further_track_disturbs_none_whatever_its_number() {
    for id in [1, 8, 255] {
        let mut world = World::new(LIMITS);
        let mut source = world.publish("a").with_tracks();
        let further = crate::harness::track(runnel::media::Codec::Aac, &[0x12, 0x10]);
        source.publisher.track(Track { id, ..further });
        let mut player = world.play("a", "flv");
        for made in (0..LENGTH).step_by(40) {
            source.at = made;
            source.frame(Kind::Video, made % 1000 == 0, 200, world.now).unwrap();
            // it comes before the first of its kind, by a clock of its own
            let (dts, data) = (Ticks(HOUR + made), source.publisher.paid(&[0; 100]).unwrap());
            let frame = Frame { dts, cts: 0, kind: Kind::Audio, track: id, key: true, data };
            source.publisher.publish(frame, world.now).unwrap();
            source.frame(Kind::Audio, true, 200, world.now).unwrap();
            source.publisher.flush();
            player.drain();
            world.pass(if made % 80 == 0 { 10 } else { 70 });
        }
        assert!(even(&player), "{id}: {:?}", player.times(Audio));
        assert_eq!(player.times(Video), player.times(Audio), "{id}");
    }
}

#[test]
fn a_track_that_is_moved_on_purpose_stays_so() {
    let mut world = World::new(LIMITS);
    let mut source = world.publish("a").with_tracks();
    let mut player = world.play("a", "flv");
    let sound = crate::harness::track(runnel::media::Codec::Aac, &[]);
    publish(&mut world, &mut source, |_, made| made, || _ = player.drain());
    source.publisher.shift(&sound, Ticks(-3000));
    let says = |kind, made| LENGTH + made - if kind == Kind::Audio { 3000 } else { 0 };
    publish(&mut world, &mut source, says, || _ = player.drain());
    let last = |kind| *player.times(kind).last().unwrap();
    assert_eq!(last(Audio) - last(Video), -3000);
}

#[test]
fn silence_follows_what_pictures_became() {
    for (what, says) in jumps() {
        let mut world = World::new(Limits { silent_audio: true, ..LIMITS });
        let mut source = world.publish("a");
        source.publisher.track(crate::harness::track(runnel::media::Codec::H264, crate::harness::AVCC));
        let mut player = world.play("a", "flv");
        for made in (0..LENGTH).step_by(40) {
            source.at = says(Kind::Video, made);
            source.frame(Kind::Video, true, 200, world.now).unwrap();
            source.publisher.flush();
            player.drain();
            world.pass(40);
        }
        let times = player.times(Audio);
        assert!(times.windows(2).all(|pair| (23..25).contains(&(pair[1] - pair[0]))), "{what}");
        assert!(times.len() as i64 * 23 > LENGTH - 1000, "{what}: {} silent frames", times.len());
    }
}

#[cfg(feature = "http")]
#[test]
fn segments_are_as_long_as_ever() {
    use runnel::budget::Account;
    use runnel::hls::{Numbers, Packing, Rules, Window};
    use std::task::{Context, Waker};

    let (target, packing) = (Duration::from_secs(2), Packing::Ts);
    let rules = Rules { target, listed: 9, start: 3, record: false, part: None, packing, store: None };
    for (what, says) in jumps() {
        let mut world = World::new(LIMITS);
        let mut source = world.publish("a").with_tracks();
        let mut viewer = world.play("a", "ts").viewer;
        let mut window = Window::new("a", rules, Account::root("hls", 1 << 20), Numbers::default());
        let mut units = Vec::new();
        publish(&mut world, &mut source, says, || {
            let cx = Context::from_waker(Waker::noop());
            let step = || runnel::hub::Step { units: 8, bytes: 1 << 20 };
            while viewer.poll_next(&cx, &mut units, step()).is_ready() {
                units.drain(..).for_each(|unit| window.push(&unit));
            }
        });
        window.end();
        let playlist = String::from_utf8(window.playlist(false).unwrap().to_vec()).unwrap();
        let lengths =
            playlist.lines().filter_map(|line| line.strip_prefix("#EXTINF:")?.strip_suffix(',')?.parse().ok());
        let lengths: Vec<f64> = lengths.collect();
        let sum: f64 = lengths.iter().sum();
        assert!((13.8..14.1).contains(&sum) && lengths.iter().all(|length| *length < 2.1), "{what}: {lengths:?}");
        assert!(!playlist.contains("DISCONTINUITY"), "{what}");
    }
}
