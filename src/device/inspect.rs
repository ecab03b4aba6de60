//! Checks whether the files, folders, addresses and devices in a configuration can be used.

#[cfg(feature = "record")]
mod record;
#[cfg(not(feature = "record"))]
#[path = "inspect/no_record.rs"]
mod record;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "inspect/no_tls.rs"]
mod tls;

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use rustix::io::Errno;

use super::{Error, User};
use crate::conf::{Config, Pull, Target};
use crate::net;

/// Something that is missing or cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The key that names it; `pull[1].ca` is in the second `[[pull]]` table.
    pub key: String,
    /// The fault, with the path.
    pub why: String,
    /// Tells if the server starts in spite of it.
    pub weight: Weight,
}

impl Fault {
    /// The fault of a key that needs something from the machine.
    pub fn of(key: &str, error: &Error) -> Self {
        Self { key: key.into(), why: error.to_string(), weight: error.weight() }
    }
}

/// The weight of a fault, in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// It may not be a fault: it could not be checked, or the running server itself may cause it.
    Untried,
    /// The server starts, without what is missing.
    Lacking,
    /// The server does not start now, but may later.
    Refused,
    /// The server does not start until the fault is corrected.
    Wrong,
}

impl Weight {
    /// The weight of `found`: untried if access was denied and the caller's rights are not the server's.
    fn unless_untried(self, found: &io::Result<()>, are_the_server_s: bool) -> Self {
        let is_denied = found.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
        if is_denied && !are_the_server_s { Self::Untried } else { self }
    }
}

fn fault(key: &str, path: &Path, weight: Weight, found: io::Result<()>) -> Option<Fault> {
    let why = |error: io::Error| format!("{}: {error}", path.display());
    found.err().map(|error| Fault { key: key.into(), why: why(error), weight })
}

/// The faults of listen addresses that the machine does not have, or may not use.
fn ports(config: &Config) -> impl Iterator<Item = Fault> {
    let is_required = config.tls.required;
    config.listens().filter_map(move |(port, address)| {
        let error = net::try_address(address.0).err()?;
        let known = PORTS.iter().find(|(errno, ..)| error.raw_os_error() == Some(errno.raw_os_error()));
        let (_, weight, remedy) = known?;
        // clients without TLS are served anyway
        let most = if is_required || !port.is_tls() { Weight::Wrong } else { Weight::Lacking };
        Some(Fault { key: port.key.into(), why: format!("{address}: {error}: {remedy}"), weight: most.min(*weight) })
    })
}

/// The errors of opening a port, and the remedies.
const PORTS: [(Errno, Weight, &str); 4] = [
    (Errno::ACCESS, Weight::Wrong, "start as root, or with CAP_NET_BIND_SERVICE"),
    (Errno::INVAL, Weight::Wrong, "a link-local address: add the number of its interface, as in [fe80::1%2]"),
    (Errno::ADDRNOTAVAIL, Weight::Refused, "the machine has no such address now"),
    (
        Errno::ADDRINUSE,
        Weight::Untried,
        "this is fine if this server is running and uses it; otherwise it cannot start",
    ),
];

/// The faults of files, addresses and devices that are opened before rights are dropped.
pub fn opened_first(config: &Config, are_the_server_s: bool) -> Vec<Fault> {
    let mut faults = tls::faults(config, are_the_server_s);
    faults.extend(ports(config).filter(|_| are_the_server_s));
    if let Target::File(path) = &config.log.target {
        let found = appendable(path);
        let weight = Weight::Wrong.unless_untried(&found, are_the_server_s);
        faults.extend(fault("log.target", path, weight, found));
        // to open and close a pipe would end its reader, and a device may react to being opened
        let untried = is_special(path).then(|| io::Error::other("a pipe or a device: writing to it was not tried"));
        faults.extend(fault("log.target", path, Weight::Untried, untried.map_or(Ok(()), Err)));
    }
    if let Some(path) = config.api_socket() {
        let found = net::is_free(path).and_then(|_| makes_files(path.parent().unwrap_or(path)));
        let is_used = found.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse);
        let weight = if is_used { Weight::Untried } else { Weight::Wrong.unless_untried(&found, are_the_server_s) };
        faults.extend(fault("api.socket", path, weight, found));
    }
    if !config.process.watchdog.is_empty() {
        let path = Path::new(&config.process.watchdog);
        // opening the watchdog would start it
        let is_device = |about: fs::Metadata| match about.is_file() || about.is_dir() {
            true => Err(io::Error::other("is not a device")),
            false => Ok(access(path, Access::WRITE_OK)?),
        };
        let found = fs::metadata(path).and_then(is_device);
        let weight = Weight::Wrong.unless_untried(&found, are_the_server_s);
        faults.extend(fault("process.watchdog", path, weight, found));
    }
    faults
}

/// The faults of files that are opened later, checked with the caller's rights. If these are not the server's,
/// denied access counts as untried.
pub fn opened_later(config: &Config, are_the_server_s: bool) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut look = |key: &str, path: &Path, found: io::Result<()>| {
        let weight = Weight::Lacking.unless_untried(&found, are_the_server_s);
        faults.extend(fault(key, path, weight, found));
    };
    if let Target::File(path) = &config.log.target
        && let Some(folder) = path.parent().filter(|folder| folder.is_dir() && !is_special(path))
        // a missing file was checked before, unless another user will create it
        && (path.exists() || !config.process.user.is_empty())
    {
        let why = "with a folder of its user it can begin FILE anew, and keep FILE.1";
        let why = |error: io::Error| io::Error::new(error.kind(), format!("{error}: {why}"));
        look("log.target", folder, makes_files(folder).map_err(why));
    }
    for Place { key, path, try_it } in places(config) {
        look(&key, &path, try_it(&path));
    }
    faults.extend(record::faults(config));
    faults
}

/// A file or folder that is served, played or written.
pub struct Place {
    /// The key that names it, as in [`Fault`].
    pub key: String,
    /// The path.
    pub path: PathBuf,
    /// Checks whether it exists and the caller can use it. This waits for the disk.
    pub try_it: fn(&Path) -> io::Result<()>,
}

impl Place {
    fn new(key: String, path: &Path, try_it: fn(&Path) -> io::Result<()>) -> Self {
        Self { key, path: path.into(), try_it }
    }
}

/// All places that a configuration names. The server starts without them.
pub fn places(config: &Config) -> Vec<Place> {
    let files = config.pull.iter().enumerate().filter(|(_, pull)| pull.url.0.is_file());
    let file = |(at, pull): (usize, &Pull)| Place::new(format!("pull[{at}].url"), pull.url.0.path.as_ref(), readable);
    let mut places: Vec<_> = files.map(file).collect();
    places.extend(config.key_files().map(|(key, file)| Place::new(key, file.as_ref(), readable)));
    places.extend(config.programs().map(|(key, file)| Place::new(key, file.as_ref(), runs)));
    places.extend(record::places(config));
    if let Some(folder) = config.persist().and_then(Path::parent) {
        places.push(Place::new("api.persist".into(), folder, makes_files));
    }
    if !config.http.root.is_empty() {
        places.push(Place::new("http.root".into(), config.http.root.as_ref(), listed));
    }
    places
}

/// The fault of a configuration file that cannot be read again with the rights of `user`, which the caller has by
/// now. A pipe is never read again.
pub fn read_again(file: &Path, config: &Config, user: User) -> Option<Fault> {
    let found = match fs::metadata(file) {
        Ok(about) if about.is_file() => access(file, Access::READ_OK).map_err(io::Error::from),
        other => other.map(drop),
    };
    let error = found.err().filter(|error| error.kind() == io::ErrorKind::PermissionDenied)?;
    let (name, file, group) = (&config.process.user, file.display(), user.group());
    let why = format!("{name:?} may not read {file} again at SIGHUP: {error}: chown :{group} {file}; chmod 640 {file}");
    Some(Fault { key: "process.user".into(), why, weight: Weight::Lacking })
}

/// Tells if a file can be read. A pipe is not opened, because that would wait for its other end.
fn readable(file: &Path) -> io::Result<()> {
    if !fs::metadata(file)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file"));
    }
    fs::File::open(file).map(drop)
}

/// Tells if a file can be run as a program.
fn runs(file: &Path) -> io::Result<()> {
    if !fs::metadata(file)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file"));
    }
    Ok(access(file, Access::EXEC_OK)?)
}

/// Tells if the files of a folder can be listed.
fn listed(folder: &Path) -> io::Result<()> {
    fs::read_dir(folder).map(drop)
}

/// Tells if files can be created in a folder. Nothing is created.
fn makes_files(folder: &Path) -> io::Result<()> {
    Ok(access(folder, Access::WRITE_OK | Access::EXEC_OK)?)
}

/// True if a path is a pipe, a device or a socket.
fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|about| !about.is_file() && !about.is_dir())
}

/// Tells if a file can be written to, or created in its folder.
fn appendable(file: &Path) -> io::Result<()> {
    match fs::metadata(file) {
        Ok(about) if about.file_type().is_socket() => return Err(Errno::NXIO.into()),
        Ok(about) if !about.is_file() && !about.is_dir() => return Ok(access(file, Access::WRITE_OK)?),
        _ => {}
    }
    match fs::OpenOptions::new().append(true).open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = file.parent().unwrap_or(file);
            fs::read_dir(folder)?;
            makes_files(folder)
        }
        opened => opened.map(drop),
    }
}
