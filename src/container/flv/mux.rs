//! FLV over HTTP and WebSocket: tags whose bodies are shared with the frames.

use super::file::{TagKind, file_header, tag_header};
use super::script::write_metadata;
use super::tag::{Style, frame_head, sequence_start};
use crate::budget::{Account, OverBudget};
use crate::container::{Mux, Packed, Piece};
use crate::media::{Frame, Hz, Kind, Ticks, Track, Tracks};

struct Flv {
    style: Style,
}

/// A packer for the first track of each kind, with enhanced tags where a codec needs them.
pub fn mux() -> Box<dyn Mux> {
    Box::new(Flv { style: Style::default() })
}

/// A packer that sends HEVC as codec id 12.
pub fn mux_legacy_hevc() -> Box<dyn Mux> {
    Box::new(Flv { style: Style { legacy_hevc: true, ..Style::default() } })
}

/// A packer for all tracks.
pub fn mux_all_tracks() -> Box<dyn Mux> {
    Box::new(Flv { style: Style { all_tracks: true, ..Style::default() } })
}

impl Mux for Flv {
    fn carries(&self, track: &Track) -> bool {
        self.style.carries(track)
    }

    fn head(&self, tracks: &Tracks, at: Ticks) -> Packed {
        let has = |kind| self.style.has(tracks, kind);
        let mut out = file_header(has(Kind::Audio), has(Kind::Video)).to_vec();
        // at time 0: ffmpeg reads script data with any other time as a track
        tag(&mut out, TagKind::Script, Ticks(0), &write_metadata(self.style, tracks));
        self.sequence_starts(&mut out, tracks.iter(), at);
        out.into()
    }

    fn announce(&mut self, _: &Tracks, news: &[&Track], at: Ticks) -> Packed {
        let mut out = Vec::new();
        self.sequence_starts(&mut out, news.iter().copied(), at);
        out.into()
    }

    /// A sequence header announces new parameters, and a further track. Players cannot change the codec of a track,
    /// and wait for a track that ended.
    fn can_announce(&self, old: &Tracks, new: &Tracks) -> bool {
        let goes_on = |was: &Track| new.find(was.codec.kind(), was.id).is_some_and(|now| now.codec == was.codec);
        old.iter().filter(|track| self.carries(track)).all(goes_on)
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
        let inner = frame_head(self.style, track, frame);
        let len = inner.bytes().len() + frame.data.len();
        let at = frame.dts.rescale(track.clock, Hz::MS);
        let outer = tag_header(kind(track), len, at.0 as u32);
        let head = [&outer, inner.bytes()].concat();
        let size = (outer.len() + len) as u32;
        let piece = Piece::new(&head, frame.data.share());
        Ok(Some(Packed::new(piece, Vec::new()).with_tail(size.to_be_bytes())))
    }
}

impl Flv {
    fn sequence_starts<'a>(&self, out: &mut Vec<u8>, tracks: impl Iterator<Item = &'a Track>, at: Ticks) {
        for track in tracks.filter(|track| self.carries(track)) {
            if let Some(body) = sequence_start(self.style, track) {
                tag(out, kind(track), at, &body);
            }
        }
    }
}

fn kind(track: &Track) -> TagKind {
    match track.codec.kind() {
        Kind::Video => TagKind::Video,
        Kind::Audio => TagKind::Audio,
    }
}

/// Writes a whole tag and the PreviousTagSize after it.
pub(super) fn tag(out: &mut Vec<u8>, kind: TagKind, at: Ticks, body: &[u8]) {
    let header = tag_header(kind, body.len(), at.0 as u32);
    out.extend_from_slice(&header);
    out.extend_from_slice(body);
    out.extend_from_slice(&((header.len() + body.len()) as u32).to_be_bytes());
}
