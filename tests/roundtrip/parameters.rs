//! Parameter sets and NAL prefixes: what encoders put where.

use runnel::codec::{h264, h265};
use runnel::container::Event;
use runnel::container::flv::Demux;
use runnel::media::{Codec, Frame, Kind, Track};

use crate::reader::one;
use crate::records::{H264_PPS, H264_SPS, hex, record, track};
use crate::tags::{FRAMES, INTER, KEY, START, legacy};

/// Of a stream of another size: 1280x720, from libx264 with the baseline profile.
const OTHER_SPS: &str = "6742c01fda014016ec0440000003004000000c83c60ca8";

fn units(prefix: usize, units: &[&[u8]]) -> Vec<u8> {
    units.iter().flat_map(|unit| [&(unit.len() as u32).to_be_bytes()[4 - prefix..], unit].concat()).collect()
}

/// Reads a record, then frames; gives the tracks and frames that were found.
fn read(demux: &mut Demux, id: u8, tags: &[(u8, u8, Vec<u8>)]) -> (Vec<Track>, Vec<Frame>) {
    let (mut tracks, mut frames) = (Vec::new(), Vec::new());
    for (kind, packet, data) in tags {
        let (events, error) = one(demux, Kind::Video, &legacy(*kind, id, *packet, 0, data));
        assert_eq!(error, None);
        for event in events {
            match event {
                Event::Track(track) => tracks.push(track),
                Event::Frame(frame) => frames.push(frame),
                other => panic!("{other:?}"),
            }
        }
    }
    (tracks, frames)
}

/// The record of a codec, with NAL prefixes of `prefix` bytes.
fn narrow(codec: Codec, prefix: u8) -> Vec<u8> {
    let mut record = record(codec);
    let at = if codec == Codec::H264 { 4 } else { 21 };
    record[at] = record[at] & 0xfc | (prefix - 1);
    record
}

const CODECS: [(u8, Codec, [u8; 3]); 2] = [(7, Codec::H264, [0x65, 1, 2]), (12, Codec::H265, [38, 1, 2])];

#[test]
fn prefixes_of_one_to_three_bytes_become_four() {
    for (id, codec, slice) in CODECS {
        for prefix in 1..=4 {
            let mut demux = Demux::default();
            let tags =
                [(KEY, START, narrow(codec, prefix)), (KEY, FRAMES, units(prefix.into(), &[&slice, &[slice[0], 9]]))];
            let (_, frames) = read(&mut demux, id, &tags);
            assert_eq!(frames[0].data, units(4, &[&slice, &[slice[0], 9]]), "{codec:?} {prefix}");
        }
    }
}

#[test]
fn the_record_says_how_long_the_prefixes_became() {
    for (id, codec, _) in CODECS {
        for prefix in 1..=3 {
            let (tracks, _) = read(&mut Demux::default(), id, &[(KEY, START, narrow(codec, prefix))]);
            let record = &tracks[0].params.record;
            let said = match codec {
                Codec::H264 => h264::Record::parse(record).unwrap().nal_prefix,
                _ => h265::Record::parse(record).unwrap().nal_prefix,
            };
            assert_eq!(said, 4, "{codec:?}: frames have prefixes of 4 bytes, whatever they came with");
        }
    }
}

#[test]
fn a_record_of_sound_leaves_the_prefixes_of_pictures_alone() {
    let mut demux = Demux::default();
    read(&mut demux, 7, &[(KEY, START, narrow(Codec::H264, 2))]);
    one(&mut demux, Kind::Audio, &[0xaf, 0, 0x12, 0x10]);
    let (_, frames) = read(&mut demux, 7, &[(KEY, FRAMES, units(2, &[&[0x65, 1, 2]]))]);
    assert_eq!(frames.first().map(|frame| frame.data.to_vec()), Some(units(4, &[&[0x65, 1, 2]])));
}

#[test]
fn sets_that_the_record_has_are_passed_over() {
    let (sps, pps) = (hex(H264_SPS), hex(H264_PPS));
    let tags = [
        (KEY, START, record(Codec::H264)),
        (KEY, FRAMES, units(4, &[&[9, 0xf0], &sps, &pps, &[6, 5], &[0x65, 1, 2]])),
        (INTER, FRAMES, units(4, &[&[9, 0xf0], &[0x41, 1]])),
        (INTER, FRAMES, units(4, &[&[9, 0xf0], &sps, &pps])),
    ];
    let (tracks, frames) = read(&mut Demux::default(), 7, &tags);
    assert_eq!(tracks, [track(0, Codec::H264)]);
    let data: Vec<_> = frames.iter().map(|frame| frame.data.to_vec()).collect();
    assert_eq!(data, [units(4, &[&[6, 5], &[0x65, 1, 2]]), units(4, &[&[0x41, 1]])]);
}

#[test]
fn sets_that_differ_from_the_record_are_a_new_record() {
    let (sps, pps) = (hex(OTHER_SPS), hex("68ce3c80"));
    for prefix in [4, 2] {
        let picture = units(prefix.into(), &[&sps, &pps, &[0x65, 1, 2]]);
        let tags = [(KEY, START, narrow(Codec::H264, prefix)), (KEY, FRAMES, picture.clone()), (KEY, FRAMES, picture)];
        let (tracks, frames) = read(&mut Demux::default(), 7, &tags);
        assert_eq!(tracks.len(), 2, "said once");
        let record = h264::Record::parse(&tracks[1].params.record).unwrap();
        assert_eq!((record.sps, record.pps, record.nal_prefix), (vec![&sps[..]], vec![&pps[..]], 4));
        assert_eq!((tracks[1].params.width, tracks[1].params.height), (1280, 720));
        assert_eq!(frames[1].data, units(4, &[&[0x65, 1, 2]]));
    }
}

#[test]
fn the_first_record_that_comes_back_is_news_again() {
    let (sps, pps) = (hex(OTHER_SPS), hex("68ce3c80"));
    let tags = [
        (KEY, START, record(Codec::H264)),
        (KEY, FRAMES, units(4, &[&sps, &pps, &[0x65, 1]])),
        (KEY, START, record(Codec::H264)),
    ];
    let (tracks, _) = read(&mut Demux::default(), 7, &tags);
    assert_eq!((tracks.len(), &tracks[0], tracks[1] == tracks[0]), (3, &tracks[2], false));
}

#[test]
fn a_picture_set_alone_that_differs_is_a_new_record_too() {
    let (sps, pps) = (hex(H264_SPS), hex("68ef8fcc"));
    let tags = [(KEY, START, record(Codec::H264)), (KEY, FRAMES, units(4, &[&sps, &pps, &[0x65, 1]]))];
    let (tracks, frames) = read(&mut Demux::default(), 7, &tags);
    assert_eq!((tracks.len(), frames.len()), (2, 1));
    assert_eq!(h264::Record::parse(&tracks[1].params.record).unwrap().pps, [&pps[..]]);
}

#[test]
fn hevc_sets_in_the_stream() {
    let old = record(Codec::H265);
    let sets = h265::Record::parse(&old).unwrap();
    let (vps, sps) = (sets.vps[0].to_vec(), sets.sps[0].to_vec());
    let pps = [sets.pps[0], &[0x80]].concat();
    let picture = units(4, &[&[70, 1, 0x50], &vps, &sps, &pps, &[38, 1, 9]]);
    let (tracks, frames) = read(&mut Demux::default(), 12, &[(KEY, START, old.clone()), (KEY, FRAMES, picture)]);
    assert_eq!(frames[0].data, units(4, &[&[38, 1, 9]]));
    let record = h265::Record::parse(&tracks[1].params.record).unwrap();
    assert_eq!((record.vps, record.sps, record.pps), (vec![&vps[..]], vec![&sps[..]], vec![&pps[..]]));
}

/// Those of a second picture set, with pic_parameter_set_id 1.
const SECOND_PPS: [u8; 4] = [0x68, 0x5f, 0x8f, 0xcb];

fn pps(track: &Track) -> Vec<Vec<u8>> {
    h264::Record::parse(&track.params.record).unwrap().pps.into_iter().map(<[u8]>::to_vec).collect()
}

#[test]
fn sets_with_other_ids_join_the_record_once() {
    let (sps, first) = (hex(H264_SPS), hex(H264_PPS));
    let tags = [
        (KEY, START, record(Codec::H264)),
        (KEY, FRAMES, units(4, &[&sps, &first, &SECOND_PPS, &[0x65, 1]])),
        (KEY, FRAMES, units(4, &[&sps, &first, &SECOND_PPS, &[0x65, 1]])),
        (KEY, FRAMES, units(4, &[&SECOND_PPS, &[0x65, 1]])),
        (KEY, START, record(Codec::H264)),
        (KEY, FRAMES, units(4, &[&sps, &first, &[0x65, 1]])),
    ];
    let (tracks, frames) = read(&mut Demux::default(), 7, &tags);
    assert_eq!(tracks.iter().map(pps).collect::<Vec<_>>(), [vec![first.clone()], vec![first, SECOND_PPS.to_vec()]]);
    assert!(frames.iter().all(|frame| frame.data == units(4, &[&[0x65, 1]])));
}

#[test]
fn sets_between_key_frames_stay_there_and_join_the_record_at_the_next() {
    let mut demux = Demux::default();
    let inter = units(4, &[&[9, 0xf0], &SECOND_PPS, &[0x41, 1]]);
    let tags = [(KEY, START, record(Codec::H264)), (KEY, FRAMES, units(4, &[&[0x65, 1]])), (INTER, FRAMES, inter)];
    let (tracks, frames) = read(&mut demux, 7, &tags);
    assert_eq!(tracks.len(), 1, "viewers would wait for a key frame");
    assert_eq!(frames[1].data, units(4, &[&SECOND_PPS, &[0x41, 1]]));
    let (tracks, frames) = read(&mut demux, 7, &[(KEY, FRAMES, units(4, &[&[0x65, 1]]))]);
    assert_eq!((pps(&tracks[0]).len(), &frames[0].data[..]), (2, &units(4, &[&[0x65, 1]])[..]));
}

#[test]
fn units_without_a_slice_wait_for_the_next_picture() {
    let sei: [&[u8]; 2] = [&[6, 5, 1], &[6, 1, 1]];
    for (id, codec, slice, lead, dropped) in [
        (7, Codec::H264, [0x65, 1, 2], sei, [&[9, 0xf0][..], &[10], &[12, 0xff]]),
        (12, Codec::H265, [38, 1, 2], [&[78, 1, 5], &[78, 1, 1]], [&[70, 1, 0x50][..], &[80, 1, 5], &[72, 1]]),
    ] {
        let mut demux = Demux::default();
        let alone = |unit: &[u8]| (INTER, FRAMES, units(2, &[unit]));
        let mut tags = vec![(KEY, START, narrow(codec, 2)), (KEY, FRAMES, units(2, &[&slice]))];
        tags.extend(lead.iter().chain(&dropped).map(|unit| alone(unit)));
        tags.extend([(KEY, FRAMES, units(2, &[&slice])), (KEY, FRAMES, units(2, &[&slice]))]);
        let (tracks, frames) = read(&mut demux, id, &tags);
        let data: Vec<_> = frames.iter().map(|frame| frame.data.to_vec()).collect();
        let joined = units(4, &[lead[0], lead[1], &slice]);
        assert_eq!(data, [units(4, &[&slice]), joined, units(4, &[&slice])], "{codec:?}");
        assert_eq!(tracks.len(), 1);
    }
}

#[test]
fn sets_in_a_message_of_their_own_are_of_the_next_picture() {
    let (sps, other) = (hex(OTHER_SPS), hex("68ce3c80"));
    let mut demux = Demux::default();
    let sets = [(KEY, START, record(Codec::H264)), (KEY, FRAMES, units(4, &[&[9, 0xf0], &sps, &other]))];
    let (tracks, frames) = read(&mut demux, 7, &sets);
    assert_eq!((tracks.len(), frames.len()), (1, 0));
    let (tracks, frames) = read(&mut demux, 7, &[(KEY, FRAMES, units(4, &[&[0x65, 1]]))]);
    assert_eq!((tracks[0].params.width, &frames[0].data[..]), (1280, &units(4, &[&[0x65, 1]])[..]));
}

#[test]
fn what_waits_is_bounded_and_charged() {
    let mut demux = Demux::default();
    let sei = units(4, &[&[6; 1000]]);
    let mut tags = vec![(KEY, START, record(Codec::H264))];
    tags.extend((0..1000).map(|_| (INTER, FRAMES, sei.clone())));
    tags.push((KEY, FRAMES, units(4, &[&[0x65, 1]])));
    let (_, frames) = read(&mut demux, 7, &tags);
    assert!(frames[0].data.len() <= (16 << 10) + 6, "{} bytes", frames[0].data.len());
    assert_eq!(frames[0].data[frames[0].data.len() - 6..], units(4, &[&[0x65, 1]]));
}

#[test]
fn what_is_no_unit_is_said_to_be_lost() {
    let mut demux = Demux::default();
    read(&mut demux, 7, &[(KEY, START, record(Codec::H264))]);
    // start codes where lengths should be
    let (events, error) =
        one(&mut demux, Kind::Video, &legacy(KEY, 7, FRAMES, 0, &hex("00000001 09f0 00000001 658884")));
    assert!(events.is_empty() && error.is_some());
}
