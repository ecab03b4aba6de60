//! Enhanced RTMP v2, tag by tag, as its document has them.

use runnel::container::Event;
use runnel::container::flv::Demux;
use runnel::media::{Codec, Frame, Kind};

use crate::reader::one;
use crate::records::{data, record, track};
use crate::tags::*;

/// The events that a demuxer finds in tags of one kind, none of which may be refused.
fn events(kind: Kind, tags: &[Vec<u8>]) -> Vec<Event> {
    let mut demux = Demux::default();
    let found = tags.iter().map(|tag| match one(&mut demux, kind, tag) {
        (events, None) => events,
        (_, Some(error)) => panic!("{error}: {tag:02x?}"),
    });
    found.collect::<Vec<_>>().concat()
}

fn frames(events: &[Event]) -> Vec<&Frame> {
    events.iter().filter_map(|event| if let Event::Frame(frame) = event { Some(frame) } else { None }).collect()
}

fn start(name: FourCc, codec: Codec) -> Vec<u8> {
    enhanced(video(KEY, START), name, &record(codec))
}

#[test]
fn a_sequence_from_start_to_end() {
    for (name, codec) in [(b"avc1", Codec::H264), (b"hvc1", Codec::H265)] {
        let (key, inter) = (data(codec, true, 50), data(codec, false, 40));
        let events = events(
            Kind::Video,
            &[
                start(name, codec),
                enhanced(video(KEY, FRAMES), name, &composed(80, &key)),
                enhanced(video(INTER, FRAMES), name, &composed(-80, &inter)),
                enhanced(video(INTER, FRAMES_X), name, &inter),
                enhanced(video(KEY, END), name, &[]),
            ],
        );
        assert_eq!(events[0], Event::Track(track(0, codec)));
        let found: Vec<_> = frames(&events).iter().map(|frame| (frame.cts, frame.key, frame.data.share())).collect();
        assert_eq!(found, [(80, true, key), (-80, false, inter.clone()), (0, false, inter)]);
        assert_eq!(events[4..], [Event::SequenceEnd(Kind::Video)]);
    }
}

#[test]
fn only_avc_and_hevc_have_a_composition_time() {
    for (name, codec) in [(b"av01", Codec::Av1), (b"vp09", Codec::Vp9), (b"vp08", Codec::Vp8)] {
        let picture = data(codec, true, 50);
        let start = if codec == Codec::Vp8 { vec![] } else { vec![start(name, codec)] };
        let frame = enhanced(video(KEY, FRAMES), name, &picture);
        let events = events(Kind::Video, &[start, vec![frame]].concat());
        assert_eq!((frames(&events)[0].cts, &*frames(&events)[0].data), (0, &picture));
    }
}

#[test]
fn sound_with_a_name() {
    for (name, codec) in [
        (b"mp4a", Codec::Aac),
        (b"Opus", Codec::Opus),
        (b"fLaC", Codec::Flac),
        (b"ac-3", Codec::Ac3),
        (b"ec-3", Codec::Eac3),
        (b".mp3", Codec::Mp3),
    ] {
        let sound = data(codec, true, 50);
        let start = enhanced(audio(START), name, &record(codec));
        let start = if record(codec).is_empty() { vec![] } else { vec![start] };
        let frame = enhanced(audio(FRAMES), name, &sound);
        let channels = enhanced(audio(4), name, &[0, 2, 0, 0, 0, 3]); // MultichannelConfig
        let events = events(Kind::Audio, &[start, vec![channels, frame]].concat());
        assert_eq!(events[0], Event::Track(track(0, codec)));
        assert_eq!((events.len(), &*frames(&events)[0].data), (2, &sound), "{codec:?}");
    }
}

/// A modifier of `len` bytes before a packet.
fn modified(len: usize, rest: &[u8]) -> Vec<u8> {
    let size = match len {
        1..=255 => vec![len as u8 - 1],
        _ => [&[0xff][..], &((len - 1) as u16).to_be_bytes()].concat(),
    };
    [&size[..], &vec![0xa5; len], rest].concat()
}

#[test]
fn modifiers_of_any_length_and_number_are_passed_over() {
    let picture = data(Codec::H265, true, 50);
    let packet = [&[FRAMES_X], &b"hvc1"[..], &picture].concat();
    let of = |len| modified(len, &packet);
    // a nanosecond offset is 3 bytes; 256 and more have their length in 16 bits
    let twice = modified(3, &[&[MOD_EX][..], &modified(300, &packet)].concat());
    for rest in [of(1), of(3), of(255), of(256), of(257), of(65_536), twice] {
        let tag = [&[video(KEY, MOD_EX)], &rest[..]].concat();
        let events = events(Kind::Video, &[start(b"hvc1", Codec::H265), tag]);
        assert_eq!(frames(&events)[0].data, picture);
    }
    let sound = [&[audio(MOD_EX)], &modified(3, &[&[FRAMES], &b"Opus"[..], &[1, 2, 3]].concat())[..]].concat();
    assert_eq!(frames(&events(Kind::Audio, &[sound]))[0].data[..], [1, 2, 3]);
}

#[test]
fn one_track_of_many() {
    let tag =
        |packet, id, rest: &[u8]| [&[video(KEY, VIDEO_TRACKS), ONE << 4 | packet], &b"avc1"[..], &[id], rest].concat();
    let picture = data(Codec::H264, true, 50);
    let tags =
        [tag(START, 3, &record(Codec::H264)), tag(FRAMES, 3, &composed(40, &picture)), tag(FRAMES_X, 3, &picture)];
    let events = events(Kind::Video, &tags);
    assert_eq!(events[0], Event::Track(track(3, Codec::H264)));
    let found: Vec<_> = frames(&events).iter().map(|frame| (frame.track, frame.cts, &*frame.data)).collect();
    assert_eq!(found, [(3, 40, &picture), (3, 0, &picture)]);
}

#[test]
fn many_tracks_of_one_codec() {
    let (a, b) = (data(Codec::H265, true, 50), data(Codec::H265, true, 70));
    let record = record(Codec::H265);
    let tags = [
        many(video(KEY, VIDEO_TRACKS), START, b"hvc1", &[(0, &record), (2, &record)]),
        many(video(KEY, VIDEO_TRACKS), FRAMES, b"hvc1", &[(0, &composed(40, &a)), (2, &composed(-40, &b))]),
    ];
    let events = events(Kind::Video, &tags);
    assert_eq!(events[..2], [0, 2].map(|id| Event::Track(track(id, Codec::H265))));
    let found: Vec<_> = frames(&events).iter().map(|frame| (frame.track, frame.cts, &*frame.data)).collect();
    assert_eq!(found, [(0, 40, &a), (2, -40, &b)]);
}

/// A track's number has 8 bits.
#[test]
fn a_tag_has_no_more_tracks_than_there_are_numbers() {
    let sounds = |count: usize| -> Vec<(u8, &[u8])> { (0..count).map(|at| (at as u8 % 8, &[0x21][..])).collect() };
    let mut demux = Demux::default();
    let mut read = |count| {
        let (events, error) = one(&mut demux, Kind::Audio, &many(audio(AUDIO_TRACKS), FRAMES, b"Opus", &sounds(count)));
        (frames(&events).len(), error.is_some())
    };
    assert_eq!(read(256), (256, false));
    assert_eq!(read(100_000), (256, true), "what is beyond is lost");
}

#[test]
fn many_tracks_of_many_codecs() {
    let (aac, opus, flac) = (record(Codec::Aac), record(Codec::Opus), record(Codec::Flac));
    let starts: [(FourCc, u8, &[u8]); 3] = [(b"mp4a", 0, &aac), (b"Opus", 1, &opus), (b"fLaC", 2, &flac)];
    let sounds: [(FourCc, u8, &[u8]); 3] = [(b"mp4a", 0, &[1, 1]), (b"Opus", 1, &[2, 2, 2]), (b"fLaC", 2, &[3])];
    let tags = [many_codecs(audio(AUDIO_TRACKS), START, &starts), many_codecs(audio(AUDIO_TRACKS), FRAMES, &sounds)];
    let events = events(Kind::Audio, &tags);
    let tracks = [track(0, Codec::Aac), track(1, Codec::Opus), track(2, Codec::Flac)];
    assert_eq!(events[..3], tracks.map(Event::Track));
    let found: Vec<_> = frames(&events).iter().map(|frame| (frame.track, &frame.data[..])).collect();
    assert_eq!(found, [(0, &[1, 1][..]), (1, &[2, 2, 2]), (2, &[3])]);
}

#[test]
fn an_unknown_codec_among_many_does_not_hide_the_others() {
    let tracks: [(FourCc, u8, &[u8]); 2] = [(b"xxxx", 0, &[9]), (b"Opus", 1, &[2, 2])];
    let events = events(Kind::Audio, &[many_codecs(audio(AUDIO_TRACKS), FRAMES, &tracks)]);
    assert_eq!(frames(&events)[0].data[..], [2, 2]);
    assert!(events.contains(&Event::Unsupported(Kind::Audio, *b"xxxx")));
}

#[test]
fn metadata_and_commands_are_no_frames() {
    let metadata = enhanced(video(KEY, METADATA), b"hvc1", b"\x02\0\x09colorInfo\x03\0\0\x09");
    let seek = vec![video(COMMAND, FRAMES), 0];
    let command_metadata = enhanced(video(COMMAND, METADATA), b"hvc1", b"\x02\0\x09colorInfo\x03\0\0\x09");
    let transport = enhanced(video(KEY, 5), b"av01", &[1, 2, 3]); // MPEG2TSSequenceStart
    assert_eq!(events(Kind::Video, &[metadata, seek, command_metadata, transport]), []);
}

#[test]
fn a_codec_without_a_place_is_said_once() {
    let strange = |name| enhanced(video(KEY, FRAMES_X), name, &[1, 2, 3]);
    let events = events(Kind::Video, &[strange(b"vvc1"), strange(b"vvc1"), strange(b"vvc1")]);
    assert_eq!(events, [Event::Unsupported(Kind::Video, *b"vvc1")]);
}

#[test]
fn two_codecs_without_a_place_are_said_once_each() {
    let strange = |name| enhanced(video(KEY, FRAMES_X), name, &[1, 2, 3]);
    let tags = [strange(b"vvc1"), strange(b"evc1"), strange(b"vvc1"), strange(b"evc1")];
    let said = [*b"vvc1", *b"evc1"].map(|name| Event::Unsupported(Kind::Video, name));
    assert_eq!(events(Kind::Video, &tags), said);
}

#[test]
fn codecs_without_a_place_do_not_flood_the_log() {
    let mut demux = Demux::default();
    let mut said = 0;
    for n in 0..10_000u32 {
        let name = n.to_be_bytes().map(|byte| b'a' + byte % 26);
        let tag = [&[video(KEY, FRAMES_X)], &name[..], &[1]].concat();
        said += one(&mut demux, Kind::Video, &tag).0.len();
    }
    assert!(said <= 16, "said {said} times");
}
