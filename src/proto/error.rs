//! The error of a machine: the side at fault, and the position in the input.

use crate::wire::Short;

/// An error that ends a connection. Its `Display` describes the error in the protocol's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    blame: Blame,
    what: &'static str,
    used: usize,
}

/// The side that caused an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The peer sent bytes that the specification does not allow.
    Malformed,
    /// The peer sent bytes that the specification does not allow here, or too many of them.
    Misbehaved,
    /// No single byte is at fault: a limit of this server does not allow to keep more data for the peer.
    Limit,
}

impl Error {
    /// The bytes violate the specification.
    pub const fn malformed(what: &'static str) -> Self {
        Self { blame: Blame::Malformed, what, used: 0 }
    }

    /// The bytes are not allowed here, or are too many.
    pub const fn misbehaved(what: &'static str) -> Self {
        Self { blame: Blame::Misbehaved, what, used: 0 }
    }

    /// A limit of this server is reached.
    pub const fn limit(what: &'static str) -> Self {
        Self { blame: Blame::Limit, what, used: 0 }
    }

    /// The same error, found after the first `used` bytes of the data given to `Machine::input`.
    #[must_use]
    pub const fn after(self, used: usize) -> Self {
        Self { used, ..self }
    }

    /// The side that caused the error.
    pub const fn blame(self) -> Blame {
        self.blame
    }

    /// The number of valid bytes in the data given to `Machine::input`; those after them are refused.
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
