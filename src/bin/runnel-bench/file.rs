//! The file that is published: an FLV file as RTMP messages in their order, and
//! as frames.

use std::fmt::Display;
use std::path::Path;

use bytes::Bytes;
use runnel::budget::Account;
use runnel::container::Event;
use runnel::container::flv::{Demux, Tag, TagKind, read_tag};
use runnel::media::{Frame, Kind, Ticks, Tracks};
use runnel::proto::rtmp::kind;
use runnel::wire::Reader;

use crate::failed::Failed;
use crate::glance::Glance;
use crate::sei;

/// An FLV file, held whole.
pub struct Media {
    /// The messages before the first frame: script data and decoder records.
    pub head: Vec<Message>,
    /// The frames, by time.
    pub frames: Vec<Message>,
    /// Milliseconds from the first frame to its next showing.
    pub length: u64,
    pub tracks: Tracks,
}

/// A message to send.
pub struct Message {
    /// Message type id.
    pub kind: u8,
    /// Milliseconds since the first frame.
    pub at: u64,
    pub key: bool,
    pub body: Bytes,
    /// The same for protocols that carry frames.
    pub frame: Option<Frame>,
}

impl Media {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, Failed> {
        let fail = |why: &dyn Display| Failed::asked(format!("{}: {why}", path.display()));
        let data = std::fs::read(path).map_err(|error| fail(&error))?;
        Self::parse(&data).map_err(|why| fail(&why))
    }

    fn parse(data: &[u8]) -> Result<Self, &'static str> {
        let mut r = Reader::new(data);
        if r.array() != Ok(*b"FLV") {
            return Err("not an FLV file");
        }
        r.take(6 + 4).map_err(|_| "nothing behind the header")?;
        let (mut head, mut frames) = (Vec::new(), Vec::new());
        let (mut demux, mut tracks) = (Demux::default(), Tracks::default());
        while let Ok(tag) = read_tag(&mut r) {
            match Message::of(tag) {
                Some((mut message, true)) => {
                    message.frame = message.demux(&mut demux, &mut tracks);
                    frames.push(message);
                }
                Some((message, false)) if frames.is_empty() => {
                    message.demux(&mut demux, &mut tracks);
                    head.push(message);
                }
                _ => {}
            }
        }
        let begin = frames.iter().map(|frame| frame.at).min().ok_or("no frames")?;
        frames.iter_mut().for_each(|frame| frame.at -= begin);
        frames.sort_by_key(|frame| frame.at);
        let length = [kind::AUDIO, kind::VIDEO].into_iter().filter_map(|kind| length(&frames, kind)).max();
        Ok(Self { head, frames, length: length.ok_or("one frame is not enough")?, tracks })
    }
}

impl Message {
    /// The message for a tag, and whether it is a frame.
    fn of(tag: Tag<'_>) -> Option<(Self, bool)> {
        let (kind, glance, mut body) = match tag.kind? {
            TagKind::Audio => (kind::AUDIO, Glance::at(Kind::Audio, tag.body), Vec::new()),
            TagKind::Video => (kind::VIDEO, Glance::at(Kind::Video, tag.body), Vec::new()),
            TagKind::Script => (kind::DATA_AMF0, Glance::Other, SET_DATA_FRAME.to_vec()),
        };
        body.extend_from_slice(tag.body);
        let key = glance == Glance::Frame { key: true };
        Some((Self { kind, at: tag.timestamp.into(), key, body: body.into(), frame: None }, glance != Glance::Other))
    }

    /// The body with a stamp in the frame, if it takes one.
    pub fn stamped(&self, tracks: &Tracks, stamp: u32) -> Bytes {
        let track = self.frame.as_ref().and_then(|frame| Some((frame, tracks.find(frame.kind, frame.track)?)));
        let Some((frame, track)) = track else { return self.body.clone() };
        let head = self.body.strip_suffix(&frame.data[..]);
        head.map_or(self.body.clone(), |head| [head, &sei::stamped(stamp, track.codec, &frame.data)].concat().into())
    }

    /// The frame in it, and what it says of the tracks.
    fn demux(&self, demux: &mut Demux, tracks: &mut Tracks) -> Option<Frame> {
        let kind = match self.kind {
            kind::AUDIO => Kind::Audio,
            kind::VIDEO => Kind::Video,
            _ => return None,
        };
        let mut frame = None;
        let account = Account::root("file", usize::MAX);
        // a damaged frame is sent all the same by protocols that do not look into it
        let _ = demux.tag(kind, Ticks(0), &self.body, &account, |event| match event {
            Event::Track(track) => _ = tracks.set(track),
            Event::Frame(found) => frame = Some(found),
            _ => {}
        });
        frame
    }
}

/// Milliseconds that the frames of one kind last, the last of them as long as the others on average.
fn length(frames: &[Message], kind: u8) -> Option<u64> {
    let mut times = frames.iter().filter(|frame| frame.kind == kind).map(|frame| frame.at);
    let first = times.next()?;
    let (steps, last) = times.fold((0, first), |(steps, _), at| (steps + 1, at));
    (steps > 0).then(|| last + ((last - first) as f64 / f64::from(steps)).round() as u64)
}

/// The AMF0 string that RTMP publishers send before script data.
const SET_DATA_FRAME: &[u8] = b"\x02\0\x0d@setDataFrame";

#[cfg(test)]
mod tests {
    use super::*;
    use runnel::container::flv::{file_header, tag_header};

    #[test]
    fn frames_are_in_order_and_the_file_has_a_length() {
        let mut data = file_header(true, true).to_vec();
        let tags: [(_, _, &[u8]); 8] = [
            (TagKind::Script, 0, b"\x02\0\x0aonMetaData"),
            (TagKind::Video, 100, &[0x17, 0]),
            (TagKind::Audio, 100, &[0xaf, 0]),
            (TagKind::Video, 100, &[0x17, 1]),
            (TagKind::Video, 140, &[0x27, 1]),
            (TagKind::Audio, 100, &[0xaf, 1]),
            (TagKind::Audio, 123, &[0xaf, 1]),
            (TagKind::Video, 140, &[0x17, 2]),
        ];
        for (kind, at, body) in tags {
            data.extend(tag_header(kind, body.len(), at));
            data.extend_from_slice(body);
            data.extend([0; 4]);
        }
        let media = Media::parse(&data).unwrap();
        let times: Vec<_> = media.frames.iter().map(|frame| frame.at).collect();
        assert_eq!((times, media.length, media.head.len()), (vec![0, 0, 23, 40], 80, 3));
        assert!(media.head[0].body.starts_with(SET_DATA_FRAME));
        assert!(Media::parse(b"RIFF").is_err());
    }
}
