//! Tests of each row of the table, and of clocks that jump.

use super::*;

const IDR: &[u8] = &[0x65, 0x88];
/// slice_type P.
const INTER: &[u8] = &[0x41, 0b1100_0000];
/// slice_type I.
const INTRA: &[u8] = &[0x41, 0b1011_0000];
/// recovery_frame_cnt 0, with and without timing before it.
const POINT: &[u8] = &[6, 6, 1, 0xc4, 0x80];
const TIMED_POINT: &[u8] = &[6, 1, 4, 0, 0, 3, 0, 7, 6, 1, 0xc4, 0x80];

fn unit(units: &[&[u8]]) -> Vec<u8> {
    units.iter().flat_map(|unit| [&(unit.len() as u32).to_be_bytes(), *unit].concat()).collect()
}

/// An H.264 stream with pictures every 100 ms.
#[derive(Default)]
struct Stream {
    keys: Keys,
    at: i64,
}

impl Stream {
    fn hinted(&mut self, units: &[&[u8]], flagged: bool, sets: bool) -> bool {
        self.at += 100;
        self.keys.is_key(Codec::H264, &unit(units), Hints { at: self.at, flagged, sets })
    }

    fn next(&mut self, units: &[&[u8]]) -> bool {
        self.hinted(units, false, false)
    }

    /// The number of such pictures after which one is a key frame; `None` if that takes more than 100 seconds.
    fn until_key(&mut self, units: &[&[u8]]) -> Option<usize> {
        (0..1000).find(|_| self.next(units))
    }
}

#[test]
fn flags_do_not_count_against_the_pictures() {
    let mut stream = Stream::default();
    assert!(!stream.hinted(&[INTER], true, true));
    assert!(stream.next(&[&[6, 5, 0], IDR]));
    assert!((0..300).all(|_| !stream.hinted(&[INTER], true, false)));
    assert!(stream.next(&[IDR, IDR]));
}

#[test]
fn recovery_points_stand_for_idr_pictures_that_are_rare() {
    for point in [POINT, TIMED_POINT] {
        assert!(Stream::default().next(&[point, INTRA]));
        let mut stream = Stream::default();
        stream.next(&[IDR]);
        assert!(!stream.next(&[point, INTRA]));
        assert!(stream.hinted(&[point, INTRA], true, false), "the container agrees");
        assert_eq!(stream.until_key(&[point, INTRA]), Some(48));
        assert_eq!(stream.until_key(&[point, INTRA]), Some(0), "none was an IDR picture");
    }
    assert!(!Stream::default().next(&[&[6, 5, 1, 6], INTRA]));
    assert!(!Stream::default().next(&[&[6, 255], INTRA]));
    assert!(!Stream::default().next(&[POINT]));
}

#[test]
fn gradual_refresh_begins_where_it_is_said_to() {
    let mut stream = Stream::default();
    assert!(!stream.next(&[POINT, INTER]));
    assert_eq!(stream.until_key(&[POINT, INTER]), Some(50));
    assert!(!stream.next(&[INTER]) && stream.next(&[POINT, INTER]));
}

#[test]
fn pictures_that_are_not_made_for_it_have_to_do_after_long() {
    assert_eq!(Stream::default().until_key(&[INTER]), Some(201));
    let mut stream = Stream::default();
    stream.next(&[IDR]);
    assert_eq!(stream.until_key(&[INTER]), Some(600));
    assert_eq!(stream.until_key(&[INTRA]), Some(100));
    assert!(!stream.hinted(&[INTRA, INTER], true, false), "a part of it");
    stream.at += 9_000;
    assert!(!stream.hinted(&[INTER], false, true));
    stream.at += 2_000;
    assert!(!stream.hinted(&[INTER], false, true), "all pictures have sets");
    assert!(!stream.next(&[INTER]) && stream.hinted(&[INTER], false, true));
}

#[test]
fn a_jump_of_the_clock_is_no_wait() {
    for jump in [-10_800_000, 10_800_000, i64::MAX / 2, i64::MIN] {
        let mut stream = Stream { at: 50, ..Stream::default() };
        stream.next(&[IDR]);
        stream.at = stream.at.wrapping_add(jump);
        assert!(!stream.next(&[INTER]) && !stream.next(&[POINT, INTRA]), "{jump}");
        assert_eq!(stream.until_key(&[POINT, INTRA]), Some(49), "{jump}");
    }
}

#[test]
fn h265_has_random_access_points_and_gradual_refresh() {
    let mut keys = Keys::default();
    let mut is_key =
        |at, units: &[&[u8]]| keys.is_key(Codec::H265, &unit(units), Hints { at, flagged: true, sets: false });
    assert!(is_key(0, &[&[0x4e, 1, 5, 0], &[0x2a, 1, 0xaf]]), "CRA");
    assert!(is_key(1, &[&[0x26, 1, 0xaf]]), "IDR");
    let point: [&[u8]; 2] = [&[0x4e, 1, 6, 1, 0xd0], &[2, 1, 0xd0]];
    assert!(!is_key(40, &point) && !is_key(5001, &point) && is_key(5002, &point));
}

#[test]
fn other_codecs_say_it_in_each_frame() {
    for (codec, key, other) in [
        (Codec::Av1, &[0x30, 0x10][..], &[0x30, 0x30][..]),
        (Codec::Vp8, &[0x10, 2, 0, 0x9d, 1, 0x2a], &[0x11, 2, 0]),
        (Codec::Vp9, &[0x82, 0x49, 0x83, 0x42], &[0x86, 0, 0x40, 0x80]),
    ] {
        assert!(is_key(codec, key) && !is_key(codec, other) && !is_key(codec, &[]), "{codec:?}");
    }
    assert!(is_key(Codec::Mjpeg, &[]) && is_key(Codec::Aac, &[]));
}
