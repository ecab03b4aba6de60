//! Files that are read, in memory; and a movie whose tables list its samples.

#![allow(dead_code, reason = "each test uses a part")]

use runnel::budget::Account;
use runnel::container::file::{self, Fault, Storage, Unreadable};
use runnel::container::{Error, Event, FORMS};
use runnel::media::{Codec, Frame, Kind, Track, Tracks};

pub const MAX_FRAME: usize = 64 << 10;

/// A file's bytes.
pub struct Memory(pub Vec<u8>);

impl Storage for Memory {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&mut self, at: u64, out: &mut [u8]) -> Result<usize, Unreadable> {
        let rest = usize::try_from(at).ok().and_then(|at| self.0.get(at..)).unwrap_or_default();
        let len = rest.len().min(out.len());
        out[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }
}

/// The events that were found in a file.
#[derive(Debug, Default)]
pub struct Found {
    pub tracks: Vec<Track>,
    pub frames: Vec<Frame>,
    pub lost: Vec<(Kind, Error)>,
    /// The error at which reading ended.
    pub fault: Option<Fault>,
    pub steps: usize,
}

/// Reads a file to its end.
pub fn read(storage: &mut dyn Storage, account: &Account) -> Found {
    let mut found = Found::default();
    let mut reader = match file::open(storage, MAX_FRAME) {
        Ok(reader) => reader,
        Err(fault) => return Found { fault: Some(fault), ..found },
    };
    loop {
        found.steps += 1;
        let Found { tracks, frames, lost, .. } = &mut found;
        let step = reader.step(storage, account, &mut |event| match event {
            Event::Track(track) => tracks.push(track),
            Event::Frame(frame) => frames.push(frame),
            Event::SequenceEnd(_) | Event::Unsupported(..) => {}
        });
        match step {
            Ok(true) => {}
            Ok(false) => return found,
            Err(Fault::Lost(kind, error)) => lost.push((kind, error)),
            Err(fault) => return Found { fault: Some(fault), ..found },
        }
    }
}

/// A file of that form with these frames.
pub fn written(form: &str, list: &[Track], frames: &[Frame]) -> Vec<u8> {
    let form = FORMS.iter().find(|known| known.name == form).unwrap();
    let (mut mux, mut tracks) = ((form.mux)(), Tracks::default());
    for track in list {
        tracks.set(track.clone());
    }
    let account = Account::root("mux", 16 << 20);
    let announced = mux.announce(&tracks, &tracks.iter().collect::<Vec<_>>(), frames[0].dts).to_vec();
    let mut out = mux.head(&tracks, frames[0].dts).to_vec();
    if out.is_empty() {
        out = announced;
    }
    for frame in frames {
        let track = tracks.find(frame.kind, frame.track).unwrap();
        let packed = mux.frame(track, frame, &account).unwrap().unwrap();
        packed.slices().for_each(|slice| out.extend_from_slice(slice));
    }
    out
}

fn boxed(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32 + 8).to_be_bytes()[..], name, content].concat()
}

fn full(name: &[u8; 4], numbers: &[u32]) -> Vec<u8> {
    let numbers: Vec<_> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
    boxed(name, &[&[0; 4][..], &numbers].concat())
}

/// A movie of one track of H.264 at 25 pictures a second, with a clock of 90 kHz. Its
/// samples stand in chunks of three, of which the first has two, from the file's start on, and each tenth is a key
/// frame; its times begin with a pause of a second, and leave out the first 40 ms.
pub struct Movie {
    pub record: Vec<u8>,
    /// The length of each sample.
    pub sizes: Vec<u32>,
    /// The place of the first.
    pub at: u32,
    /// `stz2`, and `co64`.
    pub odd: bool,
}

impl Movie {
    /// `moov`.
    pub fn moov(&self) -> Vec<u8> {
        let count = self.sizes.len() as u32;
        let stz2 = || {
            let sizes = self.sizes.iter().flat_map(|size| (*size as u16).to_be_bytes()).collect();
            boxed(b"stz2", &[vec![0, 0, 0, 0, 0, 0, 0, 16], count.to_be_bytes().to_vec(), sizes].concat())
        };
        let sizes = if self.odd { stz2() } else { full(b"stsz", &[&[0, count], &self.sizes[..]].concat()) };
        let mut at = self.at;
        let mut starts = vec![at];
        let (first, others) = self.sizes.split_at(2);
        at += first.iter().sum::<u32>();
        for chunk in others.chunks(3) {
            starts.push(at);
            at += chunk.iter().sum::<u32>();
        }
        let chunks = starts.len() as u32;
        let offsets = match self.odd {
            true => full(b"co64", &[vec![chunks], starts.iter().flat_map(|at| [0, *at]).collect()].concat()),
            false => full(b"stco", &[vec![chunks], starts].concat()),
        };
        let keys: Vec<_> = (1..=count).step_by(10).collect();
        let entry = boxed(b"avc1", &[vec![0; 78], boxed(b"avcC", &self.record)].concat());
        let stbl = [
            boxed(b"stsd", &[vec![0, 0, 0, 0, 0, 0, 0, 1], entry].concat()),
            full(b"stts", &[1, count, 3600]),
            full(b"ctts", &[2, 1, 3600, count - 1, 7200]),
            full(b"stsc", &[2, 1, 2, 1, 2, 3, 1]),
            full(b"stss", &[vec![keys.len() as u32], keys].concat()),
            sizes,
            offsets,
        ];
        let minf = boxed(b"minf", &boxed(b"stbl", &stbl.concat()));
        let hdlr = boxed(b"hdlr", &[&[0; 8][..], b"vide"].concat());
        let mdia = boxed(b"mdia", &[full(b"mdhd", &[0, 0, 90_000, 0]), hdlr, minf].concat());
        let elst = full(b"elst", &[2, 1000, u32::MAX, 0x1_0000, 0, 3600, 0x1_0000]);
        let trak = [full(b"tkhd", &[0, 0, 7, 0]), boxed(b"edts", &elst), mdia].concat();
        boxed(b"moov", &[full(b"mvhd", &[0, 0, 1000, 0]), boxed(b"trak", &trak)].concat())
    }

    /// The whole file, with these samples.
    pub fn file(record: Vec<u8>, samples: &[Vec<u8>], odd: bool, moov_first: bool) -> Vec<u8> {
        let sizes = samples.iter().map(|sample| sample.len() as u32).collect();
        let ftyp = boxed(b"ftyp", b"isom\0\0\0\0");
        let mut movie = Self { record, sizes, at: ftyp.len() as u32 + 8, odd };
        let data = boxed(b"mdat", &samples.concat());
        if moov_first {
            movie.at += movie.moov().len() as u32;
            return [ftyp, movie.moov(), data].concat();
        }
        [ftyp, data, movie.moov()].concat()
    }
}

/// Codecs whose frames a form gives back as they went in, and the length that they have
/// where their headers say it.
pub fn codecs(form: &str) -> Vec<(Codec, usize)> {
    use Codec::*;
    let all = [
        (H264, 300),
        (H265, 300),
        (Av1, 300),
        (Vp9, 300),
        (Aac, 200),
        (Mp3, 417),
        (Opus, 100),
        (Flac, 300),
        (Ac3, 768),
        (Eac3, 1950),
    ];
    let carried = |codec| form != "ts" || !matches!(codec, Av1 | Vp9 | Flac);
    all.into_iter().filter(|(codec, _)| carried(*codec)).collect()
}
