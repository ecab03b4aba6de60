//! Codecs: decoder records, and the properties in frame headers.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod aac;
pub mod ac3;
pub mod av1;
pub mod flac;
pub mod g711;
pub mod h264;
pub mod h265;
mod keys;
pub mod mp3;
pub mod opus;
mod role;
mod sets;
pub mod vpx;

pub use keys::{Hints, Keys, is_key};
pub use role::Role;
pub use sets::Sets;

use std::fmt;

use bytes::Bytes;

use crate::media::{Codec, Params};
use crate::wire::Short;

/// A decoder record or a frame header that violates its specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The invalid part, in the terms of the specification.
    pub what: &'static str,
}

/// Parses the parameters in a decoder record. Codecs whose frames describe themselves have no record; one that is
/// given anyway is kept unparsed.
pub fn params(codec: Codec, record: Bytes) -> Result<Params, Malformed> {
    ensure(record.len() <= MAX_RECORD, "a decoder record that is too long")?;
    let mut params = Params::default();
    match codec {
        Codec::H264 => (params.width, params.height) = h264::Record::parse(&record)?.size()?,
        Codec::H265 => (params.width, params.height) = h265::Record::parse(&record)?.size()?,
        Codec::Av1 => (params.width, params.height) = av1::record_size(&record)?,
        Codec::Vp9 => vpx::check(&record)?,
        Codec::Aac => {
            let config = aac::Config::parse(&record)?;
            (params.sample_rate, params.channels) = (config.sample_rate, config.channels);
        }
        Codec::Opus => {
            (params.sample_rate, params.channels) = (opus::RATE, opus::Head::parse(&record)?.channels);
        }
        Codec::Flac => {
            let info = flac::Info::parse(&record)?;
            (params.sample_rate, params.channels) = (info.sample_rate, info.channels);
        }
        Codec::Pcma | Codec::Pcmu => (params.sample_rate, params.channels) = (8000, 1),
        Codec::Vp8 | Codec::Mp3 | Codec::Ac3 | Codec::Eac3 | Codec::L16 | Codec::Mjpeg => {}
    }
    params.record = record;
    Ok(params)
}

/// The maximum length of a decoder record in bytes, because it is sent to each new viewer. Encoders need a few
/// hundred.
const MAX_RECORD: usize = 4 << 10;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed: {}", self.what)
    }
}

impl std::error::Error for Malformed {}

impl From<Short> for Malformed {
    fn from(_: Short) -> Self {
        Self { what: "data ends inside a field" }
    }
}

/// Fails with `what` unless `holds`.
fn ensure(holds: bool, what: &'static str) -> Result<(), Malformed> {
    if holds { Ok(()) } else { Err(Malformed { what }) }
}

/// Checks a picture size, which must not be empty or above the limit of all levels.
fn picture(width: u32, height: u32) -> Result<(u32, u32), Malformed> {
    let sane = 1..=MAX_SIDE;
    ensure(sane.contains(&width) && sane.contains(&height), "picture size")?;
    Ok((width, height))
}

/// The length of one side of a picture without `before` and `after` cropping units of `unit` samples each.
fn cropped(side: u32, before: u32, after: u32, unit: u32) -> u32 {
    side.saturating_sub(before.saturating_add(after).saturating_mul(unit))
}

/// The maximum side of a picture in pixels.
const MAX_SIDE: u32 = 16384;

/// The bytes that `text` contains in hexadecimal.
#[cfg(test)]
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// The bytes that `text` contains in binary; the last is padded with zero bits.
#[cfg(test)]
pub(crate) fn binary(text: &str) -> Vec<u8> {
    let bits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(2)).map(|bit| bit as u8).collect();
    bits.chunks(8).map(|byte| byte.iter().zip((0..8).rev()).map(|(bit, at)| bit << at).sum()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(codec: Codec, record: &str) -> Result<(u32, u32, u32, u8), Malformed> {
        let params = params(codec, hex(record).into())?;
        assert_eq!(params.record, hex(record));
        Ok((params.width, params.height, params.sample_rate, params.channels))
    }

    #[test]
    fn records_fill_in_what_they_say() {
        let avcc = "0164001effe1001a6764001eacd940a02ff97011000003000100000300320f162d96\
                    01000468ef8fcbfdf8f800";
        assert_eq!(read(Codec::H264, avcc), Ok((640, 360, 0, 0)));
        assert_eq!(read(Codec::Av1, "81010c000a0b0000000cc5036936be4010"), Ok((642, 362, 0, 0)));
        assert_eq!(read(Codec::Vp9, "010000000015820202020000"), Ok((0, 0, 0, 0)));
        assert_eq!(read(Codec::Aac, "1210"), Ok((0, 0, 44_100, 2)));
        assert_eq!(read(Codec::Opus, "4f7075734865616401023801803e0000000000"), Ok((0, 0, 48_000, 2)));
        assert_eq!(read(Codec::Pcma, ""), Ok((0, 0, 8000, 1)));
    }

    #[test]
    fn only_codecs_with_self_contained_frames_go_without_a_record() {
        use Codec::*;
        for codec in [H264, H265, Av1, Vp9, Aac, Opus, Flac] {
            assert!(read(codec, "").is_err(), "{codec:?}");
        }
        for codec in [Vp8, Mp3, Ac3, Eac3, Pcma, Pcmu] {
            assert!(read(codec, "").is_ok(), "{codec:?}");
        }
    }

    #[test]
    fn damaged_records_are_refused_or_read_but_never_panic() {
        use Codec::*;
        let records = [
            "0164001effe1001a6764001eacd940a02ff97011000003000100000300320f162d9601000468ef8fcbfdf8f800",
            "0101600000009000000000003ff000fcfdf8f800000f01a1000100304201020160000003009000000300000300\
             3f0000a005220171c449965652b2a5261780b4040000030004000003006420",
            "81010c000a0b0000000cc5036936be4010",
            "2b920800",
            "118004c80500010880",
            "4f7075734865616401023801803e0000000000",
            "664c61430000002212001200000000000000000bb8007000000000000000000000000000000000000000000000",
        ];
        for (record, codec) in records.iter().zip([H264, H265, Av1, Aac, Aac, Opus, Flac]) {
            let record = hex(record);
            assert!(params(codec, record.clone().into()).is_ok(), "{codec:?}");
            for at in 0..record.len() {
                let _ = params(codec, record[..at].to_vec().into());
                for value in 0..=255 {
                    let mut damaged = record.clone();
                    damaged[at] = value;
                    let _ = params(codec, damaged.into());
                }
            }
        }
    }

    #[test]
    fn a_crop_that_lies_leaves_nothing() {
        assert_eq!(cropped(100, 1, 2, 4), 88);
        assert_eq!(cropped(100, u32::MAX, u32::MAX, 2), 0);
        assert!(picture(0, 16).is_err() && picture(16, MAX_SIDE + 1).is_err());
    }
}
