//! Checks whether the files, folders, addresses and devices that a configuration names are there.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use rustix::io::Errno;

use super::{Error, User};
#[cfg(feature = "record")]
use crate::conf::Record;
use crate::conf::{Config, Pull, Target};
#[cfg(feature = "record")]
use crate::disk;
use crate::net;

/// Something that is not there, or of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The key that names it: `pull[1].ca` is that of the second table.
    pub key: String,
    /// A fault, with the path.
    pub why: String,
    /// The server starts with it or not.
    pub weight: Weight,
}

impl Fault {
    /// The fault of a key for whose sake the machine is asked for something.
    pub fn of(key: &str, error: &Error) -> Self {
        Self { key: key.into(), why: error.to_string(), weight: error.weight() }
    }
}

/// The weight of a fault, the lightest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// It may be none: this could not be tried, or may be the server's own doing.
    Untried,
    /// The server serves what it can.
    Lacking,
    /// It does not start now, but may at another time.
    Refused,
    /// It does not start until somebody changes something.
    Wrong,
}

impl Weight {
    /// The weight of `found`: untried if access is denied to rights that are not the server's.
    fn unless_untried(self, found: &io::Result<()>, are_the_server_s: bool) -> Self {
        let is_denied = found.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
        if is_denied && !are_the_server_s { Self::Untried } else { self }
    }
}

/// The faults of certificates and their keys.
#[cfg(feature = "tls")]
fn certificates(config: &Config, are_the_server_s: bool) -> Vec<Fault> {
    let mut faults = Vec::new();
    let tls = &config.tls;
    let is_denied = |file: &str| access(file, Access::READ_OK) == Err(Errno::ACCESS);
    let first = Some((String::from("tls"), &tls.cert, &tls.key)).filter(|(_, cert, _)| !cert.is_empty());
    let more = tls.more.iter().enumerate().map(|(at, more)| (format!("tls.more[{at}]"), &more.cert, &more.key));
    for (table, certificate, key) in first.into_iter().chain(more) {
        let files = net::Files { certificate: certificate.into(), key: key.into() };
        let (weight, more) = match tls.required {
            true => (Weight::Wrong, ": tls.required = true allows no start without"),
            false => (Weight::Lacking, ""),
        };
        for ((name, file), fault) in [("cert", certificate), ("key", key)].into_iter().zip(files.faults()) {
            let weight = if !are_the_server_s && is_denied(file) { Weight::Untried } else { weight };
            faults.extend(fault.map(|why| Fault {
                key: format!("{table}.{name}"),
                why: format!("{why}{more}"),
                weight,
            }));
        }
    }
    let pulls = config.pull.iter().enumerate().map(|(at, pull)| (format!("pull[{at}].ca"), &pull.ca));
    let pushes = config.push.iter().enumerate().map(|(at, push)| (format!("push[{at}].ca"), &push.ca));
    for (key, file) in pulls.chain(pushes).filter(|(_, file)| !file.is_empty()) {
        let trust = net::Trust::authorities(file.as_ref());
        faults.extend(trust.err().map(|error| Fault { key, why: error.to_string(), weight: Weight::Lacking }));
    }
    faults
}

/// As above.
#[cfg(not(feature = "tls"))]
fn certificates(_: &Config, _: bool) -> Vec<Fault> {
    Vec::new()
}

fn fault(key: &str, path: &Path, weight: Weight, found: io::Result<()>) -> Option<Fault> {
    let why = |error: io::Error| format!("{}: {error}", path.display());
    found.err().map(|error| Fault { key: key.into(), why: why(error), weight })
}

/// The faults of addresses that are not the machine's, or not for everybody.
fn ports(config: &Config) -> impl Iterator<Item = Fault> {
    let is_required = config.tls.required;
    config.listens().filter_map(move |(port, address)| {
        let error = net::try_address(address.0).err()?;
        let known = PORTS.iter().find(|(errno, ..)| error.raw_os_error() == Some(errno.raw_os_error()));
        let (_, weight, remedy) = known?;
        // clients that come without TLS are served all the same
        let most = if is_required || !port.is_tls() { Weight::Wrong } else { Weight::Lacking };
        Some(Fault { key: port.key.into(), why: format!("{address}: {error}: {remedy}"), weight: most.min(*weight) })
    })
}

/// The reasons for which a port is refused, and the remedies.
const PORTS: [(Errno, Weight, &str); 4] = [
    (Errno::ACCESS, Weight::Wrong, "start as root, or with CAP_NET_BIND_SERVICE"),
    (Errno::INVAL, Weight::Wrong, "it is of one link: say which by number, as in [fe80::1%2]"),
    (Errno::ADDRNOTAVAIL, Weight::Refused, "the machine has no such address now"),
    (Errno::ADDRINUSE, Weight::Untried, "well if this server runs and has it, else the start is refused"),
];

/// The faults of files, addresses and devices that are opened before rights are dropped.
pub fn opened_first(config: &Config, are_the_server_s: bool) -> Vec<Fault> {
    let mut faults = certificates(config, are_the_server_s);
    faults.extend(ports(config).filter(|_| are_the_server_s));
    if let Target::File(path) = &config.log.target {
        let found = appendable(path);
        let weight = Weight::Wrong.unless_untried(&found, are_the_server_s);
        faults.extend(fault("log.target", path, weight, found));
        // opening a pipe and closing it would end its reader, and a device may do something
        let untried =
            is_special(path).then(|| io::Error::other("a pipe or a device: whether it takes lines was not tried"));
        faults.extend(fault("log.target", path, Weight::Untried, untried.map_or(Ok(()), Err)));
    }
    if !config.process.watchdog.is_empty() {
        let path = Path::new(&config.process.watchdog);
        // to open it would start it
        let is_device = |about: fs::Metadata| match about.is_file() || about.is_dir() {
            true => Err(io::Error::other("is no device")),
            false => Ok(access(path, Access::WRITE_OK)?),
        };
        let found = fs::metadata(path).and_then(is_device);
        let weight = Weight::Wrong.unless_untried(&found, are_the_server_s);
        faults.extend(fault("process.watchdog", path, weight, found));
    }
    faults
}

/// The faults of files that are opened later on, with the rights of the caller; if these are
/// not the server's, what they do not reach is untried.
pub fn opened_later(config: &Config, are_the_server_s: bool) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut look = |key: &str, path: &Path, found: io::Result<()>| {
        let weight = Weight::Lacking.unless_untried(&found, are_the_server_s);
        faults.extend(fault(key, path, weight, found));
    };
    if let Target::File(path) = &config.log.target
        && let Some(folder) = path.parent().filter(|folder| folder.is_dir() && !is_special(path))
        // a missing file was tried already, unless another user is to create it
        && (path.exists() || !config.process.user.is_empty())
    {
        let why = "a folder of its user's lets it begin FILE anew, and keep FILE.1";
        let why = |error: io::Error| io::Error::new(error.kind(), format!("{error}: {why}"));
        look("log.target", folder, makes_files(folder).map_err(why));
    }
    for Place { key, path, try_it } in places(config) {
        look(&key, &path, try_it(&path));
    }
    #[cfg(feature = "record")]
    {
        faults.extend(config.record.iter().enumerate().filter_map(|(at, record)| no_card(at, record)));
        faults.extend(config.refused_link().map(|(key, fault)| Fault {
            key,
            why: fault.to_string(),
            weight: Weight::Wrong,
        }));
    }
    faults
}

/// A file or folder that is served, played or written to.
pub struct Place {
    /// The key that names it, as in a `Fault`.
    pub key: String,
    /// Its path.
    pub path: PathBuf,
    /// Whether it is there, and of use to the caller. This waits for the disk.
    pub try_it: fn(&Path) -> io::Result<()>,
}

/// All that a configuration names. The server starts without.
pub fn places(config: &Config) -> Vec<Place> {
    let place = |key: String, path: &Path, try_it| Place { key, path: path.into(), try_it };
    let files = config.pull.iter().enumerate().filter(|(_, pull)| pull.url.0.is_file());
    let file = |(at, pull): (usize, &Pull)| place(format!("pull[{at}].url"), pull.url.0.path.as_ref(), readable);
    let mut places: Vec<_> = files.map(file).collect();
    #[cfg(feature = "record")]
    for (at, record) in config.record.iter().enumerate() {
        // files are written to the card, which may come later
        let try_it = if record.mounted { listed } else { writable };
        places.push(place(format!("record[{at}].path"), record.path.as_ref(), try_it));
    }
    #[cfg(feature = "record")]
    if let Some(path) = config.hls.store.0.as_deref().filter(|_| config.hls.enable) {
        places.push(place("hls.store".into(), path, writable));
    }
    if !config.http.root.is_empty() {
        places.push(place("http.root".into(), config.http.root.as_ref(), listed));
    }
    places
}

/// A card that is not there: it may come later.
#[cfg(feature = "record")]
fn no_card(at: usize, record: &Record) -> Option<Fault> {
    let path = Path::new(&record.path);
    let is_out = record.mounted && path.is_dir() && !disk::may_be_mounted(path);
    let why = format!("{}: nothing is mounted there: nothing is recorded until it is", record.path);
    is_out.then(|| Fault { key: format!("record[{at}].path"), why, weight: Weight::Untried })
}

/// The reason for which a configuration that was read cannot be read again with the rights of `user`, the
/// caller's by now. Nobody reads a pipe again.
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

/// Whether a file can be read. A pipe is not opened: that would wait for its other end.
fn readable(file: &Path) -> io::Result<()> {
    if !fs::metadata(file)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is no regular file"));
    }
    fs::File::open(file).map(drop)
}

/// Whether the files of a folder can be listed.
fn listed(folder: &Path) -> io::Result<()> {
    fs::read_dir(folder).map(drop)
}

/// Whether files can be made in a folder, and listed. Nothing is made.
#[cfg(feature = "record")]
fn writable(folder: &Path) -> io::Result<()> {
    listed(folder)?;
    makes_files(folder)
}

/// Whether files can be made in a folder. Nothing is made.
fn makes_files(folder: &Path) -> io::Result<()> {
    Ok(access(folder, Access::WRITE_OK | Access::EXEC_OK)?)
}

/// Whether it is a pipe, a device or a socket.
fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|about| !about.is_file() && !about.is_dir())
}

/// Whether a file can be written to, or made in its folder.
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
