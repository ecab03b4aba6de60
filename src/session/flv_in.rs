//! Media that comes as the bodies of FLV tags, as RTMP's messages do.

use std::time::Instant;

use super::ingest::{Ingest, Loss};
use crate::container::flv;
use crate::media::{Kind, Unwrap};
use crate::net::Close;
use crate::proto::rtmp::Payload;

/// A publisher's side.
pub struct FlvIn {
    /// The taker of the frames.
    pub ingest: Ingest,
    demux: flv::Demux,
    clock: Unwrap,
}

impl FlvIn {
    /// Nothing has come yet.
    pub fn new(ingest: Ingest) -> Self {
        Self { ingest, demux: flv::Demux::default(), clock: Unwrap::default() }
    }

    /// The body of a tag.
    pub fn media(&mut self, kind: Kind, timestamp: u32, body: &bytes::Bytes, now: Instant) -> Result<(), Close> {
        let dts = self.clock.next(timestamp);
        let Self { ingest, demux, .. } = self;
        let account = ingest.publisher.account().clone();
        let mut taken = Ok(());
        let read = demux.tag(kind, dts, body, &account, |event| {
            if taken.is_ok() {
                taken = ingest.take(event, now);
            }
        });
        // a bad payload loses a frame, not the connection
        if let Err(error) = read {
            ingest.lost(kind, &error.into());
        }
        taken
    }

    /// A body that could not be taken.
    pub fn lost(&mut self, kind: Kind, payload: &Payload) {
        match payload {
            Payload::Bytes(_) => {}
            Payload::TooLong => self.ingest.lost(kind, &Loss::TooLong),
            Payload::OverBudget(refusal) => self.ingest.lost(kind, &Loss::OverBudget(*refusal)),
        }
    }

    /// Metadata and cue points are not needed to play what is published.
    pub fn data_lost(&mut self, payload: &Payload) {
        match payload {
            Payload::Bytes(_) => {}
            Payload::TooLong => self.ingest.data_lost(&"it is longer than 16 KiB"),
            Payload::OverBudget(refusal) => self.ingest.data_lost(refusal),
        }
    }
}
