//! Tests of pictures as cameras send them.

use super::super::tests::{Bench, MAX_FRAME, frame, jpeg, unit};
use super::*;

/// A picture with a scan of `len` bytes.
pub(in super::super) fn picture(len: usize, half_height: bool, restart: u16) -> Vec<u8> {
    let quantizers = tables::quantizers(70);
    let start = Picture { width: 320, height: 240, half_height, restart, quantizers }.write();
    [start, unit(&[], len), EOI.to_vec()].concat()
}

fn told() -> Bench {
    Bench::new(&jpeg())
}

/// The start of a payload: offset, type, Q, 16 times 8 pixels.
fn main(offset: u8, kind: u8, q: u8) -> Vec<u8> {
    vec![0, 0, 0, offset, kind, q, 2, 1]
}

fn read(data: &[u8]) -> Picture {
    Picture::read(data).unwrap().0
}

#[test]
fn quantizers_come_of_q_or_of_the_packet() {
    let mut bench = told();
    let got = bench.raw(true, 1, &[&main(0, 0, 50)[..], &[7, 8, 9]].concat()).unwrap();
    let expected = Picture { width: 16, height: 8, half_height: false, restart: 0, quantizers: tables::quantizers(50) };
    assert_eq!(read(&got[0].2), expected);
    assert!(got[0].2.ends_with(&[7, 8, 9, 0xff, 0xd9]));
    assert_eq!((expected.quantizers[0][0], expected.quantizers[1][63]), (16, 99));
    assert_eq!((tables::quantizers(99)[0][0], tables::quantizers(1)[1][9]), (1, 255));
    assert_eq!(bench.params, [Params { width: 16, height: 8, ..Params::default() }]);

    let in_band = |q, tables: &[u8]| [&main(0, 1, q)[..], &[0, 0, 0, tables.len() as u8], tables, &[7]].concat();
    let got = bench.raw(true, 2, &in_band(200, &[[3; 64], [4; 64]].concat())).unwrap();
    assert_eq!((read(&got[0].2).quantizers, read(&got[0].2).half_height), ([[3; 64], [4; 64]], true));
    let got = bench.raw(true, 3, &in_band(200, &[])).unwrap();
    assert_eq!(read(&got[0].2).quantizers, [[3; 64], [4; 64]], "those of before");
    let got = bench.raw(true, 4, &in_band(255, &[5; 64])).unwrap();
    assert_eq!(read(&got[0].2).quantizers, [[5; 64]; 2]);
    assert!(bench.raw(true, 5, &in_band(201, &[])).is_err());
    assert_eq!(bench.params.len(), 1);
}

#[test]
fn what_has_no_meaning_is_refused() {
    for payload in [main(0, 2, 50), main(0, 0, 0), main(0, 0, 100), vec![0, 0, 0, 0, 0, 50, 0, 1], vec![0, 0]] {
        assert!(told().raw(true, 1, &payload).is_err());
    }
    let wide = [&main(0, 0, 255)[..], &[0, 1, 0, 64], &[1; 64]].concat();
    assert!(told().raw(true, 1, &wide).is_err());
}

#[test]
fn the_end_of_the_image_is_not_written_twice() {
    let mut bench = told();
    bench.raw(false, 1, &[&main(0, 0, 50)[..], &[7, 0xff]].concat()).unwrap();
    let got = bench.raw(true, 1, &[&main(2, 0, 50)[..], &[0xd9]].concat()).unwrap();
    assert!(got[0].2.ends_with(&[7, 0xff, 0xd9]));
}

#[test]
fn parts_fit_or_are_passed_over() {
    let mut bench = told();
    let part = |offset| [&main(offset, 0, 50)[..], &[1, 2]].concat();
    bench.raw(false, 1, &part(0)).unwrap();
    assert!(bench.raw(false, 1, &part(3)).is_err());
    assert_eq!(bench.raw(false, 1, &part(5)), Ok(vec![]), "once is enough");
    assert_eq!(bench.raw(true, 1, &part(7)), Ok(vec![]));
    bench.raw(false, 2, &part(0)).unwrap();
    bench.unpack.gap();
    assert_eq!(bench.raw(true, 2, &part(2)), Ok(vec![]));
    assert_eq!(bench.raw(true, 3, &part(0)).unwrap().len(), 1);
    assert!(bench.raw(true, 4, &part(2)).is_err());
    assert_eq!(bench.account.used(), 0);
}

#[test]
fn restart_markers_are_said() {
    let mut bench = told();
    let got = bench.raw(true, 1, &[&main(0, 64, 50)[..], &[0, 4, 0xff, 0xff, 7]].concat()).unwrap();
    assert_eq!(read(&got[0].2).restart, 4);
    let again = bench.send(&frame(&jpeg(), true, &got[0].2), 2);
    assert_eq!(again[0].2, got[0].2);
}

#[test]
fn a_picture_beyond_the_limit_is_refused_once() {
    let mut bench = told();
    let mut errors = Vec::new();
    for at in 0..MAX_FRAME / 1000 + 9 {
        let [_, o2, o1, o0] = (at as u32 * 1000).to_be_bytes();
        let payload = [&[0, o2, o1, o0, 0, 50, 2, 1][..], &[7; 1000]].concat();
        errors.extend(bench.raw(false, 1, &payload).err());
    }
    assert_eq!(errors, [Error::TooLong]);
    assert_eq!(bench.account.used(), 0);
}

#[test]
fn pictures_that_packets_have_no_words_for_are_left_out() {
    let good = picture(100, false, 0);
    let bench = told();
    assert_eq!(bench.packets(&frame(&jpeg(), true, &good), 1).len(), 1);
    let sof = good.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    let dht = good.windows(2).position(|pair| pair == [0xff, 0xc4]).unwrap();
    // progressive, 12 bits, one component, 4:4:4, too wide, other Huffman tables
    for (at, value) in [(sof + 1, 0xc2), (sof + 4, 12), (sof + 9, 1), (sof + 11, 0x11), (sof + 7, 9), (dht + 5, 1)] {
        let mut bad = good.clone();
        bad[at] = value;
        assert!(bench.packets(&frame(&jpeg(), true, &bad), 1).is_empty(), "{at}");
    }
    for at in 0..good.len() {
        bench.packets(&frame(&jpeg(), true, &good[..at]), 1);
    }
}
