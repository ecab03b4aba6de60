//! The part of a sweep that is made.

/// A sweep takes one in so many of its steps. A processor made of software (`RUNNEL_LAUNCHER`)
/// takes fewer: a fault of its width or of its order of bytes shows in more than one step.
pub fn one_in() -> usize {
    match std::env::var("RUNNEL_LAUNCHER") {
        Ok(words) if !words.is_empty() => 8,
        _ => 1,
    }
}
