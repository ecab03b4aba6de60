//! A film of ten hours is played from what a file of ten seconds takes.

use runnel::budget::Account;
use runnel::container::file::{Storage, Unreadable, open};
use runnel::media::Codec;

use crate::meter::alone;
use crate::records::{data, record};
use crate::storage::{MAX_FRAME, Movie};
use crate::sweep::one_in;

/// A movie on a disk: its samples are all alike.
struct Disk {
    moov: Vec<u8>,
    sample: Vec<u8>,
    len: u64,
}

impl Disk {
    /// Some of the bytes that begin at `at`.
    fn from(&self, at: usize) -> &[u8] {
        match at.checked_sub(self.moov.len()) {
            None => &self.moov[at..],
            // the head of a mdat that reaches to the file's end
            Some(place @ 0..8) => &b"\0\0\0\0mdat"[place..],
            Some(place) => &self.sample[(place - 8) % self.sample.len()..],
        }
    }
}

impl Storage for Disk {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&mut self, at: u64, out: &mut [u8]) -> Result<usize, Unreadable> {
        let left = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
        let (len, at) = (left.min(out.len()), at as usize);
        let mut done = 0;
        while done < len {
            let rest = self.from(at + done);
            let some = rest.len().min(len - done);
            out[done..done + some].copy_from_slice(&rest[..some]);
            done += some;
        }
        Ok(len)
    }
}

#[test]
fn tables_are_not_held() {
    let alone = alone();
    let sample = data(Codec::H264, true, 64).to_vec();
    let sizes = vec![64; 10 * 3600 * 25 / one_in()];
    let count = sizes.len();
    let mut movie = Movie { record: record(Codec::H264), sizes, at: 8, odd: false };
    movie.at += movie.moov().len() as u32;
    let moov = movie.moov();
    let len = (moov.len() + 8 + count * 64) as u64;
    let (mut disk, account) = (Disk { moov, sample, len }, Account::root("stream", 1 << 20));
    drop(movie);
    let meter = alone.meter();
    let mut reader = open(&mut disk, MAX_FRAME).unwrap();
    let mut frames = 0;
    while reader
        .step(&mut disk, &account, &mut |event| {
            frames += usize::from(matches!(event, runnel::container::Event::Frame(_)))
        })
        .unwrap()
    {}
    assert_eq!(frames, count);
    assert!(meter.peak() < 32 << 10, "{} bytes", meter.peak());
}
