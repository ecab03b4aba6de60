//! Containers: the packing of frames into bytes, one file or folder each.

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
#[cfg(not(feature = "record"))]
#[path = "no_recorded.rs"]
mod recorded;
#[cfg(feature = "http")]
pub mod ts;
mod uncarried;

#[cfg(feature = "record")]
pub use file::{Fault, FileReader, Storage, Unreadable};
pub use normalize::{Coded, Error, Event, FrameNormalizer};
pub use packed::{Head, Packed, Piece};
#[cfg(feature = "record")]
pub use recorded::Patch;
pub use recorded::Recorded;
pub use uncarried::uncarried;

use crate::budget::{Account, OverBudget};
use crate::media::{Frame, Ticks, Track, Tracks, Wall};

/// Packs frames into one form. All viewers of a form share one `Mux` and its output, so nothing here may depend on
/// a viewer.
pub trait Mux: Send {
    /// True if the form can carry `track`.
    fn carries(&self, track: &Track) -> bool;

    /// The bytes that a viewer needs before its first packet, which has the time `at` (milliseconds).
    fn head(&self, tracks: &Tracks, at: Ticks) -> Packed;

    /// Called when tracks are added or change in mid-stream, before the first frame that depends on it. Gives the
    /// bytes that viewers of the running stream need. `news` contains the tracks that were not announced to them.
    fn announce(&mut self, tracks: &Tracks, news: &[&Track], at: Ticks) -> Packed;

    /// True if a change of the tracks from `old` to `new` can be announced in mid-stream. If not, the viewers'
    /// output ends before `new`.
    fn can_announce(&self, _old: &Tracks, _new: &Tracks) -> bool {
        true
    }

    /// The bytes that a viewer needs before it continues at `at` after it missed a part of the stream.
    fn remind(&self, _tracks: &Tracks, _at: Ticks) -> Packed {
        Vec::new().into()
    }

    /// Called when time or content jumped. The next packets signal it if the form can.
    fn discontinuity(&mut self) {}

    /// Called at intervals with the wall-clock time at `at`, if it is known.
    fn time_of_day(&mut self, _at: Ticks, _wall: Wall) {}

    /// Bytes that packing `frame` takes in addition to those charged to `account`.
    fn cost(&self, frame: &Frame) -> usize {
        // the additional pieces of a large frame
        frame.data.len() / 512
    }

    /// Packs one frame; `None` if the form does not carry its track.
    fn frame(&mut self, track: &Track, frame: &Frame, account: &Account) -> Result<Option<Packed>, OverBudget>;
}

/// A way to pack a stream, and its names outside.
pub struct Form {
    /// The name in logs, statistics and metrics.
    pub name: &'static str,
    /// The extension in URLs, without the dot; empty if it has none.
    pub extension: &'static str,
    /// The word in the URL's query that selects this form; empty for the default form.
    pub query: &'static str,
    /// Content-Type; empty if HTTP does not serve it.
    pub mime: &'static str,
    /// The prefix of the ids of sessions that play it; empty if the protocol defines the prefix.
    pub session: &'static str,
    /// The packet size in bytes if units consist of packets that must stay whole on a byte stream; 0 if not.
    pub packet: usize,
    /// Forms that players get instead if they ask for them by `query`.
    pub variants: &'static [&'static Form],
    /// The file format of recordings; `None` if it is not recorded.
    pub recorded: Option<Recorded>,
    /// Creates a packer for the start of a stream.
    pub mux: fn() -> Box<dyn Mux>,
}

impl Form {
    /// A form that only one protocol sends.
    pub const fn own(name: &'static str, mux: fn() -> Box<dyn Mux>) -> Self {
        Self { name, extension: "", query: "", mime: "", session: "", packet: 0, variants: &[], recorded: None, mux }
    }

    /// This form and its variants.
    pub fn all(&'static self) -> impl Iterator<Item = &'static Self> {
        std::iter::once(self).chain(self.variants.iter().copied())
    }

    /// The variant that a URL's query asks for; the last if it asks for several.
    pub fn wished(&self, query: &str) -> Option<&'static Self> {
        let known = |pair| self.variants.iter().find(|form| form.query == pair);
        query.split('&').filter_map(known).next_back().copied()
    }

    /// The variant that carries a track which this form does not.
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
    // nothing at the start: each key frame has the tables before it
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
/// The input from which HLS builds fragmented MP4: each frame after the fields of its sample.
#[cfg(feature = "http")]
pub static SAMPLES: Form = Form::own("hls-fmp4", mp4::samples);

/// The forms that HTTP and WebSocket serve, without their variants.
pub static FORMS: &[&Form] = &[
    #[cfg(feature = "http")]
    &FLV,
    #[cfg(feature = "http")]
    &TS,
    #[cfg(feature = "http")]
    &MP4,
];

/// The forms of `FORMS` and their variants.
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
