//! Tests of OBUs as encoders and browsers send them.

use super::super::tests::{Bench, Got, MAX_FRAME, av1, av1_sequence, frame, unit};
use super::*;

/// A key frame in the low-overhead format: sequence header, frame.
fn key() -> Vec<u8> {
    [&av1_sequence()[..], &[0x32, 3, 0x10, 0, 0x85]].concat()
}

/// The OBUs of `key` without sizes.
fn elements() -> [Vec<u8>; 2] {
    let sequence = av1_sequence();
    [[&[0x08], &sequence[2..]].concat(), vec![0x30, 0x10, 0, 0x85]]
}

fn joined(header: u8, elements: &[&[u8]]) -> Vec<u8> {
    elements.iter().fold(vec![header], |out, element| [&out[..], &[element.len() as u8], element].concat())
}

fn told() -> Bench {
    let mut bench = Bench::new(&av1());
    assert_eq!(bench.send(&frame(&av1(), true, &key()), 0), [got(0, true, &key())]);
    bench
}

fn got(time: u32, key: bool, data: &[u8]) -> Got {
    (time, key, Bytes::copy_from_slice(data))
}

#[test]
fn elements_with_and_without_count() {
    let [sequence, picture] = elements();
    let delimiter = &[0x10][..];
    let tiles = &[0x40, 1, 2][..];
    let last = |header, list: &[&[u8]], end: &[u8]| [&joined(header, list), end].concat();
    for payload in [
        joined(N, &[delimiter, &sequence, tiles, &picture, &[]]),
        last(N | 0x20, &[&sequence], &picture),
        last(N | 0x30, &[delimiter, &sequence], &picture),
        // sizes that the sender included
        last(N | 0x20, &[&av1_sequence()], &key()[13..]),
    ] {
        let mut bench = Bench::reader(super::super::format(99, "AV1", Hz::MPEG, 1, []));
        assert_eq!(bench.raw(true, 5, &payload), Ok(vec![got(5, true, &key())]));
        assert_eq!(bench.params, [av1().params]);
        assert_eq!(bench.raw(true, 6, &payload), Ok(vec![got(6, true, &key())]));
        assert_eq!(bench.params.len(), 1);
    }
}

#[test]
fn extensions_are_kept() {
    let mut bench = told();
    assert_eq!(bench.raw(true, 1, &[0x10, 0x34, 0x08, 0x30, 7]), Ok(vec![got(1, false, &[0x36, 0x08, 2, 0x30, 7])]));
    let sized = [0x10, 0x36, 0x08, 2, 0x30, 7];
    assert_eq!(bench.raw(true, 2, &sized), Ok(vec![got(2, false, &[0x36, 0x08, 2, 0x30, 7])]));
    let data = [0x36, 0x08, 2, 0x30, 7];
    assert_eq!(bench.send(&frame(&av1(), false, &data), 3), [got(3, false, &data)]);
}

#[test]
fn frames_before_a_sequence_header_are_passed_over() {
    let mut bench = Bench::reader(super::super::format(99, "AV1", Hz::MPEG, 1, []));
    assert_eq!(bench.raw(true, 1, &[0x10, 0x30, 0x30, 3]), Ok(vec![]));
    assert!(bench.raw(true, 1, &[0x10, 0x08, 0x30, 3]).is_err(), "a damaged one");
}

#[test]
fn fragments_without_neighbours_cost_their_unit() {
    let mut bench = told();
    assert!(bench.raw(false, 1, &[Z | 0x10, 1]).is_err());
    assert_eq!(bench.raw(true, 1, &[0x10, 0x30, 0x30]), Ok(vec![]), "once is enough");
    bench.raw(false, 2, &[Y | 0x10, 0x30, 0x30]).unwrap();
    assert!(bench.raw(false, 2, &[0x10, 0x30, 0x30]).is_err());
    assert!(bench.raw(true, 3, &[Y | 0x10, 0x30, 0x30]).is_err());
    bench.raw(false, 4, &[Y | 0x10, 0x30, 0x30]).unwrap();
    assert!(bench.raw(true, 5, &[0x10, 0x30, 0x30]).is_err(), "that of 4 has no end");
    assert_eq!(bench.raw(true, 6, &[0x10, 0x30, 0x30]).unwrap().len(), 1);
    assert_eq!(bench.account.used(), 0);
}

#[test]
fn reading_goes_on_where_a_unit_certainly_begins() {
    let ways: [(&str, bool, u32, u8); 3] =
        [("another timestamp", false, 2, 0x10), ("a mark", true, 1, 0x10), ("a sequence", false, 1, N | 0x10)];
    for (why, marker, time, header) in ways {
        let mut bench = told();
        bench.raw(false, 1, &[Y | 0x10, 0x30, 0x30]).unwrap();
        bench.unpack.gap();
        assert_eq!(bench.account.used(), 0);
        assert_eq!(bench.raw(false, 1, &[Z | 0x10, 7]), Ok(vec![]));
        assert_eq!(bench.raw(marker, 1, &[0x10, 0x30, 7]), Ok(vec![]));
        assert_eq!(bench.raw(true, time, &[header, 0x30, 0x30]).unwrap().len(), 1, "{why}");
    }
}

#[test]
fn a_new_timestamp_ends_a_unit_without_mark() {
    let mut bench = told();
    assert_eq!(bench.raw(false, 1, &[0x10, 0x30, 0x30]), Ok(vec![]));
    assert_eq!(bench.raw(true, 2, &[0x10, 0x30, 0x31]).unwrap().len(), 2);
}

#[test]
fn key_frames_have_their_sequence_header_and_say_so() {
    let bench = told();
    let bare = frame(&av1(), true, &[0x12, 0, 0x32, 3, 0x10, 0, 0x85]);
    for sent in [bare, frame(&av1(), true, &key())] {
        let packets = bench.packets(&sent, 0);
        let sent: Vec<_> = packets.iter().map(|packet| (packet.marker, packet.payload.to_vec())).collect();
        let [sequence, picture] = elements();
        assert_eq!(sent, [(false, [&[0x18], &sequence[..]].concat()), (true, [&[0x10], &picture[..]].concat())]);
    }
    let values = ["profile", "level-idx", "tier"].map(|name| bench.format.parameter(name).unwrap().to_owned());
    assert_eq!(values, ["0", "1", "0"]);
}

#[test]
fn a_unit_beyond_the_limit_is_refused_once() {
    let mut bench = told();
    let part = unit(&[Z | Y | 0x10], 1388);
    bench.raw(false, 1, &unit(&[Y | 0x10, 0x30, 0x30], 1388)).unwrap();
    let errors: Vec<_> = (0..MAX_FRAME / 1000).filter_map(|_| bench.raw(false, 1, &part).err()).collect();
    assert_eq!(errors, [Error::TooLong]);
    assert_eq!(bench.account.used(), 0);
}

#[test]
fn sizes_are_as_short_as_they_can_be() {
    let field = |len: usize| {
        let prefix = size_field(0x32, len + 1);
        prefix.bytes[..prefix.len].to_vec()
    };
    assert_eq!(
        [field(0), field(127), field(128), field(624_485)],
        [vec![0], vec![127], vec![0x80, 1], vec![0xe5, 0x8e, 0x26]]
    );
    assert_eq!(size_field(0x36, 1).bytes[0], 0);
}
