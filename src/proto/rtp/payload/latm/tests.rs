//! Tests of MP4A-LATM as servers send it.

use super::super::tests::{Bench, aac, damaged};
use super::*;
use crate::codec::binary;

/// An element with one frame, AAC-LC of 44100 Hz and two channels.
const PLAIN: &str = "0 1 000000 0000 000 00010 0100 0010 000 000 11111111 0 0";

fn reader(config: &str, cpresent: &str) -> Option<Bench> {
    let config: String = binary(config).iter().map(|byte| format!("{byte:02x}")).collect();
    let fmtp = [("cpresent", cpresent.to_owned()), ("config", config)];
    let format = super::super::format(96, "MP4A-LATM", Hz::new(44_100), 2, fmtp);
    super::super::incoming(&format, 1000).map(|_| Bench::reader(format))
}

fn told() -> Bench {
    reader(PLAIN, "0").unwrap()
}

fn times(got: &[super::super::tests::Got]) -> Vec<(u32, usize)> {
    got.iter().map(|(time, _, data)| (*time, data.len())).collect()
}

#[test]
fn configs_of_both_versions() {
    let second = "1 0 00 11111111 1 000000 0000 000 00 00010000 00010 0100 0010 000 000 11111111 0 0";
    let checked = "0 1 000000 0000 000 00010 0100 0010 000 000 11111111 1 0 00001000 1 10101010";
    for config in [PLAIN, second, checked] {
        assert_eq!(reader(config, "0").unwrap().params, [aac().params], "{config}");
    }
    let two_programs = PLAIN.replace("0000 000 00010", "0001 000 00010");
    let fixed = PLAIN.replace("000 11111111", "001 11111111");
    for config in ["", "0 1", &two_programs, &fixed, "1 1"] {
        assert!(reader(config, "0").is_none(), "{config}");
    }
}

/// The config that rtspclientsink of GStreamer 1.22 sends: `config=40002420`.
#[test]
fn a_config_that_ends_behind_the_decoder_s_is_filled_up() {
    let mono_44100 = "0 1 000000 0000 000 00010 0100 0001 000 00";
    assert_eq!(reader(mono_44100, "0").unwrap().params[0].channels, 1);
}

/// The configs of avenc_aac ! rtpmp4apay, which state after the config that there is no SBR; the same with SBR, and
/// with PS; and the examples of RFC 6416 section 7.3.
#[test]
fn sbr_and_ps_are_signalled_in_front_behind_or_not_at_all() {
    for (config, record, object_type, rate, channels) in [
        ("40002320adca00", "119056e500", 2, 48_000, 2),
        ("40002410adca00", "120856e500", 2, 44_100, 1),
        ("40002620adcb30", "131056e598", 5, 48_000, 2),
        ("40002620adcb31fe00", "131056e598", 5, 48_000, 2),
        ("40002610adcb3a9100", "130856e59d4880", 29, 48_000, 2),
        ("40002610adcb3a911fe0", "130856e59d4880", 29, 48_000, 2),
        ("400026103fc0", "1308", 2, 24_000, 1),
        ("40005623101fe0", "2b118800", 5, 48_000, 2),
        ("4001d613101fe0", "eb098800", 29, 48_000, 2),
    ] {
        let fmtp = [("cpresent", "0".to_owned()), ("config", config.to_owned())];
        let format = super::super::format(96, "MP4A-LATM", Hz::new(rate), channels, fmtp);
        let params = super::super::incoming(&format, 1000).and_then(|incoming| incoming.params);
        let record = codec::hex(record);
        assert_eq!(params.map(|params| params.record.to_vec()), Some(record.clone()), "{config}");
        let found = aac::Config::parse(&record).unwrap();
        assert_eq!((found.object_type, found.sample_rate, found.channels), (object_type, rate, channels), "{config}");
    }
}

#[test]
fn a_config_with_sbr_behind_it_may_come_with_the_frames() {
    let mut bench = reader("", "1").unwrap();
    let config = PLAIN.replace("0010 000 000", "0010 000 01010110111 00101 1 0001 000");
    let told = binary(&format!("0 {config} 00000010 00000101 11111111"));
    assert_eq!(bench.raw(true, 1, &told).unwrap()[0].2, [5, 255][..]);
    let params = aac::Config::parse(&bench.params[0].record).unwrap();
    assert_eq!((params.object_type, params.sample_rate), (5, 88_200));
}

#[test]
fn a_config_that_says_nothing_begins_no_track() {
    let mut bench = reader("", "1").unwrap();
    let empty = "1 0 00 00000000 1 000000 0000 000 00 00000000 000 11111111 0 0";
    let element = |config: &str| binary(&format!("0 {config} 00000001 11111111"));
    assert!(bench.raw(true, 1, &element(empty)).is_err());
    assert!(bench.raw(true, 2, &binary("1 00000001 11111111")).unwrap().is_empty());
    assert_eq!(bench.raw(true, 3, &element(PLAIN)).unwrap().len(), 1);
    assert_eq!(bench.params, [aac().params]);
}

#[test]
fn units_follow_each_other_as_slices() {
    let mut bench = told();
    let payload = [&[2, 0x21, 1][..], &[255, 4], &[7; 259], &[0]].concat();
    let got = bench.raw(true, 5, &payload).unwrap();
    assert_eq!(times(&got), [(5, 2), (1029, 259)]);
    assert_eq!((&got[0].2[..], bench.account.peak()), (&[0x21, 1][..], 0));
    assert!(bench.raw(true, 5, &[3, 1, 2]).is_err());
    bench.unpack = super::super::incoming(&bench.format, 1000).unwrap().unpack;
    let long = [&[255; 4][..], &[0], &[7; 1020]].concat();
    assert_eq!(bench.raw(true, 5, &long), Err(Error::TooLong));
}

#[test]
fn other_data_is_left() {
    let other = PLAIN.replace("11111111 0 0", "11111111 1 0 00001000 0").replace("000000 0000", "000001 0000");
    let got = reader(&other, "0").unwrap().raw(true, 0, &[1, 5, 1, 6, 9]).unwrap();
    assert_eq!(times(&got), [(0, 1), (1024, 1)]);
}

#[test]
fn fragments_are_put_together_up_to_the_mark() {
    let mut bench = told();
    assert_eq!(bench.raw(false, 1, &[4, 1, 2]), Ok(vec![]));
    assert_eq!(bench.raw(true, 1, &[3, 4]).unwrap()[0].2, [1, 2, 3, 4][..]);
    bench.raw(false, 2, &[4, 1, 2]).unwrap();
    bench.unpack.gap();
    assert_eq!(bench.raw(false, 2, &[9, 9]), Ok(vec![]));
    assert_eq!(bench.raw(true, 2, &[9, 9]), Ok(vec![]));
    assert_eq!(times(&bench.raw(true, 3, &[1, 9]).unwrap()), [(3, 1)]);
    bench.unpack.gap();
    assert_eq!(times(&bench.raw(true, 4, &[1, 9]).unwrap()), [(4, 1)], "it adds up");
    bench.raw(false, 5, &[4, 1, 2]).unwrap();
    assert_eq!(times(&bench.raw(true, 6, &[1, 9]).unwrap()), [(6, 1)], "a mark is missing");
    let long: Vec<_> = (0..300).filter_map(|_| bench.raw(false, 7, &[255; 1000]).err()).collect();
    assert_eq!(long, [Error::TooLong]);
    assert_eq!(bench.account.used(), 0);
}

#[test]
fn a_config_may_come_with_the_frames() {
    let mut bench = reader("", "1").unwrap();
    assert_eq!(bench.raw(true, 0, &binary("1 00000001 00000101")), Ok(vec![]));
    let told = binary(&format!("0 {PLAIN} 00000010 00000101 11111111"));
    assert_eq!(bench.raw(true, 1, &told).unwrap()[0].2, [5, 255][..]);
    assert_eq!(bench.params, [aac().params]);
    assert_eq!(bench.raw(true, 2, &binary("1 00000001 00000110")).unwrap()[0].2, [6][..]);
    assert_eq!((bench.params.len(), bench.account.used()), (1, 0));
}

#[test]
fn no_damage_does_harm() {
    for (cpresent, payload) in [("0", vec![2, 1, 2, 1, 3]), ("1", binary(&format!("0 {PLAIN} 00000001 00000101")))] {
        let mut bench = reader(PLAIN, cpresent).unwrap();
        let (marker, payload_type, payload) = (true, 96, Bytes::from(payload));
        let packet = Packet { marker, payload_type, sequence: 1, timestamp: 1, ssrc: 1, payload };
        for packet in damaged(&packet) {
            drop((bench.take(&Packet { marker: false, ..packet.clone() }), bench.take(&packet)));
            assert_eq!(bench.account.used(), 0);
        }
    }
}

#[test]
fn no_sender_has_so_many_units_in_an_element() {
    let units = |count| [1, 0x21].repeat(count);
    assert_eq!(told().count(&units(256)), (256, false));
    let mut bench = told();
    assert_eq!(bench.count(&units(50_000)), (256, true), "what is beyond is lost");
    assert_eq!(bench.count(&units(1)), (1, false));
    // lengths that do not add up may be those of a fragment
    assert_eq!(bench.count(&[&units(200)[..], &[9]].concat()), (0, true));
}
