//! The codecs that each form carries: every codec of sound at its rates and channels, and the section
//! that has words for it or has none.

use std::collections::BTreeSet;

use runnel::codec::{self, flac};
use runnel::container::{self, Form};
use runnel::media::{Codec, Hz, Params, Track};
use runnel::proto::rtmp;

use crate::records::hex;

struct Row {
    codec: Codec,
    rates: &'static [u32],
    channels: &'static [u8],
    forms: &'static str,
}

const fn row(codec: Codec, rates: &'static [u32], channels: &'static [u8], forms: &'static str) -> Row {
    Row { codec, rates, channels, forms }
}

const MPEG1: &[u32] = &[32_000, 44_100, 48_000];
const MPEG2: &[u32] = &[16_000, 22_050, 24_000];
/// The codecs that players know without a section.
const MPEG25: &[u32] = &[8000, 11_025, 12_000];
/// Of ISO/IEC 14496-3 table 1.18.
const AAC: &[u32] =
    &[7350, 8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000];
const ANY: &[u32] = &[1, 8000, 11_025, 16_000, 44_100, 48_000, 192_000];

/// FLV and RTMP: Adobe's specification, annex E.4.2.1, and Enhanced RTMP v2, where AAC,
/// Opus and FLAC bring their records along, and MP3, AC-3 and E-AC-3 say all themselves.
/// MPEG-TS: ISO/IEC 13818-1 table 2-34, ATSC A/53, and the draft for Opus.
/// MP4: the binding of each codec. RTP: RFC 3551 and the payload formats.
const SOUND: &[Row] = &[
    // annex E.4.2.1: 8 kHz, SoundType; RFC 3551 sections 4.5.14 and 6: any rate as a dynamic
    // type; MP4 has it as FLAC, RFC 9639 section 8.2
    row(Codec::Pcma, &[8000], &[1, 2], "flv rtmp mp4 rtp"),
    row(Codec::Pcmu, &[8000], &[1, 2], "flv rtmp mp4 rtp"),
    row(Codec::Pcma, &[8000], &[3, 8], "mp4 rtp"),
    row(Codec::Pcma, &[1, 11_025, 16_000, 48_000, 1_048_575], &[1, 2, 8], "mp4 rtp"),
    row(Codec::Pcmu, &[7999, 8001, 16_000, 32_000], &[1, 2], "mp4 rtp"),
    // FLAC counts eight channels, and rates in 20 bits
    row(Codec::Pcma, &[8000], &[9, 255], "rtp"),
    row(Codec::Pcmu, &[1 << 20], &[1], "rtp"),
    row(Codec::Pcma, &[0], &[1], ""),
    row(Codec::Pcmu, &[8000], &[0], ""),
    // RFC 3551 section 4.5.11; FLV's linear samples have the other byte order and four rates
    row(Codec::L16, ANY, &[1, 2, 6], "rtp"),
    // frames have headers, ISO/IEC 11172-3 section 2.4.1.3; SoundRate is no more than a word
    row(Codec::Mp3, MPEG1, &[1, 2], "flv rtmp ts mp4 rtp"),
    row(Codec::Mp3, MPEG2, &[1, 2], "flv rtmp ts mp4 rtp"),
    row(Codec::Mp3, MPEG25, &[1, 2], "flv rtmp ts mp4 rtp"),
    // a record goes along, but for MPEG-TS, where ADTS has the numbers of tables 1.18 and 1.19
    row(Codec::Aac, AAC, &[1, 2, 3, 4, 5, 6, 8], "flv rtmp ts mp4 rtp"),
    row(Codec::Aac, &[8001, 14_000, 50_000], &[1, 2], "flv rtmp mp4 rtp"),
    row(Codec::Aac, &[48_000], &[7], "flv rtmp mp4 rtp"),
    // the draft's channel_config_code has the orders of RFC 7845 section 5.1.1.2; RFC 7587
    // section 7 has a mono and a stereo
    row(Codec::Opus, &[48_000], &[1, 2], "flv rtmp ts mp4 rtp"),
    row(Codec::Opus, &[48_000], &[3, 4, 5, 6, 7, 8], "flv rtmp ts mp4"),
    row(Codec::Flac, ANY, &[1, 2, 8], "flv rtmp mp4"),
    // frames have headers; fscod of ETSI TS 102 366 annex F has no number for AC-3's others
    row(Codec::Ac3, MPEG1, &[1, 2, 6], "flv rtmp ts mp4"),
    row(Codec::Ac3, MPEG2, &[1, 2, 6], "flv rtmp ts"),
    row(Codec::Ac3, MPEG25, &[1, 2], "flv rtmp ts"),
    row(Codec::Eac3, MPEG1, &[1, 2, 6], "flv rtmp ts mp4"),
    row(Codec::Eac3, MPEG2, &[1, 2, 6], "flv rtmp ts mp4"),
];

/// Tables of Opus that only a record has words for: six channels without pairs, two streams,
/// and channels that mean nothing.
const OPUS: [&str; 3] = [
    "4f70757348656164 0106 3801 80bb0000 0000 01 0600 000102030405",
    "4f70757348656164 0102 3801 80bb0000 0000 01 0200 0001",
    "4f70757348656164 0102 3801 80bb0000 0000 ff 0200 0001",
];

fn forms() -> impl Iterator<Item = (&'static str, &'static Form)> {
    let all = container::forms().chain(rtmp::RTMP.all()).chain([&rtmp::PUSH]);
    #[cfg(feature = "rtsp")]
    let all = all.chain([&runnel::proto::rtp::RTP]);
    // flavours of one form differ in pictures alone
    all.map(|form| (form.name.split('-').next().unwrap(), form))
}

fn record(codec: Codec, rate: u32, channels: u8) -> Vec<u8> {
    match codec {
        Codec::Aac => {
            let configuration = match channels {
                7 => 11,
                8 => 7,
                channels => u64::from(channels),
            };
            // AAC-LC, its rate written out unless it has an index
            let index =
                [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350];
            let (bits, len) = match index.iter().position(|known| *known == rate) {
                Some(index) => ((2 << 4 | index as u64) << 4 | configuration, 13),
                None => (((2 << 4 | 15) << 24 | u64::from(rate)) << 4 | configuration, 37),
            };
            (bits << (64 - len)).to_be_bytes()[..5].to_vec()
        }
        Codec::Opus => {
            let tables = ["00", "00", "0201 000201", "0202 00010203", "0302 0004010203", "0402 000401020305"];
            let more = ["0403 00040102030506", "0503 0006010203040507"];
            let table = tables.into_iter().chain(more).nth(usize::from(channels) - 1).unwrap();
            let family = u8::from(channels > 2);
            let table = if family == 0 { "" } else { table };
            hex(&format!("4f70757348656164 01{channels:02x} 3801 80bb0000 0000 {family:02x} {table}"))
        }
        Codec::Flac => flac::Info { sample_rate: rate, channels }.write().unwrap().to_vec(),
        _ => Vec::new(),
    }
}

fn check(track: &Track, wanted: &str) {
    let wanted: BTreeSet<_> = wanted.split_whitespace().collect();
    for (name, form) in forms() {
        assert_eq!((form.mux)().carries(track), wanted.contains(name), "{track} in {}", form.name);
    }
}

#[test]
fn every_rate_and_number_of_channels_in_every_form() {
    for row in SOUND {
        for (rate, channels) in row.rates.iter().flat_map(|rate| row.channels.iter().map(|channels| (*rate, *channels)))
        {
            let record = record(row.codec, rate, channels);
            let read = codec::params(row.codec, record.into()).unwrap();
            let params = Params { sample_rate: rate, channels, ..read.clone() };
            if !params.record.is_empty() {
                assert_eq!(params, read, "the record says it too");
            }
            check(&Track { id: 0, codec: row.codec, clock: Hz::MS, params }, row.forms);
        }
    }
}

#[test]
fn opus_of_an_unusual_table() {
    for head in OPUS {
        let params = codec::params(Codec::Opus, hex(head).into()).unwrap();
        check(&Track { id: 0, codec: Codec::Opus, clock: Hz::MS, params }, "flv rtmp mp4");
    }
}

#[test]
fn what_flv_does_not_carry_is_not_promised_in_its_head() {
    let fast = Params { sample_rate: 16_000, channels: 1, ..Params::default() };
    let mut tracks = runnel::media::Tracks::default();
    tracks.set(Track { id: 0, codec: Codec::Pcma, clock: Hz::MS, params: fast });
    for (name, form) in forms().filter(|(name, _)| ["flv", "rtmp"].contains(name)) {
        let head = (form.mux)().head(&tracks, runnel::media::Ticks(0)).to_vec();
        assert!(name != "flv" || head[4] == 0, "no sound, no pictures");
        assert!(!head.windows(14).any(|window| window.starts_with(b"audio")), "{}", form.name);
    }
}
