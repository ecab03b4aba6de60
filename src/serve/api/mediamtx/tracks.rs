//! The tracks of a stream in MediaMTX's words.

use crate::media::{Codec, Track};

/// The word for a codec.
pub(super) fn codec(track: &Track) -> &'static str {
    match track.codec {
        Codec::Aac => "MPEG-4 Audio",
        Codec::Mp3 => "MPEG-1 Audio",
        Codec::Opus => "Opus",
        Codec::Pcma | Codec::Pcmu => "G711",
        Codec::L16 => "LPCM",
        Codec::Flac | Codec::Eac3 => "Generic",
        Codec::H264 | Codec::H265 | Codec::Av1 | Codec::Vp8 | Codec::Vp9 | Codec::Mjpeg | Codec::Ac3 => {
            track.codec.name()
        }
    }
}

/// A track with what is known of it, as JSON. A codec without properties has `null`.
pub(super) fn json(track: &Track) -> String {
    let (width, height) = (track.params.width, track.params.height);
    let audio = format!("\"sampleRate\":{},\"channelCount\":{}", track.params.sample_rate, track.params.channels);
    let properties = match track.codec {
        Codec::H264 | Codec::H265 => {
            let [profile, level] = profile_and_level(track).unwrap_or_default();
            format!("{{\"width\":{width},\"height\":{height},\"profile\":\"{profile}\",\"level\":\"{level}\"}}")
        }
        Codec::Av1 => format!("{{\"width\":{width},\"height\":{height},\"profile\":0,\"level\":0,\"tier\":0}}"),
        Codec::Vp9 => "{\"profile\":0}".into(),
        Codec::Aac | Codec::Ac3 => format!("{{{audio}}}"),
        Codec::Opus => format!("{{\"channelCount\":{}}}", track.params.channels),
        Codec::Pcma | Codec::Pcmu => format!("{{\"muLaw\":{},{audio}}}", track.codec == Codec::Pcmu),
        Codec::L16 => format!("{{\"bitDepth\":16,{audio}}}"),
        Codec::Vp8 | Codec::Mjpeg | Codec::Mp3 | Codec::Flac | Codec::Eac3 => "null".into(),
    };
    format!("{{\"codec\":\"{}\",\"codecProps\":{properties}}}", codec(track))
}

/// The profile and the level in the decoder record. ISO/IEC 14496-15 sections 5.3.3.1 and 8.3.3.1.
fn profile_and_level(track: &Track) -> Option<[String; 2]> {
    let is_h264 = track.codec == Codec::H264;
    let at = |h264, h265| track.params.record.get(if is_h264 { h264 } else { h265 }).copied();
    // of H.265 the two bits of the profile space and the tier stand before the profile
    let (profile, level) = (at(1, 1)?, at(3, 12)?);
    let profile = if is_h264 { profile } else { profile & 0x1f };
    let name = PROFILES.iter().find(|(of_h264, number, _)| (*of_h264, *number) == (is_h264, profile));
    // a level is written as tenths, that of H.265 as thirtieths
    let tenths = if is_h264 { level } else { level / 3 };
    let tenth = if tenths % 10 == 0 { String::new() } else { format!(".{}", tenths % 10) };
    let name = name.map_or_else(|| profile.to_string(), |(_, _, name)| name.to_string());
    Some([name, format!("{}{tenth}", tenths / 10)])
}

/// The usual profiles, of H.264 or not; others are told by their number.
const PROFILES: [(bool, u8, &str); 9] = [
    (true, 66, "Baseline"),
    (true, 77, "Main"),
    (true, 88, "Extended"),
    (true, 100, "High"),
    (true, 110, "High 10"),
    (true, 122, "High 4:2:2"),
    (true, 244, "High 4:4:4 Predictive"),
    (false, 1, "Main"),
    (false, 2, "Main 10"),
];

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::media::{Hz, Params};

    fn told(codec: Codec, record: &'static [u8]) -> String {
        let params =
            Params { record: Bytes::from_static(record), width: 640, height: 360, sample_rate: 48_000, channels: 2 };
        json(&Track { id: 0, codec, clock: Hz::MS, params })
    }

    #[test]
    fn tracks_have_mediamtx_words_and_properties() {
        let video = |codec, profile, level| {
            let size = "\"width\":640,\"height\":360";
            format!(
                "{{\"codec\":\"{codec}\",\"codecProps\":{{{size},\"profile\":\"{profile}\",\"level\":\"{level}\"}}}}"
            )
        };
        assert_eq!(told(Codec::H264, &[1, 100, 0, 31]), video("H264", "High", "3.1"));
        assert_eq!(told(Codec::H264, &[1, 99, 0, 40]), video("H264", "99", "4"));
        assert_eq!(told(Codec::H264, &[]), video("H264", "", ""));
        assert_eq!(told(Codec::H265, &[1, 0x21, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 123]), video("H265", "Main", "4.1"));
        let aac = r#"{"codec":"MPEG-4 Audio","codecProps":{"sampleRate":48000,"channelCount":2}}"#;
        assert_eq!(told(Codec::Aac, &[]), aac);
        let g711 = r#"{"codec":"G711","codecProps":{"muLaw":true,"sampleRate":48000,"channelCount":2}}"#;
        assert_eq!(told(Codec::Pcmu, &[]), g711);
        assert_eq!(told(Codec::Mp3, &[]), r#"{"codec":"MPEG-1 Audio","codecProps":null}"#);
    }
}
