//! Sets of keys in a build without HTTP or TLS: there are none, and a configuration that names one is refused.

use std::sync::Arc;

use super::Denial;
use super::means::Means;
use crate::conf::Config;
use crate::proto::Url;
use crate::proto::jwt::Key;

/// All sets that rules name.
pub(super) struct KeySets;

/// A set that cannot be.
pub(super) enum Source {}

impl KeySets {
    pub(super) fn new(_: Means) -> Self {
        Self
    }

    pub(super) fn follow(&self, _: &Config) {}

    pub(super) fn find(&self, _: &Url, _: &str) -> Option<Arc<Source>> {
        None
    }
}

impl Source {
    pub(super) fn is_there(&self) -> bool {
        match *self {}
    }

    pub(super) fn key(&self, _: &str) -> Result<Option<Arc<Key>>, Denial> {
        match *self {}
    }
}
