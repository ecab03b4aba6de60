//! Tests of the sets that are kept, of replacements, and of the limits.

use super::super::{binary, hex};
use super::*;
use crate::budget::Account;

const SPS: &str = "6764001eacd940a02ff97011000003000100000300320f162d96";
/// Of 176x144, with the same id.
const OTHER_SPS: &str = "6742c00bd902c4ec0440000003004000000c83c50a92";
const VPS_265: &str = "40010c01ffff01600000030090000003000003003f959409";
const SPS_265: &str = "42010101600000030090000003000003003fa005220171c449965654a4c2f0168080000003008000000c84";

fn take(sets: &mut Sets, unit: &[u8]) {
    let (header, body) = unit.split_at(header_len(sets.codec()));
    sets.take(header, body, None).unwrap();
}

fn news(sets: &mut Sets) -> Option<Params> {
    sets.news::<Failed>(&[], None).unwrap()
}

/// Either of the two errors.
#[derive(Debug, PartialEq)]
struct Failed;

impl From<Malformed> for Failed {
    fn from(_: Malformed) -> Self {
        Self
    }
}

impl From<OverBudget> for Failed {
    fn from(_: OverBudget) -> Self {
        Self
    }
}

/// A picture parameter set of H.264 for the sequence parameter set `sps`.
fn pps(id: u32, sps: u32, rest: &str) -> Vec<u8> {
    [vec![0x68], binary(&format!("{}{}{rest}1", ue(id), ue(sps)))].concat()
}

fn ue(value: u32) -> String {
    let code = format!("{:b}", value + 1);
    "0".repeat(code.len() - 1) + &code
}

#[test]
fn sets_replace_those_with_their_ids_and_others_stay() {
    let mut sets = Sets::new(Codec::H264);
    for id in [0, 1, 255] {
        take(&mut sets, &pps(id, 0, "0"));
    }
    assert_eq!(news(&mut sets), None, "there is no SPS");
    take(&mut sets, &hex(SPS));
    let first = news(&mut sets).unwrap();
    let record = h264::Record::parse(&first.record).unwrap();
    assert_eq!(record.pps, [pps(0, 0, "0"), pps(1, 0, "0"), pps(255, 0, "0")]);
    for unit in
        [hex(SPS), pps(1, 0, "0"), [&pps(0, 0, "0")[..], &[0, 0]].concat(), [&[0x28], &pps(0, 0, "0")[1..]].concat()]
    {
        take(&mut sets, &unit);
        assert_eq!(news(&mut sets), None, "{unit:x?}");
    }
    take(&mut sets, &pps(1, 0, "1"));
    take(&mut sets, &hex(OTHER_SPS));
    let params = news(&mut sets).unwrap();
    let record = h264::Record::parse(&params.record).unwrap();
    assert_eq!((record.sps, record.pps.len(), params.width), (vec![&hex(OTHER_SPS)[..]], 3, 176));
    assert_eq!(record.pps[1], pps(1, 0, "1"));
}

#[test]
fn all_kinds_of_h265_are_kept_by_id() {
    let mut sets = Sets::new(Codec::H265);
    let other_vps = [&[0x40, 1, 0x1c], &hex(VPS_265)[3..]].concat();
    let pps = |id: u32| [vec![0x44, 1], binary(&format!("{}{}0001", ue(id), ue(0)))].concat();
    for unit in [&hex(VPS_265), &other_vps, &hex(SPS_265), &pps(0), &pps(63), &pps(0)] {
        take(&mut sets, unit);
    }
    let params = news(&mut sets).unwrap();
    let record = h265::Record::parse(&params.record).unwrap();
    assert_eq!(record.vps, [hex(VPS_265), other_vps]);
    assert_eq!((record.sps.len(), record.pps), (1, vec![&pps(0)[..], &pps(63)]));
    take(&mut sets, &pps(64));
    assert_eq!(news(&mut sets), None, "there is no such id");
}

#[test]
fn the_set_of_the_picture_comes_first() {
    let mut sets = Sets::new(Codec::H264);
    // made by hand: seq_parameter_set_id 1 and 64x48
    let second = binary("01100111 01000010 00000000 00101000 010 1 011 1 0 00100 011 1 1 0 0 1");
    for unit in [&hex(SPS), &second, &pps(0, 0, "0"), &pps(1, 1, "0")] {
        take(&mut sets, unit);
    }
    // first_mb_in_slice 0, slice_type 7, and pic_parameter_set_id
    let picture = |id: u32| [vec![0, 0, 0, 4, 0x65], binary(&format!("1 0001000 {}", ue(id))), vec![7]].concat();
    let mut width = |id| {
        let data = picture(id);
        sets.news::<Failed>(&data, None).unwrap().map(|params| params.width)
    };
    assert_eq!([0, 0, 1, 1, 9, 0].map(&mut width), [Some(640), None, Some(64), None, None, Some(640)]);
}

#[test]
fn a_record_that_repeats_leaves_what_came_besides() {
    let account = Account::root("a", 1 << 20);
    let record = Bytes::from(h264::write(&hex(SPS), &pps(0, 0, "0")).unwrap());
    let mut sets = Sets::new(Codec::H264);
    let told = |sets: &mut Sets, record: &Bytes| sets.record::<Failed>(record.clone(), &account).unwrap();
    assert_eq!(told(&mut sets, &record).unwrap().record, record);
    take(&mut sets, &pps(1, 0, "0"));
    assert!(news(&mut sets).is_some());
    assert_eq!(told(&mut sets, &record), None);
    let other = Bytes::from(h264::write(&hex(OTHER_SPS), &pps(0, 0, "1")).unwrap());
    assert_eq!(told(&mut sets, &other).unwrap().record, other);
    take(&mut sets, &pps(0, 0, "1"));
    assert_eq!(news(&mut sets), None);
    assert!(sets.record::<Failed>(record.slice(..20), &account).is_err());
}

#[test]
fn what_is_damaged_or_too_much_is_passed_over() {
    let mut sets = Sets::new(Codec::H264);
    for unit in [&hex(SPS)[..], &hex(SPS)[..6], &[0x67], &[0x68], &[0x68, 0, 0, 0], &[0x68, 0, 0, 0, 1], &[]] {
        let (header, body) = unit.split_at_checked(1).unwrap_or_default();
        sets.take(header, body, None).unwrap();
    }
    assert_eq!(sets.list.len(), 1);
    for id in 0..300 {
        take(&mut sets, &pps(id, 0, "0"));
    }
    assert_eq!(sets.list.len(), 1 + 255);
    take(&mut sets, &[&pps(0, 0, "1")[..], &[1; MAX_RECORD]].concat());
    let params = news(&mut sets).unwrap();
    assert_eq!(h264::Record::parse(&params.record).unwrap().pps[0], pps(0, 0, "0"));
}

#[test]
fn they_are_charged_and_wait_where_there_is_no_room() {
    let account = Account::root("a", 4 << 10);
    let mut sets = Sets::new(Codec::H264);
    for unit in [hex(SPS), pps(0, 0, "0")] {
        sets.take(&unit[..1], &unit[1..], Some(&account)).unwrap();
    }
    let rest = account.charge(account.available()).unwrap();
    assert!(sets.take(&[0x68], &pps(1, 0, "0")[1..], Some(&account)).is_err());
    assert_eq!(sets.news(&[], Some(&account)), Err(Failed));
    drop(rest);
    let params = sets.news::<Failed>(&[], Some(&account)).unwrap().unwrap();
    let used = account.used();
    assert!(used > 0 && used < params.record.len() + 2 * crate::budget::BLOCK_OVERHEAD, "sets are parts of the record");
    drop((params, sets));
    assert_eq!(account.used(), 0);
}
