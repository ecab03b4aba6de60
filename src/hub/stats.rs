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
    /// Frames and script data that were too large, for which there was no room, or that
    /// were lost on the way.
    pub lost: u64,
    /// Times that a viewer was so far behind that it was moved to a key frame.
    pub skips: u64,
}

/// The viewers of one form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormStats {
    /// The form's name.
    pub form: &'static str,
    /// Its viewers now.
    pub viewers: usize,
    /// Codecs of the stream that the form has no room for.
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
    /// Bytes of frames that it has published, or bytes that it was sent before its last batch.
    pub bytes: u64,
    /// It plays, and waits.
    pub waits: Option<Waits>,
}

/// The event that a player waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// Nobody publishes its stream.
    Publisher,
    /// There is nothing to begin with yet, such as a key frame.
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
