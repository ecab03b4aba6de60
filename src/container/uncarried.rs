//! Names of codecs that runnel does not carry, for the log.

use crate::media::Kind;

/// Codecs with a number in FLV. Specification of FLV 10.1, E.4.2.1 and E.4.3.1.
const OF_FLV: [(Kind, u8, &str); 14] = [
    (Kind::Video, 2, "Sorenson H.263"),
    (Kind::Video, 3, "Screen Video"),
    (Kind::Video, 4, "VP6"),
    (Kind::Video, 5, "VP6 with alpha"),
    (Kind::Video, 6, "Screen Video 2"),
    (Kind::Audio, 0, "PCM"),
    (Kind::Audio, 1, "ADPCM"),
    (Kind::Audio, 3, "PCM"),
    (Kind::Audio, 4, "Nellymoser of 16 kHz"),
    (Kind::Audio, 5, "Nellymoser of 8 kHz"),
    (Kind::Audio, 6, "Nellymoser"),
    (Kind::Audio, 11, "Speex"),
    (Kind::Audio, 14, "MP3 of 8 kHz"),
    (Kind::Audio, 15, "of the device"),
];

/// The log text about an unsupported codec, from its name in `Event::Unsupported`.
pub fn uncarried(kind: Kind, name: [u8; 4]) -> String {
    let (word, remedy) = match kind {
        Kind::Video => ("video", "-c:v libx264 makes ffmpeg send H.264"),
        Kind::Audio => ("audio", "-c:a aac makes ffmpeg send AAC"),
    };
    let said = "is not carried, and is passed over";
    match name {
        [0, 0, 0, id] => {
            let known = OF_FLV.iter().find(|(of, number, _)| (*of, *number) == (kind, id));
            let known = known.map_or(String::new(), |(.., name)| format!(" ({name})"));
            format!("{word} codec {id} of FLV{known} {said}; {remedy}")
        }
        [b't', b's', 0, id] => format!("{word} of MPEG-TS's stream type {id:#04x} {said}"),
        fourcc => format!("{word} codec {} {said}", fourcc.escape_ascii()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_have_the_names_of_their_container() {
        for (kind, name, words) in [
            (
                Kind::Video,
                [0, 0, 0, 2],
                "video codec 2 of FLV (Sorenson H.263) is not carried, and is passed over; -c:v libx264 makes ffmpeg send H.264",
            ),
            (
                Kind::Audio,
                [0, 0, 0, 9],
                "audio codec 9 of FLV is not carried, and is passed over; -c:a aac makes ffmpeg send AAC",
            ),
            (Kind::Video, *b"ts\0\x02", "video of MPEG-TS's stream type 0x02 is not carried, and is passed over"),
            (Kind::Video, *b"vvc1", "video codec vvc1 is not carried, and is passed over"),
            (Kind::Video, *b"a\n\xff1", "video codec a\\n\\xff1 is not carried, and is passed over"),
        ] {
            assert_eq!(uncarried(kind, name), words);
        }
    }
}
