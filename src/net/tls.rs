//! TLS on a connection, both sides. RFC 8446, RFC 5246.

mod error;
mod identity;
mod make;
mod throttle;
mod trust;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, Connection, ServerConnection};

use super::Share;
use super::listen::Pass;
pub use error::CertificateError;
pub use identity::{Files, Identity};
pub use make::make_certificate;
pub use throttle::HandshakeThrottle;
pub use trust::Trust;

/// The state of a connection. Plaintext is read and written here; the sealed bytes go through the socket.
pub(super) struct Tls {
    state: Connection,
    /// The remedy: the setting with which more certificates are trusted.
    remedy: &'static str,
    /// The place in the memory plan for a connection under TLS.
    _pass: Option<Pass>,
    /// The place of its address.
    _share: Option<Share>,
}

/// The bytes of a connection's keys and of the incoming record, without the outgoing one.
pub const TLS_CONNECTION: usize = 32 << 10;

/// The plaintext in an outgoing record as a client, in bytes.
const RECORD: usize = 4 << 10;

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

impl Tls {
    pub(super) fn server(identity: &Identity, pass: Pass, share: Option<Share>) -> Result<Self, rustls::Error> {
        let state = ServerConnection::new(identity.config.clone())?;
        Ok(Self { _pass: Some(pass), _share: share, ..Self::new(state.into(), identity.record) })
    }

    pub(super) fn client(trust: &Trust, host: &str) -> Result<Self, rustls::Error> {
        let name =
            ServerName::try_from(host.to_string()).map_err(|_| rustls::Error::General("not a host's name".into()))?;
        let state = ClientConnection::new(trust.config(), name)?;
        Ok(Self { remedy: trust.remedy, ..Self::new(state.into(), RECORD) })
    }

    /// Limits the bytes that wait to be sent to one record.
    fn new(mut state: Connection, record: usize) -> Self {
        state.set_buffer_limit(Some(record));
        Self { state, remedy: "", _pass: None, _share: None }
    }

    /// Reads plaintext that was received already; `WouldBlock` if the socket has to be read first.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.state.reader().read(buffer) {
            // callers that need a complete input check `is_cut`
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            other => other,
        }
    }

    /// True if the connection ended without the peer's close_notify, so that a third party may have cut it. RFC 8446
    /// section 6.1.
    pub(super) fn is_cut(&mut self) -> bool {
        !self.state.process_new_packets().is_ok_and(|state| state.peer_has_closed())
    }

    /// Reads the socket once, and returns the number of bytes: 0 at its end.
    pub(super) fn receive(&mut self, mut socket: &TcpStream) -> io::Result<usize> {
        let bytes = self.state.read_tls(&mut socket)?;
        self.state.process_new_packets().map_err(|error| {
            // sends the alert to the peer
            let _ = self.state.write_tls(&mut socket);
            io::Error::new(io::ErrorKind::InvalidData, explain(error, self.remedy))
        })?;
        Ok(bytes)
    }

    /// Accepts plaintext; `WouldBlock` until there is room.
    pub(super) fn write(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<usize>) -> io::Result<usize> {
        match write(&mut self.state.writer())? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            taken => Ok(taken),
        }
    }

    /// True if the handshake is not complete.
    pub(super) fn is_handshaking(&self) -> bool {
        self.state.is_handshaking()
    }

    /// True if bytes wait to be written to the socket.
    pub(super) fn is_full(&self) -> bool {
        self.state.wants_write()
    }

    /// Writes sealed bytes to the socket, once.
    pub(super) fn send(&mut self, to: &mut dyn Write) -> io::Result<usize> {
        self.state.write_tls(&mut &mut *to)
    }

    /// Sends close_notify.
    pub(super) fn close(&mut self, mut socket: &TcpStream) {
        self.state.send_close_notify();
        let _ = self.send(&mut socket);
    }
}

/// The text of an error, in plain words if a user can correct it.
fn explain(error: rustls::Error, remedy: &str) -> String {
    match error {
        rustls::Error::InvalidCertificate(why) => format!("the certificate is not trusted ({why:?}){remedy}"),
        error => error.to_string(),
    }
}
