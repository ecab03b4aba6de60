//! Reads program specific information: the list of streams. Section 2.4.4.

use super::packet::{Counter, Follows, Packet};
use crate::media::{Codec, Kind};
use crate::wire::crc::crc32_mpeg;
use crate::wire::{Reader, Short};

/// Collects sections, of 1024 bytes at most.
#[derive(Debug, Default)]
pub(super) struct Gather {
    counter: Counter,
    section: Vec<u8>,
}

/// The maximum length of a section. Section 2.4.4.3.
const MAX_SECTION: usize = 1024;

impl Gather {
    /// Adds a packet; gives a complete section that ends in it. If there are two it gives the first: sections are
    /// repeated.
    pub(super) fn push(&mut self, packet: &Packet) -> Option<Vec<u8>> {
        match self.counter.follow(packet) {
            Follows::Again => return None,
            Follows::Gap => self.section.clear(),
            Follows::Well => {}
        }
        if !packet.start {
            self.extend(packet.payload);
            return self.whole();
        }
        let (pointer, rest) = packet.payload.split_first()?;
        let (end, begin) = rest.split_at_checked(usize::from(*pointer))?;
        self.extend(end);
        let before = self.whole();
        self.section = begin.to_vec();
        before.or_else(|| self.whole())
    }

    /// Appends to the current section.
    fn extend(&mut self, part: &[u8]) {
        if !self.section.is_empty() {
            let room = MAX_SECTION.saturating_sub(self.section.len());
            self.section.extend_from_slice(part.get(..room).unwrap_or(part));
        }
    }

    fn whole(&self) -> Option<Vec<u8>> {
        let [_, l0, l1, ..] = *self.section else { return None };
        let len = 3 + (usize::from(l0 & 0xf) << 8 | usize::from(l1));
        let section = self.section.get(..len)?;
        (crc32_mpeg(section) == 0).then(|| section.to_vec())
    }
}

/// The PID of the map of the first program in a PAT.
pub(super) fn first_program(section: &[u8]) -> Option<u16> {
    let (0, content) = content(section)? else { return None };
    let mut programs = content.chunks_exact(4).filter_map(|entry| {
        let [n0, n1, p0, p1] = *entry else { return None };
        Some((u16::from_be_bytes([n0, n1]), u16::from_be_bytes([p0, p1]) & 0x1fff))
    });
    // program 0 is the network information
    programs.find(|(number, _)| *number != 0).map(|(_, pid)| pid)
}

/// A stream in a program's map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) pid: u16,
    stream_type: u8,
    /// Its coding; `None` if runnel does not carry it.
    pub(super) coding: Option<Coding>,
    /// Video or audio; `None` for other data.
    pub(super) kind: Option<Kind>,
}

/// The coding of a stream, with the parameters that only the map contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    H264,
    H265,
    Aac,
    /// Of any layer; only layer III is carried.
    MpegAudio,
    Ac3,
    Eac3,
    /// With this number of channels.
    Opus(u8),
}

impl Coding {
    pub(super) fn codec(self) -> Codec {
        match self {
            Self::H264 => Codec::H264,
            Self::H265 => Codec::H265,
            Self::Aac => Codec::Aac,
            Self::MpegAudio => Codec::Mp3,
            Self::Ac3 => Codec::Ac3,
            Self::Eac3 => Codec::Eac3,
            Self::Opus(_) => Codec::Opus,
        }
    }

    pub(super) fn kind(self) -> Kind {
        self.codec().kind()
    }
}

impl Listing {
    /// The name of an unsupported stream in the log: its stream_type.
    pub(super) fn name(&self) -> [u8; 4] {
        [b't', b's', 0, self.stream_type]
    }
}

/// Parses the streams of a program's map.
pub(super) fn listing(section: &[u8]) -> Option<Vec<Listing>> {
    let (2, content) = content(section)? else { return None };
    streams(content).ok()
}

fn streams(content: &[u8]) -> Result<Vec<Listing>, Short> {
    let mut fields = Reader::new(content);
    fields.u16()?; // PCR_PID is not used: frames have their own times
    let skipped = fields.u16()? & 0xfff;
    fields.take(skipped.into())?;
    let mut out = Vec::new();
    while !fields.is_empty() {
        let stream_type = fields.u8()?;
        let pid = fields.u16()? & 0x1fff;
        let len = fields.u16()? & 0xfff;
        let descriptors = fields.take(len.into())?;
        let coding = coding(stream_type, descriptors);
        let kind = coding.map(Coding::kind).or(kind(stream_type));
        out.push(Listing { pid, stream_type, coding, kind });
    }
    Ok(out)
}

/// The coding by stream_type. Table 2-34; 0x81 and 0x87 are defined by ATSC A/53, descriptors by DVB (ETSI EN 300
/// 468) and SMPTE's registrations.
fn coding(stream_type: u8, descriptors: &[u8]) -> Option<Coding> {
    match stream_type {
        0x1b => Some(Coding::H264),
        0x24 => Some(Coding::H265),
        0x0f => Some(Coding::Aac),
        0x03 | 0x04 => Some(Coding::MpegAudio),
        0x81 => Some(Coding::Ac3),
        0x87 => Some(Coding::Eac3),
        0x06 => private(descriptors),
        _ => None,
    }
}

/// The coding of a private stream, which only its descriptors give. Section 2.6.
fn private(descriptors: &[u8]) -> Option<Coding> {
    let mut fields = Reader::new(descriptors);
    let mut coding = None;
    let mut channels = 2;
    while let Ok(tag) = fields.u8() {
        let len = fields.u8().ok()?;
        match (tag, fields.take(len.into()).ok()?) {
            (0x05, [b'O', b'p', b'u', b's', ..]) => coding = Some(Coding::Opus(2)),
            (0x05, [b'A', b'C', b'-', b'3', ..]) | (0x6a, _) => coding = Some(Coding::Ac3),
            (0x05, [b'E', b'A', b'C', b'3', ..]) | (0x7a, _) => coding = Some(Coding::Eac3),
            (0x05, [b'H', b'E', b'V', b'C', ..]) => coding = Some(Coding::H265),
            // channel_config_code; 0 means two channels that are not a stereo pair
            (0x7f, [0x80, code, ..]) => channels = if *code == 0 { 2 } else { *code },
            _ => {}
        }
    }
    match coding {
        Some(Coding::Opus(_)) => Some(Coding::Opus(channels)),
        other => other,
    }
}

/// The kind of an unsupported stream that is reported; other data is skipped without a report.
fn kind(stream_type: u8) -> Option<Kind> {
    match stream_type {
        0x01 | 0x02 | 0x10 | 0x1e..=0x21 | 0x33 | 0xea => Some(Kind::Video),
        0x11 | 0x1c | 0x2d | 0x2e | 0x80 | 0x82..=0x86 => Some(Kind::Audio),
        _ => None,
    }
}

/// The table_id, and the content between the common fields and the checksum; `None` if the section is not valid
/// yet.
fn content(section: &[u8]) -> Option<(u8, &[u8])> {
    let [table_id, _, _, _, _, version, _, _, content @ .., _, _, _, _] = section else { return None };
    (version & 1 == 1).then_some((*table_id, content))
}
