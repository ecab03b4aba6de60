//! The packer. It writes a fragment for each frame, which shares the frame's bytes, or a sample, from which HLS
//! builds longer fragments.

use bytes::Bytes;

use super::clock::{Clock, timescale};
use super::sample::Sample;
use super::{entry, fragment, init, sound};
use crate::budget::{Account, OverBudget};
use crate::container::{Mux, Packed, Piece};
use crate::media::{Frame, Kind, Ticks, Track, Tracks};

/// A packer for the first track of each kind.
struct Mp4 {
    style: Style,
    sequence: u32,
    video: Clock,
    audio: Clock,
}

/// The packing of a frame.
enum Style {
    Fragment,
    Sample,
}

/// A packer at the start of a stream.
pub fn mux() -> Box<dyn Mux> {
    Box::new(Mp4::new(Style::Fragment))
}

/// A packer of samples without boxes.
pub fn samples() -> Box<dyn Mux> {
    Box::new(Mp4::new(Style::Sample))
}

/// Bytes of a fragment before its frame, with the allocation of its pieces.
const COST: usize = 320;

impl Mp4 {
    fn new(style: Style) -> Self {
        Self { style, sequence: 0, video: Clock::default(), audio: Clock::default() }
    }

    /// A fragment of one sample.
    fn fragment(&mut self, sample: &Sample, body: Bytes) -> Packed {
        self.sequence = self.sequence.wrapping_add(1);
        let run = fragment::Run { kind: sample.kind, from: sample.at, samples: 1, bytes: body.len() };
        let mut head = Vec::with_capacity(128);
        fragment::write(&mut head, self.sequence, &[run], |out, _| {
            out.extend_from_slice(sample.row(sample.duration, sample.shift, body.len()).bytes());
        });
        Packed::new(Piece::new(&[], Bytes::from(head)), vec![Piece::new(&[], body)])
    }
}

impl Mux for Mp4 {
    fn carries(&self, track: &Track) -> bool {
        entry::is_carried(track)
    }

    fn head(&self, tracks: &Tracks, _: Ticks) -> Packed {
        Packed::from(init::write(tracks)).as_head()
    }

    /// A new head in mid-stream applies from there on.
    fn announce(&mut self, tracks: &Tracks, news: &[&Track], at: Ticks) -> Packed {
        if news.is_empty() { Vec::new().into() } else { self.head(tracks, at) }
    }

    /// A file has one head: players ignore further ones.
    fn can_announce(&self, old: &Tracks, new: &Tracks) -> bool {
        // the order of the tracks does not matter
        let carried = |kind, tracks| Tracks::find(tracks, kind, 0).filter(|track| self.carries(track));
        let [old, new] = [old, new].map(|tracks| [Kind::Video, Kind::Audio].map(|kind| carried(kind, tracks)));
        old == [None, None] || old == new
    }

    fn remind(&self, tracks: &Tracks, at: Ticks) -> Packed {
        self.head(tracks, at)
    }

    fn discontinuity(&mut self) {
        self.video.jump();
        self.audio.jump();
    }

    fn cost(&self, _: &Frame) -> usize {
        match self.style {
            Style::Fragment => COST,
            Style::Sample => 0,
        }
    }

    fn frame(&mut self, track: &Track, frame: &Frame, account: &Account) -> Result<Option<Packed>, OverBudget> {
        if !self.carries(track) {
            return Ok(None);
        }
        let clock = match frame.kind {
            Kind::Video => &mut self.video,
            Kind::Audio => &mut self.audio,
        };
        let mut next = *clock;
        let times = next.next(track, frame);
        let Some(data) = sound::coded(track, frame, times.at, account)? else { return Ok(None) };
        *clock = next;
        let shift = Ticks(frame.cts.into()).rescale(track.clock, timescale(track)).0 as i32;
        let sample = Sample::new(frame, shift, times);
        Ok(Some(match self.style {
            Style::Fragment => self.fragment(&sample, data),
            Style::Sample => Packed::new(Piece::new(&sample.to_bytes(), data), Vec::new()),
        }))
    }
}
