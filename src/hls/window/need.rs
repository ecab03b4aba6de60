//! The memory that a stream's segments need, for a message if too little is configured. It is measured over whole
//! groups of pictures, because a key frame does not show the size of the frames after it.

use std::time::Duration;

use super::Window;
use super::room::UNUSED_BYTES;
use crate::hls::segment::ms;
use crate::hub::Unit;
use crate::media::Ticks;

/// The bit rate of a stream, and whether a message about its memory is due.
#[derive(Debug, Default)]
pub(super) struct Need {
    /// The key frame at which the measurement began, and the bytes since.
    from: Option<Ticks>,
    bytes: usize,
    /// The highest rate so far, in bytes per second.
    rate: u64,
    state: Telling,
}

#[derive(Clone, Copy, Debug, Default)]
enum Telling {
    /// There was enough memory so far.
    #[default]
    Unneeded,
    /// There was too little; it is logged once the rate is known.
    Due,
    /// It was logged.
    Told,
}

/// The number of segments that fit in the memory, in tenths. A segment has at most a fifth of it if whole groups are
/// joined (`cut::PART_WITHOUT_KEY`), and playlists and partly filled blocks need some.
const TENTHS: u64 = 55;
/// The shortest time of a measurement.
const MIN_MEASURED: Duration = Duration::from_secs(2);

impl Need {
    /// Adds a unit. True if the rate was measured: at a key frame, or if there was none for `limit`.
    fn measure(&mut self, unit: &Unit, limit: Duration) -> bool {
        let lasts = self.from.map_or(Duration::ZERO, |from| ms(unit.at - from));
        let is_whole = self.from.is_some() && (unit.start && lasts >= MIN_MEASURED || lasts >= limit);
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

    /// Notes that the next frame does not continue the time.
    pub(super) fn jump(&mut self) {
        self.from = None;
    }

    /// Notes that there was too little memory.
    pub(super) fn want(&mut self) {
        if matches!(self.state, Telling::Unneeded) {
            self.state = Telling::Due;
        }
    }

    /// True if there was enough memory so far.
    #[cfg(test)]
    pub(super) fn is_met(&self) -> bool {
        matches!(self.state, Telling::Unneeded)
    }

    /// True if it was logged that there is too little.
    #[cfg(test)]
    pub(super) fn is_told(&self) -> bool {
        matches!(self.state, Telling::Told)
    }
}

impl Window {
    /// Logs once that the memory is too small for segments of the intended length.
    pub(super) fn tell_need(&mut self, unit: &Unit) {
        let limit = self.cut.wanted().max(MIN_MEASURED);
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

    /// The memory, in MiB, for segments of the intended length.
    pub(super) fn wants(&self) -> u64 {
        let length = self.cut.wanted();
        let parts = self.rules.part.map_or(0, |part| length.as_millis() / part.as_millis().max(1));
        let [length, parts] = [length.as_millis(), parts + 1].map(|count| u64::try_from(count).unwrap_or(u64::MAX));
        let segment =
            (self.need.rate.saturating_mul(length) / 1000).saturating_add(parts.saturating_mul(UNUSED_BYTES as u64));
        (segment.saturating_mul(TENTHS) / 10).div_ceil(1 << 20)
    }
}
