//! Relays under TLS.

use super::RelayJob;
use crate::disk::{Lane, aside};
use crate::net::{Close, Conn, Failed, Trust};

impl RelayJob {
    /// Continues a connection under TLS.
    pub(super) async fn seal(&self, conn: Conn) -> Result<Conn, Close> {
        let limit = self.config.connections.handshake.0;
        conn.sealed_to(&self.trust().await?, &self.url.host, &self.core.throttle, limit).await
    }

    async fn trust(&self) -> Result<Trust, Close> {
        let trust = match self.ca.as_str() {
            _ if self.insecure => Trust::anybody(),
            "" => Trust::browsers(),
            _ => {
                let file = self.ca.clone();
                aside(Lane::to(file.as_ref()), move || Trust::authorities(file.as_ref())).await
            }
        };
        // `runnel push` has options instead of keys
        let remedy = match self.once {
            true => "; --ca FILE trusts what the authorities in FILE have signed, and --insecure any certificate",
            false => "; ca = FILE trusts what the authorities in FILE have signed, and insecure = true any certificate",
        };
        trust.map(|trust| trust.or(remedy)).map_err(|error| Failed::Trust(error.to_string().into()).into())
    }
}
