//! Frames as a container has them, brought to the form that they have everywhere
//! else: NAL units behind 4-byte prefixes, parameter sets in the decoder record.

use bytes::Bytes;

use crate::budget::{BlockMut, OverBudget, Room};
use crate::codec::{self, Malformed, ac3, h264, h265, mp3, opus, vpx};
use crate::media::{Change, Codec, Frame, Hz, Kind, MAX_TRACKS, Params, Ticks, Track, Tracks, nal};
use crate::wire::Short;

/// What a piece of a container turned out to carry.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A track is new or has changed.
    Track(Track),
    /// A frame of a track that was announced.
    Frame(Frame),
    /// The publisher says that a track ends here.
    SequenceEnd(Kind),
    /// A codec without a place here; said once for each.
    Unsupported(Kind, [u8; 4]),
}

/// Why a piece was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Not what the specification says.
    Malformed(&'static str),
    /// Room was refused.
    OverBudget(OverBudget),
}

/// A frame as its container has it.
pub struct Coded {
    /// How it is coded.
    pub codec: Codec,
    /// Index of the track among those of its kind.
    pub track: u8,
    /// The clock of its times.
    pub clock: Hz,
    /// Decode time.
    pub dts: Ticks,
    /// Presentation time minus decode time.
    pub cts: i32,
    /// Whether decoding can begin here.
    pub key: bool,
    /// The coded bytes; NAL units with prefixes as long as the record says, or 4 bytes.
    pub data: Bytes,
}

/// Keeps what is known of the tracks of one source.
#[derive(Debug, Default)]
pub struct Normal {
    tracks: Tracks,
    /// Length of the NAL prefixes in each video track, from its record.
    prefixes: [u8; MAX_TRACKS],
    /// Codecs of which it was said that they have no place here.
    said: Vec<(Kind, [u8; 4])>,
}

/// So many codecs without a place are named; more are not news.
const MAX_SAID: usize = 8;

impl Normal {
    /// A codec that has no place here, by its name in the container: said once.
    pub fn unsupported(&mut self, kind: Kind, name: [u8; 4], event: &mut impl FnMut(Event)) {
        if self.said.len() < MAX_SAID && !self.said.contains(&(kind, name)) {
            self.said.push((kind, name));
            event(Event::Unsupported(kind, name));
        }
    }

    /// Takes in the decoder record of a track.
    pub fn record(
        &mut self,
        codec: Codec,
        track: u8,
        clock: Hz,
        data: &Bytes,
        room: &dyn Room,
        event: &mut impl FnMut(Event),
    ) -> Result<(), Error> {
        let (prefix, at) = match codec {
            Codec::H264 => (h264::Record::parse(data)?.nal_prefix, h264::LENGTH_SIZE_AT),
            Codec::H265 => (h265::Record::parse(data)?.nal_prefix, h265::LENGTH_SIZE_AT),
            _ => return self.announce(codec, track, clock, codec::params(codec, data.clone())?, event),
        };
        if let Some(slot) = self.prefixes.get_mut(usize::from(track)) {
            *slot = prefix;
        }
        // frames are given prefixes of 4 bytes, and the record must say so
        let mut record = data.to_vec();
        record.iter_mut().skip(at).take(1).for_each(|byte| *byte |= 3);
        let record = if prefix == 4 { data.clone() } else { BlockMut::copy(room, &record)? };
        self.announce(codec, track, clock, codec::params(codec, record)?, event)
    }

    /// Announces a track of which the container says all there is to know.
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
            Change::Refused => return Err(Error::Malformed("more tracks than a stream may have")),
            Change::Added | Change::Replaced => event(Event::Track(track)),
        }
        Ok(())
    }

    /// Takes in a frame.
    pub fn frame(&mut self, mut coded: Coded, room: &dyn Room, event: &mut impl FnMut(Event)) -> Result<(), Error> {
        if coded.data.is_empty() {
            return Ok(()); // some encoders keep time with empty frames
        }
        if coded.codec.is_nal() {
            self.nal_units(&mut coded, room, event)?;
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
        if coded.data.is_empty() {
            return Ok(()); // there were parameter sets alone
        }
        let Coded { codec, track, dts, cts, key, data, .. } = coded;
        event(Event::Frame(Frame { dts, cts, kind: codec.kind(), track, key, data }));
        Ok(())
    }

    /// Brings the units to 4-byte prefixes and passes over delimiters and
    /// parameter sets that lead them; sets before the picture that differ from the
    /// record are news.
    fn nal_units(&mut self, coded: &mut Coded, room: &dyn Room, event: &mut impl FnMut(Event)) -> Result<(), Error> {
        let prefix = self.prefixes.get(usize::from(coded.track)).copied().filter(|prefix| *prefix > 0).unwrap_or(4);
        if prefix != 4 {
            coded.data = widen(&coded.data, usize::from(prefix), room)?;
        }
        let mut sets = Sets::default();
        let (mut rest, mut leads): (&[u8], _) = (&coded.data, true);
        let mut stays = rest;
        while let Some((unit, tail)) = nal::split(rest, 4) {
            leads &= sets.take(coded.codec, unit);
            if leads {
                stays = tail;
            } else if is_slice(coded.codec, unit) {
                break;
            }
            rest = tail;
        }
        let data = coded.data.slice_ref(stays);
        if let Some(record) = sets.record(coded.codec)
            && !self.tracks.find(Kind::Video, coded.track).is_some_and(|track| sets.are_in(track))
        {
            let params = codec::params(coded.codec, record.into())?;
            self.announce(coded.codec, coded.track, coded.clock, params, event)?;
        }
        coded.data = data;
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
        // which no decoder could find
        None if coded.codec == Codec::Mp3 => None,
        observed => observed.or(Some(params)),
    }
}

/// What a frame says of itself where nothing else does.
fn observed(coded: &Coded, known: &Params) -> Option<Params> {
    let mut params = known.clone();
    match coded.codec {
        Codec::Vp9 if coded.key => (params.width, params.height) = vpx::size(&coded.data).ok()?,
        Codec::Mp3 if known.sample_rate == 0 => {
            let header = mp3::Header::parse(&coded.data).ok()?;
            (params.sample_rate, params.channels) = (header.sample_rate, header.channels);
        }
        Codec::Ac3 | Codec::Eac3 if known.sample_rate == 0 => {
            let header = ac3::Header::parse(&coded.data).ok()?;
            (params.sample_rate, params.channels) = (header.sample_rate, header.channels);
        }
        _ => return None,
    }
    Some(params)
}

/// Parameter sets found in a frame.
#[derive(Default)]
struct Sets<'a> {
    vps: &'a [u8],
    sps: &'a [u8],
    pps: &'a [u8],
}

impl<'a> Sets<'a> {
    /// Takes a delimiter or parameter set; false for any other unit.
    fn take(&mut self, codec: Codec, unit: &'a [u8]) -> bool {
        match (codec, unit_type(codec, unit)) {
            (Codec::H264, h264::SPS) | (Codec::H265, h265::SPS) => self.sps = unit,
            (Codec::H264, h264::PPS) | (Codec::H265, h265::PPS) => self.pps = unit,
            (Codec::H265, h265::VPS) => self.vps = unit,
            (Codec::H264, h264::AUD) | (Codec::H265, h265::AUD) => {}
            _ => return false,
        }
        true
    }

    /// Whether the track's record holds them already.
    fn are_in(&self, track: &Track) -> bool {
        let record = &track.params.record;
        let holds = |set: &[u8]| set.is_empty() || record.windows(set.len()).any(|window| window == set);
        holds(self.vps) && holds(self.sps) && holds(self.pps)
    }

    fn record(&self, codec: Codec) -> Option<Vec<u8>> {
        match codec {
            _ if self.sps.is_empty() || self.pps.is_empty() => None,
            Codec::H264 => h264::write(self.sps, self.pps),
            _ if self.vps.is_empty() => None,
            _ => h265::write(self.vps, self.sps, self.pps),
        }
    }
}

/// Whether a unit is a part of the picture itself. H.264 table 7-1, H.265 table 7-1.
fn is_slice(codec: Codec, unit: &[u8]) -> bool {
    match codec {
        Codec::H264 => (h264::SLICE..=h264::IDR).contains(&h264::unit_type(unit)),
        _ => h265::unit_type(unit) < h265::VPS,
    }
}

fn unit_type(codec: Codec, unit: &[u8]) -> u8 {
    if codec == Codec::H264 { h264::unit_type(unit) } else { h265::unit_type(unit) }
}

/// The same units behind 4-byte prefixes.
fn widen(data: &[u8], prefix: usize, room: &dyn Room) -> Result<Bytes, Error> {
    let units = || {
        let mut rest = data;
        std::iter::from_fn(move || {
            let (unit, tail) = nal::split(rest, prefix)?;
            rest = tail;
            Some(unit)
        })
    };
    let mut block = room.block(units().map(|unit| unit.len() + 4).sum())?;
    for unit in units() {
        block.fill(&(unit.len() as u32).to_be_bytes());
        block.fill(unit);
    }
    Ok(block.freeze())
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
