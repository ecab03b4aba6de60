//! The certificates that a client trusts.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WantsClientCert};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, WantsVerifier,
};

use super::identity::certificates;
use super::{CertificateError, provider};

/// The certificates that a client trusts: those of certain authorities, or all.
#[derive(Clone)]
pub struct Trust {
    config: Arc<ClientConfig>,
    /// The remedy in errors, in the words of the caller: the setting with which more is trusted.
    pub(super) remedy: &'static str,
}

impl Trust {
    /// Trusts the authorities that browsers trust.
    pub fn browsers() -> Result<Self, CertificateError> {
        static MADE: OnceLock<Trust> = OnceLock::new();
        let roots = || RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        once(&MADE, || Self::new(|builder| builder.with_root_certificates(roots())))
    }

    /// Trusts any certificate.
    pub fn anybody() -> Result<Self, CertificateError> {
        static MADE: OnceLock<Trust> = OnceLock::new();
        let verifier = || Arc::new(Anybody(provider()));
        once(&MADE, || Self::new(|builder| builder.dangerous().with_custom_certificate_verifier(verifier())))
    }

    /// Trusts the authorities in a PEM file.
    pub fn authorities(file: &Path) -> Result<Self, CertificateError> {
        let mut roots = RootCertStore::empty();
        for authority in certificates(file)? {
            roots.add(authority).map_err(|error| CertificateError::Authority(file.into(), error))?;
        }
        Self::new(|builder| builder.with_root_certificates(roots))
    }

    /// The same, with a remedy for errors about certificates that are not trusted.
    pub fn or(self, remedy: &'static str) -> Self {
        Self { remedy, ..self }
    }

    /// The configuration for the TLS library.
    pub fn config(&self) -> Arc<ClientConfig> {
        self.config.clone()
    }

    fn new(verify: impl FnOnce(Builder<WantsVerifier>) -> Builder<WantsClientCert>) -> Result<Self, CertificateError> {
        let builder = ClientConfig::builder_with_provider(provider());
        let builder = builder.with_safe_default_protocol_versions()?;
        let mut config = verify(builder).with_no_client_auth();
        // a cache of sessions is not in the memory plan
        config.resumption = Resumption::disabled();
        Ok(Self { config: Arc::new(config), remedy: "" })
    }
}

type Builder<State> = ConfigBuilder<ClientConfig, State>;

/// The value made before, or else the one that `make` makes.
fn once(
    made: &OnceLock<Trust>,
    make: impl FnOnce() -> Result<Trust, CertificateError>,
) -> Result<Trust, CertificateError> {
    match made.get() {
        Some(trust) => Ok(trust.clone()),
        None => make().map(|trust| made.get_or_init(|| trust).clone()),
    }
}

/// Checks that the server has the key to its certificate, but not its identity.
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
