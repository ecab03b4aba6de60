//! RTMP as a form: messages with bodies shared with the frames. Every player gets
//! the same chunk size and message stream, so all of them send the same bytes.

use crate::budget::{Account, OverBudget};
use crate::container::amf::{self, Value};
use crate::container::flv::{Style, frame_head, sequence_start, write_metadata};
use crate::container::{Form, Mux, Packed, Piece};
use crate::media::{Frame, Hz, Kind, Ticks, Track, Tracks};

use super::message::{continuation, header, kind, write_message};
use super::{CHUNK_SIZE, STREAM_ID};

/// What players can be given: enhanced tags where a codec needs them, HEVC as
/// codec id 12, and all tracks.
pub static FORMS: [&Form; 3] = [
    &Form { name: "rtmp", extension: "", mime: "", mux: || mux(Style::default()) },
    &Form {
        name: "rtmp-hevc12",
        extension: "",
        mime: "",
        mux: || mux(Style { legacy_hevc: true, ..Style::default() }),
    },
    &Form { name: "rtmp-tracks", extension: "", mime: "", mux: || mux(Style { all_tracks: true, ..Style::default() }) },
];

/// What a server is given to whom we publish.
pub static PUSH: Form = Form {
    name: "rtmp-push",
    extension: "",
    mime: "",
    mux: || Box::new(Rtmp { style: Style::default(), publishes: true }),
};

struct Rtmp {
    style: Style,
    /// Metadata goes behind `@setDataFrame`, which has servers keep it.
    publishes: bool,
}

fn mux(style: Style) -> Box<dyn Mux> {
    Box::new(Rtmp { style, publishes: false })
}

impl Mux for Rtmp {
    fn carries(&self, track: &Track) -> bool {
        self.style.carries(track)
    }

    fn head(&self, tracks: &Tracks, at: Ticks) -> Packed {
        let mut out = Vec::new();
        // at time 0: ffmpeg takes script data of any other time for a track
        let mut metadata = Vec::new();
        if self.publishes {
            amf::write(&mut metadata, &Value::text("@setDataFrame"));
        }
        metadata.extend(write_metadata(self.style, tracks));
        write_message(&mut out, CHUNK_SIZE, kind::DATA_AMF0, STREAM_ID, 0, &metadata);
        self.sequence_starts(&mut out, tracks.iter(), at);
        out.into()
    }

    fn announce(&mut self, _: &Tracks, news: &[&Track], at: Ticks) -> Packed {
        let mut out = Vec::new();
        self.sequence_starts(&mut out, news.iter().copied(), at);
        out.into()
    }

    fn remind(&self, tracks: &Tracks, at: Ticks) -> Packed {
        let mut out = Vec::new();
        self.sequence_starts(&mut out, tracks.iter(), at);
        out.into()
    }

    fn frame(&mut self, track: &Track, frame: &Frame, _: &Account) -> Result<Option<Packed>, OverBudget> {
        if !self.carries(track) {
            return Ok(None);
        }
        let (kind, time) = (message_kind(track), frame.dts.rescale(track.clock, Hz::MS).0 as u32);
        let tag = frame_head(self.style, track, frame);
        let tag = tag.bytes();
        let mut head = header(kind, STREAM_ID, time, tag.len() + frame.data.len());
        head.extend_from_slice(tag);
        let mut at = frame.data.len().min(CHUNK_SIZE - tag.len());
        let first = Piece::new(&head, frame.data.slice(..at));
        let lead = continuation(kind, time);
        let mut rest = Vec::new();
        while at < frame.data.len() {
            let end = frame.data.len().min(at + CHUNK_SIZE);
            rest.push(Piece::new(&lead, frame.data.slice(at..end)));
            at = end;
        }
        Ok(Some(Packed::new(first, rest)))
    }
}

impl Rtmp {
    fn sequence_starts<'a>(&self, out: &mut Vec<u8>, tracks: impl Iterator<Item = &'a Track>, at: Ticks) {
        for track in tracks.filter(|track| self.carries(track)) {
            if let Some(body) = sequence_start(self.style, track) {
                write_message(out, CHUNK_SIZE, message_kind(track), STREAM_ID, at.0 as u32, &body);
            }
        }
    }
}

fn message_kind(track: &Track) -> u8 {
    match track.codec.kind() {
        Kind::Video => kind::VIDEO,
        Kind::Audio => kind::AUDIO,
    }
}
