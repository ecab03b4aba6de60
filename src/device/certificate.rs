//! A certificate for a machine that has none.

use std::fs;
use std::path::PathBuf;

use crate::conf::Tls;
use crate::net::{self, Files};

/// Writes a certificate that nobody else has signed, and its key, where `config` says,
/// or to `cert.pem` and `key.pem` in the current directory. It is for the machine's
/// name and for the machine itself. Returns the section to configure.
pub fn make_certificate(config: &Tls) -> Result<String, String> {
    let files = Files { certificate: place(&config.cert, "cert.pem")?, key: place(&config.key, "key.pem")? };
    if let Some(there) = there_already(&files) {
        return Err(there);
    }
    let itself = ["localhost", "127.0.0.1", "::1"].map(String::from);
    net::make_certificate(&files, host_name().into_iter().chain(itself).collect())?;
    Ok(format!("[tls]\ncert = {:?}\nkey = {:?}\n", files.certificate, files.key))
}

/// The words about files that are there, and stay.
fn there_already(files: &Files) -> Option<String> {
    let there = [(&files.certificate, "tls.cert"), (&files.key, "tls.key")];
    let there = there.into_iter().filter(|(path, _)| fs::symlink_metadata(path).is_ok());
    let (paths, keys): (Vec<_>, Vec<_>) = there.map(|(path, key)| (path.display().to_string(), key)).unzip();
    (!paths.is_empty()).then(|| {
        let [paths, keys] = [paths.join(" and "), keys.join(" and ")];
        format!("what is there already stays: remove {paths}, or name other files in {keys} of the FILE behind -c")
    })
}

fn place(configured: &str, otherwise: &str) -> Result<PathBuf, String> {
    match configured {
        "" => std::path::absolute(otherwise).map_err(|error| error.to_string()),
        path => Ok(path.into()),
    }
}

/// The machine's name, if it can stand in a certificate.
fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    let good = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    good.then(|| name.to_string())
}
