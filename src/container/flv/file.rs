//! The file structure around the tags. Annex E.2 and E.3.

use crate::wire::{Reader, Short, Writer};

/// The kind of a tag's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "the specification's names")]
pub enum TagKind {
    Audio = 8,
    Video = 9,
    Script = 18,
}

/// A tag read from a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag<'a> {
    /// The kind of its data; `None` for reserved kinds.
    pub kind: Option<TagKind>,
    /// Milliseconds, 32 bits, which wrap.
    pub timestamp: u32,
    /// The tag's data.
    pub body: &'a [u8],
}

/// The file header and PreviousTagSize0.
pub fn file_header(audio: bool, video: bool) -> [u8; 13] {
    let flags = u8::from(audio) << 2 | u8::from(video);
    [b'F', b'L', b'V', 1, flags, 0, 0, 0, 9, 0, 0, 0, 0]
}

/// The 11 bytes before a tag's data of `len` bytes. The upper 8 bits of the timestamp come last.
pub fn tag_header(kind: TagKind, len: usize, timestamp: u32) -> [u8; 11] {
    let mut header = Vec::with_capacity(11);
    header.u8(kind as u8);
    header.u24(len as u32);
    header.u24(timestamp);
    header.u8((timestamp >> 24) as u8);
    header.u24(0); // StreamID
    header.try_into().unwrap_or_default()
}

/// Reads a tag and the PreviousTagSize after it. The file header must have been skipped.
pub fn read_tag<'a>(r: &mut Reader<'a>) -> Result<Tag<'a>, Short> {
    let kind = match r.u8()? & 0x1f {
        8 => Some(TagKind::Audio),
        9 => Some(TagKind::Video),
        18 => Some(TagKind::Script),
        _ => None,
    };
    let len = r.u24()?;
    let timestamp = r.u24()? | u32::from(r.u8()?) << 24;
    r.u24()?;
    let body = r.take(len as usize)?;
    r.u32()?;
    Ok(Tag { kind, timestamp, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_reads_back_with_all_32_bits_of_time() {
        let mut file = tag_header(TagKind::Video, 2, 0x0102_0304).to_vec();
        assert_eq!(file, [9, 0, 0, 2, 2, 3, 4, 1, 0, 0, 0]);
        file.extend([7, 8, 0, 0, 0, 13]);
        let tag = Tag { kind: Some(TagKind::Video), timestamp: 0x0102_0304, body: &[7, 8] };
        assert_eq!(read_tag(&mut Reader::new(&file)), Ok(tag));
    }
}
