//! Files that are identified by their names only: users or other programs may have put something else in their
//! place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// The maximum number of invalid bytes that are skipped in a list; the rest after them is ignored.
pub const FAULTS: usize = 64 << 10;

/// Opens a regular file. It does not follow links, and does not wait for the other end of a pipe.
pub fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let file = options.custom_flags(flags.bits() as i32).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a regular file")) }
}

/// Creates a file, and deletes an existing one of the same name.
pub fn make(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => OpenOptions::new().read(true).write(true).create_new(true).open(path),
    }
}

/// True if an error means that the existing file cannot be used, because it is not a regular file or access is
/// denied. Other errors may be temporary: a card may fail to read once.
pub fn is_useless(path: &Path, error: &io::Error) -> bool {
    match fs::symlink_metadata(path) {
        Ok(about) if about.is_file() => error.kind() == ErrorKind::PermissionDenied,
        there => there.is_ok(),
    }
}

/// Renames a file that cannot be used, so that another can take its place.
pub fn put_aside(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    let mut old = path.as_os_str().to_owned();
    old.push(".old");
    fs::rename(path, old)
}
