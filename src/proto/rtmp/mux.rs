//! RTMP as a form: messages whose bodies are shared with the frames. All players get the same chunk size and
//! message stream, so they all receive the same bytes.

use bytes::Bytes;

use crate::budget::{Account, OverBudget};
use crate::container::amf::{self, Value};
use crate::container::flv::{Style, frame_head, sequence_start, write_metadata};
use crate::container::{Form, Head, Mux, Packed, Piece};
use crate::media::{Frame, Hz, Kind, Ticks, Track, Tracks};
use crate::wire::Writer;

use super::message::{kind, write_continuation, write_header};
use super::{CHUNK_SIZE, STREAM_ID};

/// The form for players, with enhanced tags where a codec needs them.
pub static RTMP: Form = Form { variants: &[&LEGACY_HEVC, &ALL_TRACKS], ..Form::own("rtmp", || mux(Style::default())) };
/// The form with HEVC as codec id 12.
pub static LEGACY_HEVC: Form =
    Form { query: "hevc=12", ..Form::own("rtmp-hevc12", || mux(Style { legacy_hevc: true, ..Style::default() })) };
/// The form with all tracks.
pub static ALL_TRACKS: Form =
    Form { query: "tracks=all", ..Form::own("rtmp-tracks", || mux(Style { all_tracks: true, ..Style::default() })) };

/// The form for publishing to another server.
pub static PUSH: Form = Form::own("rtmp-push", || Box::new(Rtmp { style: Style::default(), publishes: true }));

struct Rtmp {
    style: Style,
    /// Metadata is sent after `@setDataFrame`, so that servers keep it.
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
        // at time 0: ffmpeg reads script data with any other time as a track
        let mut metadata = Vec::new();
        if self.publishes {
            amf::write(&mut metadata, &Value::text("@setDataFrame"));
        }
        metadata.extend(write_metadata(self.style, tracks));
        let (first, mut rest) = message(kind::DATA_AMF0, 0, &[], &metadata.into());
        rest.extend(self.sequence_starts(tracks.iter(), at));
        Packed::new(first, rest)
    }

    fn announce(&mut self, _: &Tracks, news: &[&Track], at: Ticks) -> Packed {
        packed(self.sequence_starts(news.iter().copied(), at))
    }

    fn remind(&self, tracks: &Tracks, at: Ticks) -> Packed {
        packed(self.sequence_starts(tracks.iter(), at))
    }

    fn frame(&mut self, track: &Track, frame: &Frame, _: &Account) -> Result<Option<Packed>, OverBudget> {
        if !self.carries(track) {
            return Ok(None);
        }
        let (kind, time) = (message_kind(track), frame.dts.rescale(track.clock, Hz::MS).0 as u32);
        let tag = frame_head(self.style, track, frame);
        let (first, rest) = message(kind, time, tag.bytes(), &frame.data);
        Ok(Some(Packed::new(first, rest)))
    }
}

impl Rtmp {
    fn sequence_starts<'a>(
        &'a self,
        tracks: impl Iterator<Item = &'a Track> + 'a,
        at: Ticks,
    ) -> impl Iterator<Item = Piece> + 'a {
        tracks
            .filter(|track| self.carries(track))
            .flat_map(move |track| {
                let body = sequence_start(self.style, track)?;
                let (first, rest) = message(message_kind(track), at.0 as u32, &[], &body.into());
                Some(std::iter::once(first).chain(rest))
            })
            .flatten()
    }
}

/// A message in chunks, with its body after `lead`. Chunk headers are never in a body, so that a peer with another
/// message stream number can be sent other headers.
fn message(kind: u8, time: u32, lead: &[u8], body: &Bytes) -> (Piece, Vec<Piece>) {
    let (mut head, mut repeated) = (Head::default(), Head::default());
    write_header(&mut head, kind, STREAM_ID, time, lead.len() + body.len());
    Writer::bytes(&mut head, lead);
    write_continuation(&mut repeated, kind, time);
    let mut at = body.len().min(CHUNK_SIZE - lead.len());
    let first = Piece { head, body: body.slice(..at) };
    let mut rest = Vec::new();
    while at < body.len() {
        let end = body.len().min(at + CHUNK_SIZE);
        rest.push(Piece { head: repeated, body: body.slice(at..end) });
        at = end;
    }
    (first, rest)
}

fn packed(mut pieces: impl Iterator<Item = Piece>) -> Packed {
    match pieces.next() {
        Some(first) => Packed::new(first, pieces.collect()),
        None => Vec::new().into(),
    }
}

/// Writes the header of a piece of this form for the message stream `number`. Only format 0 headers contain the
/// number; the chunk streams used here have one byte before those headers. Section 5.3.1.2.1.
pub fn renumber(number: u32, head: &[u8], out: &mut Vec<u8>) {
    let at = out.len();
    out.extend_from_slice(head);
    let names = head.first().is_some_and(|byte| byte >> 6 == 0);
    if let Some(field) = out.get_mut(at + 8..at + 12).filter(|_| names) {
        field.copy_from_slice(&number.to_le_bytes());
    }
}

fn message_kind(track: &Track) -> u8 {
    match track.codec.kind() {
        Kind::Video => kind::VIDEO,
        Kind::Audio => kind::AUDIO,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Chunks, Payload};
    use super::*;
    use crate::media::{Codec, Params};

    /// The messages that a server reads from these pieces, with headers for the message stream `number`.
    fn read(number: u32, packed: &[Packed]) -> Vec<(u32, Payload)> {
        let mut wire = Vec::new();
        for piece in packed.iter().flat_map(Packed::pieces) {
            renumber(number, piece.head.bytes(), &mut wire);
            wire.extend_from_slice(&piece.body);
        }
        let (mut chunks, account) = (Chunks::new(1 << 20), Account::root("test", 1 << 20));
        chunks.set_chunk_size(CHUNK_SIZE as u32).unwrap();
        let (mut at, mut messages) = (0, Vec::new());
        while at < wire.len() {
            let (used, message) = chunks.read(&wire[at..], &account).unwrap();
            assert!(used > 0);
            at += used;
            messages.extend(message.map(|message| (message.stream_id, message.payload)));
        }
        messages
    }

    #[test]
    fn another_number_stands_in_all_messages_and_nothing_else_is_another() {
        let record = Bytes::from_static(&[1, 0x64, 0, 0x1e, 0xff, 0xe1, 0, 0, 1, 0, 0]);
        let params = Params { record, ..Params::default() };
        let track = Track { id: 0, codec: Codec::H264, clock: Hz::MS, params };
        let mut tracks = Tracks::default();
        tracks.set(track.clone());
        let mut mux = (PUSH.mux)();
        let account = Account::root("test", 1 << 20);
        let mut all = vec![mux.head(&tracks, Ticks(7)), mux.announce(&tracks, &[&track], Ticks(7))];
        // times with and without an extended timestamp; one chunk, and several
        for (time, len) in [(0, 10), (0xff_ffff, 200_000), (1 << 30, CHUNK_SIZE)] {
            // bytes in the body that look like headers are not changed
            let frame =
                Frame { kind: Kind::Video, track: 0, dts: Ticks(time), cts: 0, key: true, data: vec![6; len].into() };
            all.push(mux.frame(&track, &frame, &account).unwrap().unwrap());
        }
        all.push(mux.remind(&tracks, Ticks(9)));
        let ours = read(STREAM_ID, &all);
        assert_eq!(ours.len(), 7);
        for number in [0, 2, 0x0102_0304, u32::MAX] {
            let theirs = read(number, &all);
            assert!(theirs.iter().all(|(stream, _)| *stream == number));
            assert!(ours.iter().zip(&theirs).all(|((_, a), (_, b))| a == b));
        }
    }
}
