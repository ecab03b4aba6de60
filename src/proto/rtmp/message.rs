//! Messages, and how they are split into chunks for sending. Sections 5.3, 5.4 and 6.

use super::chunk::Payload;
use crate::wire::Writer;

/// Message type ids. Sections 5.4, 6.2 and 7.1.
#[allow(missing_docs, reason = "the specification's names")]
pub mod kind {
    pub const SET_CHUNK_SIZE: u8 = 1;
    pub const ABORT: u8 = 2;
    pub const ACKNOWLEDGEMENT: u8 = 3;
    pub const USER_CONTROL: u8 = 4;
    pub const WINDOW_ACK_SIZE: u8 = 5;
    pub const SET_PEER_BANDWIDTH: u8 = 6;
    pub const AUDIO: u8 = 8;
    pub const VIDEO: u8 = 9;
    pub const DATA_AMF3: u8 = 15;
    pub const COMMAND_AMF3: u8 = 17;
    pub const DATA_AMF0: u8 = 18;
    pub const COMMAND_AMF0: u8 = 20;
    pub const AGGREGATE: u8 = 22;
}

/// A received message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Message type id.
    pub kind: u8,
    /// Milliseconds, 32 bits, which wrap.
    pub timestamp: u32,
    /// Message stream id.
    pub stream_id: u32,
    /// The bytes, or the reason why they were lost.
    pub payload: Payload,
}

/// Appends a message in chunks of `chunk_size` bytes: one chunk of format 0, then chunks of format 3.
pub fn write_message(out: &mut Vec<u8>, chunk_size: usize, kind: u8, stream_id: u32, timestamp: u32, payload: &[u8]) {
    let chunk_size = chunk_size.max(1);
    let (first, rest) = payload.split_at(payload.len().min(chunk_size));
    write_header(out, kind, stream_id, timestamp, payload.len());
    out.bytes(first);
    for chunk in rest.chunks(chunk_size) {
        write_continuation(out, kind, timestamp);
        out.bytes(chunk);
    }
}

/// A format 0 chunk header with its extended timestamp. Sections 5.3.1.2.1 and 5.3.1.3.
pub fn write_header(out: &mut impl Writer, kind: u8, stream_id: u32, timestamp: u32, len: usize) {
    out.u8(chunk_stream(kind));
    out.u24(timestamp.min(EXTENDED));
    out.u24(len as u32);
    out.u8(kind);
    out.u32_le(stream_id);
    extended(out, timestamp);
}

/// A format 3 chunk header. It repeats the extended timestamp, as the specification requires and Flash and ffmpeg
/// do.
pub fn write_continuation(out: &mut impl Writer, kind: u8, timestamp: u32) {
    out.u8(0xc0 | chunk_stream(kind));
    extended(out, timestamp);
}

fn extended(out: &mut impl Writer, timestamp: u32) {
    if timestamp >= EXTENDED {
        out.u32(timestamp);
    }
}

/// The value of the timestamp field that indicates an extended timestamp.
pub const EXTENDED: u32 = 0xff_ffff;

/// The chunk stream of a message: 2 for protocol control, 3 for commands, one for each kind of media.
fn chunk_stream(kind: u8) -> u8 {
    match kind {
        kind::AUDIO => 4,
        kind::DATA_AMF0 | kind::DATA_AMF3 => 5,
        kind::VIDEO => 6,
        kind::COMMAND_AMF0 | kind::COMMAND_AMF3 => 3,
        _ => 2,
    }
}
