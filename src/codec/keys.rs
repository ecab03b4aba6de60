//! Finds the pictures at which decoding can begin, from the pictures themselves.
//!
//! | picture of H.264 or H.265 | condition for a key frame |
//! |---|---|
//! | IDR picture; intra random access point | always |
//! | I slice after a recovery point | the container flags it; or no IDR picture so far, or for [`IDR_RARE`] |
//! | any other after a recovery point (gradual refresh) | no IDR picture for [`IDR_RARE`] |
//! | only I slices | flagged, and no IDR picture so far, or for [`IDR_RARE`]; or no key frame for [`MAX_WAIT`] |
//! | a picture with parameter sets, unlike the one before it | no key frame for [`MAX_WAIT`] |
//! | any other | no key frame so far, for [`FIRST_WAIT`]; or no key frame for [`LAST_RESORT`] |
//!
//! The last four rows are for streams without the pictures of the first two rows. Decoders show such streams
//! damaged at first, and later without damage.

use super::{Role, av1, h264, h265, vpx};
use crate::media::{Codec, nal};

/// The minimum distance of IDR pictures with which recovery points count as key frames. All times are in
/// milliseconds.
const IDR_RARE: i64 = 5_000;
/// The time without a key frame after which decoding may begin at other pictures with intra slices or parameter
/// sets.
const MAX_WAIT: i64 = 10_000;
/// The time without any key frame after which decoding begins anywhere: the length of a long group of pictures,
/// which a viewer may join in its middle.
const FIRST_WAIT: i64 = 20_000;
/// The same after there was a key frame: longer than groups of pictures.
const LAST_RESORT: i64 = 60_000;
/// A larger step of time is a jump of the clock, which does not count as waiting time.
const MAX_STEP: i64 = 10_000;

/// True if decoding can begin at a frame of a codec whose frames contain that. H.264 and H.265 need [`Keys`]
/// instead. Always true for audio.
pub fn is_key(codec: Codec, frame: &[u8]) -> bool {
    match codec {
        Codec::Av1 => av1::is_key(frame),
        Codec::Vp8 => vpx::is_vp8_key(frame),
        Codec::Vp9 => vpx::is_vp9_key(frame),
        _ => true,
    }
}

/// The kinds of pictures, with respect to beginning to decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// IDR picture, or intra random access point.
    Key,
    /// A recovery point with an I slice.
    Point,
    /// A recovery point of gradual refresh.
    Gradual,
    /// Only I slices.
    Intra,
    /// None of these.
    Other,
}

/// Finds the key frames of an H.264 or H.265 track.
#[derive(Debug, Default)]
pub struct Keys {
    /// The time of the last picture; `None` before the first.
    last: Option<i64>,
    /// The times of the last IDR picture and of the last key frame; before there is one, the time of the first
    /// picture.
    idr: i64,
    key: i64,
    has_idr: bool,
    has_key: bool,
    /// The last picture had parameter sets.
    sets: bool,
}

/// The properties of a picture that are not in its access unit.
#[derive(Clone, Copy, Debug)]
pub struct Hints {
    /// The picture's time in milliseconds.
    pub at: i64,
    /// The container marks it as a key frame.
    pub flagged: bool,
    /// It has parameter sets.
    pub sets: bool,
}

impl Keys {
    /// True if decoding can begin at the access unit `data`. It reads the first bytes of each unit and slice.
    pub fn is_key(&mut self, codec: Codec, data: &[u8], hints: Hints) -> bool {
        let start = start(codec, data);
        self.set_time(hints.at);
        let had_sets = std::mem::replace(&mut self.sets, hints.sets);
        let has_new_sets = hints.sets && !had_sets;
        let (since_idr, since_key) = (hints.at.wrapping_sub(self.idr), hints.at.wrapping_sub(self.key));
        let is_rare = since_idr > IDR_RARE;
        let is_key = match start {
            Start::Key => true,
            Start::Point => hints.flagged || !self.has_idr || is_rare,
            Start::Gradual => is_rare,
            Start::Intra => hints.flagged && (!self.has_idr || is_rare) || since_key > MAX_WAIT,
            Start::Other if has_new_sets => since_key > MAX_WAIT,
            Start::Other if !self.has_key => since_key > FIRST_WAIT,
            Start::Other => since_key > LAST_RESORT,
        };
        if start == Start::Key {
            (self.idr, self.has_idr) = (hints.at, true);
        }
        if is_key {
            (self.key, self.has_key) = (hints.at, true);
        }
        is_key
    }

    fn set_time(&mut self, at: i64) {
        let Some(last) = self.last.replace(at) else {
            (self.idr, self.key) = (at, at);
            return;
        };
        let step = at.wrapping_sub(last);
        if step.unsigned_abs() > MAX_STEP.unsigned_abs() {
            (self.idr, self.key) = (self.idr.wrapping_add(step), self.key.wrapping_add(step));
        }
    }
}

fn start(codec: Codec, data: &[u8]) -> Start {
    let is_h264 = codec == Codec::H264;
    let (mut point, mut first, mut all) = (false, None, true);
    for unit in nal::units(data) {
        match Role::of(codec, unit) {
            Role::Lead => point |= is_recovery_point(unit.get(if is_h264 { 1 } else { 2 }..).unwrap_or_default()),
            Role::Slice if is_h264 && h264::unit_type(unit) == h264::IDR => return Start::Key,
            Role::Slice if !is_h264 && h265::is_random_access(unit) => return Start::Key,
            Role::Slice => {
                let is_intra = is_h264 && h264::is_intra(unit);
                first.get_or_insert(is_intra);
                all &= is_intra;
            }
            _ => {}
        }
    }
    match first {
        Some(true) if point => Start::Point,
        Some(_) if point => Start::Gradual,
        Some(true) if all => Start::Intra,
        _ => Start::Other,
    }
}

/// payloadType of a recovery point. H.264 section D.1.1, H.265 section D.2.1.
const RECOVERY_POINT: usize = 6;
/// So much of SEI is looked at: what may stand before a recovery point, buffering
/// periods and timing, is short.
const MAX_SEI: usize = 256;

/// True if SEI without its header contains a recovery point. H.264 section 7.3.2.3.
fn is_recovery_point(sei: &[u8]) -> bool {
    let mut zeros = 0;
    let mut bytes = sei.iter().copied().take(MAX_SEI).filter(|byte| {
        let is_emulation_prevention = zeros >= 2 && *byte == 3;
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        !is_emulation_prevention
    });
    while let (Some(kind), Some(size)) = (number(&mut bytes), number(&mut bytes)) {
        if kind == RECOVERY_POINT {
            return true;
        }
        if size > 0 && bytes.nth(size - 1).is_none() {
            break;
        }
    }
    false
}

/// payloadType or payloadSize: a byte of 255 is followed by another.
fn number(bytes: &mut impl Iterator<Item = u8>) -> Option<usize> {
    let mut sum = 0;
    loop {
        let byte = bytes.next()?;
        sum += usize::from(byte);
        if byte != 255 {
            return Some(sum);
        }
    }
}

#[cfg(test)]
mod tests;
