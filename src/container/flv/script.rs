//! `onMetaData`: the publisher's is read and cleaned, and one is written for viewers.

use super::tag::Style;
use crate::container::amf::{self, Value};
use crate::media::{Info, Kind, Tracks};

/// Reads the plausible values of script data (`onMetaData`, with or without `@setDataFrame` before it); `None` for
/// other data.
pub fn clean(data: &[u8]) -> Option<Info> {
    let values = amf::read_all(data);
    let at = values.iter().position(|value| value.as_text() == Some("onMetaData"))?;
    let object = values.get(at + 1)?;
    let number = |name| object.member(name).and_then(Value::as_number).filter(|n| (0.0..1e9).contains(n));
    Some(Info {
        frame_rate: number("framerate"),
        video_kbps: number("videodatarate"),
        audio_kbps: number("audiodatarate"),
        encoder: object.member("encoder").and_then(Value::as_text).map(printable),
    })
}

/// Writes `onMetaData` for viewers from the tracks themselves.
pub fn write_metadata(style: Style, tracks: &Tracks) -> Vec<u8> {
    let mut out = Vec::new();
    amf::write(&mut out, &Value::text("onMetaData"));
    amf::write(&mut out, &Value::Ecma(members(style, tracks)));
    out
}

/// The members of `onMetaData` that describe the tracks.
pub(super) fn members(style: Style, tracks: &Tracks) -> Vec<(Box<str>, Value)> {
    let mut members = Vec::new();
    let mut number = |name: &str, value: Option<f64>| {
        members.extend(value.filter(|n| *n > 0.0).map(|n| (name.into(), Value::Number(n))));
    };
    let info = &tracks.info;
    let first = |kind| tracks.first(kind).filter(|track| style.carries(track));
    if let Some(video) = first(Kind::Video) {
        number("width", Some(video.params.width.into()));
        number("height", Some(video.params.height.into()));
        number("videocodecid", style.codec_id(video).map(f64::from));
        number("framerate", info.frame_rate);
        number("videodatarate", info.video_kbps);
    }
    if let Some(audio) = first(Kind::Audio) {
        number("audiocodecid", style.codec_id(audio).map(f64::from));
        number("audiosamplerate", Some(audio.params.sample_rate.into()));
        number("audiochannels", Some(audio.params.channels.into()));
        number("audiodatarate", info.audio_kbps);
    }
    if let Some(encoder) = &info.encoder {
        members.push(("encoder".into(), Value::Text(encoder.clone())));
    }
    members.push(("server".into(), Value::text(concat!("runnel/", env!("CARGO_PKG_VERSION")))));
    members
}

fn printable(text: &str) -> Box<str> {
    text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(64).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_cleaned() {
        let mut data = Vec::new();
        amf::write(&mut data, &Value::text("@setDataFrame"));
        amf::write(&mut data, &Value::text("onMetaData"));
        let encoder = format!("Lavf\n<b>{}", "x".repeat(200));
        amf::write(
            &mut data,
            &Value::object([
                ("framerate", Value::Number(25.0)),
                ("videodatarate", Value::Number(f64::NAN)),
                ("audiodatarate", Value::Number(-1.0)),
                ("encoder", Value::text(&encoder)),
            ]),
        );
        let info = clean(&data).unwrap();
        assert_eq!((info.frame_rate, info.video_kbps, info.audio_kbps), (Some(25.0), None, None));
        assert_eq!((info.encoder.as_ref().unwrap().len(), info.encoder.unwrap().contains('\n')), (64, false));
        assert_eq!(clean(b"\x02\0\x03foo"), None);
    }
}
