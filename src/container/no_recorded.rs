//! File formats of forms in a build without recordings.

/// The way in which a file stores the units of a form.
pub enum Recorded {}
