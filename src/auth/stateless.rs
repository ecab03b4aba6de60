//! The state of a program without rules: nothing.

use std::sync::Arc;

use super::Means;
use crate::conf::Config;

/// The state of the rules.
pub struct State;

impl State {
    /// No state.
    pub fn new(_: Means) -> Self {
        Self
    }

    /// Follows nothing.
    pub fn follow(&self, _: &Config) {}

    /// Reads no files.
    pub async fn read_keys(self: Arc<Self>, _: Arc<Config>) {}
}
