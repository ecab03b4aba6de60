//! Self-signed certificates.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

use super::{CertificateError, Files};

/// Makes a certificate for these names and addresses with a new key, and writes both. Existing files are not
/// overwritten.
pub fn make_certificate(files: &Files, names: Vec<String>) -> Result<(), CertificateError> {
    let made = || {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, "runnel");
        // the clock of a device may show 1970
        (params.not_before, params.not_after) = (date_time_ymd(1970, 1, 1), date_time_ymd(2049, 12, 31));
        Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
    };
    let (certificate, key) = made().map_err(CertificateError::Unmade)?;
    write_new(&files.key, 0o600, &key)?;
    // a key without its certificate would block the next try
    write_new(&files.certificate, 0o644, &certificate).inspect_err(|_| _ = fs::remove_file(&files.key))
}

fn write_new(path: &Path, mode: u32, text: &str) -> Result<(), CertificateError> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let written = opened.and_then(|mut file| {
        let written = file.write_all(text.as_bytes());
        written.inspect_err(|_| _ = fs::remove_file(path))
    });
    written.map_err(|error| CertificateError::File(path.into(), error))
}
