//! Converts a container's frames to the format inside runnel: NAL units with 4-byte prefixes, parameter sets in the
//! decoder record.

use bytes::Bytes;

use super::picture::Picture;
use crate::budget::{OverBudget, Paid, Room};
use crate::codec::{self, Malformed, ac3, h264, h265, mp3, opus, vpx};
use crate::media::{Change, Codec, Frame, Hz, Kind, MAX_TRACKS, Params, Ticks, Track, Tracks};
use crate::wire::Short;

/// An event that a container's data produces.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A track is new or has changed.
    Track(Track),
    /// A frame of a track that was announced.
    Frame(Frame),
    /// The publisher signals that a track ends.
    SequenceEnd(Kind),
    /// A codec that runnel does not carry; reported once for each codec.
    Unsupported(Kind, [u8; 4]),
}

/// The reason why data was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The data violates the specification.
    Malformed(&'static str),
    /// The account refused the memory.
    OverBudget(OverBudget),
}

/// A frame in the container's format.
pub struct Coded {
    /// Its codec.
    pub codec: Codec,
    /// The track's index among those of its kind.
    pub track: u8,
    /// The clock of the times.
    pub clock: Hz,
    /// Decode time.
    pub dts: Ticks,
    /// Presentation time minus decode time.
    pub cts: i32,
    /// The container marks it as a key frame; the frame's own data takes precedence.
    pub key: bool,
    /// The coded bytes. NAL units have prefixes of the length in the record, or of 4 bytes.
    pub data: Bytes,
}

/// The state of the tracks of one source.
#[derive(Debug, Default)]
pub struct FrameNormalizer {
    tracks: Tracks,
    /// The state of H.264 and H.265 tracks.
    pictures: Vec<Picture>,
    /// Codecs that were reported as unsupported.
    reported: Vec<(Kind, [u8; 4])>,
}

/// The maximum number of unsupported codecs that are reported.
const MAX_REPORTED: usize = 8;
const TOO_MANY: Error = Error::Malformed("more tracks than a stream may have");

impl FrameNormalizer {
    /// Reports, once, a codec that runnel does not carry, by its name in the container.
    pub fn unsupported(&mut self, kind: Kind, name: [u8; 4], event: &mut impl FnMut(Event)) {
        if self.reported.len() < MAX_REPORTED && !self.reported.contains(&(kind, name)) {
            self.reported.push((kind, name));
            event(Event::Unsupported(kind, name));
        }
    }

    /// Reads the decoder record of a track.
    pub fn record(
        &mut self,
        codec: Codec,
        track: u8,
        clock: Hz,
        data: &Bytes,
        room: &dyn Room,
        event: &mut impl FnMut(Event),
    ) -> Result<(), Error> {
        let lengths = match codec {
            Codec::H264 => (h264::Record::parse(data)?.nal_prefix, h264::LENGTH_SIZE_AT),
            Codec::H265 => (h265::Record::parse(data)?.nal_prefix, h265::LENGTH_SIZE_AT),
            _ => return self.announce(codec, track, clock, codec::params(codec, data.clone())?, event),
        };
        match self.picture(codec, track)?.record(data, lengths, room)? {
            Some(params) => self.announce(codec, track, clock, params, event),
            None => Ok(()),
        }
    }

    /// The state of an H.264 or H.265 track.
    fn picture(&mut self, codec: Codec, track: u8) -> Result<&mut Picture, Error> {
        let at = match self.pictures.iter().position(|known| known.track == track) {
            Some(at) => at,
            None if self.pictures.len() == MAX_TRACKS => return Err(TOO_MANY),
            None => {
                self.pictures.reserve_exact(1); // most streams have one
                self.pictures.push(Picture::new(codec, track));
                self.pictures.len() - 1
            }
        };
        let picture = self.pictures.get_mut(at).ok_or(TOO_MANY)?;
        if picture.codec() != codec {
            *picture = Picture::new(codec, track);
        }
        Ok(picture)
    }

    /// Announces a track that the container describes completely.
    pub fn announce(
        &mut self,
        codec: Codec,
        id: u8,
        clock: Hz,
        params: Params,
        event: &mut impl FnMut(Event),
    ) -> Result<(), Error> {
        let track = Track { id, codec, clock, params };
        match self.tracks.set(track.clone()) {
            Change::Same => {}
            Change::Refused => return Err(TOO_MANY),
            Change::Added | Change::Replaced => event(Event::Track(track)),
        }
        Ok(())
    }

    /// Converts a frame.
    pub fn frame(&mut self, mut coded: Coded, room: &dyn Room, event: &mut impl FnMut(Event)) -> Result<(), Error> {
        if coded.data.is_empty() {
            return Ok(()); // some encoders send empty frames to keep time
        }
        if coded.codec.is_nal() {
            let picture = self.picture(coded.codec, coded.track)?;
            let news = picture.units(&mut coded, room)?;
            if let Some(params) = news {
                self.announce(coded.codec, coded.track, coded.clock, params, event)?;
            }
            if coded.data.is_empty() {
                return Ok(()); // its units are held until the next picture
            }
        } else {
            coded.key = codec::is_key(coded.codec, &coded.data);
        }
        let known = self.tracks.find(coded.codec.kind(), coded.track).is_some_and(|track| track.codec == coded.codec);
        if !known {
            let params = undeclared(&coded).ok_or(Error::Malformed("a frame before its decoder record"))?;
            self.announce(coded.codec, coded.track, coded.clock, params, event)?;
        }
        let track = self.tracks.find(coded.codec.kind(), coded.track);
        if let Some(params) = track.and_then(|track| observed(&coded, &track.params)) {
            self.announce(coded.codec, coded.track, coded.clock, params, event)?;
        }
        let Coded { codec, track, dts, cts, key, data, .. } = coded;
        event(Event::Frame(Frame { dts, cts, kind: codec.kind(), track, key, data: Paid::of(data) }));
        Ok(())
    }
}

/// Parameters of a codec whose frames describe themselves.
fn undeclared(coded: &Coded) -> Option<Params> {
    let params = match coded.codec {
        Codec::Mp3 | Codec::Pcma | Codec::Pcmu | Codec::Ac3 | Codec::Eac3 | Codec::Vp8 | Codec::Vp9 | Codec::Av1 => {
            codec::params(coded.codec, Bytes::new()).unwrap_or_default()
        }
        Codec::Opus => {
            let head = opus::Head { channels: 2, pre_skip: 0, sample_rate: opus::RATE, family: 0 };
            codec::params(Codec::Opus, Bytes::copy_from_slice(&head.write())).ok()?
        }
        _ => return None,
    };
    match observed(coded, &params) {
        // an MP3 frame without a valid header cannot be decoded
        None if coded.codec == Codec::Mp3 => None,
        observed => observed.or(Some(params)),
    }
}

/// The parameters that only the frame gives.
fn observed(coded: &Coded, known: &Params) -> Option<Params> {
    let sound = |sample_rate, channels| Some(Params { sample_rate, channels, ..known.clone() });
    match coded.codec {
        Codec::Vp9 if coded.key => {
            let (width, height) = vpx::size(&coded.data).ok()?;
            Some(Params { width, height, ..known.clone() })
        }
        Codec::Mp3 if known.sample_rate == 0 => {
            let header = mp3::Header::parse(&coded.data).ok()?;
            sound(header.sample_rate, header.channels)
        }
        Codec::Ac3 | Codec::Eac3 if known.sample_rate == 0 => {
            let header = ac3::Header::parse(&coded.data).ok()?;
            sound(header.sample_rate, header.channels)
        }
        _ => None,
    }
}

impl From<Short> for Error {
    fn from(_: Short) -> Self {
        Self::Malformed("it ends inside a field")
    }
}

impl From<Malformed> for Error {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error.what)
    }
}

impl From<OverBudget> for Error {
    fn from(refusal: OverBudget) -> Self {
        Self::OverBudget(refusal)
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed(what) => f.write_str(what),
            Self::OverBudget(refusal) => refusal.fmt(f),
        }
    }
}

impl std::error::Error for Error {}
