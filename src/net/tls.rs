//! TLS on a connection, both sides. RFC 8446, RFC 5246.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::{
    ClientConfig, ClientConnection, Connection, DigitallySignedStruct, Error, RootCertStore, ServerConfig,
    ServerConnection, SignatureScheme,
};

use super::listen::Pass;

/// A connection's state. Plaintext goes in and out here, what is sealed goes by the socket.
pub(super) struct Tls {
    state: Connection,
    /// One of the places that the memory plan has for this.
    _pass: Option<Pass>,
}

/// What a server shows of itself.
#[derive(Clone)]
pub struct Identity(Arc<ServerConfig>);

/// What a client believes.
#[derive(Clone)]
pub struct Trust(Arc<ClientConfig>);

/// What may wait in a connection to be sealed or sent, in bytes: one record.
const MAX_PENDING: usize = 16 << 10;

impl Identity {
    /// Reads a certificate, with those between it and its root, and its key, as PEM.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, String> {
        let of = |file: &Path, why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
        let chain = CertificateDer::pem_file_iter(certificate).map_err(|error| of(certificate, &error))?;
        let chain: Vec<_> = chain.collect::<Result<_, _>>().map_err(|error| of(certificate, &error))?;
        let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| of(key, &error))?;
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret));
        let mut config = config.map_err(|error| of(certificate, &error))?;
        // nobody is remembered: that would be memory without a plan
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self(Arc::new(config)))
    }
}

impl Trust {
    /// Believes the authorities that browsers do; or whatever is shown, if `insecure`.
    pub fn new(insecure: bool) -> Result<Self, String> {
        static MADE: [OnceLock<Trust>; 2] = [const { OnceLock::new() }; 2];
        let made = &MADE[usize::from(insecure)];
        if let Some(trust) = made.get() {
            return Ok(trust.clone());
        }
        let builder = ClientConfig::builder_with_provider(provider());
        let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
        let config = if insecure {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider()))).with_no_client_auth()
        } else {
            let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
            builder.with_root_certificates(roots).with_no_client_auth()
        };
        Ok(made.get_or_init(|| Self(Arc::new(config))).clone())
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

impl Tls {
    pub(super) fn server(identity: &Identity, pass: Pass) -> Result<Self, Error> {
        let state = ServerConnection::new(identity.0.clone())?;
        Ok(Self::new(state.into(), Some(pass)))
    }

    pub(super) fn client(trust: &Trust, host: &str) -> Result<Self, Error> {
        let name = ServerName::try_from(host.to_string()).map_err(|_| Error::General("not a host's name".into()))?;
        let state = ClientConnection::new(trust.0.clone(), name)?;
        Ok(Self::new(state.into(), None))
    }

    fn new(mut state: Connection, pass: Option<Pass>) -> Self {
        state.set_buffer_limit(Some(MAX_PENDING));
        Self { state, _pass: pass }
    }

    /// Plaintext that is there already; `WouldBlock` if the socket has to be read first.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.state.reader().read(buffer) {
            // whoever cuts the connection without goodbye has ended it all the same
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            other => other,
        }
    }

    /// Reads the socket once; true if the handshake has just ended.
    pub(super) fn receive(&mut self, mut socket: &TcpStream) -> io::Result<bool> {
        let shook = self.state.is_handshaking();
        self.state.read_tls(&mut socket)?;
        self.state.process_new_packets().map_err(|error| {
            // the peer is told what is wrong
            let _ = self.state.write_tls(&mut socket);
            io::Error::new(io::ErrorKind::InvalidData, explain(error))
        })?;
        Ok(shook && !self.state.is_handshaking())
    }

    /// Takes plaintext; `WouldBlock` until the handshake is over and there is room.
    pub(super) fn write(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<usize>) -> io::Result<usize> {
        if self.state.is_handshaking() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        match write(&mut self.state.writer())? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            taken => Ok(taken),
        }
    }

    /// Whether the handshake goes on: reading drives it.
    pub(super) fn is_handshaking(&self) -> bool {
        self.state.is_handshaking()
    }

    /// Whether the socket has to take something.
    pub(super) fn is_full(&self) -> bool {
        self.state.wants_write()
    }

    /// Writes to the socket, once, what is sealed.
    pub(super) fn send(&mut self, mut socket: &TcpStream) -> io::Result<usize> {
        self.state.write_tls(&mut socket)
    }

    /// Says goodbye.
    pub(super) fn close(&mut self, socket: &TcpStream) {
        self.state.send_close_notify();
        let _ = self.send(socket);
    }
}

/// What went wrong, in words of people where a user can do something about it.
fn explain(error: Error) -> String {
    match error {
        Error::InvalidCertificate(why) => {
            format!("the certificate is not believed ({why:?}); insecure = true believes any")
        }
        error => error.to_string(),
    }
}

/// Checks that the other side has the key to what it shows, but not who it is.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
