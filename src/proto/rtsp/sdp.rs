//! Session descriptions for RTSP. RFC 8866; RFC 2326 appendix C.

mod control;
mod write;

pub use control::{base, resolve};
pub use write::{Offer, write};

use crate::codec::Malformed;
use crate::media::{Hz, Kind};
use crate::proto::rtp::Format;

/// A session and its media.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// The control URL of the whole session. RFC 2326 section C.1.1.
    pub control: Option<String>,
    /// The media, in order; at most 16.
    pub medias: Vec<Media>,
}

/// One `m=` line with its attributes. RFC 8866 section 5.14.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Media {
    /// Video or audio; `None` for other media.
    pub kind: Option<Kind>,
    /// The control URL, from which [`resolve`] makes the URL for SETUP.
    pub control: Option<String>,
    /// The formats that the media may use, the preferred one first.
    pub formats: Vec<Format>,
    /// The direction of the media.
    pub direction: Direction,
}

/// The direction of the media, from the view of the sender of the description. RFC 8866 section 6.7.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the specification's names")]
pub enum Direction {
    #[default]
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

/// The maximum length of a description in bytes.
const MAX_TEXT: usize = 16 << 10;
const MAX_MEDIAS: usize = 16;
/// The maximum number of formats of one media, and of its lines of each kind.
const MAX_FORMATS: usize = 32;
/// The maximum number of parameters of one format.
const MAX_PARAMETERS: usize = 32;

const DIRECTIONS: [(&str, Direction); 4] = [
    ("sendrecv", Direction::SendRecv),
    ("sendonly", Direction::SendOnly),
    ("recvonly", Direction::RecvOnly),
    ("inactive", Direction::Inactive),
];

/// Payload types that need no `a=rtpmap`, with clock and channels. RFC 3551 section 6.
const STATIC_TYPES: [(u8, &str, u32, u8); 24] = [
    (0, "PCMU", 8000, 1),
    (3, "GSM", 8000, 1),
    (4, "G723", 8000, 1),
    (5, "DVI4", 8000, 1),
    (6, "DVI4", 16_000, 1),
    (7, "LPC", 8000, 1),
    (8, "PCMA", 8000, 1),
    (9, "G722", 8000, 1),
    (10, "L16", 44_100, 2),
    (11, "L16", 44_100, 1),
    (12, "QCELP", 8000, 1),
    (13, "CN", 8000, 1),
    (14, "MPA", 90_000, 1),
    (15, "G728", 8000, 1),
    (16, "DVI4", 11_025, 1),
    (17, "DVI4", 22_050, 1),
    (18, "G729", 8000, 1),
    (25, "CELB", 90_000, 1),
    (26, "JPEG", 90_000, 1),
    (28, "NV", 90_000, 1),
    (31, "H261", 90_000, 1),
    (32, "MPV", 90_000, 1),
    (33, "MP2T", 90_000, 1),
    (34, "H263", 90_000, 1),
];

/// Encodings with a fixed clock rate, for devices that omit it.
const CLOCKS: [(&str, u32); 12] = [
    ("H264", 90_000),
    ("H265", 90_000),
    ("JPEG", 90_000),
    ("MPA", 90_000),
    ("MPV", 90_000),
    ("VP8", 90_000),
    ("VP9", 90_000),
    ("AV1", 90_000),
    ("PCMU", 8000),
    ("PCMA", 8000),
    ("G722", 8000),
    ("OPUS", 48_000),
];

/// The lines of a media before they are combined.
#[derive(Default)]
struct Draft {
    media: Media,
    direction: Option<Direction>,
    types: Vec<u8>,
    /// The format is `None` if the line is invalid.
    maps: Vec<(u8, Option<Format>)>,
    parameters: Vec<(u8, Vec<(String, String)>)>,
}

impl Description {
    /// Parses a description. It accepts most errors, because many devices write invalid descriptions; only one
    /// without media is refused.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        if text.len() > MAX_TEXT {
            return Err(Malformed { what: "a session description that is too long" });
        }
        let mut session = Draft::default();
        let mut drafts: Vec<Draft> = Vec::new();
        let blank = |c: char| c.is_whitespace() || c == '\0' || c == '\u{feff}';
        for line in text.split(['\r', '\n', '\0']) {
            let Some((key, value)) = line.trim_matches(blank).split_once('=') else { continue };
            let value = value.trim_matches(blank);
            match key.trim() {
                "m" if drafts.len() > MAX_MEDIAS => {}
                "m" => drafts.push(Draft::media(value)),
                "a" => drafts.last_mut().unwrap_or(&mut session).attribute(value),
                _ => {}
            }
        }
        drafts.truncate(MAX_MEDIAS); // the last one only collected attributes of ignored media
        if drafts.is_empty() {
            return Err(Malformed { what: "a session description without media" });
        }
        let direction = session.direction.unwrap_or_default();
        Ok(Self {
            control: session.media.control,
            medias: drafts.into_iter().map(|draft| draft.finish(direction)).collect(),
        })
    }
}

impl Draft {
    /// Parses `m=MEDIA PORT[/COUNT] PROTOCOL FORMAT...`.
    fn media(value: &str) -> Self {
        let mut words = value.split_whitespace();
        let kind = match words.next().map(str::to_ascii_lowercase).as_deref() {
            Some("video") => Some(Kind::Video),
            Some("audio") => Some(Kind::Audio),
            _ => None,
        };
        let mut types = Vec::new();
        for payload_type in words.skip(2).filter_map(payload_type) {
            if types.len() < MAX_FORMATS && !types.contains(&payload_type) {
                types.push(payload_type);
            }
        }
        Self { media: Media { kind, ..Media::default() }, types, ..Self::default() }
    }

    fn attribute(&mut self, text: &str) {
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        match name.as_str() {
            "control" if self.media.control.is_none() => self.media.control = Some(value.into()),
            "rtpmap" if self.maps.len() < MAX_FORMATS => self.maps.extend(rtpmap(value)),
            "fmtp" if self.parameters.len() < MAX_FORMATS => self.parameters.extend(fmtp(value)),
            _ => {
                let known = DIRECTIONS.iter().find(|(known, _)| *known == name);
                self.direction = known.map(|(_, direction)| *direction).or(self.direction);
            }
        }
    }

    fn finish(mut self, direction: Direction) -> Media {
        let formats = self.types.iter().filter_map(|payload_type| self.format(*payload_type)).collect();
        self.media.formats = formats;
        if self.media.formats.is_empty() {
            // for devices whose m= line lists other types than the rtpmap lines
            self.media.formats = self.maps.iter().filter_map(|(payload_type, _)| self.format(*payload_type)).collect();
        }
        self.media.direction = self.direction.unwrap_or(direction);
        self.media
    }

    fn format(&self, payload_type: u8) -> Option<Format> {
        let mapped = self.maps.iter().find(|(known, _)| *known == payload_type).map(|(_, format)| format.clone());
        let mut format = mapped.unwrap_or_else(|| static_format(payload_type))?;
        let all = self.parameters.iter().filter(|(known, _)| *known == payload_type).flat_map(|(_, list)| list);
        format.fmtp.extend(all.take(MAX_PARAMETERS).cloned());
        Some(format)
    }
}

fn payload_type(digits: &str) -> Option<u8> {
    digits.parse().ok().filter(|payload_type| *payload_type < 128)
}

/// The payload type at the front of an attribute, and the rest.
fn split_type(value: &str) -> Option<(u8, &str)> {
    let end = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let (digits, rest) = value.split_at(end);
    Some((payload_type(digits)?, rest.trim()))
}

fn static_format(payload_type: u8) -> Option<Format> {
    let (_, encoding, clock, channels) = STATIC_TYPES.iter().find(|(known, ..)| *known == payload_type)?;
    Some(Format {
        payload_type,
        encoding: (*encoding).into(),
        clock: Hz::new(*clock),
        channels: *channels,
        fmtp: Vec::new(),
    })
}

/// Parses `TYPE ENCODING/CLOCK[/CHANNELS]`. RFC 8866 section 6.6.
fn rtpmap(value: &str) -> Option<(u8, Option<Format>)> {
    let (payload_type, rest) = split_type(value)?;
    let mut parts = rest.split('/').map(str::trim);
    let encoding = parts.next().unwrap_or_default().to_ascii_uppercase();
    let known = || CLOCKS.iter().find(|(name, _)| *name == encoding).map(|(_, clock)| *clock);
    let clock = parts.next().and_then(|clock| clock.parse().ok()).or_else(known).filter(|clock| *clock > 0);
    let channels = parts.next().and_then(|channels| channels.parse().ok()).unwrap_or(1).max(1);
    let format =
        clock.map(|clock| Format { payload_type, encoding, clock: Hz::new(clock), channels, fmtp: Vec::new() });
    Some((payload_type, format))
}

/// Parses `TYPE NAME=VALUE;...`. RFC 8866 section 6.15.
fn fmtp(value: &str) -> Option<(u8, Vec<(String, String)>)> {
    let (payload_type, rest) = split_type(value)?;
    let parameters = rest.split(';').map(str::trim).filter(|parameter| !parameter.is_empty());
    let pair = |parameter: &str| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        (name.trim().to_ascii_lowercase(), value.trim_matches(|c: char| c.is_whitespace() || c == '"').to_string())
    };
    Some((payload_type, parameters.map(pair).take(MAX_PARAMETERS).collect()))
}

#[cfg(test)]
mod tests;
