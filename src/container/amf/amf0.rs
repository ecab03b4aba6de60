//! AMF0. Action Message Format, AMF 0, section 2.

use super::{Bounds, Malformed, Value, amf3, text};
use crate::wire::{Reader, Writer};

/// Reads one value.
pub fn read(reader: &mut Reader<'_>) -> Result<Value, Malformed> {
    value(reader, &mut Bounds::new())
}

/// Reads values to the end of `data`, or to the first that is malformed.
pub fn read_all(data: &[u8]) -> Vec<Value> {
    let mut reader = Reader::new(data);
    let mut bounds = Bounds::new();
    std::iter::from_fn(|| (!reader.is_empty()).then(|| value(&mut reader, &mut bounds).ok())?).collect()
}

/// Writes one value.
pub fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Number(number) => {
            out.u8(NUMBER);
            out.f64(*number);
        }
        Value::Boolean(boolean) => out.bytes(&[BOOLEAN, u8::from(*boolean)]),
        Value::Text(text) => {
            out.u8(STRING);
            name(out, text);
        }
        Value::Object(list) => {
            out.u8(OBJECT);
            members_out(out, list);
        }
        Value::Ecma(list) => {
            out.u8(ECMA_ARRAY);
            out.u32(list.len() as u32);
            members_out(out, list);
        }
        Value::List(list) => {
            out.u8(STRICT_ARRAY);
            out.u32(list.len() as u32);
            list.iter().for_each(|value| write(out, value));
        }
        Value::Null => out.u8(NULL),
    }
}

fn value(r: &mut Reader<'_>, bounds: &mut Bounds) -> Result<Value, Malformed> {
    bounds.value()?;
    Ok(match r.u8()? {
        NUMBER => Value::Number(r.f64()?),
        BOOLEAN => Value::Boolean(r.u8()? != 0),
        STRING => Value::Text(short_text(r)?),
        LONG_STRING | XML => Value::Text(long_text(r)?),
        OBJECT => Value::Object(bounds.nested(|bounds| members(r, bounds))?),
        TYPED_OBJECT => {
            short_text(r)?;
            Value::Object(bounds.nested(|bounds| members(r, bounds))?)
        }
        ECMA_ARRAY => {
            r.u32()?; // a hint that writers get wrong: the end marker decides
            Value::Ecma(bounds.nested(|bounds| members(r, bounds))?)
        }
        STRICT_ARRAY => {
            let count = r.u32()?;
            let list = bounds.nested(|bounds| (0..count).map(|_| value(r, bounds)).collect())?;
            Value::List(list)
        }
        DATE => {
            r.take(10)?;
            Value::Null
        }
        REFERENCE => {
            r.u16()?;
            Value::Null
        }
        NULL | UNDEFINED | UNSUPPORTED => Value::Null,
        AVMPLUS => amf3::read(r, bounds)?,
        _ => return Err(Malformed),
    })
}

/// Members up to the end marker; the end of the data serves as one, because
/// some encoders leave the marker out of their metadata.
fn members(r: &mut Reader<'_>, bounds: &mut Bounds) -> Result<Vec<(Box<str>, Value)>, Malformed> {
    let mut list = Vec::new();
    while !r.is_empty() {
        let key = short_text(r)?;
        if key.is_empty() && r.rest().first() == Some(&OBJECT_END) {
            r.u8()?;
            break;
        }
        list.push((key, value(r, bounds)?));
    }
    Ok(list)
}

fn short_text(r: &mut Reader<'_>) -> Result<Box<str>, Malformed> {
    let len = r.u16()?;
    Ok(text(r.take(usize::from(len))?))
}

fn long_text(r: &mut Reader<'_>) -> Result<Box<str>, Malformed> {
    let len = r.u32()?;
    Ok(text(r.take(len as usize)?))
}

fn members_out(out: &mut Vec<u8>, list: &[(Box<str>, Value)]) {
    for (key, value) in list {
        name(out, key);
        write(out, value);
    }
    out.bytes(&[0, 0, OBJECT_END]);
}

/// Writes a length and the text, which is cut at 65,535 bytes, the maximum of the length field.
fn name(out: &mut Vec<u8>, text: &str) {
    let end = text.floor_char_boundary(text.len().min(usize::from(u16::MAX)));
    let (text, _) = text.split_at(end);
    out.u16(text.len() as u16);
    out.bytes(text.as_bytes());
}

const NUMBER: u8 = 0x00;
const BOOLEAN: u8 = 0x01;
const STRING: u8 = 0x02;
const OBJECT: u8 = 0x03;
const NULL: u8 = 0x05;
const UNDEFINED: u8 = 0x06;
const REFERENCE: u8 = 0x07;
const ECMA_ARRAY: u8 = 0x08;
const OBJECT_END: u8 = 0x09;
const STRICT_ARRAY: u8 = 0x0a;
const DATE: u8 = 0x0b;
const LONG_STRING: u8 = 0x0c;
const UNSUPPORTED: u8 = 0x0d;
const XML: u8 = 0x0f;
const TYPED_OBJECT: u8 = 0x10;
const AVMPLUS: u8 = 0x11;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let inner = Value::object([("code", Value::text("NetStream.Play.Start")), ("n", Value::Number(1.5))]);
        let all = [
            Value::Ecma(vec![("width".into(), Value::Number(640.0)), ("inner".into(), inner)]),
            Value::List(vec![Value::Null, Value::Boolean(true)]),
        ];
        let mut bytes = Vec::new();
        all.iter().for_each(|value| write(&mut bytes, value));
        assert_eq!(read_all(&bytes), all);
    }

    #[test]
    fn golden_connect_bytes() {
        let mut bytes = Vec::new();
        write(&mut bytes, &Value::text("app"));
        write(&mut bytes, &Value::object([("a", Value::Number(1.0))]));
        let expect = [2, 0, 3, b'a', b'p', b'p', 3, 0, 1, b'a', 0, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
        assert_eq!(bytes, expect);
    }

    #[test]
    fn depth_and_number_are_bounded() {
        let deep = [STRICT_ARRAY, 0, 0, 0, 1].repeat(100);
        assert_eq!(read(&mut Reader::new(&deep)), Err(Malformed));
        let mut many = vec![STRICT_ARRAY, 0xff, 0xff, 0xff, 0xff];
        many.extend([NULL; 5000]);
        assert_eq!(read(&mut Reader::new(&many)), Err(Malformed));
    }

    #[test]
    fn a_missing_end_marker_and_a_wrong_count_are_tolerated() {
        let bytes = [ECMA_ARRAY, 0, 0, 0, 99, 0, 1, b'a', BOOLEAN, 1];
        assert_eq!(read_all(&bytes), [Value::Ecma(vec![("a".into(), Value::Boolean(true))])]);
    }
}
