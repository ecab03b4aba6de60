//! Reads tracks and frames from tag bodies. Annex E.4.2 and E.4.3; Enhanced RTMP v2.

use bytes::Bytes;

use super::tag::{FOURCC, FourCc, KEY_FRAME, LEGACY_AUDIO, LEGACY_VIDEO, packet};
use crate::budget::Room;
use crate::container::{Coded, Error, Event, FrameNormalizer};
use crate::media::{Codec, Hz, Kind, Params, Ticks};
use crate::wire::Reader;

/// Reads the tags of one publisher.
#[derive(Debug, Default)]
pub struct Demux {
    normal: FrameNormalizer,
}

/// The bytes of one track in a tag, and the header fields that are needed to read them.
struct Part {
    codec: Codec,
    track: u8,
    key: bool,
    packet: u8,
    /// SoundType of the tag; only G.711 takes its channels from it.
    stereo: bool,
    data: Bytes,
}

impl Demux {
    /// Reads an audio or video tag with the time `dts` in milliseconds, and passes tracks and frames to `event`.
    /// Only NAL units whose prefixes are not 4 bytes long are copied, into a block of `room`.
    pub fn tag(
        &mut self,
        kind: Kind,
        dts: Ticks,
        body: &Bytes,
        room: &dyn Room,
        mut event: impl FnMut(Event),
    ) -> Result<(), Error> {
        let mut parts = Parts { body, reader: Reader::new(body), unknown: None };
        let mut sink = |part| self.part(part, dts, room, &mut event);
        match kind {
            Kind::Video => parts.video(&mut sink)?,
            Kind::Audio => parts.audio(&mut sink)?,
        }
        if let Some(name) = parts.unknown {
            self.normal.unsupported(kind, name, &mut event);
        }
        Ok(())
    }

    fn part(&mut self, part: Part, dts: Ticks, room: &dyn Room, event: &mut impl FnMut(Event)) -> Result<(), Error> {
        let Part { codec, track, key, packet, stereo, mut data } = part;
        if matches!(codec, Codec::Pcma | Codec::Pcmu) {
            // SoundType is the only source for the number of channels
            let params = Params { sample_rate: 8000, channels: 1 + u8::from(stereo), ..Params::default() };
            self.normal.announce(codec, track, Hz::MS, params, event)?;
        }
        match packet {
            packet::SEQUENCE_START => self.normal.record(codec, track, Hz::MS, &data, room, event),
            packet::CODED_FRAMES | packet::CODED_FRAMES_X => {
                let mut cts = 0;
                if codec.is_nal() && packet == packet::CODED_FRAMES {
                    let mut r = Reader::new(&data);
                    cts = r.i24()?;
                    data = data.slice_ref(r.rest());
                }
                self.normal.frame(Coded { codec, track, clock: Hz::MS, dts, cts, key, data }, room, event)
            }
            packet::SEQUENCE_END => {
                event(Event::SequenceEnd(codec.kind()));
                Ok(())
            }
            _ => Ok(()), // colour and channel metadata: not used
        }
    }
}

/// Splits a tag into its tracks.
struct Parts<'a> {
    body: &'a Bytes,
    reader: Reader<'a>,
    /// A codec that is not in the tables.
    unknown: Option<[u8; 4]>,
}

impl Parts<'_> {
    fn video(&mut self, sink: &mut impl FnMut(Part) -> Result<(), Error>) -> Result<(), Error> {
        let first = self.reader.u8()?;
        if first & 0x80 != 0 {
            let (kind, packet) = (first >> 4 & 7, first & 15);
            let (packet, multitrack) = self.extended(packet, packet::VIDEO_MULTITRACK)?;
            if kind == COMMAND_FRAME && packet != packet::VIDEO_METADATA {
                return Ok(());
            }
            return self.tracks(packet, multitrack, kind == KEY_FRAME, sink);
        }
        let (kind, id) = (first >> 4, first & 15);
        let Some((codec, _)) = LEGACY_VIDEO.iter().find(|(_, known)| *known == id) else {
            self.unknown = (kind != COMMAND_FRAME).then_some([0, 0, 0, id]);
            return Ok(());
        };
        if kind == COMMAND_FRAME {
            return Ok(());
        }
        let packet = self.reader.u8()?;
        if packet != packet::CODED_FRAMES {
            self.reader.u24()?; // composition time: not used in these packets
        }
        if packet > packet::SEQUENCE_END {
            return Err(Error::Malformed("AVCPacketType above 2"));
        }
        sink(self.part(*codec, 0, kind == KEY_FRAME, packet))
    }

    fn audio(&mut self, sink: &mut impl FnMut(Part) -> Result<(), Error>) -> Result<(), Error> {
        let first = self.reader.u8()?;
        let (format, packet) = (first >> 4, first & 15);
        if format == EXTENDED_AUDIO {
            let (packet, multitrack) = self.extended(packet, packet::AUDIO_MULTITRACK)?;
            return self.tracks(packet, multitrack, true, sink);
        }
        let Some((codec, _)) = LEGACY_AUDIO.iter().find(|(_, known)| *known == format) else {
            self.unknown = Some([0, 0, 0, format]);
            return Ok(());
        };
        let packet = match codec {
            Codec::Aac => self.reader.u8()?,
            _ => packet::CODED_FRAMES,
        };
        if packet > packet::CODED_FRAMES {
            return Err(Error::Malformed("AACPacketType above 1"));
        }
        sink(self.part(*codec, 0, true, packet))
    }

    /// Skips ModEx and reads the header of a multitrack packet. Gives the packet type and, if there are several
    /// tracks, their AvMultitrackType.
    fn extended(&mut self, mut packet: u8, multitrack: u8) -> Result<(u8, Option<u8>), Error> {
        while packet == packet::MOD_EX {
            let mut size = usize::from(self.reader.u8()?) + 1;
            if size == 256 {
                size = usize::from(self.reader.u16()?) + 1;
            }
            self.reader.take(size)?; // a nanosecond offset, which the millisecond clock cannot represent
            packet = self.reader.u8()? & 15;
        }
        if packet != multitrack {
            return Ok((packet, None));
        }
        let byte = self.reader.u8()?;
        Ok((byte & 15, Some(byte >> 4)))
    }

    fn tracks(
        &mut self,
        packet: u8,
        multitrack: Option<u8>,
        key: bool,
        sink: &mut impl FnMut(Part) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut fourcc: FourCc = match multitrack {
            Some(MANY_TRACKS_MANY_CODECS) => [0; 4],
            _ => self.reader.array()?,
        };
        for _ in 0..=u8::MAX {
            if multitrack == Some(MANY_TRACKS_MANY_CODECS) {
                fourcc = self.reader.array()?;
            }
            let track = if multitrack.is_some() { self.reader.u8()? } else { 0 };
            let mut one = Parts { body: self.body, reader: self.reader.clone(), unknown: None };
            if matches!(multitrack, Some(1..)) {
                let size = self.reader.u24()?;
                one.reader = Reader::new(self.reader.take(size as usize)?);
            } else {
                self.reader = Reader::new(&[]);
            }
            match FOURCC.iter().find(|(_, name)| *name == fourcc) {
                Some((codec, _)) => sink(one.part(*codec, track, key, packet))?,
                None => self.unknown = Some(fourcc),
            }
            if self.reader.is_empty() {
                return Ok(());
            }
        }
        Err(Error::Malformed("too many tracks"))
    }

    /// The part of one track, whose packet is the rest of the reader.
    fn part(&self, codec: Codec, track: u8, key: bool, packet: u8) -> Part {
        // SoundType, where the tag has one
        let stereo = self.body.first().is_some_and(|first| first & 1 == 1);
        Part { codec, track, key, packet, stereo, data: self.body.slice_ref(self.reader.rest()) }
    }
}

/// FrameType 5: a command to the player, with no picture.
const COMMAND_FRAME: u8 = 5;
/// SoundFormat 9: ExAudioTagHeader.
const EXTENDED_AUDIO: u8 = 9;
/// AvMultitrackType.
const MANY_TRACKS_MANY_CODECS: u8 = 2;
