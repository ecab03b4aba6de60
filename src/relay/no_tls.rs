//! Relays under TLS in a build without it.

use super::RelayJob;
use crate::conf::MissingFeature;
use crate::net::{Close, Conn};

impl RelayJob {
    /// Refuses to continue a connection under TLS.
    pub(super) async fn seal(&self, _: Conn) -> Result<Conn, Close> {
        Err(Close::refused(MissingFeature("tls").to_string()))
    }
}
