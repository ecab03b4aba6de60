//! AMF3, as Flash clients with `objectEncoding` 3 send it. AMF 3 specification, section 3.

use super::{Bounds, Malformed, Value, text};
use crate::wire::Reader;

/// Reads one value after AMF0's marker 0x11. Each such value has reference tables of its own.
pub(super) fn read(r: &mut Reader<'_>, bounds: &mut Bounds) -> Result<Value, Malformed> {
    Tables::default().value(r, bounds)
}

/// Strings and class descriptions that later values refer to. The number of values bounds their number; the
/// message's length bounds their size.
#[derive(Default)]
struct Tables {
    strings: Vec<Box<str>>,
    traits: Vec<Traits>,
}

#[derive(Clone)]
struct Traits {
    dynamic: bool,
    members: Vec<Box<str>>,
}

impl Tables {
    fn value(&mut self, r: &mut Reader<'_>, bounds: &mut Bounds) -> Result<Value, Malformed> {
        bounds.value()?;
        Ok(match r.u8()? {
            UNDEFINED | NULL => Value::Null,
            FALSE => Value::Boolean(false),
            TRUE => Value::Boolean(true),
            INTEGER => Value::Number(f64::from(((u29(r)? << 3) as i32) >> 3)),
            DOUBLE => Value::Number(r.f64()?),
            STRING => Value::Text(self.string(r, bounds)?),
            XML_DOCUMENT | XML => blob(r)?.map_or(Value::Null, |bytes| Value::Text(text(bytes))),
            BYTE_ARRAY => {
                blob(r)?;
                Value::Null
            }
            DATE => {
                if u29(r)? & 1 == 1 {
                    r.f64()?;
                }
                Value::Null
            }
            ARRAY => bounds.nested(|bounds| self.array(r, bounds))?,
            OBJECT => bounds.nested(|bounds| self.object(r, bounds))?,
            _ => return Err(Malformed),
        })
    }

    /// A string, new or by reference. Section 1.3.2.
    fn string(&mut self, r: &mut Reader<'_>, bounds: &mut Bounds) -> Result<Box<str>, Malformed> {
        let head = u29(r)?;
        let len = (head >> 1) as usize;
        if head & 1 == 0 {
            let string = self.strings.get(len).ok_or(Malformed)?;
            bounds.copy(string.len())?;
            return Ok(string.clone());
        }
        let string = text(r.take(len)?);
        if !string.is_empty() {
            bounds.value()?;
            self.strings.push(string.clone());
        }
        Ok(string)
    }

    /// Named members, then dense values. Section 3.11.
    fn array(&mut self, r: &mut Reader<'_>, bounds: &mut Bounds) -> Result<Value, Malformed> {
        let head = u29(r)?;
        if head & 1 == 0 {
            return Ok(Value::Null);
        }
        let members = self.named(r, bounds)?;
        let dense: Vec<_> = (0..head >> 1).map(|_| self.value(r, bounds)).collect::<Result<_, _>>()?;
        Ok(if members.is_empty() { Value::List(dense) } else { Value::Ecma(members) })
    }

    /// Sealed members, then dynamic ones. Section 3.12.
    fn object(&mut self, r: &mut Reader<'_>, bounds: &mut Bounds) -> Result<Value, Malformed> {
        let head = u29(r)?;
        if head & 1 == 0 {
            return Ok(Value::Null); // a reference to an earlier object
        }
        let traits = self.traits(head, r, bounds)?;
        let mut members = Vec::new();
        for name in traits.members {
            members.push((name, self.value(r, bounds)?));
        }
        if traits.dynamic {
            members.extend(self.named(r, bounds)?);
        }
        Ok(Value::Object(members))
    }

    fn traits(&mut self, head: u32, r: &mut Reader<'_>, bounds: &mut Bounds) -> Result<Traits, Malformed> {
        if head & 2 == 0 {
            let traits = self.traits.get((head >> 2) as usize).ok_or(Malformed)?;
            bounds.copy(traits.members.iter().map(|name| name.len() + 16).sum())?;
            return Ok(traits.clone());
        }
        if head & 4 != 0 {
            return Err(Malformed); // externalizable: only its own class can read it
        }
        self.string(r, bounds)?; // class name
        let members = (0..head >> 4).map(|_| {
            bounds.value()?;
            self.string(r, bounds)
        });
        let traits = Traits { dynamic: head & 8 != 0, members: members.collect::<Result<_, _>>()? };
        self.traits.push(traits.clone());
        Ok(traits)
    }

    /// Names and values up to an empty name.
    fn named(&mut self, r: &mut Reader<'_>, bounds: &mut Bounds) -> Result<Vec<(Box<str>, Value)>, Malformed> {
        let mut list = Vec::new();
        loop {
            let name = self.string(r, bounds)?;
            if name.is_empty() {
                return Ok(list);
            }
            list.push((name, self.value(r, bounds)?));
        }
    }
}

/// The bytes of a value, or `None` for a reference.
fn blob<'a>(r: &mut Reader<'a>) -> Result<Option<&'a [u8]>, Malformed> {
    let head = u29(r)?;
    Ok(if head & 1 == 1 { Some(r.take((head >> 1) as usize)?) } else { None })
}

/// A number of 29 bits in 1 to 4 bytes. Section 1.3.1.
fn u29(r: &mut Reader<'_>) -> Result<u32, Malformed> {
    let mut value = 0;
    for _ in 0..3 {
        let byte = u32::from(r.u8()?);
        value = value << 7 | byte & 0x7f;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Ok(value << 8 | u32::from(r.u8()?))
}

const UNDEFINED: u8 = 0x00;
const NULL: u8 = 0x01;
const FALSE: u8 = 0x02;
const TRUE: u8 = 0x03;
const INTEGER: u8 = 0x04;
const DOUBLE: u8 = 0x05;
const STRING: u8 = 0x06;
const XML_DOCUMENT: u8 = 0x07;
const DATE: u8 = 0x08;
const ARRAY: u8 = 0x09;
const OBJECT: u8 = 0x0a;
const XML: u8 = 0x0b;
const BYTE_ARRAY: u8 = 0x0c;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::amf;

    #[test]
    fn a_dynamic_object_with_a_string_reference() {
        let bytes = [
            0x11, OBJECT, 0x0b, 0x01, // dynamic, no sealed members, no class name
            0x07, b'a', b'p', b'p', STRING, 0x00, // "app" = the first string again
            0x03, b'n', INTEGER, 0xff, 0xff, 0xff, 0xff, // n = -1
            0x01,
        ];
        let value = amf::read(&mut Reader::new(&bytes)).unwrap();
        assert_eq!(value, Value::object([("app", Value::text("app")), ("n", Value::Number(-1.0))]));
    }

    #[test]
    fn sealed_members_by_reference() {
        let object = [OBJECT, 0x13, 0x03, b'C', 0x03, b'x', TRUE];
        let again = [OBJECT, 0x01, FALSE];
        let mut bytes = vec![0x11, ARRAY, 0x05, 0x01];
        bytes.extend(object);
        bytes.extend(again);
        let expect = [true, false].map(|x| Value::object([("x", Value::Boolean(x))]));
        assert_eq!(amf::read(&mut Reader::new(&bytes)), Ok(Value::List(expect.into())));
    }

    #[test]
    fn references_multiply_no_memory() {
        // an array of 2^27 values in 8 bytes, and a trait of 2^25 members
        assert_eq!(amf::read(&mut Reader::new(&[0x11, ARRAY, 0xff, 0xff, 0xff, 0xff, 1])), Err(Malformed));
        assert_eq!(amf::read(&mut Reader::new(&[0x11, OBJECT, 0xbf, 0xff, 0xff, 0xf3, 1])), Err(Malformed));
        // a string of 8,000 bytes, taken by reference a thousand times
        let mut bytes = vec![0x11, ARRAY, 0x8f, 0x51, 0x01, STRING, 0xfd, 0x01];
        bytes.extend([b'a'; 8064]);
        bytes.extend([STRING, 0x00].repeat(999));
        assert_eq!(amf::read(&mut Reader::new(&bytes)), Err(Malformed));
    }
}
