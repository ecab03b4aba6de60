//! Files that are ours by their names alone: others may have put something else there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

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

/// Whether an error says that what is there is of no use, and not that it cannot be had now.
pub fn is_useless(error: &io::Error) -> bool {
    let useless = [Errno::ACCESS, Errno::IO, Errno::ISDIR, Errno::LOOP, Errno::NODEV, Errno::NXIO, Errno::PERM];
    Errno::from_io_error(error).is_none_or(|error| useless.contains(&error))
}
