//! Damaged files: whatever is in them, they are read in bounded time and memory.

use runnel::budget::Account;
use runnel::media::{Codec, Frame};

use crate::damaged;
use crate::records::{data, frame, record, track};
use crate::storage::{MAX_FRAME, Memory, Movie, codecs, read, written};

/// What a reader may hold: a frame that is put together, once more when it is done, and
/// that of each other track.
const ROOM: usize = 8 * MAX_FRAME;

fn check(file: &[u8]) {
    let account = Account::root("stream", ROOM);
    let found = read(&mut Memory(file.to_vec()), &account);
    assert!(found.steps <= 2 * file.len() + 10, "{} steps", found.steps);
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
