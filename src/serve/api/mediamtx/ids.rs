//! The ids of sessions: UUIDs, as clients of MediaMTX expect them. They are made from the number of the server's start
//! and the id that a session has in the log, so that none is kept.

use std::fmt;

use crate::session::{Core, Session};

/// A UUID of version 4, which older clients check. RFC 9562 section 5.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Uuid(u128);

/// The beginnings of the ids that sessions have in the log.
const BEGINNINGS: [&str; 7] = ["RTMPPUBSUB", "RTSPPUB", "RTSPSUB", "HLSSUB", "FLVPUBSUB", "TSPUBSUB", "MP4PUBSUB"];
/// The place of the beginning, and the mark of a connection, above the number of the session.
const BEGINNING: u32 = 32;
const CONNECTION: u128 = 1 << 40;

impl Uuid {
    /// The id of a session; one of another run of the server differs.
    pub(super) fn of(core: &Core, session: &Session) -> Self {
        let beginning = BEGINNINGS.iter().position(|one| *one == session.id.kind).unwrap_or(BEGINNINGS.len());
        Self::new(u128::from(core.boot) << 64 | (beginning as u128) << BEGINNING | u128::from(session.id.number))
    }

    /// The bits, with those of version and variant in their places.
    fn new(bits: u128) -> Self {
        let bits = bits & !(0xf << 76) & !(3 << 62);
        Self(bits | 4 << 76 | 2 << 62)
    }

    /// The id of the connection of the session of this id.
    pub(super) fn of_connection(self) -> Self {
        Self(self.0 | CONNECTION)
    }

    /// Reads an id, with hyphens or without.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|digit| *digit != '-').collect();
        let is_hex = digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        u128::from_str_radix(&digits, 16).ok().filter(|_| is_hex).map(Self)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |low: u32, digits: u32| (self.0 >> low) & ((1 << (4 * digits)) - 1);
        let [one, two, three, four, five] = [part(96, 8), part(80, 4), part(64, 4), part(48, 4), part(0, 12)];
        write!(f, "{one:08x}-{two:04x}-{three:04x}-{four:04x}-{five:012x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_uuid_of_version_4_and_is_read_again() {
        let id = Uuid::new(0x1234_5678_9abc_def0 << 64 | 3 << BEGINNING | 7);
        assert_eq!(id.to_string(), "12345678-9abc-4ef0-8000-000300000007");
        assert_eq!(id.of_connection().to_string(), "12345678-9abc-4ef0-8000-010300000007");
        assert_eq!(Uuid::parse("12345678-9abc-4ef0-8000-000300000007"), Some(id));
        assert_eq!(Uuid::parse("123456789ABC4EF08000000300000007"), Some(id));
        for wrong in ["", "7", "12345678-9abc-4ef0-8000-00030000000", "+2345678-9abc-4ef0-8000-000300000007"] {
            assert_eq!(Uuid::parse(wrong), None, "{wrong}");
        }
    }
}
