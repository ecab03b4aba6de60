//! Silent AAC for streams with pictures alone: some players wait for sound.

use bytes::Bytes;

use crate::budget::Paid;
use crate::codec::aac;
use crate::media::{Codec, Frame, Hz, Kind, Params, Ticks, Track};

/// Samples of an AAC-LC frame.
const FRAME: i64 = aac::SAMPLES as i64;
const RATE: u32 = 44_100;

/// Makes silent frames up to the time of the pictures.
#[derive(Debug, Default)]
pub(super) struct Silence {
    /// The time of the first frame in milliseconds, and the number of frames made from it on.
    begun: Option<(Ticks, i64)>,
}

impl Silence {
    /// The track of the frames.
    pub(super) fn track() -> Track {
        let params = Params {
            record: aac::Config::lc(RATE, 2).map_or_else(Bytes::new, |config| Bytes::copy_from_slice(&config.write())),
            sample_rate: RATE,
            channels: 2,
            ..Params::default()
        };
        Track { id: 0, codec: Codec::Aac, clock: Hz::MS, params }
    }

    /// The next frame that is due at a picture of the time `at`, if any.
    pub(super) fn next(&mut self, at: Ticks) -> Option<Frame> {
        let (begin, count) = self.begun.get_or_insert((at, 0));
        let due = |count: i64| *begin + Ticks(count.saturating_mul(FRAME)).rescale(Hz::new(RATE), Hz::MS);
        if !(-MAX_LAG..=MAX_LAG).contains(&(at - due(*count)).0) {
            (*begin, *count) = (at, 0); // time has jumped: no frames for the gap
        }
        let dts = *begin + Ticks(count.saturating_mul(FRAME)).rescale(Hz::new(RATE), Hz::MS);
        if dts > at {
            return None;
        }
        *count += 1;
        let data = Paid::of(Bytes::from_static(aac::SILENCE_STEREO));
        Some(Frame { dts, cts: 0, kind: Kind::Audio, track: 0, key: true, data })
    }
}

/// The largest step of the pictures' time that is filled, in milliseconds.
const MAX_LAG: i64 = 2000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_keeps_up_with_pictures() {
        let mut silence = Silence::default();
        let mut times = Vec::new();
        for at in (0..1000).step_by(40) {
            times.extend(std::iter::from_fn(|| silence.next(Ticks(at))).map(|frame| frame.dts.0));
        }
        assert_eq!(&times[..4], [0, 23, 46, 69]);
        assert_eq!(times.len(), 42); // 960 ms of 23.2 ms each, and the first
        let after = std::iter::from_fn(|| silence.next(Ticks(60_000))).count();
        assert_eq!(after, 1);
    }
}
