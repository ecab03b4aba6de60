//! Frames as they were published, for programs that process them.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::{Dismissal, Next, Publisher, Step, Unit, Viewer};
use crate::budget::{Account, OverBudget};
use crate::container::{Form, Mux, Packed, Piece};
use crate::media::{Frame, Kind, Ticks, Track, Tracks};
use crate::wire::{Reader, Short, Writer};

/// The form of frames that are read and not sent: the fields of each precede its bytes.
pub static FRAMES: Form = Form::own("frames", || Box::new(AsTheyAre));

/// A frame that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadFrame {
    /// Decode time on the track's clock.
    pub dts: Ticks,
    /// Presentation time minus decode time, on the track's clock.
    pub cts: i32,
    /// Picture or sound.
    pub kind: Kind,
    /// Index of the track among those of its kind.
    pub track: u8,
    /// True if decoding can begin here; always true for sound.
    pub key: bool,
    /// The coded bytes, as in [`Frame::data`]. They stay charged to the stream while they are held, with the small
    /// frames in the same block, up to 4 KiB in all: copy what is kept.
    pub data: Bytes,
}

/// The next event of a stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Read {
    /// The tracks from here on: before the first frame, and after every change.
    Tracks(Arc<Tracks>),
    /// The next frame. If the reader was too slow, frames are missing before it, and it is a key frame.
    Frame(ReadFrame),
    /// The reader is dismissed.
    Dismissed(Dismissal),
}

/// Reads the frames of a stream. Like any viewer it begins at a key frame, and waits for a publisher.
pub struct Frames {
    viewer: Viewer,
    told: Arc<Tracks>,
    next: Vec<Arc<Unit>>,
}

impl Frames {
    /// Reads the frames that `viewer` receives.
    pub fn new(mut viewer: Viewer) -> Self {
        viewer.pack_as(&FRAMES);
        Self { viewer, told: Arc::default(), next: Vec::new() }
    }

    /// The next event.
    pub async fn next(&mut self) -> Read {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The next event; pending while there is nothing.
    pub fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Read> {
        loop {
            if let Some(read) = self.take() {
                return Poll::Ready(read);
            }
            // one at a time, because the viewer knows the tracks of its last unit only
            let step = Step { units: 1, bytes: usize::MAX };
            match self.viewer.poll_next(cx, &mut self.next, step) {
                Poll::Ready(Next::Dismissed(why)) => return Poll::Ready(Read::Dismissed(why)),
                Poll::Ready(Next::Units | Next::Head) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// The tracks of the unit, if they are new, and then its frame.
    fn take(&mut self) -> Option<Read> {
        let unit = self.next.first()?;
        if !Arc::ptr_eq(&self.told, self.viewer.told()) {
            self.told = self.viewer.told().clone();
            return Some(Read::Tracks(self.told.clone()));
        }
        let frame = ReadFrame::of(&unit.packed);
        self.viewer.sent(unit.packed.len());
        self.next.clear();
        frame.map(Read::Frame)
    }
}

impl ReadFrame {
    /// The same frame for another stream, to which a copy of its bytes is charged.
    pub fn charged_to(&self, publisher: &Publisher) -> Result<Frame, OverBudget> {
        let Self { dts, cts, kind, track, key, ref data } = *self;
        Ok(Frame { dts, cts, kind, track, key, data: publisher.paid(data)? })
    }

    /// The frame in a unit of [`FRAMES`]; none if the unit is a mark between frames.
    fn of(packed: &Packed) -> Option<Self> {
        let piece = packed.pieces().next()?;
        let fields = |mut reader: Reader<'_>| -> Result<Self, Short> {
            let dts = Ticks(i64::from_be_bytes(reader.array()?));
            let cts = i32::from_be_bytes(reader.array()?);
            let flags = reader.u8()?;
            let kind = if flags & VIDEO != 0 { Kind::Video } else { Kind::Audio };
            Ok(Self { dts, cts, kind, track: reader.u8()?, key: flags & KEY != 0, data: piece.body.clone() })
        };
        fields(Reader::new(piece.head.bytes())).ok()
    }
}

/// Packs nothing: a unit shares the frame's bytes.
struct AsTheyAre;

impl Mux for AsTheyAre {
    fn carries(&self, _: &Track) -> bool {
        true
    }

    fn head(&self, _: &Tracks, _: Ticks) -> Packed {
        Vec::new().into()
    }

    fn announce(&mut self, _: &Tracks, _: &[&Track], _: Ticks) -> Packed {
        Vec::new().into()
    }

    fn cost(&self, _: &Frame) -> usize {
        0
    }

    fn frame(&mut self, _: &Track, frame: &Frame, _: &Account) -> Result<Option<Packed>, OverBudget> {
        let mut fields = Vec::with_capacity(14);
        fields.bytes(&frame.dts.0.to_be_bytes());
        fields.bytes(&frame.cts.to_be_bytes());
        let video = if frame.kind == Kind::Video { VIDEO } else { 0 };
        fields.u8(video | if frame.key { KEY } else { 0 });
        fields.u8(frame.track);
        Ok(Some(Packed::new(Piece::new(&fields, frame.data.share()), Vec::new())))
    }
}

/// Flags of a frame.
const VIDEO: u8 = 2;
const KEY: u8 = 1;
