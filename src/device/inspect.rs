//! Whether what a configuration names on this machine is there.

use std::fs;
use std::io;
use std::path::Path;

use crate::conf::{Config, Target};
#[cfg(feature = "tls")]
use crate::net;

/// Something that is not there, or of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The key that names it: `pull[1].ca` is that of the second table.
    pub key: String,
    /// A fault, with the path.
    pub why: String,
    /// The server does not start; else it serves what it can.
    pub fatal: bool,
}

/// The faults of certificates and their keys.
#[cfg(feature = "tls")]
fn certificates(config: &Config) -> Vec<Fault> {
    let mut faults = Vec::new();
    let tls = &config.tls;
    let first = Some((String::from("tls"), &tls.cert, &tls.key)).filter(|(_, cert, _)| !cert.is_empty());
    let more = tls.more.iter().enumerate().map(|(at, more)| (format!("tls.more[{at}]"), &more.cert, &more.key));
    for (table, certificate, key) in first.into_iter().chain(more) {
        let files = net::Files { certificate: certificate.into(), key: key.into() };
        for (name, fault) in ["cert", "key"].into_iter().zip(files.faults()) {
            faults.extend(fault.map(|why| Fault { key: format!("{table}.{name}"), why, fatal: tls.required }));
        }
    }
    let pulls = config.pull.iter().enumerate().map(|(at, pull)| (format!("pull[{at}].ca"), &pull.ca));
    let pushes = config.push.iter().enumerate().map(|(at, push)| (format!("push[{at}].ca"), &push.ca));
    for (key, file) in pulls.chain(pushes).filter(|(_, file)| !file.is_empty()) {
        let trust = net::Trust::authorities(file.as_ref());
        faults.extend(trust.err().map(|why| Fault { key, why, fatal: false }));
    }
    faults
}

/// As above.
#[cfg(not(feature = "tls"))]
fn certificates(_: &Config) -> Vec<Fault> {
    Vec::new()
}

fn fault(key: &str, path: &Path, fatal: bool, found: io::Result<()>) -> Option<Fault> {
    let why = |error: io::Error| format!("{}: {error}", path.display());
    found.err().map(|error| Fault { key: key.into(), why: why(error), fatal })
}

/// The faults of files that are opened before rights are dropped.
pub fn opened_first(config: &Config) -> Vec<Fault> {
    let mut faults = certificates(config);
    if let Target::File(path) = &config.log.target {
        faults.extend(fault("log.target", path, true, appendable(path)));
    }
    if !config.process.watchdog.is_empty() {
        let path = Path::new(&config.process.watchdog);
        // to open it would start it
        faults.extend(fault("process.watchdog", path, true, fs::metadata(path).map(drop)));
    }
    faults
}

/// The faults of files that are opened later on, with the rights of the caller.
pub fn opened_later(config: &Config) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut look = |key: &str, path: &Path, found| faults.extend(fault(key, path, false, found));
    for (at, pull) in config.pull.iter().enumerate().filter(|(_, pull)| pull.url.0.scheme == "file") {
        let path = Path::new(&pull.url.0.path);
        look(&format!("pull[{at}].url"), path, readable(path));
    }
    #[cfg(feature = "record")]
    for (at, record) in config.record.iter().enumerate() {
        let path = Path::new(&record.path);
        // what is written to is the card's, and the card may come later
        let found = if record.mounted { fs::read_dir(path).map(drop) } else { writable(path) };
        look(&format!("record[{at}].path"), path, found);
    }
    #[cfg(feature = "files")]
    if let Some(path) = config.hls.store.0.as_deref().filter(|_| config.hls.enable) {
        look("hls.store", path, writable(path));
    }
    if !config.http.root.is_empty() {
        let path = Path::new(&config.http.root);
        look("http.root", path, fs::read_dir(path).map(drop));
    }
    faults
}

/// Whether a file can be read. A pipe is not opened: that would wait for its other end.
fn readable(file: &Path) -> io::Result<()> {
    if !fs::metadata(file)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is no regular file"));
    }
    fs::File::open(file).map(drop)
}

/// Whether files can be made in a folder. Nothing is made.
#[cfg(any(feature = "files", feature = "record"))]
fn writable(folder: &Path) -> io::Result<()> {
    use rustix::fs::{Access, access};
    fs::read_dir(folder)?;
    Ok(access(folder, Access::WRITE_OK | Access::EXEC_OK)?)
}

/// Whether a file can be written to, or the folder is there in which it would be made.
fn appendable(file: &Path) -> io::Result<()> {
    // to open a pipe would be the end for who reads it, and a device may do something
    if fs::metadata(file).is_ok_and(|about| !about.is_file() && !about.is_dir()) {
        return Ok(());
    }
    match fs::OpenOptions::new().append(true).open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::read_dir(file.parent().unwrap_or(file)).map(drop),
        opened => opened.map(drop),
    }
}
