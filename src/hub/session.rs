//! A session, as the log calls it: `id=RTMPPUBSUB1`.

use std::fmt;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionId {
    /// Sessions of one kind begin with the same word: lal's, where it has one.
    pub kind: &'static str,
    /// Counted from 1 for each kind.
    pub number: u32,
}

/// The number by which a session is found as long as it publishes or plays: no other has it meanwhile. One that
/// does so twice, as while the rest of what it played before is sent, has two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u32);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "id={}{}", self.kind, self.number)
    }
}
