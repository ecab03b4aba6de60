//! The times of a track in the file.

use super::sound;
use crate::codec::{aac, mp3, opus};
use crate::media::{Codec, Frame, Hz, Kind, Ticks, Track};

/// The clock of a track's fragments: the sample rate for sound, the track's own clock for pictures.
pub(super) fn timescale(track: &Track) -> Hz {
    match track.params.sample_rate {
        rate @ 1.. => Hz::new(rate),
        0 => track.clock,
    }
}

/// The decode time and the duration of a frame, on the track's clock in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) at: u64,
    pub(super) duration: u32,
}

/// The times of a track's last frame, from which those of the next follow.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    /// The begin and the end of the last frame, on the track's clock in the file.
    last: Option<(i64, i64)>,
}

impl Clock {
    /// The next frame need not continue the last.
    pub(super) fn jump(&mut self) {
        self.last = None;
    }

    /// The times of the next frame. Sound whose times are in milliseconds is timed by its samples while both agree,
    /// because players make each gap and overlap audible.
    pub(super) fn next(&mut self, track: &Track, frame: &Frame) -> Times {
        let scale = timescale(track);
        let came = frame.dts.rescale(track.clock, scale).0;
        let samples = samples(track, frame);
        let at = match (self.last, samples) {
            (Some((_, due)), Some(_)) if came.abs_diff(due) <= u64::from(scale.get() / TOLERANCE) => due,
            _ => came,
        };
        let duration = samples.map_or_else(|| self.estimate(at, track.codec.kind(), scale), i64::from);
        self.last = Some((at, at.saturating_add(duration)));
        Times { at: u64::try_from(at).unwrap_or(0), duration: u32::try_from(duration).unwrap_or(1) }
    }

    /// The duration of a picture. The next picture is not known yet, so it is taken from the one before.
    fn estimate(&self, at: i64, kind: Kind, scale: Hz) -> i64 {
        let step = self.last.map_or(0, |(begun, _)| at.saturating_sub(begun));
        let usual = Ticks(if kind == Kind::Video { 40 } else { 20 }).rescale(Hz::MS, scale).0;
        if (1..=usual.saturating_mul(MAX_STEP)).contains(&step) { step } else { usual.max(1) }
    }
}

/// Times that differ by no more than this fraction of a second (1/50) agree.
const TOLERANCE: u32 = 50;
/// A step longer than this many usual durations is a pause.
const MAX_STEP: i64 = 50;

/// The number of samples in a frame of sound; `None` if neither the frame nor its codec gives it.
fn samples(track: &Track, frame: &Frame) -> Option<u32> {
    match track.codec {
        Codec::Aac => aac::Config::parse(&track.params.record).ok().map(|config| config.samples()),
        Codec::Mp3 => mp3::Header::parse(&frame.data).ok().map(|header| header.samples),
        Codec::Opus => opus::duration(&frame.data),
        Codec::Ac3 | Codec::Eac3 => Some(1536),
        _ => sound::samples(track, frame),
    }
}
