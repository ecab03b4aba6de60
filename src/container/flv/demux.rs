//! Tag bodies to tracks and frames. Annex E.4.2 and E.4.3; Enhanced RTMP v2.

use bytes::Bytes;

use super::tag::{FOURCC, FourCc, KEY_FRAME, LEGACY_AUDIO, LEGACY_VIDEO, packet};
use crate::budget::{Account, BlockMut, OverBudget};
use crate::codec::{self, Malformed, ac3, h264, h265, mp3, opus, vpx};
use crate::media::{Change, Codec, Frame, Hz, Kind, Params, Ticks, Track, Tracks, nal};
use crate::wire::{Reader, Short};

/// What a tag turned out to carry.
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

/// Why a tag was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Not what the specification says.
    Malformed(&'static str),
    /// Room was refused.
    OverBudget(OverBudget),
}

/// Reads the tags of one publisher.
#[derive(Debug, Default)]
pub struct Demux {
    tracks: Tracks,
    /// Length of the NAL prefixes in each video track, from its record.
    prefixes: [u8; crate::media::MAX_TRACKS],
    /// Codecs of which it was said that they have no place here.
    said: Vec<(Kind, [u8; 4])>,
}

/// So many codecs without a place are named; more are not news.
const MAX_SAID: usize = 8;

/// Where in a tag a track's bytes stand, and how they are to be read.
struct Part {
    codec: Codec,
    track: u8,
    key: bool,
    packet: u8,
    data: Bytes,
}

impl Demux {
    /// Reads an audio or video tag of the time `dts` in milliseconds and hands
    /// what it finds to `event`. NAL units with odd prefixes are copied into a
    /// block of `account`; nothing else is.
    pub fn tag(
        &mut self,
        kind: Kind,
        dts: Ticks,
        body: &Bytes,
        account: &Account,
        mut event: impl FnMut(Event),
    ) -> Result<(), Error> {
        let mut parts = Parts { body, reader: Reader::new(body), unknown: None };
        let mut sink = |part| self.part(part, dts, account, &mut event);
        match kind {
            Kind::Video => parts.video(&mut sink)?,
            Kind::Audio => parts.audio(&mut sink)?,
        }
        let unknown = parts.unknown.map(|name| (kind, name));
        let news = unknown.filter(|codec| self.said.len() < MAX_SAID && !self.said.contains(codec));
        if let Some((kind, name)) = news {
            self.said.push((kind, name));
            event(Event::Unsupported(kind, name));
        }
        Ok(())
    }

    fn part(&mut self, part: Part, dts: Ticks, account: &Account, event: &mut impl FnMut(Event)) -> Result<(), Error> {
        match part.packet {
            packet::SEQUENCE_START => self.record(&part, account, event),
            packet::CODED_FRAMES | packet::CODED_FRAMES_X => self.frame(part, dts, account, event),
            packet::SEQUENCE_END => {
                event(Event::SequenceEnd(part.codec.kind()));
                Ok(())
            }
            _ => Ok(()), // colour and channel metadata: nothing here depends on it
        }
    }

    fn record(&mut self, part: &Part, account: &Account, event: &mut impl FnMut(Event)) -> Result<(), Error> {
        let (prefix, at) = match part.codec {
            Codec::H264 => (h264::Record::parse(&part.data)?.nal_prefix, h264::LENGTH_SIZE_AT),
            Codec::H265 => (h265::Record::parse(&part.data)?.nal_prefix, h265::LENGTH_SIZE_AT),
            _ => return self.announce(part, codec::params(part.codec, part.data.clone())?, event),
        };
        if let Some(slot) = self.prefixes.get_mut(usize::from(part.track)) {
            *slot = prefix;
        }
        // frames are given prefixes of 4 bytes, and the record must say so
        let mut record = part.data.to_vec();
        record.iter_mut().skip(at).take(1).for_each(|byte| *byte |= 3);
        let record = if prefix == 4 { part.data.clone() } else { BlockMut::copy(account, &record)? };
        self.announce(part, codec::params(part.codec, record)?, event)
    }

    fn announce(&mut self, part: &Part, params: Params, event: &mut impl FnMut(Event)) -> Result<(), Error> {
        let track = Track { id: part.track, codec: part.codec, clock: Hz::MS, params };
        match self.tracks.set(track.clone()) {
            Change::Same => {}
            Change::Refused => return Err(Error::Malformed("more tracks than a stream may have")),
            Change::Added | Change::Replaced => event(Event::Track(track)),
        }
        Ok(())
    }

    fn frame(
        &mut self,
        mut part: Part,
        dts: Ticks,
        account: &Account,
        event: &mut impl FnMut(Event),
    ) -> Result<(), Error> {
        let mut cts = 0;
        if part.codec.is_nal() && part.packet == packet::CODED_FRAMES {
            let mut r = Reader::new(&part.data);
            cts = r.i24()?;
            part.data = part.data.slice_ref(r.rest());
        }
        if part.data.is_empty() {
            return Ok(()); // some encoders keep time with empty tags
        }
        let known = self.tracks.find(part.codec.kind(), part.track).is_some_and(|track| track.codec == part.codec);
        if !known {
            let params = undeclared(&part).ok_or(Error::Malformed("a frame before its decoder record"))?;
            self.announce(&part, params, event)?;
        }
        let track = self.tracks.find(part.codec.kind(), part.track);
        if let Some(params) = track.and_then(|track| observed(&part, &track.params)) {
            self.announce(&part, params, event)?;
        }
        if part.codec.is_nal() {
            self.nal_units(&mut part, account, event)?;
            if part.data.is_empty() {
                return Ok(());
            }
        }
        let Part { track, key, data, .. } = part;
        event(Event::Frame(Frame { dts, cts, kind: part.codec.kind(), track, key, data }));
        Ok(())
    }

    /// Brings the units to 4-byte prefixes and passes over delimiters and
    /// parameter sets that lead them; sets that differ from the record are news.
    fn nal_units(&mut self, part: &mut Part, account: &Account, event: &mut impl FnMut(Event)) -> Result<(), Error> {
        let prefix = self.prefixes.get(usize::from(part.track)).copied().unwrap_or(4);
        if prefix != 4 {
            part.data = widen(&part.data, usize::from(prefix), account)?;
        }
        let mut sets = Sets::default();
        let mut rest: &[u8] = &part.data;
        while let Some((unit, tail)) = nal::split(rest, 4) {
            if !sets.take(part.codec, unit) {
                break;
            }
            rest = tail;
        }
        let data = part.data.slice_ref(rest);
        if let Some(record) = sets.record(part.codec)
            && !self.tracks.find(Kind::Video, part.track).is_some_and(|track| sets.are_in(track))
        {
            let params = codec::params(part.codec, record.into())?;
            self.announce(part, params, event)?;
        }
        part.data = data;
        Ok(())
    }
}

/// Parameters of a codec whose frames describe themselves.
fn undeclared(part: &Part) -> Option<Params> {
    let params = match part.codec {
        Codec::Mp3 | Codec::Pcma | Codec::Pcmu | Codec::Ac3 | Codec::Eac3 | Codec::Vp8 | Codec::Vp9 | Codec::Av1 => {
            codec::params(part.codec, Bytes::new()).unwrap_or_default()
        }
        Codec::Opus => {
            let head = opus::Head { channels: 2, pre_skip: 0, sample_rate: opus::RATE, family: 0 };
            codec::params(Codec::Opus, Bytes::copy_from_slice(&head.write())).ok()?
        }
        _ => return None,
    };
    match observed(part, &params) {
        // which no decoder could find
        None if part.codec == Codec::Mp3 => None,
        observed => observed.or(Some(params)),
    }
}

/// What a frame says of itself where nothing else does.
fn observed(part: &Part, known: &Params) -> Option<Params> {
    let mut params = known.clone();
    match part.codec {
        Codec::Vp9 if part.key => (params.width, params.height) = vpx::size(&part.data).ok()?,
        Codec::Mp3 if known.sample_rate == 0 => {
            let header = mp3::Header::parse(&part.data).ok()?;
            (params.sample_rate, params.channels) = (header.sample_rate, header.channels);
        }
        Codec::Ac3 | Codec::Eac3 if known.sample_rate == 0 => {
            let header = ac3::Header::parse(&part.data).ok()?;
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

fn unit_type(codec: Codec, unit: &[u8]) -> u8 {
    if codec == Codec::H264 { h264::unit_type(unit) } else { h265::unit_type(unit) }
}

/// The same units behind 4-byte prefixes.
fn widen(data: &[u8], prefix: usize, account: &Account) -> Result<Bytes, Error> {
    let units = || {
        let mut rest = data;
        std::iter::from_fn(move || {
            let (unit, tail) = nal::split(rest, prefix)?;
            rest = tail;
            Some(unit)
        })
    };
    let mut block = BlockMut::new(account, units().map(|unit| unit.len() + 4).sum())?;
    for unit in units() {
        block.fill(&(unit.len() as u32).to_be_bytes());
        block.fill(unit);
    }
    Ok(block.freeze())
}

/// Splits a tag into its tracks.
struct Parts<'a> {
    body: &'a Bytes,
    reader: Reader<'a>,
    /// A codec that has no row in the tables.
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
            self.reader.u24()?; // composition time means nothing here
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

    /// Passes over ModEx and opens a multitrack packet: the packet type and, if
    /// there are many tracks, how they stand.
    fn extended(&mut self, mut packet: u8, multitrack: u8) -> Result<(u8, Option<u8>), Error> {
        while packet == packet::MOD_EX {
            let mut size = usize::from(self.reader.u8()?) + 1;
            if size == 256 {
                size = usize::from(self.reader.u16()?) + 1;
            }
            self.reader.take(size)?; // a nanosecond offset: finer than our clock
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
        loop {
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
    }

    /// What is left is one track's packet.
    fn part(&self, codec: Codec, track: u8, key: bool, packet: u8) -> Part {
        Part { codec, track, key, packet, data: self.body.slice_ref(self.reader.rest()) }
    }
}

/// FrameType 5: a command to the player, with no picture.
const COMMAND_FRAME: u8 = 5;
/// SoundFormat 9: ExAudioTagHeader.
const EXTENDED_AUDIO: u8 = 9;
/// AvMultitrackType.
const MANY_TRACKS_MANY_CODECS: u8 = 2;

impl From<Short> for Error {
    fn from(_: Short) -> Self {
        Self::Malformed("a tag that ends inside a field")
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
