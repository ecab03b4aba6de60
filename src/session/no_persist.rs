//! Without the API there is nothing to keep.

use std::sync::Arc;

use super::Core;

/// Keeps nothing.
pub struct Persist;

impl Persist {
    /// Nothing to keep.
    pub fn new(_: &Arc<Core>) -> Self {
        Self
    }

    /// Nothing to begin.
    pub fn begin(&mut self) {}

    /// Nothing to write.
    pub async fn stop(self) {}
}
