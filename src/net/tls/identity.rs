//! The certificates of a server.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::crypto::ring::Ticketer;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, NoServerSessionStorage, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::{CertificateError, provider};
use crate::disk::{Lane, read_small};

/// The files of a certificate, with its intermediate certificates, and of its key; both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Files {
    /// The lane in which all files are read.
    pub fn lane(all: &[Self]) -> Lane {
        Lane::to_all(all.iter().flat_map(|files| [files.certificate.as_path(), &files.key]))
    }

    /// The faults of the certificate, and of its key or of the pair.
    pub fn faults(&self) -> [Option<CertificateError>; 2] {
        let certificate = certificates(&self.certificate).err();
        let key = match certificate {
            Some(_) => secret(&self.key).err(),
            None => read_one(self).err(),
        };
        [certificate, key]
    }
}

/// The certificates of a server, which presents the one for the name that the client asks for, or the first.
pub struct Identity {
    files: Vec<Files>,
    shown: Arc<Shown>,
    /// The marks of the files at the last read.
    marks: Mutex<Vec<Option<Mark>>>,
    pub(super) config: Arc<ServerConfig>,
    /// The plaintext in a record, in bytes.
    pub(super) record: usize,
}

/// The modification time, length and inode of a file, which change if the file does.
type Mark = (i64, i64, u64, u64);

/// The bytes of a record's header. RFC 8446 section 5.1.
const RECORD_HEADER: usize = 5;
/// The application protocol of HTTP/1.1. RFC 7301 section 6.
const HTTP: &[u8] = b"http/1.1";

impl Identity {
    /// Reads the files. Outgoing records hold up to `record` bytes, 27 to 16384.
    pub fn load(files: Vec<Files>, record: usize) -> Result<Self, CertificateError> {
        let marks = Mutex::new(marks(&files));
        let shown = Arc::new(Shown(Mutex::new(read(&files)?)));
        let config = config(shown.clone(), record)?;
        Ok(Self { files, shown, marks, config: Arc::new(config), record })
    }

    /// The lane in which its files are read.
    pub fn lane(&self) -> Lane {
        Files::lane(&self.files)
    }

    /// Reads the files again if they have changed, and returns whether they have. If they cannot be used, the old
    /// certificates stay; open connections keep theirs.
    pub fn refresh(&self) -> Result<bool, CertificateError> {
        let now = marks(&self.files);
        let mut known = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        if *known == now {
            return Ok(false);
        }
        *known = now;
        *self.shown.0.lock().unwrap_or_else(PoisonError::into_inner) = read(&self.files)?;
        Ok(true)
    }
}

fn config(shown: Arc<Shown>, record: usize) -> Result<ServerConfig, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(shown);
    // peers of other protocols do not use this extension
    config.alpn_protocols = vec![HTTP.to_vec()];
    // the client keeps its sealed session ticket, which costs no memory here
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = Ticketer::new()?;
    config.send_tls13_tickets = 1;
    config.max_fragment_size = Some(RECORD_HEADER + record);
    Ok(config)
}

/// The certificates, each with its key.
#[derive(Debug)]
struct Shown(Mutex<Vec<Arc<CertifiedKey>>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let named = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let named = named.and_then(|name| all.iter().find(|one| is_for(one, &name)));
        named.or(all.first()).cloned()
    }
}

fn is_for(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let parsed = key.cert.first().and_then(|certificate| ParsedCertificate::try_from(certificate).ok());
    parsed.is_some_and(|parsed| verify_server_name(&parsed, name).is_ok())
}

fn read(files: &[Files]) -> Result<Vec<Arc<CertifiedKey>>, CertificateError> {
    files.iter().map(|files| read_one(files).map(Arc::new)).collect()
}

fn read_one(files: &Files) -> Result<CertifiedKey, CertificateError> {
    let (chain, key) = (certificates(&files.certificate)?, secret(&files.key)?);
    CertifiedKey::from_der(chain, key, &provider()).map_err(|error| CertificateError::Pair(files.clone(), error))
}

fn secret(file: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    PrivateKeyDer::from_pem_slice(&pem(file)?).map_err(|error| CertificateError::Pem(file.into(), error))
}

/// The certificates in a file, PEM: at least one.
pub(super) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem(file)?).collect();
    let all = all.map_err(|error| CertificateError::Pem(file.into(), error))?;
    if all.is_empty() { Err(CertificateError::Empty(file.into())) } else { Ok(all) }
}

fn pem(file: &Path) -> Result<Vec<u8>, CertificateError> {
    read_small(file).map_err(|error| CertificateError::File(file.into(), error))
}

fn marks(files: &[Files]) -> Vec<Option<Mark>> {
    let mark = |path: &PathBuf| {
        let found = std::fs::metadata(path).ok()?;
        Some((found.mtime(), found.mtime_nsec(), found.len(), found.ino()))
    };
    files.iter().flat_map(|files| [mark(&files.certificate), mark(&files.key)]).collect()
}
