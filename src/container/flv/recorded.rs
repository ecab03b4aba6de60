//! FLV as a file. Its metadata reserves space for the duration and the index of key frames, which are known only at
//! the end.

use super::file::{TagKind, file_header, tag_header};
use super::mux::tag;
use super::script::members;
use super::tag::{Style, sequence_start};
use crate::container::amf::{self, Value};
use crate::container::{Patch, Recorded};
use crate::media::{Kind, Ticks, Tracks};
use crate::wire::Writer;

/// A key frame: its time in the file in milliseconds, and the offset of its tag.
pub type Mark = (u32, u64);

/// The values that are known only at the end of a file.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// In milliseconds.
    pub duration: u32,
    /// The file's length in bytes.
    pub size: u64,
    /// Its key frames in order, `MAX_MARKS` at most.
    pub marks: Vec<Mark>,
}

/// The file format FLV.
pub const RECORDED: Recorded = Recorded {
    begin: file_begin,
    rebase: Some(|tags, origin, _| rebase(tags, origin)),
    patch: Some(Patch { at: METADATA_AT, len: METADATA, write: metadata }),
};
/// The maximum number of key frames in the index of the metadata.
pub const MAX_MARKS: usize = 512;
/// The offset of the metadata's tag in the file: after the file header.
pub const METADATA_AT: u64 = 13;
/// Bytes of that tag without the PreviousTagSize after it: all marks, and the other members.
pub const METADATA: usize = 11 + 18 * MAX_MARKS + 1024;

/// The bytes at the start of a file: header, metadata with empty values, decoder records.
pub fn file_begin(tracks: &Tracks) -> Vec<u8> {
    let style = Style::default();
    let mut out = file_header(style.has(tracks, Kind::Audio), style.has(tracks, Kind::Video)).to_vec();
    out.extend(metadata(tracks, &Summary::default()));
    out.u32(METADATA as u32);
    for track in tracks.iter().filter(|track| style.carries(track)) {
        if let Some(body) = sequence_start(style, track) {
            let kind = if track.codec.kind() == Kind::Video { TagKind::Video } else { TagKind::Audio };
            tag(&mut out, kind, Ticks(0), &body);
        }
    }
    out
}

/// The metadata's tag, with the same length as the one in the file at `METADATA_AT`.
pub fn metadata(tracks: &Tracks, summary: &Summary) -> Vec<u8> {
    let marks = summary.marks.iter().take(MAX_MARKS);
    let (times, places): (Vec<_>, Vec<_>) =
        marks.map(|(ms, at)| (Value::Number(f64::from(*ms) / 1000.0), Value::Number(*at as f64))).unzip();
    let mut all = members(Style::default(), tracks);
    all.push(("duration".into(), Value::Number(f64::from(summary.duration) / 1000.0)));
    all.push(("filesize".into(), Value::Number(summary.size as f64)));
    // ffmpeg warns about an index with one entry
    if times.len() > 1 {
        let index = [("filepositions", Value::List(places)), ("times", Value::List(times))];
        all.push(("keyframes".into(), Value::object(index)));
    }
    let mut body = script(&all);
    // fills the space that is left, with texts is_short enough for players
    while let Some(spare @ FILLER..) = METADATA.checked_sub(11 + body.len()) {
        // no text may leave a rest that is too is_short for a further member
        let is_short = (FILLER + MAX_TEXT + 1..2 * FILLER + MAX_TEXT).contains(&spare);
        let most = if is_short { MAX_TEXT - FILLER } else { MAX_TEXT };
        all.push(("filler".into(), Value::text(&" ".repeat((spare - FILLER).min(most)))));
        body = script(&all);
    }
    let mut out = tag_header(TagKind::Script, body.len(), 0).to_vec();
    out.extend(body);
    out
}

/// Bytes of a member `filler` with an empty text.
const FILLER: usize = 2 + 6 + 3;
/// The longest text that ffmpeg reads, in bytes.
const MAX_TEXT: usize = 1000;

fn script(members: &[(Box<str>, Value)]) -> Vec<u8> {
    let mut body = Vec::new();
    amf::write(&mut body, &Value::text("onMetaData"));
    amf::write(&mut body, &Value::Ecma(members.to_vec()));
    body
}

/// Moves the times of the whole tags in `tags` so that `origin` becomes 0. The last tag may be cut off after its
/// header.
pub fn rebase(mut tags: &mut [u8], origin: Ticks) {
    while let Some((header, rest)) = tags.split_at_mut_checked(11) {
        let [_, l0, l1, l2, t0, t1, t2, t3, ..] = header else { return };
        let len = usize::from(*l0) << 16 | usize::from(*l1) << 8 | usize::from(*l2);
        let time = u32::from_be_bytes([*t3, *t0, *t1, *t2]).wrapping_sub(origin.0 as u32);
        // a frame from before the first picture gets the time of that picture
        let time = if time > u32::MAX / 2 { 0 } else { time };
        [*t3, *t0, *t1, *t2] = time.to_be_bytes();
        let Some((_, next)) = rest.split_at_mut_checked(len + 4) else { return };
        tags = next;
    }
}

#[cfg(test)]
mod tests {
    use super::super::Demux;
    use super::super::file::read_tag;
    use super::*;
    use crate::budget::Account;
    use crate::codec;
    use crate::container::Event;
    use crate::media::{Codec, Hz, Track};
    use crate::wire::Reader;

    fn tracks() -> Tracks {
        let mut tracks = Tracks::default();
        let params = codec::params(Codec::Aac, vec![0x12, 0x10].into()).unwrap();
        tracks.set(Track { id: 0, codec: Codec::Aac, clock: Hz::MS, params });
        tracks
    }

    #[test]
    fn metadata_has_a_place_for_what_is_known_at_the_end() {
        let begin = file_begin(&tracks());
        let marks = (0..MAX_MARKS as u32).map(|at| (at * 2000, u64::from(at) * 100_000)).collect();
        let full = Summary { duration: 1_024_000, size: 1 << 40, marks };
        let end = metadata(&tracks(), &full);
        for marks in 0..=MAX_MARKS {
            let summary = Summary { marks: full.marks[..marks].to_vec(), ..full.clone() };
            assert_eq!(metadata(&tracks(), &summary).len(), METADATA, "{marks}");
        }
        let mut file = begin.clone();
        file[METADATA_AT as usize..METADATA_AT as usize + METADATA].copy_from_slice(&end);
        let mut reader = Reader::new(&file[METADATA_AT as usize..]);
        let script = read_tag(&mut reader).unwrap();
        let values = amf::read(&mut Reader::new(script.body)).unwrap();
        assert_eq!(values.as_text(), Some("onMetaData"));
        let at = "onMetaData".len() + 3;
        // more values than an RTMP message may have
        assert!(script.body[at..].windows(8).any(|eight| eight == b"duration"));
        let sound = read_tag(&mut reader).unwrap();
        assert_eq!((sound.kind, sound.timestamp), (Some(TagKind::Audio), 0));
        let mut found = 0;
        let body = bytes::Bytes::copy_from_slice(sound.body);
        let account = Account::root("test", 1 << 20);
        Demux::default()
            .tag(Kind::Audio, Ticks(0), &body, &account, |event| found += usize::from(matches!(event, Event::Track(_))))
            .unwrap();
        assert_eq!((found, reader.is_empty()), (1, true));
    }

    #[test]
    fn times_are_moved_in_all_tags() {
        let mut tags = Vec::new();
        for at in [990, 1000, 17_777_216] {
            tag(&mut tags, TagKind::Video, Ticks(at), &[7; 5]);
        }
        rebase(&mut tags, Ticks(1000));
        let mut reader = Reader::new(&tags);
        let times = [0; 3].map(|_| read_tag(&mut reader).unwrap().timestamp);
        assert_eq!(times, [0, 0, 17_776_216]);
        rebase(&mut tags[..11], Ticks(0));
        rebase(&mut [], Ticks(0));
    }
}
