//! Makes a certificate for a machine that has none.

use std::path::PathBuf;
use std::{error, fmt, fs, io};

use crate::conf::Tls;
use crate::net::{self, CertificateError, Files};

/// The reason why no certificate was made.
#[derive(Debug)]
pub enum Unmade {
    /// Files exist and are not overwritten: their paths, and the keys with which other files can be named.
    There(Vec<(PathBuf, &'static str)>),
    /// The path of the current directory is unknown.
    Nowhere(io::Error),
    /// The certificate cannot be made or written.
    Certificate(CertificateError),
}

/// Writes a self-signed certificate and its key to the files of `config`, or to `cert.pem` and `key.pem` in the
/// current directory. It is valid for the machine's host name and for localhost. Returns the section for the
/// configuration.
pub fn make_certificate(config: &Tls) -> Result<String, Unmade> {
    let files = Files { certificate: place(&config.cert, "cert.pem")?, key: place(&config.key, "key.pem")? };
    let both = [(&files.certificate, "tls.cert"), (&files.key, "tls.key")];
    let there = both.into_iter().filter(|(path, _)| fs::symlink_metadata(path).is_ok());
    let there: Vec<_> = there.map(|(path, key)| (path.clone(), key)).collect();
    if !there.is_empty() {
        return Err(Unmade::There(there));
    }
    let itself = ["localhost", "127.0.0.1", "::1"].map(String::from);
    let names = host_name().into_iter().chain(itself).collect();
    net::make_certificate(&files, names).map_err(Unmade::Certificate)?;
    Ok(format!("[tls]\ncert = {:?}\nkey = {:?}\n", files.certificate, files.key))
}

impl fmt::Display for Unmade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::There(there) => {
                let (paths, keys): (Vec<_>, Vec<_>) =
                    there.iter().map(|(path, key)| (path.display().to_string(), *key)).unzip();
                let [paths, keys] = [paths.join(" and "), keys.join(" and ")];
                write!(
                    f,
                    "files that exist are kept: remove {paths}, or name other files in {keys} of the FILE behind -c"
                )
            }
            Self::Nowhere(error) => error.fmt(f),
            Self::Certificate(error) => error.fmt(f),
        }
    }
}

impl error::Error for Unmade {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::There(_) => None,
            Self::Nowhere(error) => Some(error),
            Self::Certificate(error) => Some(error),
        }
    }
}

fn place(configured: &str, otherwise: &str) -> Result<PathBuf, Unmade> {
    match configured {
        "" => std::path::absolute(otherwise).map_err(Unmade::Nowhere),
        path => Ok(path.into()),
    }
}

/// The machine's host name, if it is valid in a certificate.
fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    let good = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    good.then(|| name.to_string())
}
