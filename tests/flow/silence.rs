//! Silence for streams that have pictures alone.

use crate::harness::{AVCC, Audio, LIMITS, World, track};
use runnel::hub::{Limits, Lost};
use runnel::media::{Codec, Frame, Kind, Ticks};

#[test]
fn silence_goes_on_after_a_moment_without_room() {
    let mut world = World::new(Limits { silent_audio: true, ..LIMITS });
    let mut source = world.publish("a");
    source.publisher.track(track(Codec::H264, AVCC));
    let mut player = world.play("a", "flv");
    let mut losses = 0;
    for n in 0..100 {
        let data = source.publisher.paid(&[0, 0, 0, 2, 0x65, 1]).unwrap();
        let picture = Frame { dts: Ticks(40 * n), cts: 0, kind: Kind::Video, track: 0, key: true, data };
        // all memory is somebody else's until there is no room for one of them
        let is_full = n >= 50 && losses == 0;
        let taken = is_full.then(|| world.account.charge(world.account.available()).unwrap());
        losses += usize::from(matches!(source.publisher.publish(picture, world.now), Err(Lost::OverBudget(_))));
        drop(taken);
        source.publisher.flush();
        player.drain();
        world.pass(40);
    }
    assert_eq!(losses, 1);
    let last = *player.times(Audio).last().unwrap();
    assert!(last > 3900, "silence ends at {last} ms, the pictures at 3960");
}

#[test]
fn sound_that_comes_does_not_begin_before_silence_has_ended() {
    let mut world = World::new(Limits { silent_audio: true, ..LIMITS });
    let mut source = world.publish("a");
    source.publisher.track(track(Codec::H264, AVCC));
    let mut player = world.play("a", "flv");
    for at in (0..4000).step_by(40) {
        source.at = at;
        source.frame(Kind::Video, true, 200, world.now).unwrap();
        if at >= 2000 {
            source.publisher.track(track(Codec::Aac, &[0x12, 0x10]));
            source.at -= 500;
            source.frame(Kind::Audio, true, 100, world.now).unwrap();
        }
        source.publisher.flush();
        player.drain();
        world.pass(40);
    }
    let times = player.times(Audio);
    assert!(times.windows(2).all(|pair| pair[1] >= pair[0]), "{times:?}");
    assert_eq!(*times.last().unwrap(), 3460);
}
