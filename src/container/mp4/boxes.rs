//! Boxes. ISO/IEC 14496-12 section 4.2.

use crate::wire::Writer;

/// Writes a box of the type `name`; `content` appends its content.
pub(super) fn boxed(out: &mut Vec<u8>, name: &[u8; 4], content: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.u32(0);
    out.bytes(name);
    content(out);
    let size = (out.len() - start) as u32;
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&size.to_be_bytes());
    }
}

/// Writes a full box: a box with a version and 24 bits of flags.
pub(super) fn full(out: &mut Vec<u8>, name: &[u8; 4], version: u8, flags: u32, content: impl FnOnce(&mut Vec<u8>)) {
    boxed(out, name, |out| {
        out.u8(version);
        out.u24(flags);
        content(out);
    });
}
