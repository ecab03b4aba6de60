//! The part of a sweep that is made.

/// A sweep takes one in so many of its steps. `tests/emulated`, which sets `RUNNEL_LAUNCHER` even
/// where nothing is launched, takes fewer, and an emulator fewer still: a fault of a processor's
/// width or of its order of bytes shows in more than one step.
pub fn one_in() -> usize {
    match std::env::var("RUNNEL_LAUNCHER").as_deref() {
        Err(_) => 1,
        Ok("") => 8,
        Ok(_) => 32,
    }
}
