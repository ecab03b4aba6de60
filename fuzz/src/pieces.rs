//! An input that is made of several: packets, tags.

use runnel::wire::Reader;

/// A part of an input.
pub struct Piece<'a> {
    pub flags: u8,
    /// Later than the one before by so much.
    pub step: i64,
    pub data: &'a [u8],
}

/// A step of time that does not fit into a byte.
const FAR: u8 = 0x80;

/// Takes an input apart; whatever it is, that can be done.
pub fn pieces(data: &[u8]) -> impl Iterator<Item = Piece<'_>> {
    let mut reader = Reader::new(data);
    std::iter::from_fn(move || {
        let flags = reader.u8().ok()?;
        let step = match flags & FAR {
            0 => reader.u8().ok()?.into(),
            _ => (reader.u32().ok()? as i32).into(),
        };
        let len = usize::from(reader.u16().ok()?).min(reader.len());
        Some(Piece { flags, step, data: reader.take(len).ok()? })
    })
}

/// The opposite of [`pieces`].
pub fn join<'a>(parts: impl IntoIterator<Item = (u8, u8, &'a [u8])>) -> Vec<u8> {
    let mut out = Vec::new();
    for (flags, step, data) in parts {
        out.extend([flags & !FAR, step]);
        out.extend((data.len() as u16).to_be_bytes());
        out.extend(data);
    }
    out
}
