//! Payload formats: how each codec's frames are cut into packets, one file each.

use bytes::Bytes;

use super::{Error, Format, HEADER, MAX_PACKET, Packet};
use crate::budget::Room;
use crate::media::{Codec, Frame, Params, Track};

/// The longest payload that we send.
pub const MAX_PAYLOAD: usize = MAX_PACKET - HEADER;

/// What packets turned out to carry.
#[derive(Clone, Debug, PartialEq)]
pub enum Unpacked {
    /// The decoder record is known now, or is another from here on.
    Params(Params),
    /// A frame.
    Frame {
        /// When it is shown: the RTP timestamp, wrapping.
        time: u32,
        /// Whether decoding can begin here; always true for sound.
        key: bool,
        /// As `media::Frame` has them.
        data: Bytes,
    },
}

/// Makes frames out of one track's payloads, which come in order.
pub trait Unpack: Send {
    /// Takes a packet. An error costs the frame that it belongs to.
    fn packet(&mut self, packet: &Packet, room: &dyn Room, out: &mut dyn FnMut(Unpacked)) -> Result<(), Error>;

    /// Packets are missing before the next: what was begun is given up.
    fn gap(&mut self);
}

/// A track of packets: what a format makes of it.
pub struct Incoming {
    /// How it is coded.
    pub codec: Codec,
    /// What the session description says of it; `None` if frames have to say it first.
    pub params: Option<Params>,
    /// Its reader.
    pub unpack: Box<dyn Unpack>,
}

/// One packet's payload: a few bytes, then a slice of the frame.
pub struct Payload<'a> {
    /// What stands before the body; at most 20 bytes.
    pub head: &'a [u8],
    /// Shared with the frame, or with the packer.
    pub body: Bytes,
    /// How long after the frame it is shown, in ticks: 0 but for long stretches of raw sound.
    pub later: u32,
    /// The RTP marker bit.
    pub marker: bool,
}

/// Cuts one track's frames into payloads.
pub trait Pack: Send {
    /// The payloads of `frame`, in order.
    fn frame(&self, frame: &Frame, out: &mut dyn FnMut(Payload<'_>));
}

/// A reader for tracks of `format`, whose frames have at most `max_frame` bytes;
/// `None` if the format has no place here.
pub fn incoming(_format: &Format, _max_frame: usize) -> Option<Incoming> {
    None
}

/// How `track` is described and packed; `None` if it cannot be.
pub fn outgoing(_track: &Track) -> Option<(Format, Box<dyn Pack>)> {
    None
}
