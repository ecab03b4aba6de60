//! The room that a stream's segments want, for those who have given too little: measured by whole groups of
//! pictures, since a key frame says nothing of the frames behind it.

use std::time::Duration;

use super::Window;
use super::room::LOOSE;
use crate::hls::segment::ms;
use crate::hub::Unit;
use crate::media::Ticks;

/// The rate of a stream, and whether somebody is to be told what room it wants.
#[derive(Debug, Default)]
pub(super) struct Need {
    /// The key frame from which on it is measured, and the bytes since.
    from: Option<Ticks>,
    bytes: usize,
    /// The highest rate so far, in bytes a second.
    rate: u64,
    state: Telling,
}

#[derive(Clone, Copy, Debug, Default)]
enum Telling {
    /// There was room so far.
    #[default]
    Unneeded,
    /// There was too little; it is told when the rate is known.
    Due,
    /// It was told.
    Told,
}

/// Segments that the room is to have, in tenths: one has a fifth of it at most where whole groups are joined
/// (`cut::SHARE`), and something is for playlists and for blocks that are not full.
const TENTHS: u64 = 55;
/// A rate is measured over no less.
const LEAST: Duration = Duration::from_secs(2);

impl Need {
    /// A unit comes. True if the rate is known anew: at a key frame, or if for `limit` there is none.
    fn measure(&mut self, unit: &Unit, limit: Duration) -> bool {
        let lasts = self.from.map_or(Duration::ZERO, |from| ms(unit.at - from));
        let is_whole = self.from.is_some() && (unit.start && lasts >= LEAST || lasts >= limit);
        if is_whole {
            let millis = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX).max(1);
            self.rate = self.rate.max((self.bytes as u64).saturating_mul(1000) / millis);
        }
        if is_whole || self.from.is_none() && unit.start {
            (self.from, self.bytes) = (Some(unit.at), 0);
        }
        self.bytes = self.bytes.saturating_add(unit.packed.len());
        is_whole
    }

    /// Time does not go on from here.
    pub(super) fn jump(&mut self) {
        self.from = None;
    }

    /// There was too little room.
    pub(super) fn want(&mut self) {
        if matches!(self.state, Telling::Unneeded) {
            self.state = Telling::Due;
        }
    }

    /// Whether there was room so far.
    #[cfg(test)]
    pub(super) fn is_met(&self) -> bool {
        matches!(self.state, Telling::Unneeded)
    }

    /// Whether it was told that there is too little.
    #[cfg(test)]
    pub(super) fn is_told(&self) -> bool {
        matches!(self.state, Telling::Told)
    }
}

impl Window {
    /// Says once that there is too little room for segments of their length.
    pub(super) fn tell_need(&mut self, unit: &Unit) {
        let limit = self.cut.wanted().max(LEAST);
        if !self.need.measure(unit, limit) || !matches!(self.need.state, Telling::Due) {
            return;
        }
        self.need.state = Telling::Told;
        let (kbits, has) = (self.need.rate.saturating_mul(8) / 1000, self.account.limit() >> 10);
        let (whole, tenth, wants) = (kbits / 1000, kbits % 1000 / 100, self.wants());
        self.tell(
            log::Level::Warn,
            format_args!(
                "{has} KiB of hls.memory are too few for {whole}.{tenth} Mbit/s, and segments are short or few: {wants} MiB for each stream would do"
            ),
        );
    }

    /// The MiB in which segments have their length.
    pub(super) fn wants(&self) -> u64 {
        let length = self.cut.wanted();
        let parts = self.rules.part.map_or(0, |part| length.as_millis() / part.as_millis().max(1));
        let [length, parts] = [length.as_millis(), parts + 1].map(|count| u64::try_from(count).unwrap_or(u64::MAX));
        let segment = (self.need.rate.saturating_mul(length) / 1000).saturating_add(parts.saturating_mul(LOOSE as u64));
        (segment.saturating_mul(TENTHS) / 10).div_ceil(1 << 20)
    }
}
