//! Media in the bodies of FLV tags, as in RTMP's messages.

use std::time::Instant;

use super::ingest::{Ingest, Loss};
use crate::container::flv;
use crate::media::{Kind, Unwrap};
use crate::net::Close;
use crate::proto::rtmp::Payload;

/// The input of a publisher.
pub struct FlvIn {
    /// The receiver of the frames.
    pub ingest: Ingest,
    demux: flv::Demux,
    clock: Unwrap,
}

impl FlvIn {
    /// An input without any data yet.
    pub fn new(ingest: Ingest) -> Self {
        Self { ingest, demux: flv::Demux::default(), clock: Unwrap::default() }
    }

    /// Reads the body of a tag.
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

    /// Counts a body that could not be received.
    pub fn lost(&mut self, kind: Kind, payload: &Payload) {
        match payload {
            Payload::Bytes(_) => {}
            Payload::TooLong => self.ingest.lost(kind, &Loss::TooLong),
            Payload::OverBudget(refusal) => self.ingest.lost(kind, &Loss::OverBudget(*refusal)),
        }
    }

    /// Counts lost script data. Metadata and cue points are not needed to play.
    pub fn data_lost(&mut self, payload: &Payload) {
        match payload {
            Payload::Bytes(_) => {}
            Payload::TooLong => self.ingest.data_lost(&"it is longer than 16 KiB"),
            Payload::OverBudget(refusal) => self.ingest.data_lost(refusal),
        }
    }
}
