//! Tests of senders' deviations from the specification, and of variants that it allows.

use bytes::Bytes;

use super::super::Pack;
use super::super::tests::{Bench, Got, h264, h265, prefixed, track, unit};
use super::super::{Error, Format};
use super::Cutting;
use crate::codec::hex;
use crate::media::{Codec, Hz, Params};

const SPS: &str = "6764001eacd940a02ff97011000003000100000300320f162d96";
const PPS: &str = "68ef8fcb";
const IDR: &[u8] = &[0x65, 0x88, 0x84, 0x21];
const NEXT: &[u8] = &[0x41, 0x9a, 0x24, 0x6c];
/// A slice other than the first of its picture.
const MORE: &[u8] = &[0x41, 0x5a, 0x24, 0x6c];
const SEI: &[u8] = &[6, 5, 1, 9, 0x80];

/// A reader without parameter sets from the session description.
fn untold(encoding: &str, fmtp: &[(&str, &str)]) -> Bench {
    let fmtp = fmtp.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Bench::reader(Format { payload_type: 96, encoding: encoding.into(), clock: Hz::MPEG, channels: 1, fmtp })
}

/// A reader that has read a key frame at time 0.
fn told() -> Bench {
    let mut bench = Bench::new(&h264());
    assert_eq!(bench.raw(true, 0, IDR), Ok(vec![got(0, true, &[IDR])]));
    bench
}

fn got(time: u32, key: bool, units: &[&[u8]]) -> Got {
    (time, key, Bytes::from(prefixed(units)))
}

fn aggregate(header: &[u8], units: &[&[u8]]) -> Vec<u8> {
    units.iter().fold(header.to_vec(), |out, unit| [&out[..], &(unit.len() as u16).to_be_bytes(), unit].concat())
}

#[test]
fn a_mark_behind_sets_and_sei_ends_nothing() {
    let mut bench = untold("H264", &[]);
    for unit in [&[9, 0x10][..], &hex(SPS), &hex(PPS), SEI] {
        assert_eq!(bench.raw(true, 5, unit), Ok(vec![]));
    }
    assert_eq!(bench.raw(true, 5, IDR), Ok(vec![got(5, true, &[SEI, IDR])]));
    assert_eq!(bench.params, [h264().params]);
}

#[test]
fn a_mark_on_every_slice_is_seen_through() {
    let mut bench = told();
    assert_eq!(bench.raw(true, 1, NEXT), Ok(vec![got(1, false, &[NEXT])]));
    assert_eq!(bench.raw(true, 1, MORE), Ok(vec![]), "this picture was cut in two");
    assert_eq!(bench.raw(true, 2, NEXT), Ok(vec![got(1, false, &[MORE])]));
    assert_eq!(bench.raw(true, 2, MORE), Ok(vec![]));
    assert_eq!(bench.raw(true, 2, MORE), Ok(vec![]));
    assert_eq!(bench.raw(true, 3, NEXT), Ok(vec![got(2, false, &[NEXT, MORE, MORE])]));
}

#[test]
fn two_pictures_with_one_timestamp_are_two() {
    let mut bench = told();
    assert_eq!(bench.raw(true, 1, NEXT), Ok(vec![got(1, false, &[NEXT])]));
    assert_eq!(bench.raw(true, 1, NEXT), Ok(vec![got(1, false, &[NEXT])]));
}

#[test]
fn recovery_points_are_keys_where_there_are_no_others_for_long() {
    let point = aggregate(&[0x78], &[&[6, 6, 1, 0xc4, 0x80], &[0x41, 0b1011_0000, 7]]);
    let mut bench = Bench::new(&h264());
    assert!(bench.raw(true, 1, &point).unwrap()[0].1);
    assert!(!bench.raw(true, 2, NEXT).unwrap()[0].1);
    bench.raw(true, 3, IDR).unwrap();
    assert!(!bench.raw(true, 4, &point).unwrap()[0].1);
    for time in [500_000, 590_000] {
        assert!(bench.raw(true, time, &point).unwrap()[0].1);
    }
}

#[test]
fn a_new_timestamp_ends_a_unit_without_mark() {
    let mut bench = told();
    assert_eq!(bench.raw(false, 1, NEXT), Ok(vec![]));
    assert_eq!(bench.raw(false, 1, MORE), Ok(vec![]));
    assert_eq!(bench.raw(false, 2, NEXT), Ok(vec![got(1, false, &[NEXT, MORE])]));
}

#[test]
fn sei_goes_with_the_slice_that_follows() {
    let mut bench = told();
    assert_eq!(bench.raw(false, 1, SEI), Ok(vec![]));
    assert_eq!(bench.raw(true, 2, IDR), Ok(vec![got(2, true, &[SEI, IDR])]));
}

#[test]
fn start_codes_in_a_payload_cut_it() {
    let (sps, pps) = (hex(SPS), hex(PPS));
    let (long, short) = ([0, 0, 0, 1], [0, 0, 1]);
    for payload in [
        [&long[..], &sps, &long, &pps, &short, SEI, &short, IDR].concat(),
        [&sps[..], &short, &pps, &[0], &long, SEI, &long, IDR].concat(),
        // as fragments, whose first header belongs to the packet
        [&[0x7c, 0xc5], &long[..], &sps, &long, &pps, &long, SEI, &long, IDR].concat(),
        [&[0x67, 0x64][..], &sps[2..], &long, &pps, &long, SEI, &long, IDR].concat(),
    ] {
        let mut bench = untold("H264", &[]);
        assert_eq!(bench.raw(true, 1, &payload), Ok(vec![got(1, true, &[SEI, IDR])]));
        assert_eq!(bench.params, [h264().params]);
    }
    let mut bench = told();
    assert_eq!(bench.raw(true, 1, &[&long, NEXT].concat()), Ok(vec![got(1, false, &[NEXT])]));
    assert_eq!(bench.raw(true, 2, &[NEXT, &long, MORE].concat()), Ok(vec![got(2, false, &[NEXT, MORE])]));
    // the second half of a unit that began in another packet
    assert_eq!(bench.raw(false, 3, &[0x7c, 0x85, 0x88]), Ok(vec![]));
    let payload = [&[0x7c, 0x45, 0x84, 0x21], &long[..], MORE].concat();
    assert_eq!(bench.raw(true, 3, &payload), Ok(vec![got(3, true, &[IDR, MORE])]));
}

#[test]
fn a_fragment_of_another_type_goes_with_the_first() {
    let mut bench = told();
    bench.raw(false, 1, &[0x7c, 0x85, 0x88]).unwrap();
    bench.raw(false, 1, &[0x7c, 0x01, 0x84]).unwrap();
    assert_eq!(bench.raw(true, 1, &[0x7c, 0x41, 0x21]), Ok(vec![got(1, true, &[IDR])]));
}

#[test]
fn a_first_fragment_ends_the_unit_before_it() {
    let mut bench = told();
    bench.raw(false, 1, &[0x7c, 0x81, 0x9a]).unwrap();
    bench.raw(false, 1, &[0x7c, 0x81, 0x5a]).unwrap();
    assert_eq!(bench.raw(true, 1, &[0x7c, 0x01, 1]), Ok(vec![got(1, false, &[&[0x61, 0x9a], &[0x61, 0x5a, 1]])]));
}

#[test]
fn zeros_behind_sets_are_cut_off() {
    let mut bench = untold("H264", &[]);
    bench.raw(false, 1, &[&hex(SPS)[..], &[0, 0, 0]].concat()).unwrap();
    bench.raw(false, 1, &[&hex(PPS)[..], &[0]].concat()).unwrap();
    bench.raw(true, 1, IDR).unwrap();
    assert_eq!(bench.params, [h264().params]);
}

#[test]
fn empty_payloads_and_units_are_passed_over() {
    let mut bench = told();
    assert_eq!(bench.raw(true, 1, &[]), Ok(vec![]));
    assert_eq!(bench.raw(false, 1, &aggregate(&[0x78], &[&[], NEXT, &[], MORE, &[]])), Ok(vec![]));
    assert_eq!(bench.raw(true, 1, &[]), Ok(vec![got(1, false, &[NEXT, MORE])]));
}

#[test]
fn aggregates_and_fragments_of_every_kind_are_read() {
    let mut bench = told();
    let stap_b = [&[0x79, 0, 1][..], &[0, 4], NEXT].concat();
    let mtap16 = [&[0x7a, 0, 1][..], &[0, 4, 0, 0, 0], NEXT, &[0, 4, 1, 0, 0], MORE].concat();
    let mtap24 = [&[0x7b, 0, 1][..], &[0, 4, 0, 0, 0, 0], NEXT].concat();
    let fu_b = [0x5d, 0xc1, 0, 1, 0x9a, 0x24, 0x6c];
    assert_eq!(bench.raw(true, 1, &stap_b), Ok(vec![got(1, false, &[NEXT])]));
    assert_eq!(bench.raw(true, 2, &mtap16), Ok(vec![got(2, false, &[NEXT, MORE])]));
    assert_eq!(bench.raw(true, 3, &mtap24), Ok(vec![got(3, false, &[NEXT])]));
    assert_eq!(bench.raw(true, 4, &fu_b), Ok(vec![got(4, false, &[NEXT])]));
    let cut = aggregate(&[0x78], &[NEXT, MORE]);
    assert!(bench.raw(true, 5, &cut[..cut.len() - 1]).is_err());
    assert_eq!(bench.raw(true, 6, NEXT), Ok(vec![got(6, false, &[NEXT])]));
}

#[test]
fn sets_of_the_session_description_may_be_damaged() {
    let good = "Z2QAHqzZQKAv+XARAAADAAEAAAMAMg8WLZY=,aO+Pyw==";
    let bench = untold("H264", &[("sprop-parameter-sets", good)]);
    assert_eq!(bench.params, [h264().params]);
    for bad in ["", ",", "Z2QAHqzZ", "Z2QAHqzZ,aO+Pyw==", "aO+Pyw==", "%%%,\u{e4}", "Z2QAHg==,aO+Pyw=="] {
        let mut bench = untold("H264", &[("sprop-parameter-sets", bad)]);
        assert!(bench.params.is_empty(), "{bad}");
        assert_eq!(bench.raw(true, 1, IDR), Ok(vec![]), "nobody could decode it");
        bench.raw(false, 2, &aggregate(&[0x78], &[&hex(SPS), &hex(PPS)])).unwrap();
        assert_eq!(bench.raw(true, 2, IDR), Ok(vec![got(2, true, &[IDR])]));
        assert_eq!(bench.params, [h264().params]);
    }
}

#[test]
fn other_sets_in_mid_stream_are_news_before_their_frame() {
    let other = "6742c00bd902c4ec0440000003004000000c83c50a92";
    let mut bench = told();
    let both = |sps: &str| aggregate(&[0x78], &[&hex(sps), &hex(PPS)]);
    bench.raw(false, 1, &both(SPS)).unwrap();
    bench.raw(true, 1, IDR).unwrap();
    assert_eq!(bench.params.len(), 1, "they were known");
    bench.raw(false, 2, &both(other)).unwrap();
    assert_eq!(bench.params.len(), 1);
    bench.raw(true, 2, IDR).unwrap();
    assert_eq!((bench.params[1].width, bench.params[1].height), (176, 144));
    // a second picture parameter set is added to the first
    bench.raw(false, 3, &[0x68, 0x4f, 0x8f]).unwrap();
    bench.raw(true, 3, IDR).unwrap();
    let record = crate::codec::h264::Record::parse(&bench.params[2].record).unwrap();
    assert_eq!(record.pps, [&hex(PPS)[..], &[0x68, 0x4f, 0x8f]]);
}

#[test]
fn sets_between_key_frames_stay_there_and_join_the_record_at_the_next() {
    let second: &[u8] = &[0x68, 0x4f, 0x8f];
    let mut bench = told();
    bench.raw(false, 1, second).unwrap();
    assert_eq!(bench.raw(true, 1, NEXT), Ok(vec![got(1, false, &[second, NEXT])]));
    assert_eq!(bench.raw(true, 2, NEXT), Ok(vec![got(2, false, &[NEXT])]));
    assert_eq!(bench.params.len(), 1, "viewers would wait for a key frame");
    assert_eq!(bench.raw(true, 3, IDR), Ok(vec![got(3, true, &[IDR])]));
    assert_eq!(crate::codec::h264::Record::parse(&bench.params[1].record).unwrap().pps.len(), 2);
}

#[test]
fn damaged_sets_are_passed_over() {
    let mut bench = told();
    bench.raw(false, 1, &[0x67, 0x64, 0, 0x1e, 0xff]).unwrap();
    assert_eq!(bench.raw(true, 1, IDR), Ok(vec![got(1, true, &[IDR])]));
    assert_eq!(bench.raw(true, 2, NEXT), Ok(vec![got(2, false, &[NEXT])]));
    assert_eq!(bench.params.len(), 1);
}

#[test]
fn reading_goes_on_where_a_unit_certainly_begins() {
    let gaps: [(&str, &[u8], u32); 5] = [
        ("another timestamp", MORE, 2),
        ("a first slice", NEXT, 1),
        ("SEI", SEI, 1),
        ("a first fragment of a first slice", &[0x7c, 0x81, 0x9a], 1),
        ("parameter sets", &[0x78, 0, 4, 0x68, 0xef, 0x8f, 0xcb], 1),
    ];
    for (why, payload, time) in gaps {
        let mut bench = told();
        bench.raw(false, 1, NEXT).unwrap();
        bench.unpack.gap();
        assert_eq!(bench.account.used(), 0);
        for lost in [MORE, &[0x7c, 0x81, 0x5a], &[0x7c, 0x01, 7], &[0x7c, 0x41, 7], &[0x78, 0, 4, 0x41, 0x5a, 1, 1]] {
            assert_eq!(bench.raw(false, 1, lost), Ok(vec![]));
        }
        bench.raw(false, time, payload).unwrap();
        let got = bench.raw(true, time, NEXT).unwrap();
        let len = if payload[0] == 0x78 { 8 } else { 8 + 4 + if payload[0] == 0x7c { 2 } else { payload.len() } };
        assert_eq!((got.len(), got[0].2.len()), (1, len), "{why}");
    }
}

#[test]
fn what_follows_a_mark_begins_a_unit() {
    let mut bench = told();
    bench.unpack.gap();
    bench.raw(true, 1, MORE).unwrap();
    assert_eq!(bench.raw(true, 1, MORE).unwrap().len(), 1);
}

#[test]
fn a_fragment_without_its_first_costs_its_frame() {
    let mut bench = told();
    bench.raw(false, 1, NEXT).unwrap();
    assert!(bench.raw(false, 1, &[0x7c, 0x01, 0x9a]).is_err());
    assert_eq!(bench.raw(true, 1, &[0x7c, 0x41, 0x9a]), Ok(vec![]), "once is enough");
    assert_eq!(bench.raw(true, 2, NEXT).unwrap().len(), 1);
}

#[test]
fn refused_room_costs_a_frame() {
    let mut bench = told();
    let held = bench.account.clone();
    let rest = held.charge(held.available()).unwrap();
    assert!(matches!(bench.raw(true, 1, NEXT), Err(Error::OverBudget(_))));
    assert!(matches!(bench.raw(false, 2, NEXT), Err(Error::OverBudget(_))));
    assert_eq!(bench.raw(true, 2, MORE), Ok(vec![]));
    drop(rest);
    assert_eq!(bench.raw(true, 3, NEXT).unwrap().len(), 1);
}

#[test]
fn h265_learns_its_sets_from_packets_too() {
    let sent = h265();
    let record = crate::codec::h265::Record::parse(&sent.params.record).unwrap();
    let sets = [record.vps[0], record.sps[0], record.pps[0]];
    let (idr, sei) = (unit(&[0x26, 1, 0xaf], 9), unit(&[0x4e, 1], 5));
    let mut bench = untold("H265", &[("sprop-vps", "QAE"), ("sprop-sps", "@"), ("sprop-pps", "RAHA")]);
    assert!(bench.params.is_empty());
    let payload = aggregate(&[0x60, 1], &[&[0x46, 1, 0x10], sets[0], sets[1], sets[2], &sei, &[]]);
    assert_eq!(bench.raw(true, 1, &payload), Ok(vec![]));
    assert_eq!(bench.raw(true, 1, &idr), Ok(vec![got(1, true, &[&sei, &idr])]));
    assert_eq!(bench.params, [sent.params]);
    // fragments, and a slice other than the first of its picture after a gap
    bench.unpack.gap();
    assert_eq!(bench.raw(false, 2, &[0x62, 1, 0xc1, 0x50]), Ok(vec![]));
    bench.raw(false, 2, &[0x62, 1, 0x81, 0xd0]).unwrap();
    assert_eq!(bench.raw(true, 2, &[0x62, 1, 0x41, 7]), Ok(vec![got(2, false, &[&[2, 1, 0xd0, 7]])]));
}

#[test]
fn key_frames_are_sent_behind_their_sets() {
    let track = h264();
    let bench = Bench::new(&track);
    let key = super::super::tests::frame(&track, true, &prefixed(&[SEI, IDR]));
    let packets = bench.packets(&key, 7);
    let sent: Vec<_> = packets.iter().map(|packet| (packet.marker, packet.payload.to_vec())).collect();
    let sets = aggregate(&[0x78], &[&hex(SPS), &hex(PPS)]);
    assert_eq!(sent, [(false, sets), (false, SEI.to_vec()), (true, IDR.to_vec())]);
    let broken = super::super::tests::frame(&track, true, &[0, 0, 0, 9, 1]);
    assert!(bench.packets(&broken, 7).is_empty());
    assert_eq!(bench.format.parameter("profile-level-id"), Some("64001E"));
    assert!(super::super::outgoing(&super::super::tests::track(Codec::H264, Params::default())).is_none());
}

#[test]
fn sets_too_long_for_a_packet_go_one_by_one() {
    let long = unit(&[0x68], 1000);
    let cutting = Cutting::<super::super::h264::H264>::new(&[0x78], &[&long, &long]);
    let mut count = 0;
    let frame = super::super::tests::frame(&track(Codec::H264, Params::default()), true, &prefixed(&[IDR]));
    cutting.frame(&frame, &mut |payload| {
        assert!(payload.body == long || payload.body == IDR);
        count += 1;
    });
    assert_eq!(count, 3);
}
