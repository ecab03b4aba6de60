//! The part of a sweep that is made.

/// A sweep takes one in so many of its steps. `tests/emulated`, which sets `RUNNEL_LAUNCHER` even
/// where nothing is launched, takes fewer: a fault of a processor's width or of its order of bytes
/// shows in more than one step.
pub fn one_in() -> usize {
    if std::env::var_os("RUNNEL_LAUNCHER").is_some() { 8 } else { 1 }
}
