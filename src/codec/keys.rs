//! The pictures at which decoding can begin, as the pictures themselves tell.
//!
//! | picture of H.264 or H.265 | when it is a key frame |
//! |---|---|
//! | IDR picture; intra random access point | always |
//! | I slice behind a recovery point | where the container flags it, or no IDR picture came ever, or for [`RARE`] |
//! | any other behind a recovery point: the picture is refreshed bit by bit | where no IDR picture came for [`RARE`] |
//! | I slices alone | where flagged and no IDR picture came ever, or for [`RARE`]; or nothing was key for [`LONG`] |
//! | a picture that brings parameter sets, unlike the one before it | where nothing was key for [`LONG`] |
//! | any other | where nothing ever was key for [`NEVER`], or was for [`FOREVER`] |
//!
//! The last four rows are for streams that never send what the first two ask for:
//! decoders show them damaged at first, and then whole.

use super::{Role, av1, h264, h265, vpx};
use crate::media::{Codec, nal};

/// Recovery points stand for IDR pictures that are further apart than this. In
/// milliseconds, as all times here.
const RARE: i64 = 5_000;
/// After so long without a key frame, decoding begins at a picture that is not made for it.
const LONG: i64 = 10_000;
/// As long as groups of pictures are, where one has to be joined in its middle.
const NEVER: i64 = 20_000;
/// Longer than groups of pictures are.
const FOREVER: i64 = 60_000;
/// A larger step of time is a jump of the clock: it does not count as waiting.
const JUMP: i64 = 10_000;

/// Whether decoding can begin at a frame of a codec whose frames say it, each by itself:
/// any but H.264 and H.265, which have [`Keys`]. Always true for sound.
pub fn is_key(codec: Codec, frame: &[u8]) -> bool {
    match codec {
        Codec::Av1 => av1::is_key(frame),
        Codec::Vp8 => vpx::is_vp8_key(frame),
        Codec::Vp9 => vpx::is_vp9_key(frame),
        _ => true,
    }
}

/// The kinds of pictures of H.264 or H.265 that decoding may begin at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// IDR picture, or intra random access point.
    Key,
    /// A recovery point, at an I slice.
    Point,
    /// A recovery point of gradual refresh.
    Gradual,
    /// I slices.
    Intra,
    /// Nothing special.
    Other,
}

/// Tells the key frames of a track of H.264 or H.265.
#[derive(Debug, Default)]
pub struct Keys {
    /// The time of the last picture; of none at first.
    last: Option<i64>,
    /// The times of the last IDR picture and of the last key frame; of the first
    /// picture as long as there was none.
    idr: i64,
    key: i64,
    has_idr: bool,
    has_key: bool,
    /// The last picture brought parameter sets.
    sets: bool,
}

/// The facts of a picture beside its access unit.
#[derive(Clone, Copy, Debug)]
pub struct Hints {
    /// Its time in milliseconds.
    pub at: i64,
    /// The container says that it is a key frame.
    pub flagged: bool,
    /// It brings parameter sets.
    pub sets: bool,
}

impl Keys {
    /// Whether decoding can begin at the access unit `data`. Of its units and slices the
    /// first bytes are looked at.
    pub fn is_key(&mut self, codec: Codec, data: &[u8], hints: Hints) -> bool {
        let start = start(codec, data);
        self.set_time(hints.at);
        let had_sets = std::mem::replace(&mut self.sets, hints.sets);
        let has_new_sets = hints.sets && !had_sets;
        let (since_idr, since_key) = (hints.at.wrapping_sub(self.idr), hints.at.wrapping_sub(self.key));
        let is_rare = since_idr > RARE;
        let is_key = match start {
            Start::Key => true,
            Start::Point => hints.flagged || !self.has_idr || is_rare,
            Start::Gradual => is_rare,
            Start::Intra => hints.flagged && (!self.has_idr || is_rare) || since_key > LONG,
            Start::Other if has_new_sets => since_key > LONG,
            Start::Other if !self.has_key => since_key > NEVER,
            Start::Other => since_key > FOREVER,
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
        if step.unsigned_abs() > JUMP.unsigned_abs() {
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

/// Whether SEI without its header has a recovery point. H.264 section 7.3.2.3.
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

/// payloadType or payloadSize: bytes of 255 go on.
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
