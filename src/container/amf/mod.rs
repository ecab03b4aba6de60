//! Action Message Format: the values in RTMP commands and FLV script data.
//!
//! Reading accepts AMF0, and AMF3 inside AMF0 (marker 0x11). Depth and number of values are bounded. Writing is
//! AMF0 only, which every peer reads.

mod amf0;
mod amf3;

pub use amf0::{read, read_all, write};

use crate::wire::Short;

/// A value of either version.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A double, or an AMF3 integer.
    Number(f64),
    /// A boolean.
    Boolean(bool),
    /// UTF-8 text; bytes that are not UTF-8 are replaced.
    Text(Box<str>),
    /// Named values in the order of the wire: objects, typed objects.
    Object(Vec<(Box<str>, Value)>),
    /// Named values that are written as an ECMA array.
    Ecma(Vec<(Box<str>, Value)>),
    /// Values by position.
    List(Vec<Value>),
    /// Null, and types that are not used here (XML, dates, references).
    Null,
}

/// The bytes are not AMF, or exceed the limits on depth and number of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// The maximum depth of nested containers.
const MAX_DEPTH: u32 = 8;
/// The maximum number of values in one message.
const MAX_VALUES: u32 = 1024;

/// The depth and the number of values that may still be read.
struct Bounds {
    depth: u32,
    values: u32,
}

impl Bounds {
    fn new() -> Self {
        Self { depth: MAX_DEPTH, values: MAX_VALUES }
    }

    fn value(&mut self) -> Result<(), Malformed> {
        self.values = self.values.checked_sub(1).ok_or(Malformed)?;
        Ok(())
    }

    /// Charges a copy of `len` bytes, one value for every 64 bytes: a reference repeats bytes that the message
    /// contains once.
    fn copy(&mut self, len: usize) -> Result<(), Malformed> {
        let values = u32::try_from(len / 64).map_err(|_| Malformed)?;
        self.values = self.values.checked_sub(values).ok_or(Malformed)?;
        Ok(())
    }

    /// Runs `inside` one level deeper.
    fn nested<T>(&mut self, inside: impl FnOnce(&mut Self) -> Result<T, Malformed>) -> Result<T, Malformed> {
        self.depth = self.depth.checked_sub(1).ok_or(Malformed)?;
        let result = inside(self);
        self.depth += 1;
        result
    }
}

impl Value {
    /// A text value.
    pub fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    /// An object with the given members.
    pub fn object<const N: usize>(members: [(&str, Value); N]) -> Self {
        Self::Object(members.map(|(name, value)| (name.into(), value)).into())
    }

    /// The member with this name.
    pub fn member(&self, name: &str) -> Option<&Value> {
        self.members().iter().find(|(key, _)| **key == *name).map(|(_, value)| value)
    }

    /// All members; none if this is not an object.
    pub fn members(&self) -> &[(Box<str>, Value)] {
        match self {
            Self::Object(members) | Self::Ecma(members) => members,
            _ => &[],
        }
    }

    /// The text; `None` if this is not text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number; `None` if this is not a number.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }
}

impl From<Short> for Malformed {
    fn from(_: Short) -> Self {
        Self
    }
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("malformed AMF")
    }
}

impl std::error::Error for Malformed {}

fn text(bytes: &[u8]) -> Box<str> {
    String::from_utf8_lossy(bytes).into()
}
