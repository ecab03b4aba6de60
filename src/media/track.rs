//! The tracks of a stream, and the decoder records that describe them.

use std::fmt;

use bytes::Bytes;

use super::Hz;

/// The maximum number of tracks in one stream.
pub const MAX_TRACKS: usize = 8;

/// Video or audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Video.
    Video,
    /// Audio.
    Audio,
}

/// The codec of a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the codecs' own")]
pub enum Codec {
    H264,
    H265,
    Av1,
    Vp8,
    Vp9,
    Aac,
    Mp3,
    Opus,
    Flac,
    Ac3,
    Eac3,
    /// G.711 A-law.
    Pcma,
    /// G.711 mu-law.
    Pcmu,
    /// Linear 16-bit samples, big-endian.
    L16,
    /// Motion JPEG: each frame is a JPEG picture.
    Mjpeg,
}

impl Codec {
    /// The kind of the codec: video or audio.
    pub fn kind(self) -> Kind {
        match self {
            Self::H264 | Self::H265 | Self::Av1 | Self::Vp8 | Self::Vp9 | Self::Mjpeg => Kind::Video,
            _ => Kind::Audio,
        }
    }

    /// The name in logs and statistics.
    pub fn name(self) -> &'static str {
        match self {
            Self::H264 => "H264",
            Self::H265 => "H265",
            Self::Av1 => "AV1",
            Self::Vp8 => "VP8",
            Self::Vp9 => "VP9",
            Self::Aac => "AAC",
            Self::Mp3 => "MP3",
            Self::Opus => "OPUS",
            Self::Flac => "FLAC",
            Self::Ac3 => "AC3",
            Self::Eac3 => "EAC3",
            Self::Pcma => "PCMA",
            Self::Pcmu => "PCMU",
            Self::L16 => "L16",
            Self::Mjpeg => "MJPEG",
        }
    }

    /// True if frames are length-prefixed NAL units.
    pub fn is_nal(self) -> bool {
        matches!(self, Self::H264 | Self::H265)
    }
}

/// The parameters that a decoder needs before the first frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params {
    /// The codec's decoder record in the format of ISO base media files: avcC, hvcC, av1C, vpcC,
    /// AudioSpecificConfig, OpusHead, the FLAC STREAMINFO blocks. It is empty if frames describe themselves.
    pub record: Bytes,
    /// Picture width in pixels; 0 if unknown.
    pub width: u32,
    /// Picture height in pixels; 0 if unknown.
    pub height: u32,
    /// Audio sample rate in Hz; 0 if unknown.
    pub sample_rate: u32,
    /// Number of audio channels; 0 if unknown.
    pub channels: u8,
}

/// One elementary stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// The index among the tracks of its kind. Every form carries index 0; some forms carry others too.
    pub id: u8,
    /// The track's codec.
    pub codec: Codec,
    /// The clock of its frames' times.
    pub clock: Hz,
    /// The decoder record.
    pub params: Params,
}

/// The effect of a new description of a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// No change.
    Same,
    /// A new track.
    Added,
    /// Another codec or other parameters: earlier frames cannot be decoded with them.
    Replaced,
    /// The stream already has `MAX_TRACKS` tracks: the track was not added.
    Refused,
}

/// The metadata that a publisher sends besides the decoder parameters. It is cleaned and shown to viewers, but
/// nothing depends on it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Info {
    /// Pictures per second.
    pub frame_rate: Option<f64>,
    /// Video bit rate in kbit/s.
    pub video_kbps: Option<f64>,
    /// Audio bit rate in kbit/s.
    pub audio_kbps: Option<f64>,
    /// The encoder's name; printable, at most 64 bytes.
    pub encoder: Option<Box<str>>,
}

/// Shows the codec, and sample rate and channels of audio if they are known.
impl fmt::Display for Track {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.codec.name())?;
        match (self.params.sample_rate, self.params.channels) {
            (0, _) | (_, 0) => Ok(()),
            (rate, 1) => write!(f, " of {rate} Hz in 1 channel"),
            (rate, channels) => write!(f, " of {rate} Hz in {channels} channels"),
        }
    }
}

/// All tracks of a stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tracks {
    list: Vec<Track>,
    /// The publisher's metadata.
    pub info: Info,
}

impl Tracks {
    /// Adds or updates a track.
    pub fn set(&mut self, track: Track) -> Change {
        let same = |old: &&mut Track| old.id == track.id && old.codec.kind() == track.codec.kind();
        let full = self.list.len() == MAX_TRACKS;
        match self.list.iter_mut().find(same) {
            Some(old) if *old == track => Change::Same,
            Some(old) => {
                *old = track;
                Change::Replaced
            }
            None if full => Change::Refused,
            None => {
                self.list.push(track);
                Change::Added
            }
        }
    }

    /// Adds the tracks of `others` that are missing.
    pub fn complete(&mut self, others: &Self) {
        for track in &others.list {
            if self.find(track.codec.kind(), track.id).is_none() {
                self.set(track.clone());
            }
        }
    }

    /// The track of this kind and index, and its place in the order of appearance. The place never changes and is
    /// below `MAX_TRACKS`; an index may not be.
    pub fn place(&self, kind: Kind, id: u8) -> Option<(usize, &Track)> {
        self.list.iter().enumerate().find(|(_, track)| track.codec.kind() == kind && track.id == id)
    }

    /// A set with only the track of this kind and index; empty if there is none.
    pub fn only(&self, kind: Kind, id: u8) -> TrackSet {
        let main = if (kind, id) == (Kind::Video, 0) { TrackSet::PICTURES } else { TrackSet::default() };
        self.place(kind, id).map_or(TrackSet::default(), |(place, _)| TrackSet::place(place).with(main))
    }

    /// The track of this kind and index.
    pub fn find(&self, kind: Kind, id: u8) -> Option<&Track> {
        self.place(kind, id).map(|(_, track)| track)
    }

    /// The main track of this kind, which every form carries.
    pub fn first(&self, kind: Kind) -> Option<&Track> {
        self.find(kind, 0).or_else(|| self.list.iter().find(|track| track.codec.kind() == kind))
    }

    /// True if there is a video track.
    pub fn has_video(&self) -> bool {
        self.first(Kind::Video).is_some()
    }

    /// True if there is an audio track.
    pub fn has_audio(&self) -> bool {
        self.first(Kind::Audio).is_some()
    }

    /// All tracks, in the order of appearance.
    pub fn iter(&self) -> std::slice::Iter<'_, Track> {
        self.list.iter()
    }

    /// True if there is no track.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// A set of a stream's tracks, by their places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrackSet(u16);

impl TrackSet {
    /// The main video track, independent of its place.
    pub const PICTURES: Self = Self(1 << MAX_TRACKS);

    /// The set with only the track at this place.
    pub(crate) const fn place(place: usize) -> Self {
        Self(1 << place)
    }

    /// True if the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// True if the sets have a track in common.
    pub fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The union of both sets.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl FromIterator<Self> for TrackSet {
    fn from_iter<I: IntoIterator<Item = Self>>(sets: I) -> Self {
        sets.into_iter().fold(Self::default(), Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(id: u8, codec: Codec) -> Track {
        Track { id, codec, clock: Hz::MS, params: Params::default() }
    }

    #[test]
    fn a_new_codec_replaces_the_track_of_its_kind_and_index() {
        let mut tracks = Tracks::default();
        assert_eq!(tracks.set(track(0, Codec::H264)), Change::Added);
        assert_eq!(tracks.set(track(0, Codec::Aac)), Change::Added);
        assert_eq!(tracks.set(track(0, Codec::H264)), Change::Same);
        assert_eq!(tracks.set(track(0, Codec::H265)), Change::Replaced);
        assert_eq!(tracks.first(Kind::Video).unwrap().codec, Codec::H265);
    }

    #[test]
    fn sets_tell_tracks_apart() {
        let mut tracks = Tracks::default();
        let ids = [0, 1, 8, 255].map(|id| [track(id, Codec::H264), track(id, Codec::Aac)]);
        ids.iter().flatten().for_each(|track| assert_eq!(tracks.set(track.clone()), Change::Added));
        let all: Vec<_> = tracks.iter().map(|track| tracks.only(track.codec.kind(), track.id)).collect();
        let some: TrackSet = all[3..6].iter().copied().collect();
        assert!(all.iter().enumerate().all(|(at, one)| one.meets(some) == (3..6).contains(&at)));
        assert!(all.iter().enumerate().all(|(at, one)| one.meets(TrackSet::PICTURES) == (at == 0)));
        assert!(tracks.only(Kind::Audio, 2).is_empty() && !some.is_empty());
    }

    #[test]
    fn tracks_are_bounded() {
        let mut tracks = Tracks::default();
        let changes: Vec<_> = (0..9).map(|id| tracks.set(track(id, Codec::Aac))).collect();
        assert_eq!(changes.last(), Some(&Change::Refused));
        assert_eq!(tracks.iter().count(), MAX_TRACKS);
    }
}
