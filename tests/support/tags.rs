//! FLV tag bodies, legacy and enhanced, written by hand from Enhanced RTMP v2.

#![allow(dead_code, reason = "each test uses a part")]

use runnel::media::{Codec, Kind};

use super::records::{data, record};

/// VideoPacketType and AudioPacketType.
pub const START: u8 = 0;
pub const FRAMES: u8 = 1;
pub const END: u8 = 2;
pub const FRAMES_X: u8 = 3;
pub const METADATA: u8 = 4;
pub const AUDIO_TRACKS: u8 = 5;
pub const VIDEO_TRACKS: u8 = 6;
pub const MOD_EX: u8 = 7;
/// AvMultitrackType.
pub const ONE: u8 = 0;
pub const MANY: u8 = 1;
pub const MANY_CODECS: u8 = 2;
/// FrameType.
pub const KEY: u8 = 1;
pub const INTER: u8 = 2;
pub const COMMAND: u8 = 5;

pub type FourCc = &'static [u8; 4];

/// The first byte of an enhanced video tag.
pub fn video(frame: u8, packet: u8) -> u8 {
    0x80 | frame << 4 | packet
}

/// The first byte of an enhanced audio tag.
pub fn audio(packet: u8) -> u8 {
    0x90 | packet
}

/// An enhanced tag of one track.
pub fn enhanced(first: u8, name: FourCc, rest: &[u8]) -> Vec<u8> {
    [&[first], &name[..], rest].concat()
}

/// A composition time before a frame's data.
pub fn composed(cts: i32, data: &[u8]) -> Vec<u8> {
    [&cts.to_be_bytes()[1..], data].concat()
}

/// A legacy tag of H.264 (7) or HEVC (12).
pub fn legacy(frame: u8, id: u8, packet: u8, cts: i32, data: &[u8]) -> Vec<u8> {
    [&[frame << 4 | id, packet], &composed(cts, data)[..]].concat()
}

/// Tracks of one codec in one tag, each with its size.
pub fn many(first: u8, packet: u8, name: FourCc, tracks: &[(u8, &[u8])]) -> Vec<u8> {
    let mut out = [&[first, MANY << 4 | packet], &name[..]].concat();
    tracks.iter().for_each(|(id, data)| sized(&mut out, *id, data));
    out
}

/// Tracks of several codecs in one tag.
pub fn many_codecs(first: u8, packet: u8, tracks: &[(FourCc, u8, &[u8])]) -> Vec<u8> {
    let mut out = vec![first, MANY_CODECS << 4 | packet];
    for (name, id, data) in tracks {
        out.extend(*name);
        sized(&mut out, *id, data);
    }
    out
}

fn sized(out: &mut Vec<u8>, id: u8, data: &[u8]) {
    out.push(id);
    out.extend(&(data.len() as u32).to_be_bytes()[1..]);
    out.extend(data);
}

/// A start and a frame of every codec in every form that it has.
pub fn all() -> Vec<(Kind, [Vec<u8>; 2])> {
    let picture = |codec| data(codec, true, 40);
    let sound = |codec| data(codec, true, 24);
    let mut all = Vec::new();
    for (codec, id) in [(Codec::H264, 7), (Codec::H265, 12)] {
        let tags = [legacy(KEY, id, START, 0, &record(codec)), legacy(KEY, id, FRAMES, -40, &picture(codec))];
        all.push((Kind::Video, tags));
    }
    let named: [(Codec, FourCc); 5] = [
        (Codec::H264, b"avc1"),
        (Codec::H265, b"hvc1"),
        (Codec::Av1, b"av01"),
        (Codec::Vp9, b"vp09"),
        (Codec::Vp8, b"vp08"),
    ];
    for (codec, name) in named {
        let cts = if codec.is_nal() { composed(80, &picture(codec)) } else { picture(codec).to_vec() };
        let start = enhanced(video(KEY, START), name, &record(codec));
        all.push((Kind::Video, [start.clone(), enhanced(video(KEY, FRAMES), name, &cts)]));
        all.push((Kind::Video, [start, enhanced(video(KEY, FRAMES_X), name, &picture(codec))]));
        let start = many(video(KEY, VIDEO_TRACKS), START, name, &[(0, &record(codec)), (1, &record(codec))]);
        all.push((Kind::Video, [start, many(video(KEY, VIDEO_TRACKS), FRAMES, name, &[(0, &cts), (1, &cts)])]));
    }
    let aac = [&[0xaf, 0], &record(Codec::Aac)[..]].concat();
    all.push((Kind::Audio, [aac, [&[0xaf, 1], &sound(Codec::Aac)[..]].concat()]));
    for (first, codec) in [(0x2f, Codec::Mp3), (0x72, Codec::Pcma), (0x82, Codec::Pcmu), (0xdf, Codec::Opus)] {
        let frame = [&[first], &sound(codec)[..]].concat();
        all.push((Kind::Audio, [frame.clone(), frame]));
    }
    let named: [(Codec, FourCc); 6] = [
        (Codec::Aac, b"mp4a"),
        (Codec::Opus, b"Opus"),
        (Codec::Flac, b"fLaC"),
        (Codec::Ac3, b"ac-3"),
        (Codec::Eac3, b"ec-3"),
        (Codec::Mp3, b".mp3"),
    ];
    for (codec, name) in named {
        let start = enhanced(audio(START), name, &record(codec));
        all.push((Kind::Audio, [start.clone(), enhanced(audio(FRAMES), name, &sound(codec))]));
        let tracks = [(name, 0, &sound(codec)[..]), (b"Opus", 1, &[7, 7])];
        all.push((Kind::Audio, [start, many_codecs(audio(AUDIO_TRACKS), FRAMES, &tracks)]));
    }
    let timed = [&[video(KEY, MOD_EX), 2, 0, 0, 9, FRAMES_X], &b"hvc1"[..], &picture(Codec::H265)].concat();
    all.push((Kind::Video, [enhanced(video(KEY, START), b"hvc1", &record(Codec::H265)), timed]));
    all
}
