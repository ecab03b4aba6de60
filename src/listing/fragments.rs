//! The length of a segment that is in no playlist: fragmented MP4, if it is complete.
//! ISO/IEC 14496-12 sections 8.4.2, 8.8.5 and 8.8.8.
//!
//! Samples are not read: a file with such a name may be as large as the disk.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::file;

/// The number of `track_ID`s used here: video and audio, from 1.
const TRACKS: usize = 2;
/// The maximum number of boxes in a segment.
const MAX_BOXES: usize = 16 << 10;
/// Bytes of a run that are read at once.
const PIECE: usize = 4 << 10;

/// A number for each track.
pub(super) type Tracks = [u32; TRACKS];

/// Consecutive boxes.
struct Boxes<'a> {
    file: &'a File,
    place: Range<u64>,
    left: usize,
}

/// The duration of a segment in ticks, for each track.
pub(super) fn ticks(path: &Path) -> io::Result<Tracks> {
    let file = file::open(path, OpenOptions::new().read(true))?;
    let (mut sums, mut is_whole, mut has_samples) = ([0; TRACKS], true, false);
    let mut boxes = Boxes::of(&file)?;
    while let Some((name, place)) = boxes.next()? {
        match &name {
            b"moof" if is_whole => {
                is_whole = false;
                boxes.within(place).each(b"traf", &mut |traf| add_run(traf, &mut sums))?;
            }
            b"mdat" if !is_whole => (is_whole, has_samples) = (true, true),
            b"moof" | b"mdat" => return Err(ErrorKind::InvalidData.into()),
            _ => {}
        }
    }
    if is_whole && has_samples { Ok(sums) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

/// The timescale of each track, from the segment's initialization file.
pub(super) fn timescales(path: &Path) -> io::Result<Tracks> {
    let file = file::open(path, OpenOptions::new().read(true))?;
    let mut scales = [0; TRACKS];
    Boxes::of(&file)?.each(b"moov", &mut |mut moov| {
        moov.each(b"trak", &mut |mut trak| {
            let (mut id, mut scale) = (0, 0);
            while let Some((name, place)) = trak.next()? {
                match &name {
                    b"tkhd" => id = trak.after_times(&place)?,
                    b"mdia" => trak.within(place).each(b"mdhd", &mut |mdhd| {
                        scale = mdhd.after_times(&mdhd.place)?;
                        Ok(())
                    })?,
                    _ => {}
                }
            }
            if let Some(place) = of_track(&mut scales, id) {
                *place = scale;
            }
            Ok(())
        })
    })?;
    Ok(scales)
}

fn of_track(tracks: &mut Tracks, id: u32) -> Option<&mut u32> {
    tracks.get_mut(usize::try_from(id.checked_sub(1)?).ok()?)
}

/// Adds the durations of a fragment's samples of one track.
fn add_run(mut traf: Boxes<'_>, sums: &mut Tracks) -> io::Result<()> {
    let mut id = 0;
    while let Some((name, place)) = traf.next()? {
        match &name {
            b"tfhd" => id = traf.number(place.start + 4)?,
            b"trun" => {
                let sum = traf.run(place)?;
                if let Some(place) = of_track(sums, id) {
                    *place = place.saturating_add(sum);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

impl<'a> Boxes<'a> {
    fn of(file: &'a File) -> io::Result<Self> {
        Ok(Self { file, place: 0..file.metadata()?.len(), left: MAX_BOXES })
    }

    /// The boxes inside a box.
    fn within(&self, place: Range<u64>) -> Self {
        Self { file: self.file, place, left: self.left }
    }

    /// The type of the next box, and the place of its content. A box that is cut off is an error.
    fn next(&mut self) -> io::Result<Option<([u8; 4], Range<u64>)>> {
        if self.place.is_empty() {
            return Ok(None);
        }
        self.left = self.left.checked_sub(1).ok_or(ErrorKind::InvalidData)?;
        let start = self.place.start;
        let mut name = [0; 4];
        self.file.read_exact_at(&mut name, start + 4)?;
        let end = start + u64::from(self.number(start)?);
        if end < start + 8 || end > self.place.end {
            return Err(ErrorKind::InvalidData.into());
        }
        self.place.start = end;
        Ok(Some((name, start + 8..end)))
    }

    /// Passes the content of each box of the type `wanted` to `show`.
    fn each(&mut self, wanted: &[u8; 4], show: &mut dyn FnMut(Self) -> io::Result<()>) -> io::Result<()> {
        while let Some((name, place)) = self.next()? {
            if name == *wanted {
                show(self.within(place))?;
            }
        }
        Ok(())
    }

    fn number(&self, at: u64) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.file.read_exact_at(&mut bytes, at)?;
        Ok(u32::from_be_bytes(bytes))
    }

    /// The field after two times, which are longer in version 1.
    fn after_times(&self, place: &Range<u64>) -> io::Result<u32> {
        let is_long = self.number(place.start)? >> 24 == 1;
        self.number(place.start + if is_long { 20 } else { 12 })
    }

    /// The sum of the durations in a run, which must contain one for each sample.
    fn run(&self, place: Range<u64>) -> io::Result<u32> {
        let (flags, samples) = (self.number(place.start)?, self.number(place.start + 4)?);
        let bytes = |fields: u32| 4 * u64::from((flags & fields).count_ones());
        let mut at = place.start + 8 + bytes(0x1 | 0x4);
        let row = bytes(0xf00);
        let end = at + u64::from(samples) * row;
        if flags & 0x100 == 0 || end > place.end {
            return Err(ErrorKind::InvalidData.into());
        }
        let (mut sum, mut piece) = (0u32, vec![0; PIECE]);
        let row_len = usize::try_from(row).unwrap_or(PIECE);
        while at < end {
            let len = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE / row_len * row_len);
            let piece = piece.get_mut(..len).unwrap_or_default();
            self.file.read_exact_at(piece, at)?;
            for duration in piece.chunks_exact(row_len).filter_map(|row| row.first_chunk()) {
                sum = sum.saturating_add(u32::from_be_bytes(*duration));
            }
            at += len as u64;
        }
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(8 + content.len()).unwrap();
        [&size.to_be_bytes()[..], name, content].concat()
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    /// A fragment with these numbers of samples, of 3000 and of 1024 ticks.
    fn fragment(pictures: u32, sound: u32) -> Vec<u8> {
        let traf = |id, rows: Vec<u8>, flags: u32, samples| {
            let run = boxed(b"trun", &[words(&[0x0100_0000 | flags, samples, 99]), rows].concat());
            boxed(b"traf", &[boxed(b"tfhd", &words(&[0x02_0000, id])), run].concat())
        };
        let video = (0..pictures).flat_map(|_| words(&[3000, 7, 0, 0])).collect();
        let audio = (0..sound).flat_map(|_| words(&[1024, 7])).collect();
        let moof = [traf(1, video, 0xf01, pictures), traf(2, audio, 0x301, sound)].concat();
        [boxed(b"moof", &moof), boxed(b"mdat", &[0; 99])].concat()
    }

    #[test]
    fn only_a_segment_that_is_whole_has_a_length() {
        let path = std::env::temp_dir().join(format!("runnel-fragments-{}", std::process::id()));
        let parts = [fragment(5, 3), fragment(600, 9)];
        let whole = parts.concat();
        for cut in (1..whole.len()).rev().step_by(37).chain([parts[0].len()]) {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(ticks(&path).is_ok(), cut == parts[0].len(), "{cut}");
        }
        for wrong in [vec![], vec![0; 5000], boxed(b"moof", b""), boxed(b"mdat", b""), boxed(b"free", b"")] {
            std::fs::write(&path, wrong).unwrap();
            assert!(ticks(&path).is_err());
        }
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(ticks(&path).unwrap(), [605 * 3000, 12 * 1024]);
        let trak = |version: u32, id, scale| {
            let times = vec![0; if version == 1 { 4 } else { 2 }];
            let head = |number| words(&[&[version << 24][..], &times, &[number, 0]].concat());
            boxed(b"trak", &[boxed(b"tkhd", &head(id)), boxed(b"mdia", &boxed(b"mdhd", &head(scale)))].concat())
        };
        std::fs::write(&path, boxed(b"moov", &[trak(0, 2, 44100), trak(1, 1, 90000)].concat())).unwrap();
        let found = timescales(&path);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(found.unwrap(), [90000, 44100]);
    }
}
