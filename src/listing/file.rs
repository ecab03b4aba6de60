//! Files that are ours by their names alone: others may have put something else there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// So many bytes that are no lines of ours are passed over; what is behind them is not looked at.
pub const FAULTS: usize = 64 << 10;

/// Opens a regular file. A link is not followed, and a pipe waits for nobody.
pub fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let file = options.custom_flags(flags.bits() as i32).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no regular file")) }
}

/// Makes a file anew; what was there of that name goes.
pub fn make(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => OpenOptions::new().read(true).write(true).create_new(true).open(path),
    }
}

/// Whether an error says that what is there is of no use, as no file or a forbidden one, and not
/// that it cannot be had now: a card may fail to read once.
pub fn is_useless(path: &Path, error: &io::Error) -> bool {
    match fs::symlink_metadata(path) {
        Ok(about) if about.is_file() => error.kind() == ErrorKind::PermissionDenied,
        there => there.is_ok(),
    }
}

/// Makes room for another where something of no use is: that stays beside it.
pub fn put_aside(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    let mut old = path.as_os_str().to_owned();
    old.push(".old");
    fs::rename(path, old)
}
