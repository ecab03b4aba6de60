//! The packer: a fragment for each frame, whose bytes are the frame's own.

use bytes::Bytes;

use super::boxes::{boxed, full};
use super::clock::{Clock, Times, timescale};
use super::{entry, init};
use crate::budget::{Account, OverBudget};
use crate::container::{Mux, Packed, Piece};
use crate::media::{Frame, Kind, Ticks, Track, Tracks};
use crate::wire::Writer;

/// The first track of each kind.
#[derive(Default)]
struct Mp4 {
    sequence: u32,
    video: Clock,
    audio: Clock,
}

/// A packer at the start of a stream.
pub fn mux() -> Box<dyn Mux> {
    Box::new(Mp4::default())
}

/// Sample flags: others do not matter to it. ISO/IEC 14496-12 section 8.8.3.
pub(super) const INDEPENDENT: u32 = 0x0200_0000;
/// It depends on others, and decoding cannot begin there.
const DEPENDENT: u32 = 0x0101_0000;
/// Bytes of a fragment before its frame, and what holding them costs.
const COST: usize = 320;

impl Mux for Mp4 {
    fn carries(&self, track: &Track) -> bool {
        entry::is_carried(track)
    }

    fn head(&self, tracks: &Tracks, _: Ticks) -> Packed {
        Packed::from(init::write(tracks)).as_head()
    }

    /// Players take a new head in mid-stream as what applies from there on.
    fn announce(&mut self, tracks: &Tracks, news: &[&Track], at: Ticks) -> Packed {
        if news.is_empty() { Vec::new().into() } else { self.head(tracks, at) }
    }

    fn remind(&self, tracks: &Tracks, at: Ticks) -> Packed {
        self.head(tracks, at)
    }

    fn discontinuity(&mut self) {
        self.video.jump();
        self.audio.jump();
    }

    fn cost(&self, _: &Frame) -> usize {
        COST
    }

    fn frame(&mut self, track: &Track, frame: &Frame, _: &Account) -> Result<Option<Packed>, OverBudget> {
        if !self.carries(track) || frame.data.is_empty() {
            return Ok(None);
        }
        let clock = match frame.kind {
            Kind::Video => &mut self.video,
            Kind::Audio => &mut self.audio,
        };
        let times = clock.next(track, frame);
        self.sequence = self.sequence.wrapping_add(1);
        let mut head = Vec::with_capacity(128);
        boxed(&mut head, b"moof", |out| {
            full(out, b"mfhd", 0, 0, |out| out.u32(self.sequence));
            boxed(out, b"traf", |out| traf(out, track, frame, times));
        });
        head.u32(frame.data.len() as u32 + BOX);
        head.bytes(b"mdat");
        let rest = vec![Piece::new(&[], frame.data.clone())];
        Ok(Some(Packed::new(Piece::new(&[], Bytes::from(head)), rest)))
    }
}

/// The one sample. Sections 8.8.6 to 8.8.8 and 8.8.12.
fn traf(out: &mut Vec<u8>, track: &Track, frame: &Frame, times: Times) {
    let video = frame.kind == Kind::Video;
    full(out, b"tfhd", 0, BASE_IS_MOOF, |out| out.u32(init::id(frame.kind)));
    full(out, b"tfdt", 1, 0, |out| {
        out.u32((times.at >> 32) as u32);
        out.u32(times.at as u32);
    });
    let flags = if video { OFFSET | DURATION | SIZE | FLAGS | SHIFT } else { OFFSET | DURATION | SIZE };
    full(out, b"trun", 1, flags, |out| {
        out.u32(1); // sample_count
        // from the moof's start: what is before this box, the box, and the head of mdat
        out.u32(out.len() as u32 + 4 + if video { 16 } else { 8 } + BOX);
        out.u32(times.duration);
        out.u32(frame.data.len() as u32);
        if video {
            out.u32(if frame.key { INDEPENDENT } else { DEPENDENT });
            let shift = Ticks(frame.cts.into()).rescale(track.clock, timescale(track)).0;
            out.u32(shift as u32);
        }
    });
}

/// Bytes before a box's content.
const BOX: u32 = 8;
/// tf_flags: default-base-is-moof.
const BASE_IS_MOOF: u32 = 0x02_0000;
/// tr_flags: what is said of the sample.
const OFFSET: u32 = 0x1;
const DURATION: u32 = 0x100;
const SIZE: u32 = 0x200;
const FLAGS: u32 = 0x400;
const SHIFT: u32 = 0x800;
