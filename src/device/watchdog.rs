//! The kernel's watchdog: the machine restarts unless it is fed.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};

/// An open watchdog. Linux, Documentation/watchdog/watchdog-api.rst.
#[derive(Debug)]
pub struct Watchdog(File);

impl Watchdog {
    /// Opens the watchdog, which must be fed from now on.
    pub fn open(device: &str) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).open(device)?;
        // a regular file would grow with each feeding
        if file.metadata()?.is_file() { Err(io::Error::other("is not a device")) } else { Ok(Self(file)) }
    }

    /// Feeds the watchdog; any byte does. Once a second is enough for the shortest timeout of drivers.
    pub fn feed(&self) {
        if let Err(error) = (&self.0).write_all(b"\0") {
            log::error!("process.watchdog: it cannot be fed: {error}");
        }
    }

    /// Disarms the watchdog at a normal end, so that the machine keeps running. After a crash it restarts.
    pub fn disarm(&self) {
        let _ = (&self.0).write_all(b"V");
    }
}
