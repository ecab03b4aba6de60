//! Tests of MPEG4-GENERIC as cameras and encoders send it.

use super::super::tests::{Bench, Got, MAX_FRAME, aac, unit};
use super::*;

fn reader(fmtp: &[(&str, &str)]) -> Bench {
    let fmtp = fmtp.iter().map(|(name, value)| (*name, value.to_string()));
    Bench::reader(super::super::format(97, "MPEG4-GENERIC", Hz::new(44_100), 2, fmtp))
}

fn got(units: &[(u32, &[u8])]) -> Vec<Got> {
    units.iter().map(|(time, data)| (*time, true, Bytes::copy_from_slice(data))).collect()
}

#[test]
fn one_unit_is_a_slice_of_its_packet() {
    let mut bench = Bench::new(&aac());
    assert_eq!(bench.raw(true, 7, &[0, 16, 0, 24, 0x21, 1, 2, 9, 9]), Ok(got(&[(7, &[0x21, 1, 2])])));
    assert_eq!(bench.account.peak(), 0);
}

#[test]
fn units_of_a_packet_follow_each_other() {
    let mut bench = Bench::new(&aac());
    let packet = [0, 48, 0, 8, 0, 16, 0, 25, 1, 2, 2, 3, 3, 3];
    // one access unit was left out before the third
    let expected = got(&[(5, &[1]), (1029, &[2, 2]), (3077, &[3, 3, 3])]);
    assert_eq!(bench.raw(true, 5, &packet), Ok(expected));
    let mut half = reader(&[("config", "139056e5a0")]);
    assert_eq!(half.raw(true, 0, &packet).unwrap()[1].0, 2048, "SBR gives twice as many samples");
    let mut told = reader(&[("constantduration", "960")]);
    assert_eq!(told.raw(true, 0, &packet).unwrap()[1].0, 960);
}

#[test]
fn header_fields_have_any_length() {
    let lbr = ("mode", "AAC-lbr");
    assert_eq!(reader(&[lbr]).raw(true, 0, &[0, 8, 2 << 2, 5, 6]), Ok(got(&[(0, &[5, 6])])));
    let wide = [("sizelength", "16"), ("indexlength", "0"), ("indexdeltalength", "0")];
    assert_eq!(reader(&wide).raw(true, 0, &[0, 32, 0, 1, 0, 1, 5, 6]).unwrap(), got(&[(0, &[5]), (1024, &[6])]));
    let times = [("ctsdeltalength", "7"), ("dtsdeltalength", "6"), ("randomaccessindication", "1")];
    // size 1, index 0, CTS of 7 bits, no DTS, random access
    let headers = [0, 26, 0, 8, 0b1000_0001, 0b0100_0000];
    assert_eq!(reader(&times).raw(true, 0, &[&headers[..], &[5]].concat()), Ok(got(&[(0, &[5])])));
    let auxiliary = [("auxiliarydatasizelength", "4")];
    assert_eq!(reader(&auxiliary).raw(true, 0, &[0, 16, 0, 8, 0x4f, 5]), Ok(got(&[(0, &[5])])));
}

#[test]
fn sizes_that_no_header_says() {
    let constant = [("constantsize", "2"), ("indexlength", "8"), ("indexdeltalength", "8")];
    assert_eq!(reader(&constant).raw(true, 0, &[0, 16, 0, 0, 1, 2, 3, 4]), Ok(got(&[(0, &[1, 2]), (1024, &[3, 4])])));
    let mut bench = reader(&[("mode", "generic")]);
    assert_eq!(bench.raw(true, 0, &[1, 2, 3]), Ok(got(&[(0, &[1, 2, 3])])));
    assert_eq!(bench.raw(false, 1, &[1, 2]), Ok(vec![]));
    assert_eq!(bench.raw(true, 1, &[3]), Ok(got(&[(1, &[1, 2, 3])])));
}

#[test]
fn adts_headers_are_stripped() {
    let mut bench = Bench::new(&aac());
    let raw = aac::SILENCE_STEREO;
    let adts = aac::Config::lc(44_100, 2).unwrap().adts(raw.len()).unwrap();
    let size = [0, 16, 0, (adts.len() + raw.len()) as u8 * 8];
    assert_eq!(bench.raw(true, 0, &[&size[..], &adts, raw].concat()), Ok(got(&[(0, raw)])));
}

/// Some cameras send ADTS without AU headers, which is detected by the sync word and the lengths.
#[test]
fn adts_frames_may_stand_where_headers_should() {
    let adts = |frame: &[u8]| [&aac::Config::lc(44_100, 2).unwrap().adts(frame.len()).unwrap(), frame].concat();
    let (raw, long) = (aac::SILENCE_STEREO, vec![0x21; 2000]);
    for mode in ["AAC-hbr", "AAC-lbr", "generic"] {
        let mut bench = reader(&[("mode", mode)]);
        assert_eq!(bench.raw(true, 0, &adts(raw)), Ok(got(&[(0, raw)])), "{mode}");
        let two = [adts(raw), adts(&[7; 300])].concat();
        assert_eq!(bench.raw(true, 1024, &two), Ok(got(&[(1024, raw), (2048, &[7; 300])])), "{mode}");
        // one frame in three packets
        let whole = adts(&long);
        assert_eq!(bench.raw(false, 4096, &whole[..900]), Ok(vec![]), "{mode}");
        assert_eq!(bench.raw(false, 4096, &whole[900..1800]), Ok(vec![]), "{mode}");
        assert_eq!(bench.raw(true, 4096, &whole[1800..]), Ok(got(&[(4096, &long)])), "{mode}");
        // a frame without its first part, and one without its second
        bench.unpack.gap();
        assert!(bench.raw(true, 5120, &whole[900..]).is_err(), "{mode}");
        assert_eq!(bench.raw(false, 6144, &whole[..900]), Ok(vec![]), "{mode}");
        bench.unpack.gap();
        assert_eq!(bench.raw(true, 7168, &adts(raw)), Ok(got(&[(7168, raw)])), "{mode}");
        assert_eq!(bench.account.used(), 0, "{mode}");
    }
    // lengths that do not match
    for bad in [&adts(raw)[..10], &[adts(raw), vec![1]].concat()] {
        assert!(Bench::new(&aac()).raw(true, 0, bad).is_err());
    }
}

#[test]
fn a_missing_config_is_made_of_rate_and_channels() {
    for config in ["1210", "\"1210\"", "zz", "12", ""] {
        assert_eq!(reader(&[("config", config)]).params, [aac().params], "{config}");
    }
    assert_eq!(reader(&[]).params, [aac().params]);
    let odd = super::super::format(97, "MPEG4-GENERIC", Hz::MPEG, 2, []);
    assert!(super::super::incoming(&odd, MAX_FRAME).is_none());
    let celp = super::super::format(97, "MPEG4-GENERIC", Hz::new(44_100), 2, [("mode", "CELP-vbr".to_owned())]);
    assert!(super::super::incoming(&celp, MAX_FRAME).is_none());
}

/// Three packets of a unit of 9 bytes.
fn fragments() -> [Vec<u8>; 3] {
    [b"abc", b"def", b"ghi"].map(|part| [&[0, 16, 0, 72], &part[..]].concat())
}

#[test]
fn fragments_are_put_together() {
    let mut bench = Bench::new(&aac());
    let [a, b, c] = fragments();
    assert_eq!((bench.raw(false, 1, &a), bench.raw(false, 1, &b)), (Ok(vec![]), Ok(vec![])));
    assert_eq!(bench.raw(true, 1, &c), Ok(got(&[(1, b"abcdefghi")])));
    assert_eq!(bench.account.used(), 0);
}

#[test]
fn what_is_left_of_a_fragmented_unit_is_passed_over() {
    let mut bench = Bench::new(&aac());
    let [a, b, c] = fragments();
    bench.raw(false, 1, &a).unwrap();
    bench.unpack.gap();
    assert_eq!(bench.account.used(), 0);
    assert_eq!((bench.raw(false, 1, &b), bench.raw(true, 1, &c)), (Ok(vec![]), Ok(vec![])));
    for part in [&a, &b] {
        assert_eq!(bench.raw(false, 2, part), Ok(vec![]));
    }
    assert_eq!(bench.raw(true, 2, &c).unwrap().len(), 1);
    // here the end is missing
    bench.raw(false, 3, &a).unwrap();
    bench.unpack.gap();
    bench.raw(false, 4, &a).unwrap();
    assert_eq!(bench.raw(true, 4, &c), Ok(vec![]), "its start may have been lost as well");
    assert_eq!(bench.raw(true, 5, &[0, 16, 0, 8, 5]).unwrap().len(), 1);
}

#[test]
fn fragments_that_do_not_add_up_cost_their_unit() {
    let mut bench = Bench::new(&aac());
    let [a, ..] = fragments();
    bench.raw(false, 1, &a).unwrap();
    assert!(bench.raw(true, 1, &a).is_err());
    let long = [&[0, 16, 0, 72], &[7; 8][..]].concat();
    bench.raw(false, 2, &long).unwrap();
    assert!(bench.raw(false, 2, &long).is_err());
    assert_eq!(bench.raw(true, 2, &long), Ok(vec![]));
    assert!(bench.raw(true, 3, &[0, 32, 0, 8, 0, 72, 1, 2]).is_err());
    assert_eq!(bench.account.used(), 0);
}

#[test]
fn a_unit_beyond_the_limit_is_refused_once() {
    let format = super::super::format(97, "MPEG4-GENERIC", Hz::new(44_100), 2, []);
    let mut bench = Bench { unpack: super::super::incoming(&format, 2000).unwrap().unpack, ..reader(&[]) };
    let part = [&[0, 16, 0xff, 0xf8][..], &unit(&[0x21], 1000)].concat();
    let errors: Vec<_> = (0..9).filter_map(|at| bench.raw(at == 8, 1, &part).err()).collect();
    assert_eq!(errors, [Error::TooLong]);
    let whole = [&[0, 16, 0x3f, 0xf8][..], &unit(&[0x21], 2047)].concat();
    assert_eq!(bench.raw(true, 2, &whole), Err(Error::TooLong));
    assert_eq!(bench.account.peak(), 0);
}

#[test]
fn no_sender_has_so_many_units_in_a_packet() {
    let bits = [("sizelength", "1"), ("indexlength", "0"), ("indexdeltalength", "0")];
    let units = |count: usize, size| {
        [&(count as u16).to_be_bytes()[..], &vec![size; count.div_ceil(8)], &vec![0x21; count]].concat()
    };
    let mut bench = reader(&bits);
    assert_eq!(bench.count(&units(256, 255)), (256, false));
    assert_eq!(bench.count(&units(57_000, 255)), (256, true), "what is beyond is lost");
    assert_eq!(bench.count(&units(57_000, 0)), (0, true), "and so are those without a byte");
    let adts = [0xff, 0xf1, 0x50, 0x80, 0x01, 0x1f, 0xfc, 0x21];
    assert_eq!(reader(&[]).count(&adts.repeat(256)), (256, false));
    assert_eq!(reader(&[]).count(&adts.repeat(8000)), (256, true));
}
