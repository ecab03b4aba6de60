//! The newest picture with which decoding can begin, for those that show a stream without playing it.

use std::sync::Arc;

use super::Stream;
use super::ring::Item;
use crate::media::{Frame, Kind, Tracks};

/// A key frame, which shares its bytes with the ring.
#[derive(Clone, Debug)]
pub struct Still {
    /// The key frame.
    pub frame: Frame,
    /// The tracks of the stream, whose decoder records apply to it.
    pub tracks: Arc<Tracks>,
    /// The number of its slot, which only grows while the stream exists.
    pub number: u64,
}

/// The reason why there is no key frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoStill {
    /// Nobody publishes the stream.
    NoPublisher,
    /// The stream has sound alone.
    NoPictures,
    /// The first key frame has not come yet.
    NotYet,
}

impl Stream {
    /// The key frame at which a viewer that joins now begins.
    pub fn still(&self) -> Result<Still, NoStill> {
        let state = self.lock();
        if state.publisher.is_none() {
            return Err(NoStill::NoPublisher);
        }
        if state.settled && !state.tracks.has_video() {
            return Err(NoStill::NoPictures);
        }
        let number = state.start().ok_or(NoStill::NotYet)?;
        match state.ring.slot(number).map(|slot| slot.item) {
            Some(Item::Frame(frame)) if frame.kind == Kind::Video => {
                Ok(Still { frame, tracks: state.tracks.clone(), number })
            }
            _ => Err(NoStill::NotYet),
        }
    }
}
