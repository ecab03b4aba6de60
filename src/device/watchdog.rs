//! The kernel's watchdog: the machine starts anew unless it is fed.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};

/// An open watchdog. Linux, Documentation/watchdog/watchdog-api.rst.
#[derive(Debug)]
pub struct Watchdog(File);

impl Watchdog {
    /// Opens it: from here on it wants to be fed.
    pub fn open(device: &str) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).open(device)?;
        // in a file, the bytes that feed it would pile up
        if file.metadata()?.is_file() { Err(io::Error::other("is no device")) } else { Ok(Self(file)) }
    }

    /// Any byte will do. Every second is well within the shortest time that drivers allow.
    pub fn feed(&self) {
        if let Err(error) = (&self.0).write_all(b"\0") {
            log::error!("process.watchdog: it cannot be fed: {error}");
        }
    }

    /// Ends in order: the machine goes on without us. Not to do so is what a
    /// crash does.
    pub fn disarm(&self) {
        let _ = (&self.0).write_all(b"V");
    }
}
