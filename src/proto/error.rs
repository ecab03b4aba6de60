//! The error of a machine: whose fault it is, and how far the machine was.

use crate::wire::Short;

/// An error that ends a connection. Its `Display` says what was wrong, in the protocol's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    blame: Blame,
    what: &'static str,
    used: usize,
}

/// The side that an error is the fault of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The peer's: bytes that the specification does not allow.
    Malformed,
    /// The peer's: bytes that the specification allows, but not here, or not so many.
    Misbehaved,
    /// Of no single byte: more was to be kept for the peer than a limit of ours allows.
    Limit,
}

impl Error {
    /// The bytes are against the specification.
    pub const fn malformed(what: &'static str) -> Self {
        Self { blame: Blame::Malformed, what, used: 0 }
    }

    /// The bytes do not belong here, or are too many.
    pub const fn misbehaved(what: &'static str) -> Self {
        Self { blame: Blame::Misbehaved, what, used: 0 }
    }

    /// A limit of ours is reached.
    pub const fn limit(what: &'static str) -> Self {
        Self { blame: Blame::Limit, what, used: 0 }
    }

    /// The same, found behind the first `used` bytes of what `Machine::input` was given.
    #[must_use]
    pub const fn after(self, used: usize) -> Self {
        Self { used, ..self }
    }

    /// The side that it is the fault of.
    pub const fn blame(self) -> Blame {
        self.blame
    }

    /// The bytes of what `Machine::input` was given that were in order: those behind are refused.
    pub const fn used(self) -> usize {
        self.used
    }
}

impl From<Short> for Error {
    fn from(_: Short) -> Self {
        Self::malformed("a message that ends inside a field")
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.what)
    }
}

impl std::error::Error for Error {}
