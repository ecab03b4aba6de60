//! Parameter sets of H.264 and H.265 on their way into a decoder record.

use base64ct::{Base64Unpadded, Encoding};
use bytes::Bytes;

use super::Error;
use crate::codec::{self, h264, h265};
use crate::media::{Codec, Params};
use crate::wire::bits::Bits;

/// Which parameter set a NAL unit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    /// Video; of H.265 alone.
    Video,
    /// Sequence.
    Sequence,
    /// Picture.
    Picture,
}

/// All sets that are kept of a track, in bytes, one by itself or together: those of
/// real encoders are below 200 bytes each.
const MAX_SETS: usize = 2048;
/// So many picture parameter sets are kept; more are passed over.
const MAX_PICTURE_SETS: usize = 16;

/// The sets that were seen last, and the record that was made of them.
pub(super) struct Sets {
    codec: Codec,
    video: Vec<u8>,
    sequence: Vec<u8>,
    /// With pps_pic_parameter_set_id.
    pictures: Vec<(u32, Vec<u8>)>,
    /// Something is different from what the record was made of.
    changed: bool,
    record: Bytes,
}

impl Sets {
    /// No sets of H.264 or H.265.
    pub(super) fn new(codec: Codec) -> Self {
        let (video, sequence, pictures) = Default::default();
        Self { codec, video, sequence, pictures, changed: false, record: Bytes::new() }
    }

    /// Takes in a set: its header and the rest. Zeros behind it are not of it.
    pub(super) fn take(&mut self, set: Set, header: &[u8], body: &[u8]) {
        let len = body.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        let body = body.get(..len).unwrap_or_default();
        if body.is_empty() || self.len() + body.len() > MAX_SETS {
            return;
        }
        let place = match set {
            Set::Video => &mut self.video,
            Set::Sequence => &mut self.sequence,
            Set::Picture => match picture(&mut self.pictures, body) {
                Some(place) => place,
                None => return,
            },
        };
        if place.strip_prefix(header) != Some(body) {
            *place = [header, body].concat();
            self.changed = true;
        }
    }

    /// What decoders must know from here on, if that is news.
    pub(super) fn news(&mut self) -> Result<Option<Params>, Error> {
        let whole = !self.sequence.is_empty() && !self.pictures.is_empty();
        let whole = whole && (self.codec == Codec::H264 || !self.video.is_empty());
        if !self.changed || !whole {
            return Ok(None);
        }
        self.changed = false;
        let record = self.write().ok_or(Error::Malformed("damaged parameter sets"))?;
        if record == self.record {
            return Ok(None);
        }
        let params = codec::params(self.codec, record.into())?;
        self.record = params.record.clone();
        Ok(Some(params))
    }

    /// Bytes that are kept.
    fn len(&self) -> usize {
        self.video.len() + self.sequence.len() + self.pictures.iter().map(|(_, set)| set.len()).sum::<usize>()
    }

    /// Whether decoders know enough.
    pub(super) fn known(&self) -> bool {
        !self.record.is_empty()
    }

    fn write(&self) -> Option<Vec<u8>> {
        let pictures: Vec<&[u8]> = self.pictures.iter().map(|(_, set)| set.as_slice()).collect();
        match self.codec {
            Codec::H264 => h264::write_sets(&self.sequence, &pictures),
            _ => h265::write_sets(&self.video, &self.sequence, &pictures),
        }
    }
}

/// Where the picture parameter set of `body` belongs.
fn picture<'a>(pictures: &'a mut Vec<(u32, Vec<u8>)>, body: &[u8]) -> Option<&'a mut Vec<u8>> {
    let id = Bits::new(body).ue().ok()?;
    let at = match pictures.iter().position(|(known, _)| *known == id) {
        Some(at) => at,
        None if pictures.len() == MAX_PICTURE_SETS => return None,
        None => {
            pictures.push((id, Vec::new()));
            pictures.len() - 1
        }
    };
    pictures.get_mut(at).map(|(_, set)| set)
}

/// Base64 as devices write it: with padding or without, with spaces, and with
/// bits left over. RFC 4648 section 4. What is no digit is passed over.
pub(super) fn base64(text: &str) -> Vec<u8> {
    let digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let mut digits: Vec<u8> = text.bytes().take_while(|byte| *byte != b'=').filter(digit).collect();
    let len = digits.len() * 3 / 4;
    // zeros behind the last digit: what it has left over is no part of a byte
    digits.resize(digits.len().next_multiple_of(4), b'A');
    let mut data = vec![0; digits.len() / 4 * 3];
    let decoded = Base64Unpadded::decode(&digits, &mut data).map_or(0, <[u8]>::len);
    data.truncate(len.min(decoded));
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_devices() {
        for text in ["aO48gA==", "aO48gA", "aO48gB", " aO4 8gA=,x", "aO48gAZ!A===", "aO48g\u{e9}A"] {
            assert_eq!(base64(text)[..4], [0x68, 0xee, 0x3c, 0x80], "{text}");
        }
        assert!(base64("").is_empty() && base64("A").is_empty() && base64("====").is_empty());
    }

    #[test]
    fn picture_sets_are_told_apart_and_bounded() {
        let mut sets = Sets::new(Codec::H264);
        for id in [0x80, 0x40, 0x60, 0x80] {
            sets.take(Set::Picture, &[0x68], &[id | 1, 0xcb, 0, 0]);
        }
        assert_eq!(sets.pictures.len(), 3);
        assert_eq!(sets.pictures[0], (0, vec![0x68, 0x81, 0xcb]));
        for id in 0..200u8 {
            sets.take(Set::Picture, &[0x68], &[1, id, 0x80]);
        }
        assert_eq!(sets.pictures.len(), MAX_PICTURE_SETS);
        sets.take(Set::Sequence, &[0x67], &[1; MAX_SETS + 1]);
        assert!(sets.sequence.is_empty());
    }
}
