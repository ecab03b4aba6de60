//! FLV and RTMP: tracks and frames of every codec, at every size and time.

use runnel::container::{Form, flv as flv_form, forms};
use runnel::media::{Codec, Frame, Kind, Ticks, Track, Tracks};
use runnel::proto::rtmp;

use crate::reader::{self, Found, account};
use crate::records::{CODECS, frame, track};

/// The times at which timestamps outgrow 24 bits, at which the signed byte of FLV turns, and
/// at which they wrap.
const STARTS: [i64; 4] = [0, (1 << 24) - 60, (1 << 31) - 60, (1 << 32) - 60];
const CHUNK: usize = rtmp::CHUNK_SIZE;

fn form(name: &str) -> &'static Form {
    forms().chain(rtmp::RTMP.all()).find(|form| form.name == name).unwrap()
}

fn tracks(list: &[Track]) -> Tracks {
    let mut tracks = Tracks::default();
    list.iter().for_each(|track| {
        tracks.set(track.clone());
    });
    tracks
}

/// The bytes of a viewer that joins at the first frame.
fn packed(form: &Form, list: &[Track], frames: &[Frame]) -> Vec<u8> {
    let (mut mux, tracks) = ((form.mux)(), tracks(list));
    let mut out = mux.head(&tracks, frames[0].dts).to_vec();
    for frame in frames {
        let track = tracks.find(frame.kind, frame.track).unwrap();
        let packed = mux.frame(track, frame, &account()).unwrap().unwrap();
        packed.slices().for_each(|slice| out.extend_from_slice(slice));
    }
    out
}

fn read(form: &Form, bytes: &[u8]) -> Found {
    if form.name.starts_with("flv") { reader::flv(bytes) } else { reader::rtmp(bytes) }
}

/// Packs and reads back; gives what was found beside the frames.
fn same(form: &Form, list: &[Track], frames: &[Frame]) -> Found {
    let found = read(form, &packed(form, list, frames));
    assert_eq!(found.frames, frames, "{}", form.name);
    assert_eq!(found.tracks, list, "{}", form.name);
    found
}

/// Pictures out of order, those before and behind their decode time among them.
fn frames(track: &Track, start: i64) -> Vec<Frame> {
    let cts = |at: i64| if track.codec.is_nal() { [80, 160, 0, -40, 0x7f_ffff, -0x80_0000][at as usize] } else { 0 };
    let key = |at| at == 0 || track.codec.kind() == Kind::Audio;
    (0..6).map(|at| frame(track, start + 40 * at, cts(at), key(at), 30 + 40 * at as usize)).collect()
}

#[test]
fn every_codec_in_every_form_across_every_wrap() {
    for name in ["flv", "flv-hevc12", "flv-tracks", "rtmp", "rtmp-hevc12", "rtmp-tracks"] {
        for codec in CODECS {
            for start in STARTS {
                let track = track(0, codec);
                same(form(name), std::slice::from_ref(&track), &frames(&track, start));
            }
        }
    }
}

#[test]
fn frames_around_and_beyond_the_chunk_size() {
    let sizes = [CHUNK - 6, CHUNK - 5, CHUNK - 4, CHUNK, CHUNK + 1, 2 * CHUNK - 6, 2 * CHUNK - 5, 2 * CHUNK, 200_000];
    for (name, codec) in
        [("rtmp", Codec::H264), ("rtmp", Codec::Av1), ("rtmp-tracks", Codec::H265), ("flv", Codec::H264)]
    {
        for start in STARTS {
            let track = track(0, codec);
            let frames: Vec<_> =
                (0..).zip(sizes).map(|(at, size)| frame(&track, start + 40 * at, 0, at == 0, size)).collect();
            same(form(name), std::slice::from_ref(&track), &frames);
        }
    }
}

/// Three tracks of pictures and three of sound, none like the others.
fn crowd() -> Vec<Track> {
    vec![
        track(0, Codec::H264),
        track(1, Codec::H265),
        track(2, Codec::Av1),
        track(0, Codec::Aac),
        track(1, Codec::Opus),
        track(7, Codec::Aac),
    ]
}

#[test]
fn all_tracks_of_a_stream() {
    for name in ["flv-tracks", "rtmp-tracks"] {
        let list = crowd();
        let key = |at: i64, track: &Track| at == 0 || track.codec.kind() == Kind::Audio;
        let moment = |at: i64| list.iter().map(move |track| frame(track, 40 * at, 0, key(at, track), 70_000));
        let frames: Vec<_> = (0..5).flat_map(moment).collect();
        same(form(name), &list, &frames);
    }
}

#[test]
fn other_forms_carry_the_first_track_of_each_kind() {
    for name in ["flv", "flv-hevc12", "rtmp", "rtmp-hevc12"] {
        let (mut mux, tracks) = ((form(name).mux)(), tracks(&crowd()));
        for track in tracks.iter() {
            let packed = mux.frame(track, &frame(track, 0, 0, true, 50), &account()).unwrap();
            assert_eq!((packed.is_some(), mux.carries(track)), (track.id == 0, track.id == 0), "{name} {track:?}");
        }
        let head = read(form(name), &mux.head(&tracks, Ticks(0)).to_vec());
        assert_eq!(head.tracks, [track(0, Codec::H264), track(0, Codec::Aac)]);
    }
}

#[test]
fn what_is_announced_in_mid_stream_is_all_that_a_viewer_needs() {
    for name in ["flv", "flv-tracks", "rtmp", "rtmp-tracks"] {
        let (video, audio) = (track(0, Codec::H265), track(0, Codec::Aac));
        let mut mux = (form(name).mux)();
        let mut out = mux.head(&tracks(std::slice::from_ref(&audio)), Ticks(0)).to_vec();
        out.extend(mux.announce(&tracks(&[audio.clone(), video.clone()]), &[&video], Ticks(5000)).to_vec());
        let picture = frame(&video, 5000, 0, true, 100);
        let packed = mux.frame(&video, &picture, &account()).unwrap().unwrap();
        packed.slices().for_each(|slice| out.extend_from_slice(slice));
        let found = read(form(name), &out);
        assert_eq!((found.tracks, found.frames), (vec![audio, video], vec![picture]));
    }
}

#[test]
fn a_head_says_what_the_stream_is() {
    for (list, flags) in [
        (vec![track(0, Codec::H264), track(0, Codec::Aac)], 5),
        (vec![track(0, Codec::H264)], 1),
        (vec![track(0, Codec::Aac)], 4),
    ] {
        let frames = [frame(&list[0], 1 << 24, 0, true, 50)];
        let found = same(form("flv"), &list, &frames);
        assert_eq!(found.flags, flags);
        let [(0, script)] = &found.scripts[..] else { panic!("{:?}", found.scripts) };
        assert!(flv_form::clean(script).is_some());
    }
}
