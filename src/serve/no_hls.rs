//! HLS in a build without HTTP: there is none.

use std::time::Instant;

use super::Server;
use crate::budget::Account;
use crate::conf::Config;

/// All streams with segments: none.
pub(super) struct Hls(());

impl Hls {
    pub(super) fn new(_: &Config, _: &Account) -> Self {
        Self(())
    }

    pub(super) fn reload(&self, _: &Config) {}

    pub(super) fn tick(&self, _: &Server, _: Instant) {}

    pub(super) fn stop(&self) {}

    /// True if files of ended streams are not on the disk yet.
    pub(super) fn is_storing(&self) -> bool {
        false
    }
}
