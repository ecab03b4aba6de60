//! Reads FLV files and RTMP messages back to tracks and frames.

#![allow(dead_code, reason = "each test uses a part")]

use bytes::Bytes;
use runnel::budget::Account;
use runnel::container::flv::{self, Demux, TagKind};
use runnel::container::{self, Event};
use runnel::media::{Frame, Kind, Ticks, Track, Unwrap};
use runnel::proto::rtmp::{self, Chunks, Payload};
use runnel::wire::Reader;

/// The events that were found, in order.
#[derive(Debug, Default)]
pub struct Found {
    pub tracks: Vec<Track>,
    pub frames: Vec<Frame>,
    /// Script data and their times.
    pub scripts: Vec<(u32, Vec<u8>)>,
    /// Tells if the FLV header says that there is sound, and pictures.
    pub flags: u8,
}

/// Reads tags as they follow each other.
#[derive(Default)]
pub struct Tags {
    demux: Demux,
    clock: Unwrap,
    pub found: Found,
}

impl Tags {
    /// Takes a tag; its bytes must be those of a tag that a viewer can read.
    pub fn take(&mut self, kind: TagKind, timestamp: u32, body: Bytes) {
        let kind = match kind {
            TagKind::Video => Kind::Video,
            TagKind::Audio => Kind::Audio,
            TagKind::Script => return self.found.scripts.push((timestamp, body.to_vec())),
        };
        let dts = self.clock.next(timestamp);
        let found = &mut self.found;
        let read = self.demux.tag(kind, dts, &body, &account(), |event| match event {
            Event::Track(track) => found.tracks.push(track),
            Event::Frame(frame) => found.frames.push(frame),
            other => panic!("{other:?}"),
        });
        read.unwrap_or_else(|error| panic!("{error}: {body:02x?}"));
    }
}

/// Reads an FLV file.
pub fn flv(file: &[u8]) -> Found {
    let mut reader = Reader::new(file);
    let header = reader.take(13).unwrap();
    assert_eq!((&header[..4], &header[5..]), (&b"FLV\x01"[..], &[0, 0, 0, 9, 0, 0, 0, 0][..]));
    let mut tags = Tags::default();
    tags.found.flags = header[4];
    while !reader.is_empty() {
        let before = reader.len();
        let tag = flv::read_tag(&mut reader).unwrap();
        let size = before - reader.len() - 4;
        assert_eq!(size, tag.body.len() + 11);
        let at = file.len() - reader.len();
        assert_eq!(file[at - 4..at], (size as u32).to_be_bytes(), "PreviousTagSize");
        tags.take(tag.kind.unwrap(), tag.timestamp, Bytes::copy_from_slice(tag.body));
    }
    tags.found
}

/// Reads the messages of an RTMP player.
pub fn rtmp(mut wire: &[u8]) -> Found {
    let mut chunks = Chunks::new(1 << 20);
    chunks.set_chunk_size(rtmp::CHUNK_SIZE as u32).unwrap();
    let mut tags = Tags::default();
    while !wire.is_empty() {
        let (used, message) = chunks.read(wire, &account()).unwrap();
        assert!(used > 0, "{} bytes are left over", wire.len());
        wire = &wire[used..];
        let Some(message) = message else { continue };
        let Payload::Bytes(body) = message.payload else { panic!("{message:?}") };
        assert_eq!(message.stream_id, 1);
        let kind = match message.kind {
            8 => TagKind::Audio,
            9 => TagKind::Video,
            18 => TagKind::Script,
            kind => panic!("a message of kind {kind}"),
        };
        tags.take(kind, message.timestamp, body);
    }
    tags.found
}

pub fn account() -> Account {
    Account::root("test", 4 << 20)
}

/// Reads one tag alone, at time 0: what is found, or why nothing is.
pub fn one(demux: &mut Demux, kind: Kind, tag: &[u8]) -> (Vec<Event>, Option<container::Error>) {
    let mut events = Vec::new();
    let read = demux.tag(kind, Ticks(0), &Bytes::copy_from_slice(tag), &account(), |event| events.push(event));
    (events, read.err())
}
