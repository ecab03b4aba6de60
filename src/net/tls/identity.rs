//! The certificates that a server shows.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::verify_server_name;
use rustls::crypto::ring::Ticketer;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, NoServerSessionStorage, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, ServerConfig};

use super::provider;
use crate::disk::{Lane, read_small};

/// A certificate's file, with those between it and its root, and its key's; both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Files {
    /// The lane in which all of them are read.
    pub fn lane(all: &[Self]) -> Lane {
        Lane::to_all(all.iter().flat_map(|files| [files.certificate.as_path(), &files.key]))
    }

    /// The faults of the certificate, and of its key or the two together.
    pub fn faults(&self) -> [Option<String>; 2] {
        let certificate = certificates(&self.certificate).err();
        let key = match certificate {
            Some(_) => secret(&self.key).err(),
            None => read_one(self).err(),
        };
        [certificate, key]
    }
}

/// The certificates of a server, which shows the one whose name the client asks for, or the first.
pub struct Identity {
    files: Vec<Files>,
    shown: Arc<Shown>,
    /// The marks of the files when they were read last.
    marks: Mutex<Vec<Option<Mark>>>,
    pub(super) config: Arc<ServerConfig>,
    /// The most that a record holds.
    pub(super) record: usize,
}

/// The modification time, length and inode of a file, which change if the file does.
type Mark = (i64, i64, u64, u64);

/// Bytes before what a record holds. RFC 8446 section 5.1.
const RECORD_HEADER: usize = 5;
/// The application protocol of HTTP/1.1. RFC 7301 section 6.
const HTTP: &[u8] = b"http/1.1";

impl Identity {
    /// Reads the files. Records that are sent hold up to `record` bytes, 27 to 16384.
    pub fn load(files: Vec<Files>, record: usize) -> Result<Self, String> {
        let marks = Mutex::new(marks(&files));
        let shown = Arc::new(Shown(Mutex::new(read(&files)?)));
        let config = config(shown.clone(), record).map_err(|error| error.to_string())?;
        Ok(Self { files, shown, marks, config: Arc::new(config), record })
    }

    /// The lane in which its files are read.
    pub fn lane(&self) -> Lane {
        Files::lane(&self.files)
    }

    /// Reads the files again if they have changed: true if they have. What was there
    /// before stays if they cannot be used; connections keep what they have.
    pub fn refresh(&self) -> Result<bool, String> {
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
    // peers that speak another protocol ask for none by this extension
    config.alpn_protocols = vec![HTTP.to_vec()];
    // a client keeps its session ticket, sealed, by itself: that costs no memory here
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

fn read(files: &[Files]) -> Result<Vec<Arc<CertifiedKey>>, String> {
    files.iter().map(|files| read_one(files).map(Arc::new)).collect()
}

fn read_one(Files { certificate, key }: &Files) -> Result<CertifiedKey, String> {
    let chain = certificates(certificate)?;
    let made = CertifiedKey::from_der(chain, secret(key)?, &provider());
    made.map_err(|error| {
        let why = match error {
            Error::InconsistentKeys(_) => "the key is not that of this certificate".into(),
            error => error.to_string(),
        };
        format!("{} with {}: {why}", certificate.display(), key.display())
    })
}

fn secret(file: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(&pem(file)?).map_err(|error| format!("{}: {error}", file.display()))
}

/// The certificates in a file, PEM: at least one.
pub(super) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let of = |why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
    let all: Vec<_> =
        CertificateDer::pem_slice_iter(&pem(file)?).collect::<Result<_, _>>().map_err(|error| of(&error))?;
    if all.is_empty() { Err(of(&"there is no certificate in it")) } else { Ok(all) }
}

fn pem(file: &Path) -> Result<Vec<u8>, String> {
    read_small(file).map_err(|error| format!("{}: {error}", file.display()))
}

fn marks(files: &[Files]) -> Vec<Option<Mark>> {
    let mark = |path: &PathBuf| {
        let found = std::fs::metadata(path).ok()?;
        Some((found.mtime(), found.mtime_nsec(), found.len(), found.ino()))
    };
    files.iter().flat_map(|files| [mark(&files.certificate), mark(&files.key)]).collect()
}
