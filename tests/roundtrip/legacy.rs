//! Tags as they were before they had names. FLV 10.1 annexes E.4.2 and E.4.3.

use runnel::container::flv::Demux;
use runnel::container::{Error, Event};
use runnel::media::{Codec, Frame, Kind};

use crate::reader::one;
use crate::records::{data, record, track};
use crate::tags::{FRAMES, INTER, KEY, START, enhanced, legacy, video};

fn frames(events: Vec<Event>) -> Vec<Frame> {
    events.into_iter().filter_map(|event| if let Event::Frame(frame) = event { Some(frame) } else { None }).collect()
}

#[test]
fn pictures_by_number() {
    for (id, codec) in [(7, Codec::H264), (12, Codec::H265)] {
        let mut demux = Demux::default();
        let (events, _) = one(&mut demux, Kind::Video, &legacy(KEY, id, START, 0, &record(codec)));
        assert_eq!(events, [Event::Track(track(0, codec))]);
        for (kind, cts) in [(KEY, 0x7f_ffff), (INTER, -0x80_0000), (INTER, 0)] {
            let picture = data(codec, kind == KEY, 50);
            let (events, error) = one(&mut demux, Kind::Video, &legacy(kind, id, FRAMES, cts, &picture));
            let [frame] = &frames(events)[..] else { panic!("{error:?}") };
            assert_eq!((frame.cts, frame.key, &*frame.data), (cts, kind == KEY, &picture));
        }
        let (events, _) = one(&mut demux, Kind::Video, &legacy(KEY, id, 2, 0, &[]));
        assert_eq!(events, [Event::SequenceEnd(Kind::Video)]);
    }
}

#[test]
fn sound_by_number() {
    let cases = [
        (0x2f, Codec::Mp3),
        (0xef, Codec::Mp3), // 14: at 8 kHz, says the flag that nobody reads
        (0x72, Codec::Pcma),
        (0x82, Codec::Pcmu),
        (0xdf, Codec::Opus),
    ];
    for (first, codec) in cases {
        let sound = data(codec, true, 50);
        let (events, error) = one(&mut Demux::default(), Kind::Audio, &[&[first], &sound[..]].concat());
        assert_eq!((error, frames(events)[0].data.share()), (None, sound), "{codec:?}");
    }
    let mut demux = Demux::default();
    let (events, _) = one(&mut demux, Kind::Audio, &[0xaf, 0, 0x12, 0x10]);
    assert_eq!(events, [Event::Track(track(0, Codec::Aac))]);
    assert_eq!(frames(one(&mut demux, Kind::Audio, &[0xaf, 1, 7, 8, 9]).0)[0].data[..], [7, 8, 9]);
}

#[test]
fn what_has_no_place_is_said_once_of_each_kind() {
    let mut demux = Demux::default();
    // Sorenson H.263 with Speex, frame by frame, as a web cam of old sends them
    let mut said = Vec::new();
    for _ in 0..3 {
        said.extend(one(&mut demux, Kind::Video, &[0x12, 1, 2, 3]).0);
        said.extend(one(&mut demux, Kind::Audio, &[0xb2, 1, 2, 3]).0);
    }
    let unsupported = |kind, id| Event::Unsupported(kind, [0, 0, 0, id]);
    assert_eq!(said, [unsupported(Kind::Video, 2), unsupported(Kind::Audio, 11)]);
}

#[test]
fn a_frame_before_its_record_is_lost_and_said_to_be() {
    let mut demux = Demux::default();
    let picture = |codec| data(codec, true, 50);
    let avc = legacy(KEY, 7, FRAMES, 0, &picture(Codec::H264));
    for tag in [avc, enhanced(video(KEY, 3), b"hvc1", &picture(Codec::H265))] {
        let (events, error) = one(&mut demux, Kind::Video, &tag);
        assert!(events.is_empty() && matches!(error, Some(Error::Malformed(_))));
    }
    let (events, error) = one(&mut demux, Kind::Audio, &[0xaf, 1, 7, 8, 9]);
    assert!(events.is_empty() && matches!(error, Some(Error::Malformed(_))));
}

#[test]
fn tags_that_keep_time_alone_are_no_frames() {
    let mut demux = Demux::default();
    one(&mut demux, Kind::Video, &legacy(KEY, 7, START, 0, &record(Codec::H264)));
    one(&mut demux, Kind::Audio, &[0xaf, 0, 0x12, 0x10]);
    assert_eq!(one(&mut demux, Kind::Video, &legacy(KEY, 7, FRAMES, 0, &[])), (vec![], None));
    assert_eq!(one(&mut demux, Kind::Audio, &[0xaf, 1]), (vec![], None));
    assert_eq!(one(&mut demux, Kind::Video, &[0x57, 0]), (vec![], None), "a seek, said by frame type 5");
}

#[test]
fn a_codec_may_change_in_mid_stream_and_back() {
    let mut demux = Demux::default();
    let mut tracks = Vec::new();
    for (id, codec) in [(7, Codec::H264), (7, Codec::H264), (12, Codec::H265), (7, Codec::H264)] {
        let (events, _) = one(&mut demux, Kind::Video, &legacy(KEY, id, START, 0, &record(codec)));
        tracks.extend(events);
        let (events, error) = one(&mut demux, Kind::Video, &legacy(KEY, id, FRAMES, 0, &data(codec, true, 50)));
        assert_eq!((frames(events).len(), error), (1, None));
    }
    assert_eq!(tracks, [Codec::H264, Codec::H265, Codec::H264].map(|codec| Event::Track(track(0, codec))));
}
