//! Recordings in a build without them.

/// Counts and lists of recordings.
#[derive(Default)]
pub struct Recorded(());
