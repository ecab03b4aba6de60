//! Publishers that return, compete, or change in mid-stream.

use std::task::{Context, Poll, Waker};

use crate::harness::{AVCC, Audio, LIMITS, Source, Video, World, track};
use runnel::hub::{Conflict, Dismissal, Limits, Lost, Name, Next, Refused, Step, Viewer};
use runnel::media::{Codec, Kind};

#[test]
fn a_publisher_that_returns_continues_for_its_viewers() {
    let mut world = World::new(LIMITS);
    let mut source = world.publish("a").with_tracks();
    source.pictures(50, world.now);
    let mut player = world.play("a", "flv");
    player.drain();
    drop(source);
    world.pass(2000);
    let mut source = world.publish("a").with_tracks();
    source.pictures(30, world.now);
    player.drain();
    let times = player.times(Video);
    assert!(times.windows(2).all(|pair| pair[1] > pair[0]), "{times:?}");
    let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max();
    assert_eq!(longest, Some(40), "players wait before a hole, and some for ever");
    let headers = player.tags().iter().filter(|(kind, _, head)| *kind == Video && head[1] == 0).count();
    assert_eq!(headers, 2, "the parameters are announced again");
}

#[test]
fn a_publisher_that_returns_with_another_codec_is_announced() {
    let mut world = World::new(LIMITS);
    let mut source = world.publish("a").with_tracks();
    source.pictures(10, world.now);
    let mut player = world.play("a", "flv");
    player.drain();
    drop(source);
    world.pass(100);
    let mut source = world.publish("a");
    source.publisher.track(track(Codec::Av1, &[0x81, 0, 0, 0]));
    source.frame(Kind::Video, true, 500, world.now).unwrap();
    player.drain();
    let last: Vec<_> = player.tags().into_iter().rev().take(2).map(|(_, _, head)| head[..5].to_vec()).collect();
    assert_eq!(last, [b"\x91av01".to_vec(), b"\x90av01".to_vec()]);
    // who joins now begins with the new codec and knows nothing of the old
    world.pass(300);
    source.at += 300;
    source.frame(Kind::Video, false, 500, world.now).unwrap();
    let mut late = world.play("a", "flv");
    late.drain();
    let first = late.tags().into_iter().find(|(kind, ..)| *kind == Video).unwrap();
    assert_eq!(first.2[..5], *b"\x90av01");
}

/// The number of new heads that viewers of each form need when a publisher returns with these.
#[cfg(feature = "http")]
fn heads(tracks: &[runnel::media::Track]) -> [usize; 3] {
    let mut world = World::new(LIMITS);
    let mut source = world.publish("a").with_tracks();
    source.pictures(10, world.now);
    let mut players = ["flv", "ts", "mp4"].map(|form| world.play("a", form));
    players.iter_mut().for_each(|player| _ = player.drain());
    drop(source);
    world.pass(100);
    let mut source = world.publish("a");
    for track in tracks {
        source.publisher.track(track.clone());
    }
    for _ in 0..2 {
        source.frame(Kind::Video, true, 500, world.now).unwrap();
        // by then it is known that nothing else comes
        world.pass(300);
    }
    players.each_mut().map(|player| {
        player.drain();
        player.heads
    })
}

#[cfg(feature = "http")]
#[test]
fn viewers_end_where_their_form_has_no_word_for_what_comes_next() {
    let (video, audio) = (track(Codec::H264, AVCC), track(Codec::Aac, &[0x12, 0x10]));
    let mut other = video.clone();
    other.params.width += 16;
    assert_eq!(heads(&[video.clone(), audio.clone()]), [0, 0, 0], "the same again");
    assert_eq!(heads(&[audio.clone(), video.clone()]), [0, 0, 0], "in another order");
    assert_eq!(heads(&[other, audio.clone()]), [0, 0, 1], "other parameters");
    assert_eq!(heads(&[track(Codec::Av1, &[0x81, 0, 0, 0]), audio]), [1, 0, 1], "another codec");
    assert_eq!(heads(&[video]), [1, 0, 1], "without sound");
}

#[cfg(feature = "http")]
#[test]
fn viewers_do_not_end_for_tracks_that_come_a_little_later() {
    let mut world = World::new(LIMITS);
    let mut source = world.publish("a").with_tracks();
    source.pictures(10, world.now);
    let mut players = ["flv", "ts", "mp4"].map(|form| world.play("a", form));
    players.iter_mut().for_each(|player| _ = player.drain());
    for (late, heads) in [(200, [0, 0, 0]), (400, [1, 0, 2])] {
        drop(source);
        world.pass(100);
        source = world.publish("a");
        source.publisher.track(track(Codec::Aac, &[0x12, 0x10]));
        for _ in (0..late).step_by(40) {
            source.frame(Kind::Audio, true, 100, world.now).unwrap();
            source.publisher.flush();
            players.iter_mut().for_each(|player| _ = player.drain());
            source.at += 40;
            world.pass(40);
        }
        source.publisher.track(track(Codec::H264, AVCC));
        for _ in 0..20 {
            source.frame(Kind::Video, true, 500, world.now).unwrap();
            source.at += 40;
        }
        players.iter_mut().for_each(|player| _ = player.drain());
        assert_eq!(players.each_ref().map(|player| player.heads), heads, "{late} ms later");
    }
    let times = players[0].times(Video);
    assert_eq!((times.len(), players[0].times(Audio).len()), (50, 10 + 5 + 10));
    assert!(times.windows(2).all(|pair| pair[1] > pair[0]), "{times:?}");
}

#[cfg(feature = "http")]
#[test]
fn a_viewer_that_skips_to_what_its_form_has_no_word_for_ends_as_well() {
    let mut world = World::new(LIMITS);
    let mut source = world.publish("a").with_tracks();
    source.pictures(10, world.now);
    let mut player = world.play("a", "mp4");
    player.drain();
    drop(source);
    world.pass(100);
    let mut source = world.publish("a");
    let mut other = track(Codec::H264, AVCC);
    other.params.width += 16;
    source.publisher.track(other);
    source.pictures(600, world.now);
    player.drain();
    assert!(player.viewer.stream().stats().traffic.skips > 0);
    assert_eq!(player.heads, 1);
}

#[test]
fn new_parameters_reach_those_who_watch_and_those_who_join() {
    const OTHER: &[u8] = &[
        0x01, 0x42, 0xc0, 0x1f, 0xff, 0xe1, 0x00, 0x18, 0x67, 0x42, 0xc0, 0x1f, 0xda, 0x02, 0x80, 0xbf, 0xe5, 0xc0,
        0x5a, 0x80, 0x80, 0x80, 0xa0, 0x00, 0x00, 0x03, 0x00, 0x20, 0x00, 0x00, 0x07, 0x81, 0x01, 0x00, 0x04, 0x68,
        0xce, 0x3c, 0x80,
    ];
    let world = World::new(LIMITS);
    let mut source = world.publish("a").with_tracks();
    source.pictures(10, world.now);
    let mut player = world.play("a", "flv");
    player.drain();
    source.publisher.track(track(Codec::H264, OTHER));
    let old = source.frame(Kind::Video, false, 500, world.now);
    assert_eq!(old, Err(Lost::Undecodable), "what needs the old parameters is not sent");
    source.frame(Kind::Video, true, 500, world.now).unwrap();
    player.drain();
    let mut late = world.play("a", "flv");
    late.drain();
    for player in [player, late] {
        let tags = player.tags();
        let at = tags.iter().rposition(|(kind, _, head)| *kind == Video && head[1] == 0).unwrap();
        assert_eq!(tags[at].2[5..8], OTHER[..3]);
        assert!(tags[at..].iter().any(|(kind, _, head)| *kind == Video && head[1] == 1));
    }
}

#[test]
fn a_second_publisher_is_refused() {
    let world = World::new(LIMITS);
    let mut first = world.publish("a").with_tracks();
    let second = world.hub.publish(&Name::new("a").unwrap(), "TEST2", world.now);
    assert_eq!(second.err(), Some(Refused::Taken));
    first.picture(world.now).unwrap();
}

#[test]
fn a_second_publisher_replaces_the_first_where_that_is_configured() {
    let world = World::new(Limits { conflict: Conflict::Replace, ..LIMITS });
    let mut first = world.publish("a").with_tracks();
    first.pictures(10, world.now);
    let mut player = world.play("a", "flv");
    player.drain();
    let second = world.hub.publish(&Name::new("a").unwrap(), "TEST2", world.now).unwrap();
    let mut second = Source::new(second).with_tracks();
    assert_eq!(first.picture(world.now), Err(Lost::Dismissed(Dismissal::Replaced)));
    second.pictures(10, world.now);
    drop(first); // its end must not end the second
    second.pictures(10, world.now);
    player.drain();
    assert_eq!(player.times(Video).len(), 30);
}

#[test]
fn streams_and_viewers_are_bounded_and_those_who_are_in_stay() {
    let world = World::new(LIMITS);
    let mut sources: Vec<_> = (0..4).map(|n| world.publish(&format!("s{n}")).with_tracks()).collect();
    let fifth = world.hub.publish(&Name::new("s4").unwrap(), "TEST2", world.now);
    assert_eq!(fifth.err(), Some(Refused::Streams));
    let players: Vec<_> = (0..8).map(|_| world.play("s0", "flv")).collect();
    let ninth = world.hub.play(&Name::new("s0").unwrap(), crate::harness::form_named("flv"));
    assert_eq!(ninth.err(), Some(Refused::Viewers));
    sources.iter_mut().for_each(|source| source.pictures(5, world.now));
    drop(players);
    assert!(world.hub.play(&Name::new("s0").unwrap(), crate::harness::form_named("flv")).is_ok());
}

#[test]
fn who_waits_for_what_nobody_publishes_gives_way_to_who_plays() {
    let world = World::new(LIMITS);
    let form = crate::harness::form_named("flv");
    let play = |name: &str| world.hub.play(&Name::new(name).unwrap(), form);
    let cx = Context::from_waker(Waker::noop());
    let step = Step { units: 8, bytes: 64 << 10 };
    let mut source = world.publish("a").with_tracks();
    source.pictures(5, world.now);
    let begun = play("a").unwrap().giving_way(None);
    let patient = play("absent").unwrap();
    let mut waiting: Vec<_> = (0..6).map(|_| play("absent").unwrap().giving_way(None)).collect();
    assert_eq!(play("absent").err(), Some(Refused::Viewers), "nobody gives way to one who waits as well");
    let players: Vec<_> = (0..6).map(|_| play("a").unwrap()).collect();
    for viewer in &mut waiting {
        assert_eq!(viewer.poll_next(&cx, &mut Vec::new(), step), Poll::Ready(Next::Dismissed(Dismissal::GaveWay)));
    }
    assert_eq!(play("a").err(), Some(Refused::Viewers), "only those give way who said so, and wait");
    drop(waiting);
    assert_eq!(play("a").err(), Some(Refused::Viewers), "their places are taken");
    drop((players, begun, patient));
    assert_eq!((0..9).map_while(|_| play("a").ok()).collect::<Vec<_>>().len(), 8);
}

#[test]
fn who_sends_to_others_has_no_place_and_gives_none_back() {
    let world = World::new(LIMITS);
    let form = crate::harness::form_named("flv");
    let play = |name: &str| world.hub.play(&Name::new(name).unwrap(), form);
    let mut source = world.publish("a").with_tracks();
    source.pictures(5, world.now);
    let all = || (0..9).map_while(|_| play("a").ok()).collect::<Vec<_>>();
    let mut casts = ["a", "b"].map(|name| world.hub.cast(&Name::new(name).unwrap(), form).unwrap());
    let players = all();
    assert_eq!((players.len(), play("a").err()), (8, Some(Refused::Viewers)), "no cast gives way");
    let cx = Context::from_waker(Waker::noop());
    let step = Step { units: 8, bytes: 64 << 10 };
    let next = casts.each_mut().map(|cast| cast.poll_next(&cx, &mut Vec::new(), step));
    assert_eq!(next, [Poll::Ready(Next::Units), Poll::Pending]);
    drop(casts);
    assert_eq!(play("a").err(), Some(Refused::Viewers));
    drop(players);
    assert_eq!(all().len(), 8);
}

#[test]
fn who_has_played_what_has_ended_gives_way_once_there_is_nothing_left_of_it() {
    let world = World::new(LIMITS);
    let play = |name: &str, form| world.hub.play(&Name::new(name).unwrap(), crate::harness::form_named(form));
    let cx = Context::from_waker(Waker::noop());
    let step = Step { units: 64, bytes: 1 << 20 };
    let mut sources = ["ended", "lives"].map(|name| world.publish(name).with_tracks());
    sources.iter_mut().for_each(|source| source.pictures(5, world.now));
    let collector = play("ended", "ts").unwrap().giving_way(None);
    let mut viewers: Vec<_> =
        ["flv", "ts", "mp4", "flv"].map(|form| play("ended", form).unwrap().giving_way(None)).into();
    viewers.push(collector);
    for viewer in &mut viewers {
        let mut units = Vec::new();
        assert_eq!(viewer.poll_next(&cx, &mut units, step), Poll::Ready(Next::Units));
        assert_eq!(viewer.poll_next(&cx, &mut Vec::new(), step), Poll::Pending);
    }
    // one has been told to stay, one is in the middle of sending, and one stands still
    viewers[4].stay();
    _ = viewers[3].poll_pressed(&cx, world.now);
    let idle = play("ended", "flv").unwrap().giving_way(None);
    let _others = [(); 2].map(|()| play("lives", "flv").unwrap());
    let [ended, _lives] = sources;
    drop(ended);
    assert_eq!(play("lives", "flv").err(), Some(Refused::Viewers), "there is something left to take");
    world.hub.sweep(std::time::Instant::now() + std::time::Duration::from_secs(4));
    let players: Vec<_> = (0..9).map_while(|_| play("lives", "flv").ok()).collect();
    assert_eq!((players.len(), idle.poll_dismissed(&cx)), (4, Poll::Ready(Dismissal::GaveWay)));
    let mut next = |at: usize| viewers[at].poll_next(&cx, &mut Vec::new(), step);
    assert_eq!([0, 1, 2].map(&mut next), [Poll::Ready(Next::Dismissed(Dismissal::GaveWay)); 3]);
    assert_eq!(next(4), Poll::Pending);
    assert_eq!(next(3), Poll::Pending, "it has sent all by now");
    assert!(play("lives", "flv").is_ok());
    assert_eq!(next(3), Poll::Ready(Next::Dismissed(Dismissal::GaveWay)));
}

#[test]
fn connections_that_wait_give_way_and_those_of_one_address_first() {
    let world = World::new(LIMITS);
    let form = crate::harness::form_named("flv");
    let absent = Name::new("absent").unwrap();
    let cx = Context::from_waker(Waker::noop());
    let peer = |number: u128| Some(number);
    let is_gone = |viewer: &mut Viewer| {
        viewer.poll_next(&cx, &mut Vec::new(), Step { units: 8, bytes: 1 << 10 })
            == Poll::Ready(Next::Dismissed(Dismissal::GaveWay))
    };
    let mut early = world.hub.play(&absent, form).unwrap().giving_way(peer(1));
    let mut one = world.hub.play(&absent, form).unwrap().giving_way(peer(2));
    let guest = world.hub.wait(&absent, peer(2)).unwrap();
    assert!(world.hub.dismiss(false) && is_gone(&mut early) && !is_gone(&mut one), "a guest is no viewer");
    assert!(world.hub.dismiss(true) && is_gone(&mut one) && !guest.poll_dismissed(&cx));
    assert!(world.hub.dismiss(true) && guest.poll_dismissed(&cx) && !world.hub.dismiss(true));
    drop((early, one, guest));
    assert_eq!((0..9).map_while(|_| world.hub.play(&absent, form).ok()).collect::<Vec<_>>().len(), 8);
    let mut source = world.publish("a").with_tracks();
    source.pictures(5, world.now);
    assert!(world.hub.wait(&Name::new("a").unwrap(), None).is_none(), "it is published");
}

#[test]
fn names_that_are_only_asked_for_keep_no_publisher_out() {
    let mut world = World::new(LIMITS);
    for n in 0..1000 {
        drop(world.play(&format!("absent{n}"), "flv"));
    }
    assert!(world.hub.streams().len() <= 12, "{}", world.hub.streams().len());
    let _sources: Vec<_> = (0..4).map(|n| world.publish(&format!("s{n}"))).collect();
    world.pass(1000);
    world.hub.sweep(world.now);
    assert_eq!(world.hub.streams().len(), 4);
}

#[test]
fn a_lost_picture_is_not_followed_by_what_depends_on_it() {
    let world = World::new(LIMITS);
    let mut source = world.publish("a").with_tracks();
    source.pictures(10, world.now);
    source.publisher.lost(Kind::Video);
    let after: Vec<_> = (0..20).map(|_| source.picture(world.now)).collect();
    assert_eq!(after.iter().take_while(|result| **result == Err(Lost::Undecodable)).count(), 15);
    assert!(after[15..].iter().all(Result::is_ok));
}

#[test]
fn what_a_forgotten_stream_has_moved_is_still_counted() {
    let world = World::new(LIMITS);
    let mut source = world.publish("a");
    source.publisher.track(track(Codec::H264, AVCC));
    for _ in 0..3 {
        source.frame(Kind::Video, true, 500, world.now).unwrap();
    }
    assert_eq!(world.hub.traffic().frames, 3);
    drop(source);
    let later = world.now + std::time::Duration::from_secs(60);
    world.hub.sweep(later);
    world.hub.sweep(later);
    assert_eq!((world.hub.streams().len(), world.hub.traffic().frames), (0, 3));
}

#[test]
fn a_stream_that_is_only_watched_takes_no_publishers_place() {
    let mut world = World::new(Limits { streams: 1, ..LIMITS });
    let mut source = world.publish("a").with_tracks();
    source.pictures(5, world.now);
    let mut player = world.play("a", "flv");
    player.drain();
    drop(source);
    let refused = world.hub.publish(&Name::new("b").unwrap(), "TEST2", world.now).err();
    assert_eq!(refused, Some(Refused::Streams), "viewers may still take what is left");
    world.pass(10_000);
    world.hub.sweep(world.now);
    assert!(world.hub.publish(&Name::new("b").unwrap(), "TEST2", world.now).is_ok());
}
