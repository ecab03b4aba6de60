//! Frames are read as they were published.

use std::task::{Context, Poll, Waker};

use runnel::budget::BLOCK_OVERHEAD;
use runnel::hub::{FRAMES, Frames, Limits, Name, Read, ReadFrame};
use runnel::media::{Codec, Kind, Ticks, Track};

use super::harness::{AVCC, LIMITS, Source, World, track};

fn reader(world: &World, name: &str) -> Frames {
    Frames::new(world.hub.play(&Name::new(name).unwrap(), &FRAMES).unwrap())
}

/// All that is there.
fn drain(frames: &mut Frames) -> Vec<Read> {
    let cx = Context::from_waker(Waker::noop());
    let mut all = Vec::new();
    while let Poll::Ready(read) = frames.poll_next(&cx) {
        all.push(read);
    }
    all
}

/// Copies of all frames that are there: nothing stays charged for them.
fn copies(frames: &mut Frames) -> Vec<ReadFrame> {
    let copy = |read| match read {
        Read::Frame(frame) => Some(ReadFrame { data: frame.data.to_vec().into(), ..frame }),
        _ => None,
    };
    drain(frames).into_iter().filter_map(copy).collect()
}

fn publish(source: &mut Source, world: &World, frame: &ReadFrame) {
    let frame = frame.charged_to(&source.publisher).unwrap();
    source.publisher.publish(frame, world.now).unwrap();
}

fn picture(at: i64, key: bool) -> ReadFrame {
    let data = [0, 0, 0, 2, if key { 0x65 } else { 0x41 }, at as u8];
    ReadFrame { dts: Ticks(at), cts: 80, kind: Kind::Video, track: 0, key, data: data.to_vec().into() }
}

fn sound(at: i64) -> ReadFrame {
    ReadFrame { dts: Ticks(at), cts: 0, kind: Kind::Audio, track: 0, key: true, data: vec![at as u8; 9].into() }
}

#[test]
fn what_was_published_is_read_behind_its_tracks() {
    let world = World::new(LIMITS);
    let mut frames = reader(&world, "a");
    let mut source = world.publish("a").with_tracks();
    let sent = [picture(0, true), sound(0), picture(40, false), sound(23)];
    sent.iter().for_each(|frame| publish(&mut source, &world, frame));
    source.publisher.flush();
    let read = drain(&mut frames);
    let [Read::Tracks(tracks), rest @ ..] = &*read else { panic!("{read:?}") };
    assert_eq!(tracks.iter().map(|track| track.codec).collect::<Vec<_>>(), [Codec::H264, Codec::Aac]);
    assert_eq!(rest, sent.map(Read::Frame));
}

#[test]
fn tracks_that_change_are_told_before_their_first_frame() {
    let world = World::new(LIMITS);
    let mut frames = reader(&world, "a");
    let mut source = world.publish("a").with_tracks();
    publish(&mut source, &world, &picture(0, true));
    publish(&mut source, &world, &sound(0));
    let mut read = drain(&mut frames);
    // of a higher level
    let mut avcc = AVCC.to_vec();
    avcc[3] += 1;
    source.publisher.track(track(Codec::H264, avcc.leak()));
    publish(&mut source, &world, &picture(40, true));
    source.publisher.flush();
    read.extend(drain(&mut frames));
    let kinds: Vec<_> = read
        .iter()
        .map(|read| match read {
            Read::Tracks(tracks) => (None, tracks.iter().next().unwrap().params.record[3]),
            Read::Frame(frame) => (Some(frame.kind), frame.dts.0 as u8),
            Read::Dismissed(why) => panic!("{why:?}"),
        })
        .collect();
    let [video, audio] = [Kind::Video, Kind::Audio].map(Some);
    assert_eq!(kinds, [(None, AVCC[3]), (video, 0), (audio, 0), (None, AVCC[3] + 1), (video, 40)]);
}

#[test]
fn a_reader_that_stays_away_goes_on_at_a_key_frame() {
    let mut world = World::new(LIMITS);
    let mut source = world.publish("a").with_tracks();
    source.picture_bytes = 8_000;
    source.pictures(3, world.now);
    let mut frames = reader(&world, "a");
    assert!(drain(&mut frames).len() > 1);
    for _ in 0..60 {
        world.pass(40);
        source.pictures(1, world.now);
    }
    let read = drain(&mut frames);
    let first = read.iter().find_map(|read| if let Read::Frame(frame) = read { Some(frame) } else { None }).unwrap();
    assert!(first.key && first.kind == Kind::Video && first.dts.0 > 1000, "{first:?}");
    drop((read, frames, source));
    world.hub.sweep(world.now + LIMITS.resume * 2);
    assert_eq!(world.account.used(), 0, "all is given back");
}

/// Bytes of one frame, and of a block that it shares with others.
const HELD: std::ops::RangeInclusive<usize> = 9..=(4 << 10) + BLOCK_OVERHEAD;

#[test]
fn a_small_frame_that_is_held_stays_charged_with_its_neighbours_and_no_more() {
    let mut world = World::new(LIMITS);
    let mut source = world.publish("a").with_tracks();
    publish(&mut source, &world, &picture(0, true));
    (0..20).for_each(|at| publish(&mut source, &world, &sound(at)));
    source.publisher.flush();
    let mut frames = reader(&world, "a");
    let read = drain(&mut frames);
    let Some(Read::Frame(held)) = read.get(3).cloned() else { panic!("{read:?}") };
    assert_eq!((held.kind, &held.data[..]), (Kind::Audio, &[1; 9][..]));
    drop((read, frames, source));
    world.pass(60_000);
    world.hub.sweep(world.now);
    assert!(world.hub.streams().is_empty() && HELD.contains(&world.account.used()), "{:?}", world.account);
    assert_eq!(held.data[..], [1; 9]);
    drop(held);
    assert_eq!(world.account.used(), 0);
}

#[test]
fn tiny_and_huge_frames_of_many_tracks_are_read_as_they_were_published() {
    let sizes = [5, 6, 60_000, 7, 2048, 2049, 8, 9, 10, 11, 30_000, 5, 2047, 12];
    let frames = (0..300_u16).map(|number| {
        let (track, size) = ((number % 4) as u8, sizes[usize::from(number) % sizes.len()]);
        let kind = if number % 3 == 0 { Kind::Video } else { Kind::Audio };
        let data = vec![number as u8; size].into();
        // the ring has some of the last group of pictures alone
        ReadFrame { dts: Ticks(number.into()), cts: 3, kind, track, key: number % 60 == 0 || kind == Kind::Audio, data }
    });
    let frames: Vec<_> = frames.collect();
    for (flush, watched) in [(1, true), (1, false), (3, true), (3, false), (20, true), (300, false)] {
        let world = World::new(Limits { stream_memory: 1 << 20, ..LIMITS });
        let mut source = world.publish("a").with_tracks();
        for id in 1..4 {
            source.publisher.track(Track { id, ..track(Codec::H264, AVCC) });
            source.publisher.track(Track { id, ..track(Codec::Aac, &[0x12, 0x10]) });
        }
        let mut reader = reader(&world, "a");
        let mut read = Vec::new();
        for (at, frame) in frames.iter().enumerate() {
            publish(&mut source, &world, frame);
            assert!(world.account.used() <= 1 << 20);
            if (at + 1) % flush == 0 {
                source.publisher.flush();
                if watched {
                    read.extend(copies(&mut reader));
                }
            }
        }
        source.publisher.flush();
        read.extend(copies(&mut reader));
        let first = frames.iter().position(|frame| *frame == read[0]).unwrap();
        assert_eq!(read, frames[first..], "{flush} {watched}");
        assert!(if watched { first == 0 } else { first <= 240 }, "{first}");
    }
}
