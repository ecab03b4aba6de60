//! Statistics of a stream: its traffic and its viewers.

use std::ops::Add;

use super::Ticket;

/// Sums since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes of frames received.
    pub bytes_in: u64,
    /// Bytes sent to viewers.
    pub bytes_out: u64,
    /// Frames received.
    pub frames: u64,
    /// Frames and script data that were too large, had no memory, or were lost on the way.
    pub lost: u64,
    /// The number of times that a viewer was too far behind and skipped to a key frame.
    pub skips: u64,
}

/// The viewers of one form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormStats {
    /// The form's name.
    pub form: &'static str,
    /// The number of its viewers now.
    pub viewers: usize,
    /// Codecs of the stream that the form cannot carry.
    pub missing: Vec<&'static str>,
}

/// A stream at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamStats {
    /// The connection that publishes; `None` if none does.
    pub publisher: Option<String>,
    /// Codecs of the tracks.
    pub codecs: Vec<&'static str>,
    /// The sums of its traffic since the start.
    pub traffic: Traffic,
    /// Its viewers.
    pub forms: Vec<FormStats>,
}

/// A session that publishes or plays a stream, at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionStats {
    /// The session.
    pub ticket: Ticket,
    /// Bytes of published frames, or bytes sent before the last batch.
    pub bytes: u64,
    /// The event that it waits for, if it plays.
    pub waits: Option<Waits>,
}

/// The event that a player waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// The stream has no publisher.
    Publisher,
    /// The stream has no start yet, such as a key frame.
    Start,
}

impl Add for Traffic {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            bytes_in: self.bytes_in.wrapping_add(other.bytes_in),
            bytes_out: self.bytes_out.wrapping_add(other.bytes_out),
            frames: self.frames.wrapping_add(other.frames),
            lost: self.lost.wrapping_add(other.lost),
            skips: self.skips.wrapping_add(other.skips),
        }
    }
}
