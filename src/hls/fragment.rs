//! Parts of fragmented MP4: each is one fragment with all its samples.
//!
//! The duration of a sample is known when the next of its track arrives. So the newest sample of each track is held
//! outside the running part: durations are exact, and a track's fragment begins where its last one ends.

use bytes::Bytes;

use super::chain::Chain;
use super::maker::{BLOCK, Follows, Made, Maker};
use crate::budget::{Account, BlockMut, OverBudget};
use crate::container::mp4::{self, HEADS, ROW, Run, Sample};
use crate::hub::Unit;
use crate::media::Kind;

/// The running fragment.
#[derive(Debug)]
pub(super) struct Fragments {
    sequence: u32,
    /// Room for the headers of boxes: all except the samples and the rows that describe them.
    heads: Option<BlockMut>,
    video: Lane,
    audio: Lane,
}

/// A track.
#[derive(Debug)]
struct Lane {
    kind: Kind,
    /// The newest sample, for which the running fragment has room.
    held: Option<Held>,
    /// The decode time at which the last written sample ends.
    end: Option<u64>,
    /// The decode time of the running fragment's first sample, and whether decoding can begin there.
    first: Option<(u64, bool)>,
    samples: usize,
    rows: Chain,
    bodies: Chain,
}

#[derive(Debug)]
struct Held {
    sample: Sample,
    body: Bytes,
    /// True if it was held already when this part began.
    old: bool,
}

/// The sizes of blocks in bytes: of sound, and of the rows that describe samples.
const SMALL_BLOCK: usize = 8 << 10;
const ROWS: usize = 1 << 10;

impl Default for Fragments {
    fn default() -> Self {
        let video = Lane::new(Kind::Video, BLOCK);
        Self { sequence: 0, heads: None, video, audio: Lane::new(Kind::Audio, SMALL_BLOCK) }
    }
}

impl Maker for Fragments {
    fn precede(&mut self, next: &Unit) {
        if let Some((sample, _)) = Sample::read(&next.packed) {
            self.lane(sample.kind).release(Some(sample.at));
        }
    }

    fn reserve(&mut self, account: &Account, unit: &Unit) -> Result<(), OverBudget> {
        if self.heads.is_none() {
            self.heads = Some(BlockMut::new(account, HEADS)?);
        }
        let next = Sample::read(&unit.packed);
        for lane in [&mut self.video, &mut self.audio] {
            let next = next.filter(|(sample, _)| sample.kind == lane.kind).map(|(_, body)| body.len());
            lane.reserve(account, next)?;
        }
        Ok(())
    }

    fn take(&mut self, unit: &Unit) {
        if let Some((sample, body)) = Sample::read(&unit.packed) {
            let lane = self.lane(sample.kind);
            lane.release(Some(sample.at)); // none is held if `precede` was called for it
            lane.held = Some(Held { sample, body: body.clone(), old: false });
        }
    }

    fn pending(&self) -> usize {
        self.video.bodies.len() + self.audio.bodies.len()
    }

    fn end(&mut self, account: &Account, follows: Follows) -> Option<Made> {
        let alone = self.pending() == 0;
        for lane in [&mut self.video, &mut self.audio] {
            lane.end(follows, alone);
        }
        let made = self.finish(account);
        if follows == Follows::Break {
            (self.video.end, self.audio.end) = (None, None);
        }
        made
    }

    fn clear(&mut self) {
        *self = Self { sequence: self.sequence, ..Self::default() };
    }
}

impl Fragments {
    fn lane(&mut self, kind: Kind) -> &mut Lane {
        match kind {
            Kind::Video => &mut self.video,
            Kind::Audio => &mut self.audio,
        }
    }

    /// True if decoding can begin with the fragment: sound is independent if there are no pictures.
    fn is_independent(&self) -> bool {
        match self.video.first {
            Some((_, key)) => key,
            None => self.video.held.is_none() && self.video.end.is_none(),
        }
    }

    /// The fragment: its headers with the rows between them, and then the samples.
    fn finish(&mut self, account: &Account) -> Option<Made> {
        let independent = self.is_independent();
        let lanes = [&mut self.video, &mut self.audio];
        let runs: Vec<_> = lanes.iter().filter_map(|lane| lane.run()).collect();
        if runs.is_empty() {
            return None;
        }
        self.sequence = self.sequence.wrapping_add(1);
        let (mut out, mut cuts) = (Vec::with_capacity(HEADS), vec![0]);
        mp4::write_fragment(&mut out, self.sequence, &runs, |out, _| cuts.push(out.len()));
        cuts.push(out.len());
        let mut block = self.heads.take()?;
        block.fill(&out);
        let heads = block.freeze();
        let mut heads = cuts.iter().zip(cuts.iter().skip(1)).map(|(from, to)| heads.slice(*from..*to));
        let (mut blocks, mut bodies) = (Vec::new(), Vec::new());
        for lane in lanes.into_iter().filter(|lane| lane.first.is_some()) {
            blocks.extend(heads.next());
            blocks.extend(lane.rows.finish(account));
            bodies.extend(lane.bodies.finish(account));
            (lane.first, lane.samples) = (None, 0);
        }
        blocks.extend(heads);
        blocks.extend(bodies);
        let len = blocks.iter().map(Bytes::len).sum();
        Some(Made { blocks: blocks.into(), len, independent })
    }
}

impl Lane {
    fn new(kind: Kind, block: usize) -> Self {
        let (rows, bodies) = (Chain::new(ROWS), Chain::new(block));
        Self { kind, held: None, end: None, first: None, samples: 0, rows, bodies }
    }

    /// Makes room for the held sample, and for one of `next` bytes.
    fn reserve(&mut self, account: &Account, next: Option<usize>) -> Result<(), OverBudget> {
        let held = self.held.as_ref().map(|held| held.body.len());
        let (samples, bytes) = [held, next].into_iter().flatten().fold((0, 0), |(n, sum), len| (n + 1, sum + len));
        self.rows.reserve(account, samples * ROW)?;
        self.bodies.reserve(account, bytes)
    }

    /// Writes the held sample. Its duration lasts until `next` is decoded, or is the usual one.
    fn release(&mut self, next: Option<u64>) {
        let Some(Held { sample, body, .. }) = self.held.take() else { return };
        let from = match (self.kind, self.end) {
            // if that end was a guess, the sample's shift still gives the picture its presentation time
            (Kind::Video, Some(end)) => end,
            (Kind::Audio, Some(end)) => sample.at.max(end),
            (_, None) => sample.at,
        };
        let until = next.unwrap_or(sample.at.saturating_add(sample.duration.into()));
        let duration = u32::try_from(until.saturating_sub(from)).unwrap_or(u32::MAX).max(1);
        let late = i32::try_from(sample.at.cast_signed().saturating_sub(from.cast_signed())).unwrap_or(0);
        let row = sample.row(duration, sample.shift.saturating_add(late), body.len());
        self.rows.append(row.bytes());
        self.bodies.append(&body);
        self.first.get_or_insert((from, sample.key));
        self.samples += 1;
        self.end = Some(from.saturating_add(duration.into()));
    }

    /// Ends the running part. The held sample stays for the next part, unless it did so before, or this part is empty
    /// without it.
    fn end(&mut self, follows: Follows, alone: bool) {
        let Some(held) = &mut self.held else { return };
        let waits = follows == Follows::More && !alone && !held.old;
        held.old = true;
        if !waits {
            self.release(None);
        }
    }

    fn run(&self) -> Option<Run> {
        let (from, _) = self.first?;
        Some(Run { kind: self.kind, from, samples: self.samples, bytes: self.bodies.len() })
    }
}

#[cfg(test)]
mod tests;
