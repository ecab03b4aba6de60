//! Containers: how frames become bytes on the wire, one file or folder each.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod amf;
#[cfg(feature = "record")]
pub mod file;
pub mod flv;
#[cfg(feature = "http")]
pub mod m3u8;
#[cfg(feature = "http")]
pub mod mp4;
mod normalize;
mod packed;
mod picture;
#[cfg(feature = "record")]
mod recorded;
#[cfg(feature = "http")]
pub mod ts;
mod uncarried;

#[cfg(feature = "record")]
pub use file::{Fault, FileReader, Storage, Unreadable};
pub use normalize::{Coded, Error, Event, FrameNormalizer};
pub use packed::{Head, Packed, Piece};
#[cfg(feature = "record")]
pub use recorded::{Patch, Recorded};
pub use uncarried::uncarried;

use crate::budget::{Account, OverBudget};
use crate::media::{Frame, Ticks, Track, Tracks, Wall};

/// Turns frames into one form. All viewers of a form share one `Mux` and its
/// output, so nothing here may depend on a viewer.
pub trait Mux: Send {
    /// Whether the form has room for `track`.
    fn carries(&self, track: &Track) -> bool;

    /// The bytes that a viewer needs before its first packet, which is the one at `at` (milliseconds).
    fn head(&self, tracks: &Tracks, at: Ticks) -> Packed;

    /// Told when tracks are added or change in mid-stream, before the first
    /// frame that depends on it: gives what running viewers must be sent. `news`
    /// are those of the tracks that they have not been told of.
    fn announce(&mut self, tracks: &Tracks, news: &[&Track], at: Ticks) -> Packed;

    /// Whether viewers that were told of `old` can be told of `new` in mid-stream.
    /// If the form has no word for that, their output ends before `new`.
    fn can_announce(&self, _old: &Tracks, _new: &Tracks) -> bool {
        true
    }

    /// The bytes that a viewer needs after it missed a part of the stream, before it goes on at `at`.
    fn remind(&self, _tracks: &Tracks, _at: Ticks) -> Packed {
        Vec::new().into()
    }

    /// Time or content jumped: the next packets say so where the form has a word for it.
    fn discontinuity(&mut self) {}

    /// Told now and then the wall-clock time at `at`, if it is known.
    fn time_of_day(&mut self, _at: Ticks, _wall: Wall) {}

    /// Bytes that packing `frame` takes beside those that `account` is charged for.
    fn cost(&self, frame: &Frame) -> usize {
        // further pieces of a large frame
        frame.data.len() / 512
    }

    /// Packs one frame; `None` if the form does not carry its track.
    fn frame(&mut self, track: &Track, frame: &Frame, account: &Account) -> Result<Option<Packed>, OverBudget>;
}

/// A way to pack a stream, and how it is known outside.
pub struct Form {
    /// In logs, statistics and metrics.
    pub name: &'static str,
    /// The extension in URLs, without the dot; empty if it has none.
    pub extension: &'static str,
    /// The word that has to stand in the query of the URL; empty for the form that players get without one.
    pub query: &'static str,
    /// Content-Type; empty if it is not served over HTTP.
    pub mime: &'static str,
    /// The prefix of the ids of sessions that play it; empty if the protocol says that.
    pub session: &'static str,
    /// Bytes of a packet, if units are packets, of which a player over a stream of bytes must get the whole; 0 if not.
    pub packet: usize,
    /// Forms that players get instead if they ask for them by `query`.
    pub variants: &'static [&'static Form],
    /// Its files, if it is recorded.
    #[cfg(feature = "record")]
    pub recorded: Option<Recorded>,
    /// A packer at the start of a stream.
    pub mux: fn() -> Box<dyn Mux>,
}

impl Form {
    /// One that only a protocol of its own sends.
    pub const fn own(name: &'static str, mux: fn() -> Box<dyn Mux>) -> Self {
        Self {
            name,
            extension: "",
            query: "",
            mime: "",
            session: "",
            packet: 0,
            variants: &[],
            #[cfg(feature = "record")]
            recorded: None,
            mux,
        }
    }

    /// This one and its variants.
    pub fn all(&'static self) -> impl Iterator<Item = &'static Self> {
        std::iter::once(self).chain(self.variants.iter().copied())
    }

    /// The variant that the query of a URL asks for; where it asks for several, the last.
    pub fn wished(&self, query: &str) -> Option<&'static Self> {
        let known = |pair| self.variants.iter().find(|form| form.query == pair);
        query.split('&').filter_map(known).next_back().copied()
    }

    /// The variant that carries a track which this one does not.
    pub fn carrying(&self, track: &Track) -> Option<&'static Self> {
        self.variants.iter().find(|form| (form.mux)().carries(track)).copied()
    }
}

/// Flash Video, over HTTP and WebSocket.
#[cfg(feature = "http")]
pub static FLV: Form = Form {
    variants: &[
        &flv("flv-hevc12", "hevc=12", flv::mux_legacy_hevc),
        &flv("flv-tracks", "tracks=all", flv::mux_all_tracks),
    ],
    #[cfg(feature = "record")]
    recorded: Some(flv::recorded::RECORDED),
    ..flv("flv", "", flv::mux)
};
/// MPEG transport stream, over HTTP and WebSocket, and in HLS segments.
#[cfg(feature = "http")]
pub static TS: Form = Form {
    extension: "ts",
    mime: "video/mp2t",
    session: "TSPUBSUB",
    packet: ts::SIZE,
    // each key frame has the tables before it
    #[cfg(feature = "record")]
    recorded: Some(Recorded::PLAIN),
    ..Form::own("ts", ts::mux)
};
/// Fragmented MP4, over HTTP and WebSocket.
#[cfg(feature = "http")]
pub static MP4: Form = Form {
    extension: "mp4",
    mime: "video/mp4",
    session: "MP4PUBSUB",
    #[cfg(feature = "record")]
    recorded: Some(mp4::RECORDED),
    ..Form::own("mp4", mp4::mux)
};
/// Frames that HLS makes fragmented MP4 of, many in a fragment: each behind the fields of its sample.
#[cfg(feature = "http")]
pub static SAMPLES: Form = Form::own("hls-fmp4", mp4::samples);

/// The forms that HTTP and WebSocket serve, beside their variants.
pub static FORMS: &[&Form] = &[
    #[cfg(feature = "http")]
    &FLV,
    #[cfg(feature = "http")]
    &TS,
    #[cfg(feature = "http")]
    &MP4,
];

/// The same with their variants.
pub fn forms() -> impl Iterator<Item = &'static Form> {
    FORMS.iter().flat_map(|form| form.all())
}

#[cfg(feature = "http")]
const fn flv(name: &'static str, query: &'static str, mux: fn() -> Box<dyn Mux>) -> Form {
    Form { extension: "flv", query, mime: "video/x-flv", session: "FLVPUBSUB", ..Form::own(name, mux) }
}

impl Eq for Form {}

impl PartialEq for Form {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}
