//! Segments in memory only, in a build without recordings.

use std::sync::Arc;

use super::super::Server;
use super::entry::Entry;
use crate::conf;
use crate::hls::Delete;
use crate::hub::Name;
use crate::serve::http::{Answer, Exchange};
use crate::session::Who;

/// No folders.
pub(super) struct Disk;

/// A folder, which no stream has.
pub(super) enum Shelf {}

impl Disk {
    pub(super) fn new(_: &conf::Hls) -> Self {
        Self
    }

    pub(super) fn begins(&self, _: &Server, _: &Name, _: Option<Delete>) -> Option<Shelf> {
        None
    }

    pub(super) fn tidy(&self, _: &Server, _: Option<Delete>) {}
}

impl Shelf {
    pub(super) fn keep(&self, _: &Server, _: &Arc<Entry>, _: Who) {
        match *self {}
    }

    pub(super) fn leave(&self, _: Option<Delete>) {
        match *self {}
    }

    pub(super) fn is_kept(&self) -> bool {
        match *self {}
    }

    pub(super) fn is_storing(&self) -> bool {
        match *self {}
    }
}

impl Exchange {
    /// The list of all segments.
    pub(super) fn record(self, name: Name) -> Answer {
        self.record_in_memory(name)
    }

    /// A segment, part or head.
    pub(super) fn segment(self, name: Name, file: String) -> Answer {
        self.segment_in_memory(name, file)
    }
}
