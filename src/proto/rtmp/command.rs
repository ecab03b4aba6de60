//! Commands and their answers. RTMP 1.0 section 7.2; Enhanced RTMP v2, "Enhancing NetConnection connect Command".

use crate::container::amf::{self, Value};
use crate::container::flv::FourCc;

/// A command message.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// The command name, such as `connect`.
    pub name: Box<str>,
    /// The transaction number that its answer repeats; 0 asks for no answer.
    pub transaction: f64,
    /// The values after that: the command object, then the arguments.
    pub args: Vec<Value>,
}

impl Command {
    /// Parses the payload of an AMF0 command message; `None` if it is not valid.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let mut values = amf::read_all(payload).into_iter();
        let Some(Value::Text(name)) = values.next() else { return None };
        let transaction = values.next().and_then(|value| value.as_number()).unwrap_or(0.0);
        Some(Self { name, transaction, args: values.collect() })
    }

    /// The command object, with which the sender of `connect` describes itself.
    pub fn object(&self) -> &Value {
        self.args.first().unwrap_or(&Value::Null)
    }

    /// The text at `index` after the command object.
    pub fn text(&self, index: usize) -> &str {
        self.args.get(index + 1).and_then(Value::as_text).unwrap_or_default()
    }
}

/// The payload of a command message.
pub fn write(name: &str, transaction: f64, args: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    amf::write(&mut out, &Value::text(name));
    amf::write(&mut out, &Value::Number(transaction));
    args.iter().for_each(|value| amf::write(&mut out, value));
    out
}

/// The information object of `onStatus` and of answers to `connect`.
pub fn status(level: &str, code: &str, description: &str) -> Vec<(Box<str>, Value)> {
    [("level", level), ("code", code), ("description", description)]
        .map(|(name, text)| (name.into(), Value::text(text)))
        .into()
}

/// The capabilities that a client declares in `connect`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// The codecs in `fourCcList` or in a FourCC info map; `*` for all.
    pub fourccs: Vec<FourCc>,
    /// The client declared codecs.
    pub enhanced: bool,
    /// The client reads multitrack messages: `capsEx` bit 1.
    pub multitrack: bool,
}

impl Caps {
    /// Reads the capabilities in the command object of `connect`.
    pub fn of(object: &Value) -> Self {
        let mut caps = Self::default();
        if let Some(Value::List(list)) = object.member("fourCcList") {
            caps.enhanced = true;
            caps.fourccs.extend(list.iter().filter_map(Value::as_text).filter_map(fourcc));
        }
        for map in ["videoFourCcInfoMap", "audioFourCcInfoMap"].iter().filter_map(|name| object.member(name)) {
            caps.enhanced = true;
            let readable = |info: &Value| info.as_number().is_none_or(|mask| mask as u32 & CAN_DECODE != 0);
            let readable = map.members().iter().filter(|(_, info)| readable(info));
            caps.fourccs.extend(readable.filter_map(|(name, _)| fourcc(name)));
        }
        let bits = object.member("capsEx").and_then(Value::as_number).unwrap_or(0.0) as u32;
        caps.multitrack = bits & MULTITRACK != 0;
        caps
    }

    /// True if the client reads enhanced tags with this codec. A client that declares no codecs is assumed to read
    /// all, as ffmpeg does.
    pub fn reads(&self, name: FourCc) -> bool {
        !self.enhanced || self.fourccs.iter().any(|known| *known == name || *known == ANY)
    }

    /// The capabilities of this program, for `connect` and its answer: it forwards all codecs.
    pub fn ours() -> Vec<(Box<str>, Value)> {
        let any = || Value::object([("*", Value::Number(CAN_FORWARD.into()))]);
        vec![
            ("capsEx".into(), Value::Number((MULTITRACK | MOD_EX).into())),
            ("videoFourCcInfoMap".into(), any()),
            ("audioFourCcInfoMap".into(), any()),
            ("fourCcList".into(), Value::List(vec![Value::text("*")])),
        ]
    }
}

fn fourcc(name: &str) -> Option<FourCc> {
    if name == "*" { Some(ANY) } else { name.as_bytes().try_into().ok() }
}

const ANY: FourCc = *b"*\0\0\0";
/// FourCcInfoMask.
const CAN_DECODE: u32 = 1;
const CAN_FORWARD: u32 = 4;
/// CapsExMask.
const MULTITRACK: u32 = 2;
const MOD_EX: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_of_both_versions() {
        let v1 = Value::object([("fourCcList", Value::List(vec![Value::text("av01")]))]);
        let caps = Caps::of(&v1);
        assert_eq!((caps.reads(*b"av01"), caps.reads(*b"hvc1"), caps.multitrack), (true, false, false));
        let v2 = Value::object([
            ("videoFourCcInfoMap", Value::object([("*", Value::Number(1.0)), ("vp09", Value::Number(2.0))])),
            ("capsEx", Value::Number(2.0)),
        ]);
        let caps = Caps::of(&v2);
        assert_eq!((caps.reads(*b"hvc1"), caps.multitrack, caps.fourccs.len()), (true, true, 1));
        assert!(Caps::of(&Value::Null).reads(*b"hvc1"));
    }
}
