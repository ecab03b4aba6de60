//! Decoder records and frames of every codec.

#![allow(dead_code, reason = "each test uses a part")]

use bytes::Bytes;
use runnel::budget::{Account, Paid};
use runnel::codec;
use runnel::media::{Codec, Frame, Hz, Ticks, Track};

pub const CODECS: [Codec; 13] = [
    Codec::H264,
    Codec::H265,
    Codec::Av1,
    Codec::Vp8,
    Codec::Vp9,
    Codec::Aac,
    Codec::Mp3,
    Codec::Opus,
    Codec::Flac,
    Codec::Ac3,
    Codec::Eac3,
    Codec::Pcma,
    Codec::Pcmu,
];

/// Parameter sets that ffmpeg 5.1 wrote for 640x360 (libx264) and 642x362 (libx265).
pub const H264_SPS: &str = "6764001eacd940a02ff97011000003000100000300320f162d96";
pub const H264_PPS: &str = "68ef8fcb";
const H265_VPS: &str = "40010c01ffff01600000030090000003000003003f959409";
const H265_SPS: &str = "42010101600000030090000003000003003fa005220171c449965654a4c2f0168080000003008000000c84";
const H265_PPS: &str = "4401c073c18927";

/// The bytes that `text` writes in hexadecimal.
pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// A codec's decoder record; empty for those that have none.
pub fn record(codec: Codec) -> Vec<u8> {
    match codec {
        Codec::H264 => codec::h264::write(&hex(H264_SPS), &hex(H264_PPS)).unwrap(),
        Codec::H265 => codec::h265::write(&hex(H265_VPS), &hex(H265_SPS), &hex(H265_PPS)).unwrap(),
        Codec::Av1 => hex("81010c000a0b0000000cc5036936be4010"),
        Codec::Vp9 => hex("010000000015820202020000"),
        Codec::Aac => hex("1210"),
        Codec::Opus => hex("4f70757348656164 0102 3801 80bb0000 0000 00"),
        Codec::Flac => {
            hex("664c6143 00000022 12001200 0000c200 04ff0bb8 00f00000 2580bad7 bf8f781a 2330b6b7 b8712dac b304")
        }
        Codec::Vp8 | Codec::Mp3 | Codec::Ac3 | Codec::Eac3 | Codec::Pcma | Codec::Pcmu | Codec::L16 | Codec::Mjpeg => {
            Vec::new()
        }
    }
}

/// A track as a demuxer announces it.
pub fn track(id: u8, codec: Codec) -> Track {
    let mut params = codec::params(codec, record(codec).into()).unwrap();
    match codec {
        // as the frames say
        Codec::Mp3 => (params.sample_rate, params.channels) = (44_100, 2),
        Codec::Ac3 => (params.sample_rate, params.channels) = (48_000, 2),
        Codec::Eac3 => (params.sample_rate, params.channels) = (44_100, 6),
        _ => {}
    }
    Track { id, codec, clock: Hz::MS, params }
}

/// `len` bytes that begin as a frame of that codec does.
pub fn data(codec: Codec, key: bool, len: usize) -> Bytes {
    let nal = |kind: u8| [&(len as u32 - 4).to_be_bytes()[..], &[kind]].concat();
    let mut data = match (codec, key) {
        (Codec::H264, true) => nal(0x65),
        (Codec::H264, false) => nal(0x41),
        (Codec::H265, true) => nal(19 << 1),
        (Codec::H265, false) => nal(1 << 1),
        (Codec::Av1, true) => hex("3010"),
        (Codec::Av1, false) => hex("3030"),
        (Codec::Vp8, true) => hex("1002009d012a"),
        (Codec::Vp8, false) => hex("110200"),
        (Codec::Vp9, true) => hex("8249834220ffffffff"),
        (Codec::Vp9, false) => hex("86"),
        (Codec::Mp3, _) => hex("fffb9064"),
        (Codec::Ac3, _) => hex("0b77fe95144043e1"),
        (Codec::Eac3, _) => hex("0b7703ce7f87c000"),
        _ => Vec::new(),
    };
    assert!(data.len() <= len);
    // nothing that emulation prevention or a parser would trip over
    data.extend((data.len()..len).map(|at| 1 + (at % 251) as u8));
    data.into()
}

/// `data` as frames have it.
pub fn paid(data: &[u8]) -> Paid {
    Paid::copy(&Account::root("frames", usize::MAX), data).unwrap()
}

/// A frame of `track`.
pub fn frame(track: &Track, dts: i64, cts: i32, key: bool, len: usize) -> Frame {
    let data = paid(&data(track.codec, key, len));
    Frame { dts: Ticks(dts), cts, kind: track.codec.kind(), track: track.id, key, data }
}
