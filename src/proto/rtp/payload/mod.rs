//! Payload formats: how each codec's frames are packed into packets, one file each.

mod aac;
mod assembly;
mod av1;
mod base64;
mod h264;
mod h265;
mod h26x;
mod jpeg;
mod latm;
mod mpa;
mod raw;
#[cfg(test)]
mod tests;

use bytes::Bytes;

use super::{Error, Format, HEADER, MAX_PACKET, Packet};
use crate::budget::Room;
use crate::media::{Codec, Frame, Hz, Params, Track};

/// The maximum length of a sent payload in bytes.
pub const MAX_PAYLOAD: usize = MAX_PACKET - HEADER;

/// The maximum number of frames in a packet, or in an element that takes several packets; further ones are lost. No
/// sender of live audio needs that many. An AudioMuxElement has at most 64 (numSubFrames of 6 bits, ISO/IEC 14496-3
/// table 1.42), and RFC 6416 section 6.3 recommends one per packet. RFC 3640 section 2.3 expects the number that
/// fits an MTU of 1500 bytes: 7 of usual AAC, 180 of silence. 256 frames are 5 s of audio.
const MAX_FRAMES: usize = 256;

/// The error of a packet with more frames.
const TOO_MANY: Error = Error::Malformed("too many frames in a packet");

/// The output of a reader.
#[derive(Clone, Debug, PartialEq)]
pub enum Unpacked {
    /// The decoder record, when it becomes known or changes.
    Params(Params),
    /// A frame.
    Frame {
        /// The presentation time: the RTP timestamp, which wraps.
        time: u32,
        /// True if decoding can begin here; always true for audio.
        key: bool,
        /// The data, as in `media::Frame`.
        data: Bytes,
    },
}

/// Reads frames from one track's payloads, which must be in order.
pub trait Unpack: Send {
    /// Reads a packet. After an error the frame that it belongs to is lost.
    fn packet(&mut self, packet: &Packet, room: &dyn Room, out: &mut dyn FnMut(Unpacked)) -> Result<(), Error>;

    /// Packets are missing before the next one: the incomplete frame is dropped.
    fn gap(&mut self);
}

/// The reader of a received track.
pub struct Incoming {
    /// The track's codec.
    pub codec: Codec,
    /// The parameters in the session description; `None` if they must be read from frames first.
    pub params: Option<Params>,
    /// The reader of the packets.
    pub unpack: Box<dyn Unpack>,
}

/// One packet's payload: a few bytes, then a slice of the frame.
pub struct Payload<'a> {
    /// The bytes before the body; at most 20.
    pub head: &'a [u8],
    /// The body, shared with the frame or with the packer.
    pub body: Bytes,
    /// The presentation time after that of the frame, in ticks: above 0 only in later packets of a long audio
    /// frame.
    pub later: u32,
    /// The RTP marker bit.
    pub marker: bool,
}

/// Packs one track's frames into payloads.
pub trait Pack: Send {
    /// Passes the payloads of `frame` to `out`, in order.
    fn frame(&self, frame: &Frame, out: &mut dyn FnMut(Payload<'_>));
}

/// A reader for tracks of `format`, with frames of at most `max_frame` bytes; `None` if the format is not
/// supported.
pub fn incoming(format: &Format, max_frame: usize) -> Option<Incoming> {
    match format.encoding.as_str() {
        "H264" => Some(h264::incoming(format, max_frame)),
        "H265" | "HEVC" => Some(h265::incoming(format, max_frame)),
        "AV1" => Some(av1::incoming(max_frame)),
        "MPEG4-GENERIC" => aac::incoming(format, max_frame),
        "MP4A-LATM" => latm::incoming(format, max_frame),
        "PCMA" => Some(raw::samples(Codec::Pcma, format, max_frame)),
        "PCMU" => Some(raw::samples(Codec::Pcmu, format, max_frame)),
        "JPEG" => Some(jpeg::incoming(max_frame)),
        "L16" => Some(raw::samples(Codec::L16, format, max_frame)),
        "MPA" => Some(mpa::incoming(max_frame)),
        "OPUS" => Some(raw::opus(format, max_frame)),
        _ => None,
    }
}

/// The format and the packer of `track`; `None` if it cannot be packed. VP8, VP9, FLAC, AC-3 and E-AC-3 never can.
pub fn outgoing(track: &Track) -> Option<(Format, Box<dyn Pack>)> {
    match track.codec {
        Codec::H264 => h264::outgoing(track),
        Codec::H265 => h265::outgoing(track),
        Codec::Av1 => av1::outgoing(track),
        Codec::Aac => aac::outgoing(track),
        Codec::Mp3 => mpa::outgoing(),
        Codec::Pcma | Codec::Pcmu | Codec::L16 => raw::outgoing_samples(track),
        Codec::Opus => raw::outgoing_opus(track),
        Codec::Mjpeg => jpeg::outgoing(),
        Codec::Vp8 | Codec::Vp9 | Codec::Flac | Codec::Ac3 | Codec::Eac3 => None,
    }
}

/// A format that this server offers. Its payload types are those that viewers of such servers expect: the static
/// ones of RFC 3551, and one number for each other codec.
fn format<'a>(
    payload_type: u8,
    encoding: &str,
    clock: Hz,
    channels: u8,
    fmtp: impl IntoIterator<Item = (&'a str, String)>,
) -> Format {
    let fmtp = fmtp.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Format { payload_type, encoding: encoding.to_owned(), clock, channels, fmtp }
}
