//! Damaged files: whatever is in them, they are read in bounded time and memory.

use runnel::budget::Account;
use runnel::media::{Codec, Frame};

use crate::damaged;
use crate::records::{data, frame, record, track};
use crate::storage::{MAX_FRAME, Memory, Movie, codecs, read, written};

/// The memory that a reader may hold: a frame that is put together, once more when it is done, and
/// that of each other track.
const ROOM: usize = 8 * MAX_FRAME;

fn check(file: &[u8]) {
    check_within(2 * file.len() + 10, file);
}

fn check_within(steps: usize, file: &[u8]) {
    let account = Account::root("stream", ROOM);
    let found = read(&mut Memory(file.to_vec()), &account);
    assert!(found.steps <= steps, "{} steps", found.steps);
    assert!(found.frames.iter().map(|frame| frame.data.len()).max().unwrap_or(0) <= MAX_FRAME);
    drop(found);
    assert_eq!(account.used(), 0);
}

#[test]
fn of_every_form() {
    for form in ["flv", "ts", "mp4"] {
        for (codec, len) in codecs(form) {
            let track = track(0, codec);
            let len = if len > 400 { len } else { 60 };
            let frames: Vec<Frame> = (0..2).map(|at| frame(&track, 40 * at, 0, at == 0, len)).collect();
            let file = written(form, &[track], &frames);
            // long frames are the same all along
            if len < 400 {
                damaged(&file, check);
            } else {
                damaged(&file[..600], check);
            }
        }
    }
}

#[test]
fn movies_with_tables() {
    let samples: Vec<_> = (0..4).map(|at| data(Codec::H264, at == 0, 20).to_vec()).collect();
    for odd in [false, true] {
        damaged(&Movie::file(record(Codec::H264), &samples, odd, true), check);
    }
}

/// The numbers behind the name of a box and its version and flags, with these instead.
fn patch(file: &mut [u8], name: &[u8; 4], numbers: &[u32]) {
    let at = file.windows(4).position(|found| found == name).unwrap() + 4;
    for (place, number) in file[at..].chunks_exact_mut(4).zip(numbers) {
        place.copy_from_slice(&number.to_be_bytes());
    }
}

/// `trun` says nothing of each, and `trex` that they are empty.
#[test]
fn fragments_of_a_million_samples_without_bytes() {
    let track = track(0, Codec::Opus);
    let frames: Vec<Frame> = (0..2).map(|at| frame(&track, 40 * at, 0, true, 60)).collect();
    let mut file = written("mp4", &[track], &frames);
    patch(&mut file, b"trun", &[0, 1 << 20]);
    check(&file);
}

/// Each too long for a frame, so that it is not even read.
#[test]
fn fragments_of_a_million_samples_that_are_too_long() {
    let track = track(0, Codec::Opus);
    let mut file = written("mp4", std::slice::from_ref(&track), &[frame(&track, 0, 0, true, 60)]);
    // flags, track_ID, duration, length
    patch(&mut file, b"trex", &[0, 2, 1, 1, MAX_FRAME as u32 + 1, 0]);
    patch(&mut file, b"trun", &[0, 1 << 20]);
    check(&file);
}

#[test]
fn chunks_that_all_lie_in_one_place() {
    let samples: Vec<_> = (0..200).map(|at| data(Codec::H264, at == 0, 20).to_vec()).collect();
    let mut file = Movie::file(record(Codec::H264), &samples, false, true);
    let len = file.len();
    // samples of one byte, and in each chunk as many as the file has bytes
    patch(&mut file, b"stsz", &[0, 1, u32::MAX]);
    patch(&mut file, b"stsc", &[0, 1, 1, len as u32, 1]);
    patch(&mut file, b"stco", &[&[0, 67][..], &[0; 67]].concat());
    check_within(10 * len, &file);
}
